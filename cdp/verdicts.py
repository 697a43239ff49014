"""Verdicts, the cells they belong to, and the exit code that a whole run earns.

A cell is a requirement held to one operation, sometimes by one role; its address, for example
``PAGE-03/list_segments/editor``, is its name everywhere: on the command line, in JUnit, in the reports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from cdp.exit_codes import BROKEN, NOT_JUDGED, OK
from cdp.known_failures import excused_of

if TYPE_CHECKING:
    from cdp.results import Run


class Verdict(IntEnum):
    """What became of a cell, the worst last. A verdict over several cells can only rise."""

    NOT_APPLICABLE = 0  # the requirement says nothing about this operation
    PASS = 1  # the rule was exercised and kept
    SKIP = 2  # nothing could be exercised; the sentence says why and what would help
    UNCONFIRMED = 3  # the operation is only assumed, and the target does not have it
    WARN = 4  # a SHOULD is broken
    FAIL = 5  # a MUST is broken
    ERROR = 6  # the suite failed, or the target could not be reached


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of the verdicts; NOT_APPLICABLE when there is none."""
    return max(verdicts, default=Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, order=True)
class Cell:
    """One requirement on one operation, for one role where the requirement asks for roles.

    A role may be a feature name and hold slashes (``emails/view``); a requirement and an operation never do.
    """

    requirement: str
    operation: str
    role: str = ""

    def __post_init__(self) -> None:
        for name in ("requirement", "operation"):
            value = getattr(self, name)
            if not value or "/" in value:
                raise ValueError(f"a cell's {name} must be a text without '/', got {value!r}")

    @property
    def address(self) -> str:
        """``REQUIREMENT/operation[/role]``, the cell's name everywhere."""
        address = f"{self.requirement}/{self.operation}"
        return f"{address}/{self.role}" if self.role else address

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Read an address; everything after the second slash is the role. ValueError on anything else."""
        parts = text.split("/", 2)
        if len(parts) < 2:
            raise ValueError(f"not a cell address (REQUIREMENT/operation[/role]): {text!r}")
        return cls(*parts)


@dataclass
class Result:
    """A cell's verdict with its evidence, as it is stored and reported.

    ``family`` is the requirement's family (PAGE), ``level`` MUST, SHOULD or MAY, ``statement`` the requirement's
    own sentence. ``sentence`` says in one line what was shown, or why nothing could be; a sentence that is equal
    on many operations is reported once. ``evidence`` counts the cases that exercised the rule.
    ``exchange`` is the redacted request and response of the smallest failing example.
    ``seen`` counts what came while the cell was judged: ``pages`` (answers of lists), ``records`` (in them) and
    ``callers`` (different tokens that asked).
    ``round`` counts how often the cell has been judged in the run; ``seed`` is that of this round: a run of the cell
    alone with it does the same in its first.
    """

    cell: Cell
    section: str
    family: str
    level: str
    verdict: Verdict
    sentence: str
    evidence: int
    requests: int
    seed: int
    statement: str
    example: str = ""
    exchange: dict[str, Any] | None = None
    curl: str = ""
    duration_s: float = 0.0
    round: int = 1
    seen: dict[str, int] = field(default_factory=dict)


def kept_in(cases: int, rounds: int = 1) -> str:
    """What a PASS says: how many cases kept the rule, and in how many rounds."""
    told = f"kept in {cases} case{'s' if cases > 1 else ''}"
    return f"{told}, in {rounds} rounds" if rounds > 1 else told


@dataclass(frozen=True)
class Decision:
    """What a run amounts to: the exit code, a headline of two words and the sentence that explains it."""

    code: int
    headline: str
    sentence: str


GO, NO_GO, CANNOT_TELL = "GO", "NO-GO", "CANNOT TELL"


def decide(run: Run, strict: bool | None = None) -> Decision:
    """Judge a whole run; ``strict`` counts WARN as broken, None takes what the run's header says.

    Codes: 0 no counted requirement broken and something passed, 1 something broken, 3 it could not be judged.
    An obstacle (token refused, target down) or a missing end comes before everything else, because the verdicts
    of such a run are no proof. MAY requirements are reported and never counted.
    """
    strict = bool(run.header.get("strict")) if strict is None else strict
    every = Counter(result.verdict for result in run.results)
    counted = [result for result in run.results if result.level != "MAY"]
    counts = Counter(result.verdict for result in counted)
    broken_verdicts = {Verdict.FAIL, Verdict.WARN} if strict else {Verdict.FAIL}
    found = [result for result in counted if result.verdict in broken_verdicts]
    excused = excused_of(run, found)
    broken = [result for result in found if result not in excused] if excused else found
    rest = _rest(every, strict, len(excused))

    if run.obstacle:
        return Decision(NOT_JUDGED, CANNOT_TELL, f"Nothing can be concluded: {run.obstacle.rstrip('.')}.")
    if not run.complete:
        return Decision(NOT_JUDGED, CANNOT_TELL, _incomplete_sentence(run, len(broken)))
    if broken:
        requirements = len({result.cell.requirement for result in broken})
        kind = "MUST and SHOULD requirements (strict)" if strict else "MUST requirements"
        return Decision(BROKEN, NO_GO, f"{requirements:,} {kind} broken in {len(broken):,} cells{rest}.")
    left = run.leftovers
    if strict and left:
        records = "record was" if len(left) == 1 else "records were"
        return Decision(BROKEN, NO_GO, f"{len(left):,} {records} left on the target (strict){rest}.")
    if every[Verdict.ERROR]:
        sentence = f"{every[Verdict.ERROR]:,} cells ended in an error of the suite or of the connection; none failed."
        return Decision(NOT_JUDGED, CANNOT_TELL, sentence)
    if not counts[Verdict.PASS] and not excused:
        return Decision(NOT_JUDGED, CANNOT_TELL, f"Nothing was exercised: no cell passed and none failed{rest}.")
    passed = sum(1 for result in counted if result.level == "MUST" and result.verdict is Verdict.PASS)
    if excused:
        return Decision(OK, GO, f"No MUST is broken beyond known failures: {passed:,} passed{rest}.")
    if not passed:
        return Decision(OK, GO, f"No MUST was exercised; {counts[Verdict.PASS]:,} cells of other levels passed{rest}.")
    return Decision(OK, GO, f"No MUST is broken: all {passed:,} that were exercised passed{rest}.")


def exit_code(run: Run, strict: bool | None = None) -> int:
    """The process' exit code for a run: 0, 1 or 3 as in `decide` (2 is kept for usage and configuration)."""
    return decide(run, strict).code


def _incomplete_sentence(run: Run, broken: int) -> str:
    of_planned = f" of {run.planned:,}" if run.planned else ""
    if run.out_of_time:
        sentence = (
            f"The budget of {run.budget} ended before every cell was judged once: {len(run.results):,}{of_planned} "
            "cells have a verdict"
        )
        return f"{sentence}, {broken:,} of them broken so far." if broken else f"{sentence}."
    what = "was cut off" if run.footer is None or run.footer.get("interrupted") else "is not complete"
    sentence = f"The run {what}: {len(run.results):,}{of_planned} cells have a verdict"
    return f"{sentence}, {broken:,} of them broken so far." if broken else f"{sentence}."


def _rest(counts: Counter[Verdict], strict: bool, known_failures: int) -> str:
    """What a reader must know beside the decision: warnings, errors, and how much was not judged."""
    parts = []
    if known_failures:
        parts.append(f"{known_failures:,} known to fail")
    if counts[Verdict.WARN] and not strict:
        parts.append(f"{counts[Verdict.WARN]:,} WARN")
    if counts[Verdict.ERROR]:
        parts.append(f"{counts[Verdict.ERROR]:,} ERROR")
    if not_judged := counts[Verdict.SKIP] + counts[Verdict.UNCONFIRMED]:
        parts.append(f"{not_judged:,} cell{'s' if not_judged > 1 else ''} could not be judged")
    return f" ({', '.join(parts)})" if parts else ""
