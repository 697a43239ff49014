"""What becomes of the cells of a process that died: none is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cdp.results import RESULTS_FILE, read_results
from cdp.verdicts import Cell, Result, Verdict
from contracts.run import ContractRun


def left_by_the_dead(run: ContractRun, cells: Sequence[Cell], why: str) -> tuple[list[Result], list[Cell]]:
    """Store ERROR for the cells of the operation that was being judged and got no verdict. Answers these results, and
    the cells of the operations that were still to come.

    What was judged stands in the results file; whether anybody was told does not matter.
    """
    judged = {result.cell for result in read_results(run.directory / RESULTS_FILE).results}
    unjudged = [cell for cell in cells if cell not in judged]
    if not unjudged:
        return [], []
    operation = unjudged[0].operation
    lost = store_errors(run, (cell for cell in unjudged if cell.operation == operation), why)
    return lost, [cell for cell in unjudged if cell.operation != operation]


def store_errors(run: ContractRun, cells: Iterable[Cell], why: str) -> list[Result]:
    """Store ERROR for cells that nobody has judged or will judge."""
    results = []
    for cell in cells:
        requirement = run.plan.catalogue.requirements[cell.requirement]
        result = Result(
            cell=cell,
            section=run.plan.contract.operations[cell.operation].section,
            family=requirement.family,
            level=requirement.level,
            verdict=Verdict.ERROR,
            sentence=why,
            evidence=0,
            requests=0,
            seed=run.plan.seed,
            statement=requirement.statement,
        )
        run.writer.add(result)
        results.append(result)
    return results
