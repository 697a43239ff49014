"""What the doctor found out about a target, and how it is told in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from contracts.reach import ABSENT, CALLERS, FEATURES, RECORDS, Reach

_SHOWN = 12


class State(StrEnum):
    """How a line of the diagnosis stands."""

    OK = "ok"
    GAP = "gap"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. `advice`: what to do about it; empty when nothing has to be."""

    subject: str
    state: State
    text: str
    advice: str = ""


@dataclass
class Diagnosis:
    """All lines, and the reach of a run where it could be told. `requests`: how many were sent."""

    lines: list[Line] = field(default_factory=list)
    reach: Reach | None = None
    requests: int = 0

    def add(self, subject: str, state: State, text: str, advice: str = "") -> None:
        self.lines.append(Line(subject, state, text, advice))

    def add_share(self, subject: str, text: str, missing: str, advice: str) -> None:
        """A line on how much of something there is: a gap where some is `missing`, with what to do about it."""
        if missing:
            self.add(subject, State.GAP, f"{text}; {missing}", advice)
        else:
            self.add(subject, State.OK, text)

    @property
    def exit_code(self) -> int:
        """0 ready, 1 usable with gaps, 3 not usable."""
        states = {line.state for line in self.lines}
        return 3 if State.PROBLEM in states else 1 if State.GAP in states else 0


def describe_reach(found: Reach, profile: str) -> list[str]:
    """The share of the cells that can be judged, in plain words: in all, by family, and what would bring more."""
    total = len(found.blockers)
    lines = [
        f"About {found.judged:,} of the {total:,} cells of a {profile} run ({_percent(found.judged, total)}) can be "
        "judged with this token and these permissions."
    ]
    lines += [
        f"  {family:<8}{judged:>6,} of {count:>6,}  {_percent(judged, count):>5}"
        for family, (judged, count) in found.by_family().items()
    ]
    steps = found.steps()
    if steps:
        lines.append("What would bring more, one after the other:")
        lines += [f"  {_wording(remedy)}: +{gain:,} cells" for remedy, gain in steps]
    return lines


def _wording(remedy: str) -> str:
    return {
        FEATURES: "use a token whose role holds all features",
        CALLERS: "give ready-made tokens for the roles",
        RECORDS: "ask an instance with more records",
        ABSENT: "ask an instance that has the missing operations (an overlay takes them out of the count)",
    }.get(remedy, remedy)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"


def some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    shown = ", ".join(names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
