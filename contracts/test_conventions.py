"""Every cell of the plan as a test: a thin coat over the same run that `cdp contract` makes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NoReturn

import pytest

from cdp.verdicts import Cell, Verdict
from contracts.budget import OutOfTime
from contracts.run import ContractRun
from contracts.session import Obstacle


def test_cell(cell: Cell, contract_run: ContractRun, stop_run: Callable[[str], NoReturn]) -> None:
    try:
        result = contract_run.judge(cell)
    except Obstacle as obstacle:
        contract_run.obstacle = str(obstacle)
        stop_run(str(obstacle))
    except OutOfTime:
        pytest.skip("the budget ended before this cell was judged")
    if result.verdict in (Verdict.FAIL, Verdict.ERROR):
        example = f"\n  example  {result.example}" if result.example else ""
        pytest.fail(
            f"{result.verdict.name} {cell.address}: {result.sentence}\n  {result.statement}{example}\n  {result.curl}",
            pytrace=False,
        )
    if result.verdict is Verdict.WARN:
        warnings.warn(f"{cell.address}: {result.sentence}", stacklevel=1)
    if result.verdict in (Verdict.SKIP, Verdict.UNCONFIRMED):
        pytest.skip(f"{result.verdict.name}: {result.sentence}")
