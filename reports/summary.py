"""What every report shows of a run: the matrix, the findings grouped by what happened, the reasons, the facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cdp.history import Since
from cdp.known_failures import reckon
from cdp.results import Run
from cdp.verdicts import Result, Verdict, worst
from reports.causes import generalised, in_common
from reports.wording import duration, plural

FAMILIES = ("AUTH", "ROLE", "PAGE", "ORDER", "STRUCT", "MEDIA", "CODE", "SHAPE", "LIFE", "SEARCH", "EVENT")
"""The catalogue's families in its order; others follow in order of appearance."""

RISING = tuple(Verdict)[1:]
"""The verdicts that are counted, best first."""


class Tally(Counter[Verdict]):
    """Counts by verdict; cells to which the requirement does not apply are in no total."""

    @property
    def judged(self) -> int:
        """How many cells there are, NOT_APPLICABLE aside."""
        return self.total() - self[Verdict.NOT_APPLICABLE]

    @property
    def worst(self) -> Verdict:
        """The worst verdict with a count."""
        return worst(verdict for verdict, count in self.items() if count)

    @property
    def in_words(self) -> str:
        """``2 FAIL, 22 PASS``, the worst first; ``not applicable`` when nothing else was counted."""
        words = [f"{self[verdict]:,} {verdict.name}" for verdict in reversed(RISING) if self[verdict]]
        return ", ".join(words) or "not applicable"


@dataclass
class Matrix:
    """Sections × families. A pair without a single result has no cell."""

    sections: list[str]
    families: list[str]
    cells: dict[tuple[str, str], Tally] = field(default_factory=dict)

    def of_family(self, family: str) -> Tally:
        """All sections of one family."""
        return _sum(tally for (_, name), tally in self.cells.items() if name == family)

    @property
    def total(self) -> Tally:
        """The whole run."""
        return _sum(self.cells.values())


def matrix(run: Run) -> Matrix:
    """Count a run's results by section and family, rows and columns in the order the header gives."""
    cells: dict[tuple[str, str], Tally] = {}
    for result in run.results:
        cells.setdefault((result.section, result.family), Tally())[result.verdict] += 1
    found_sections = [section for section, _ in cells]
    found_families = sorted({family for _, family in cells}, key=family_rank)
    sections = _named(run.header.get("sections"), found_sections)
    families = _named(run.header.get("families"), found_families)
    return Matrix(sections, families, cells)


def family_rank(family: str) -> tuple[int, str]:
    """Sort key: the catalogue's order first, then the alphabet."""
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family)


@dataclass
class Group:
    """Results of one verdict that say the same: one finding (or reason) with its places."""

    verdict: Verdict
    sentence: str
    places: list[Result]

    @property
    def requirement(self) -> str:
        """The requirement of the first place; groups made by `findings` hold no other."""
        return self.places[0].cell.requirement

    @property
    def statement(self) -> str:
        """The requirement's own sentence."""
        return self.places[0].statement

    @property
    def level(self) -> str:
        """MUST, SHOULD or MAY."""
        return self.places[0].level

    @cached_property
    def smallest(self) -> Result:
        """The place with the shortest example, the one to look at first."""
        return min(self.places, key=lambda place: (not place.example, len(place.example), place.cell))

    @property
    def ordered(self) -> list[Result]:
        """All places, the smallest example first."""
        return [self.smallest, *(place for place in self.places if place is not self.smallest)]

    @property
    def requirements(self) -> list[str]:
        """Every requirement of the places, in order."""
        return sorted({place.cell.requirement for place in self.places}, key=requirement_rank)

    @property
    def operations(self) -> list[str]:
        """Every operation of the places, in alphabetical order."""
        return sorted({place.cell.operation for place in self.places})


def requirement_rank(requirement: str) -> tuple[int, str, str]:
    """Sort key of a requirement id: its family's place in the catalogue, then the id."""
    return (*family_rank(requirement.partition("-")[0]), requirement)


def findings(run: Run, verdict: Verdict) -> list[Group]:
    """The results of one verdict, one group per requirement and sentence, in the catalogue's order, widest first."""
    groups = _grouped(run, (verdict,), by_requirement=True)
    return sorted(groups, key=lambda group: (*requirement_rank(group.requirement), -len(group.places), group.sentence))


def reasons(run: Run, verdicts: Sequence[Verdict] = (Verdict.UNCONFIRMED, Verdict.SKIP)) -> list[Group]:
    """Why cells could not be judged: one group per verdict and sentence over all requirements, widest first."""
    groups = _grouped(run, verdicts, by_requirement=False)
    return sorted(groups, key=lambda group: (-group.verdict, -len(group.places), group.sentence))


def first_since(group: Group, since: Mapping[str, Since]) -> Since | None:
    """Since which run a finding is there: the earliest of its places; None where nothing is known."""
    known = (since[place.cell.address] for place in group.places if place.cell.address in since)
    return min(known, key=lambda each: each.started, default=None)


def _grouped(run: Run, verdicts: Iterable[Verdict], by_requirement: bool) -> list[Group]:
    wanted = set(verdicts)
    places: dict[tuple[Verdict, str, str], list[Result]] = {}
    forms: dict[tuple[Verdict, str, str], list[list[str]]] = {}
    for result in sorted((item for item in run.results if item.verdict in wanted), key=lambda item: item.cell):
        levels = generalised(result.sentence, result.cell)
        key = (result.verdict, result.cell.requirement if by_requirement else "", levels[-1])
        places.setdefault(key, []).append(result)
        forms.setdefault(key, []).append(levels)
    return [Group(key[0], in_common(forms[key]), found) for key, found in places.items()]


def requests_sent(run: Run) -> int:
    """All requests of the run: what the footer says, else what its cells add up to."""
    sent = (run.footer or {}).get("requests")
    return sent if isinstance(sent, int) else sum(result.requests for result in run.results)


def wall_seconds(run: Run) -> float | None:
    """How long the run took, None when it was cut off before it could say."""
    wall = (run.footer or {}).get("wall_s")
    return float(wall) if isinstance(wall, int | float) else None


def facts(run: Run) -> list[tuple[str, str]]:
    """What a reader must know to repeat or weigh the run, as pairs of name and text; unknown ones are left out."""
    header, wall, sent = run.header, wall_seconds(run), requests_sent(run)
    reckoning = reckon(run, [result for result in run.results if result.verdict in (Verdict.FAIL, Verdict.WARN)])
    pairs: list[tuple[str, Any]] = [
        ("Target", header.get("target")),
        ("Address", header.get("base_url")),
        ("Profile", header.get("profile")),
        ("Seed", header.get("seed")),
        ("Strict", "yes" if header.get("strict") else None),
        ("Allowed", header.get("allow")),
        ("Budget", run.budget),
        ("Started", header.get("started")),
        ("Wall time", duration(wall) if wall is not None else None),
        ("Requests", f"{sent:,}"),
        ("Requests per second", f"{sent / wall:,.0f}" if wall else None),
        ("Cells", f"{len(run.results):,}" + (f" of {run.planned:,} planned" if run.planned else "")),
        ("Cases exercised", f"{sum(result.evidence for result in run.results):,}"),
        ("Judged again", _again(run)),
        ("Callers made", (run.footer or {}).get("callers") or None),
        ("Known to fail", ", ".join(entry.cell for entry in reckoning.used)),
        ("No longer fails", ", ".join(entry.cell for entry in reckoning.unneeded)),
        ("No longer accepted", ", ".join(entry.cell for entry in reckoning.run_out)),
        ("Contract", header.get("contract_version")),
        ("Suite", header.get("suite_version")),
    ]
    return [(name, _text(value)) for name, value in pairs if value not in (None, "", [], ())]


def _again(run: Run) -> str:
    """How much the rounds after the first added."""
    if not run.again:
        return ""
    return f"{plural(run.again, 'time')} in up to {run.rounds} rounds, which exercised {plural(run.gained, 'case')}"


def _text(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)


def _named(given: Any, found: Iterable[str]) -> list[str]:
    names = [str(name) for name in given] if isinstance(given, list) else []
    return list(dict.fromkeys([*names, *found]))


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.update(tally)
    return total
