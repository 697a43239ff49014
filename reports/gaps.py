"""What was not judged: reasons, what would make it judgeable, and which of them matter most."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cdp.results import Run
from cdp.verdicts import Verdict
from reports import summary
from reports.summary import Group

# The half of a reason that says what would help.
_REMEDY = re.compile(
    r"\b(would (make|do|help)|make (it|them) |allow |allows |is allowed|are needed|is needed|needs \d|renew|create one|"
    r"would be|permission|\ballow\b)"
)
# What helps where the reason itself does not say: a part of it, and the help.
_HELPS = (
    (
        re.compile(r"\binstead of [1-5]\d\d|on the harmless call|answers? (no answer|[45]\d\d)|is refused with [45]"),
        "mending what answers so: see the findings",
    ),
    (re.compile(r"identity provider|the API (cannot|has no)|no (other )?operation"), "nothing that the API offers"),
    (re.compile(r"changed? (by itself|while)"), "a quieter target"),
)
_UNCONFIRMED = "tell the contract which operations the target has: cdp spec confirm writes an overlay"


@dataclass(frozen=True)
class Gap:
    """Cells without a verdict for one reason. `remedy`: what would make them judgeable, empty where nobody knows."""

    group: Group
    reason: str
    remedy: str

    @property
    def cells(self) -> int:
        return len(self.group.places)


def gaps(run: Run) -> list[Gap]:
    """Why cells could not be judged, UNCONFIRMED first, each kind's most frequent reason first."""
    return [Gap(group, *_split(group)) for group in summary.reasons(run)]


def most_frequent(found: list[Gap], count: int) -> list[Gap]:
    """The reasons with the most cells, whatever their verdict."""
    return sorted(found, key=lambda gap: -gap.cells)[:count]


def not_judged(run: Run) -> int:
    """How many cells have no verdict that says anything of the target, errors among them."""
    silent = (Verdict.SKIP, Verdict.UNCONFIRMED, Verdict.ERROR)
    return sum(1 for result in run.results if result.verdict in silent)


def _split(group: Group) -> tuple[str, str]:
    """The reason and the remedy: the clauses of a sentence that say what would help come last."""
    clauses = group.sentence.split("; ")
    for number in range(1, len(clauses)):
        rest = "; ".join(clauses[number:])
        if _REMEDY.search(rest):
            return "; ".join(clauses[:number]), rest
    if group.verdict is Verdict.UNCONFIRMED:
        return group.sentence, _UNCONFIRMED
    return group.sentence, next((words for part, words in _HELPS if part.search(group.sentence)), "")
