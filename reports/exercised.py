"""What a run exercised, family by family: a verdict is worth what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

from cdp.results import Run
from cdp.verdicts import Result, Verdict

_EXERCISED = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True)
class Exercised:
    """What stands behind the verdicts of a family. `pages` and `records` came while its cells were judged (an answer
    that is known already is not asked for again); None in runs that did not count them. `roles`: different ones."""

    family: str
    cells: int
    judged: int
    cases: int
    requests: int
    pages: int | None
    records: int | None
    roles: int


def exercised(run: Run, families: list[str]) -> list[Exercised]:
    """A row for each family in the given order, and one for all of them named ``all``."""
    held: dict[str, list[Result]] = {family: [] for family in families}
    for result in run.results:
        if result.verdict is not Verdict.NOT_APPLICABLE and result.family in held:
            held[result.family].append(result)
    rows = [_row(family, results) for family, results in held.items() if results]
    return [*rows, _row("all", [each for results in held.values() for each in results])] if len(rows) > 1 else rows


def _row(family: str, results: list[Result]) -> Exercised:
    counted = any(result.seen for result in results)
    return Exercised(
        family=family,
        cells=len(results),
        judged=sum(result.verdict in _EXERCISED for result in results),
        cases=sum(result.evidence for result in results),
        requests=sum(result.requests for result in results),
        pages=sum(result.seen.get("pages", 0) for result in results) if counted else None,
        records=sum(result.seen.get("records", 0) for result in results) if counted else None,
        roles=len({result.cell.role for result in results if result.cell.role and result.evidence}),
    )
