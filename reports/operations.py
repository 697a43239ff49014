"""A section's operations with what was judged on each, and the requirements that were held to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cdp.results import Run
from cdp.verdicts import Verdict, worst
from reports.contract_facts import ContractFacts
from reports.summary import Matrix, Tally, requirement_rank


@dataclass(frozen=True)
class Held:
    """Requirements of one family that came to the same verdict on an operation, its roles taken together."""

    verdict: Verdict
    requirements: tuple[str, ...]


@dataclass
class OperationPart:
    """One operation: family -> what its requirements came to, the worst first."""

    name: str
    call: str
    provenance: str
    held: dict[str, list[Held]] = field(default_factory=dict)


@dataclass(frozen=True)
class SectionPart:
    """A section with its operations. `provenance`: how many operations of the contract are known in which way."""

    name: str
    tally: Tally
    families: list[str]
    operations: list[OperationPart]
    provenance: dict[str, int]


@dataclass
class RequirementPart:
    """A requirement with its sentence and source, and what became of its cells."""

    name: str
    level: str
    statement: str
    source: str
    tally: Tally = field(default_factory=Tally)


def sections(run: Run, matrix: Matrix) -> list[SectionPart]:
    """Every section of the matrix with its operations, in its order."""
    facts = ContractFacts(run)
    verdicts: dict[str, dict[str, dict[tuple[str, str], Verdict]]] = {}
    for result in run.results:
        if result.verdict is not Verdict.NOT_APPLICABLE:
            own = verdicts.setdefault(result.section, {}).setdefault(result.cell.operation, {})
            key = (result.family, result.cell.requirement)
            own[key] = worst([result.verdict, own.get(key, result.verdict)])
    parts = []
    for name in matrix.sections:
        operations = [_operation(each, own, facts) for each, own in sorted(verdicts.get(name, {}).items())]
        tally = Tally()
        for family in matrix.families:
            tally.update(matrix.cells.get((name, family), {}))
        families = [family for family in matrix.families if any(family in each.held for each in operations)]
        parts.append(SectionPart(name, tally, families, operations, facts.provenance(name)))
    return parts


def _operation(name: str, verdicts: dict[tuple[str, str], Verdict], facts: ContractFacts) -> OperationPart:
    known = facts.operation(name)
    part = OperationPart(name, known.call, known.provenance)
    by_family: dict[str, dict[Verdict, list[str]]] = {}
    for (family, requirement), verdict in sorted(verdicts.items(), key=lambda item: requirement_rank(item[0][1])):
        by_family.setdefault(family, {}).setdefault(verdict, []).append(requirement)
    for family, found in by_family.items():
        part.held[family] = [Held(verdict, tuple(found[verdict])) for verdict in sorted(found, reverse=True)]
    return part


def requirements(run: Run) -> list[RequirementPart]:
    """Every requirement that the run held to something, in the catalogue's order."""
    facts = ContractFacts(run)
    found: dict[str, RequirementPart] = {}
    for result in sorted(run.results, key=lambda each: each.cell):
        name = result.cell.requirement
        if name not in found:
            found[name] = RequirementPart(name, result.level, result.statement, facts.source(name))
        found[name].tally[result.verdict] += 1
    return [found[name] for name in sorted(found, key=requirement_rank)]
