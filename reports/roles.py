"""Roles as observed: which features opened which operation, beside what the contract says."""

from __future__ import annotations

from dataclasses import dataclass, field

from cdp.results import Run
from cdp.verdicts import Cell, Result, Verdict, worst
from reports.contract_facts import ContractFacts
from reports.wording import label, plural

NOTHING, ALONE, SETS = "ROLE-01", "ROLE-02", "ROLE-03"
"""The requirements that tell who may pass: a role without features, one with just what opens, any other set."""

_TELLING = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
_NO_FEATURE, _NEEDED, _OTHERS = "no feature", "what is needed", "other sets"


@dataclass(frozen=True)
class RoleCell:
    """What was observed of one feature on one operation. `verdict` NOT_APPLICABLE: the feature has no part in it."""

    verdict: Verdict
    words: str
    address: str = ""


@dataclass
class RoleTable:
    """A section's operations × features. `columns`: no feature, each feature that opens an operation, other sets."""

    section: str
    columns: list[str]
    rows: dict[str, list[RoleCell]] = field(default_factory=dict)

    @property
    def worst(self) -> Verdict:
        return worst(cell.verdict for row in self.rows.values() for cell in row)

    @property
    def in_words(self) -> str:
        """``31 of 33 as the contract says``."""
        told = [cell.verdict for row in self.rows.values() for cell in row if cell.verdict in _TELLING]
        kept = sum(verdict is Verdict.PASS for verdict in told)
        if not told:
            return "nothing could be observed"
        return f"{kept:,} of {plural(len(told), 'observation')} as the contract says"


@dataclass(frozen=True)
class RoleSummary:
    """How much was observed: operations, features tried alone, sets of features tried, and what was otherwise."""

    operations: int
    features: int
    sets: int
    kept: int
    otherwise: int


def role_tables(run: Run, sections: list[str]) -> list[RoleTable]:
    """The table of each section in which roles were asked for, in the order of the sections."""
    facts = ContractFacts(run)
    held: dict[str, dict[str, list[Result]]] = {}
    for result in run.results:
        if result.cell.requirement in (NOTHING, ALONE, SETS) and result.verdict is not Verdict.NOT_APPLICABLE:
            held.setdefault(result.section, {}).setdefault(result.cell.operation, []).append(result)
    return [_table(section, held[section], facts) for section in sections if section in held]


def role_summary(run: Run) -> RoleSummary:
    """What the tables come to."""
    told = [r for r in run.results if r.cell.requirement in (NOTHING, ALONE, SETS) and r.verdict in _TELLING]
    kept = sum(result.verdict is Verdict.PASS for result in told)
    return RoleSummary(
        operations=len({result.cell.operation for result in told}),
        features=len({result.cell.role for result in told if result.cell.requirement == ALONE}),
        sets=sum(result.evidence for result in told),
        kept=kept,
        otherwise=len(told) - kept,
    )


def _table(section: str, operations: dict[str, list[Result]], facts: ContractFacts) -> RoleTable:
    features = sorted({r.cell.role for found in operations.values() for r in found if r.cell.requirement == ALONE})
    table = RoleTable(section, [_NO_FEATURE, *(feature or _NEEDED for feature in features), _OTHERS])
    for operation, found in sorted(operations.items()):
        alone = {r.cell.role: r for r in found if r.cell.requirement == ALONE}
        others = {r.cell.requirement: r for r in sorted(found, key=_gravity) if r.cell.requirement != ALONE}
        together = facts.operation(operation).all_of
        table.rows[operation] = [
            _cell(others.get(NOTHING), "refused with 403"),
            *(_cell(alone.get(feature), _opened(feature, together)) for feature in features),
            _cell(others.get(SETS), ""),
        ]
    return table


def _gravity(result: Result) -> tuple[Verdict, Cell]:
    return result.verdict, result.cell


def _opened(feature: str, together: tuple[str, ...]) -> str:
    beside = [name for name in together if name != feature]
    return f"opens it together with {', '.join(beside)}" if beside else "opens it alone"


def _cell(result: Result | None, kept: str) -> RoleCell:
    if result is None:
        return RoleCell(Verdict.NOT_APPLICABLE, "")
    if result.verdict is Verdict.PASS:
        return RoleCell(result.verdict, kept or f"{plural(result.evidence, 'set')} as the contract says")
    return RoleCell(result.verdict, f"{label(result.verdict)}: {result.sentence}", result.cell.address)
