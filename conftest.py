"""`pytest contracts`: the same run as `cdp contract`, one test a cell, with pytest's own selection and reporting on
top.

Options start with --cdp. Results, JUnit and HTML go to the same place, and the exit code is that of the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cdp.targets import TargetError

if TYPE_CHECKING:
    from contracts.run import ContractRun, Plan

_PLAN = pytest.StashKey["Plan"]()
_RUN = pytest.StashKey["ContractRun"]()
_USAGE = pytest.ExitCode.USAGE_ERROR
_NOT_JUDGED = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cdp", "contract run")
    group.addoption("--cdp-url", default=None, help="base URL of an instance; the embedded one without it")
    group.addoption("--cdp-allow", default="", help="writes,destructive,sends; nothing by default")
    group.addoption("--cdp-timeout", type=float, default=10.0, help="seconds to wait for an answer")
    group.addoption("--cdp-section", action="append", default=[], help="only this section")
    group.addoption("--cdp-requirement", action="append", default=[], help="only this requirement or family")
    group.addoption("--cdp-operation", action="append", default=[], help="only this operation")
    group.addoption(
        "--cdp-profile", default="quick", choices=["quick", "release", "nightly"], help="how thoroughly to look"
    )
    group.addoption("--cdp-strict", action="store_true", help="a broken SHOULD fails as well")
    group.addoption("--cdp-seed", type=int, default=1, help="seed of everything that is drawn")
    group.addoption("--cdp-runs", default=str(Path("reports") / "runs"), help="where run directories are made")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"cell", "contract_run"} <= set(metafunc.fixturenames):
        plan = _plan(metafunc.config)
        metafunc.parametrize("cell", plan.cells, ids=[cell.address for cell in plan.cells])


def _plan(config: pytest.Config) -> Plan:
    """The plan of this run, made once; what is asked for wrongly is a usage error in one line."""
    from cdp.contract import ContractError, load_contract
    from contracts.catalogue import load_catalogue
    from contracts.cells import Selection, SelectionError
    from contracts.profiles import PROFILES
    from contracts.run import GateError, make_plan

    if _PLAN not in config.stash:
        option: Any = config.option
        try:
            selection = Selection(tuple(option.cdp_section), tuple(option.cdp_requirement), tuple(option.cdp_operation))
            profile = PROFILES[option.cdp_profile]
            plan = make_plan(load_contract(), load_catalogue(), selection, profile, option.cdp_seed, option.cdp_strict)
        except (ContractError, SelectionError, GateError) as error:
            raise pytest.UsageError(str(error)) from None
        config.stash[_PLAN] = plan
    return config.stash[_PLAN]


@pytest.fixture(scope="session")
def contract_run(request: pytest.FixtureRequest) -> Iterator[ContractRun]:
    """The run that every cell belongs to: its target is up, its token works, and it cleans up after itself."""
    from cdp.embedded import embedded_instance
    from cdp.targets import parse_permissions, target_from_url
    from contracts.run import ContractRun, run_directory
    from contracts.session import Obstacle

    config = request.config
    option: Any = config.option
    with ExitStack() as stack:
        try:
            if option.cdp_url:
                target = target_from_url(
                    option.cdp_url, os.environ, parse_permissions(option.cdp_allow), option.cdp_timeout
                )
            else:
                target = stack.enter_context(embedded_instance(timeout_s=option.cdp_timeout))
        except TargetError as error:
            pytest.exit(str(error), _USAGE)
        chosen = {
            item.callspec.params["cell"]
            for item in request.session.items
            if hasattr(item, "callspec") and "cell" in item.callspec.params
        }
        run = ContractRun(_plan(config).only(chosen), target, run_directory(Path(option.cdp_runs), target))
        config.stash[_RUN] = run
        obstacle = ""
        try:
            run.start()
            yield run
        except Obstacle as error:
            obstacle = str(error)
            pytest.exit(obstacle, _NOT_JUDGED)
        finally:
            run.finish(interrupted=bool(request.session.shouldstop), obstacle=obstacle or run.obstacle)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The exit code is the run's; an interrupted one could not be judged."""
    from cdp.results import read_results
    from cdp.verdicts import exit_code

    run = session.config.stash.get(_RUN, None)
    if run is not None and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        session.exitstatus = exit_code(read_results(run.directory / "results.jsonl"), run.plan.strict)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """After pytest's own lines: the matrix, the findings, and where the reports are."""
    from cdp.results import read_results
    from reports import write_reports
    from reports.console import make_console
    from reports.terminal import print_run

    run = terminalreporter.config.stash.get(_RUN, None)
    if run is None:
        return
    results = run.directory / "results.jsonl"
    print_run(read_results(results), make_console(), run.plan.strict)
    for report in write_reports(results):
        terminalreporter.write_line(str(report))
