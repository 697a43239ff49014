"""`pytest contracts`: the same run as `cdp contract`, one test a cell, with pytest's own selection and reporting on
top.

Options start with --cdp. Results, JUnit and HTML go to the same place, and the exit code is that of the run. With -n
(pytest-xdist) several processes judge; what keeps them apart is in `contracts.parallel`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from cdp.targets import TargetError

if TYPE_CHECKING:
    from cdp.cli.targeting import Choice
    from contracts.budget import Depth
    from contracts.plan import Plan
    from contracts.run import ContractRun

_PLAN = pytest.StashKey["Plan"]()
_RUN = pytest.StashKey["ContractRun"]()
_DEPTH: pytest.StashKey[Depth] = pytest.StashKey()
_USAGE = pytest.ExitCode.USAGE_ERROR
_NOT_JUDGED = 3
_DISTRIBUTION = "cdp-distribution"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cdp", "contract run")
    group.addoption("--cdp-target", default=None, help="target of targets.toml; the embedded one without it")
    group.addoption("--cdp-targets", default=None, help="where the targets stand")
    group.addoption("--cdp-url", default=None, help="base URL of an instance that stands in no targets.toml")
    group.addoption("--cdp-allow", default="", help="writes,destructive,sends,load at --cdp-url; nothing by default")
    group.addoption("--cdp-read-only", action="store_true", help="take every permission away for this run")
    group.addoption(
        "--cdp-i-know-this-is-production", action="store_true", help="needed where a target looks like production"
    )
    group.addoption("--cdp-timeout", type=float, default=None, help="seconds to wait for an answer")
    group.addoption("--cdp-section", action="append", default=[], help="only this section")
    group.addoption("--cdp-requirement", action="append", default=[], help="only this requirement or family")
    group.addoption("--cdp-operation", action="append", default=[], help="only this operation")
    group.addoption(
        "--cdp-profile", default="quick", choices=["quick", "release", "nightly"], help="how thoroughly to look"
    )
    group.addoption(
        "--cdp-budget", type=float, default=None, help="with nightly: minutes that the run may take, clean-up included"
    )
    group.addoption(
        "--cdp-examples", default=None, help="with release and nightly: where examples that broke a rule are kept"
    )
    group.addoption("--cdp-strict", action="store_true", help="a broken SHOULD fails as well")
    group.addoption("--cdp-seed", type=int, default=1, help="seed of everything that is drawn")
    group.addoption("--cdp-runs", default=str(Path("reports") / "runs"), help="where run directories are made")


@pytest.hookimpl(trylast=True)  # pytest-xdist has said by then whether it distributes
def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("dsession") or not _asks_for_cells(config):
        return
    from contracts.parallel.distribution import Distribution

    option: Any = config.option
    runs, processes = Path(option.cdp_runs), len(option.tx)
    plan = _plan(config)
    distribution = Distribution(plan, _choice(option).open, runs, processes, config.stash[_DEPTH])
    config.pluginmanager.register(distribution, _DISTRIBUTION)


def _asks_for_cells(config: pytest.Config) -> bool:
    """Whether the tests that were asked for on the command line may be cells."""
    cells = Path(__file__).parent / "contracts"
    for argument in config.args:
        path = Path(config.invocation_params.dir, argument.partition("::")[0]).resolve()
        if path == cells or cells in path.parents or path in cells.parents:
            return True
    return False


def _run_of(config: pytest.Config) -> ContractRun | None:
    """The run that this process keeps together."""
    distribution: Any = config.pluginmanager.getplugin(_DISTRIBUTION)
    run: ContractRun | None = distribution.run if distribution else config.stash.get(_RUN, None)
    return run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"cell", "contract_run"} <= set(metafunc.fixturenames):
        plan = _plan(metafunc.config)
        metafunc.parametrize("cell", plan.cells, ids=[cell.address for cell in plan.cells])


def _choice(option: Any) -> Choice:
    from cdp.cli.targeting import Choice

    return Choice(
        option.cdp_target,
        option.cdp_targets,
        option.cdp_url,
        option.cdp_allow,
        option.cdp_timeout,
        option.cdp_read_only,
        option.cdp_i_know_this_is_production,
    )


def _plan(config: pytest.Config) -> Plan:
    """The plan of this run, made once; what is asked for wrongly is a usage error in one line."""
    from cdp.contract import ContractError, load_contract
    from contracts.budget import DepthError, depth_of
    from contracts.catalogue import load_catalogue
    from contracts.cells import Selection, SelectionError
    from contracts.plan import GateError, make_plan
    from contracts.profiles import PROFILES

    if _PLAN not in config.stash:
        option: Any = config.option
        try:
            selection = Selection(tuple(option.cdp_section), tuple(option.cdp_requirement), tuple(option.cdp_operation))
            profile = PROFILES[option.cdp_profile]
            config.stash[_DEPTH] = depth_of(profile.name, option.cdp_budget, option.cdp_examples)
            overlay = _choice(option).overlay()
            contract = load_contract(overlay=Path(overlay) if overlay else None)
            plan = make_plan(contract, load_catalogue(), selection, profile, option.cdp_seed, option.cdp_strict)
        except (ContractError, SelectionError, GateError, TargetError, DepthError) as error:
            raise pytest.UsageError(str(error)) from None
        config.stash[_PLAN] = plan
    return config.stash[_PLAN]


@pytest.fixture(scope="session")
def contract_run(request: pytest.FixtureRequest) -> Iterator[ContractRun]:
    """The run that every cell belongs to: its target is up, its token works, and it cleans up after itself.

    What has more to show is judged again once every cell has been judged, in each process for its own cells.
    """
    from cdp.records import run_directory
    from contracts.budget import OutOfTime
    from contracts.examples import ExamplesError, examples_for
    from contracts.run import ContractRun
    from contracts.session import Obstacle

    config = request.config
    option: Any = config.option
    if hasattr(config, "workerinput"):
        yield from _share(request.session)
        return
    with ExitStack() as stack:
        try:
            target = stack.enter_context(_choice(option).open())
            examples = examples_for(config.stash[_DEPTH].examples, target.name)
        except (TargetError, ExamplesError) as error:
            pytest.exit(str(error), _USAGE)
        chosen = {
            item.callspec.params["cell"]
            for item in request.session.items
            if hasattr(item, "callspec") and "cell" in item.callspec.params
        }
        directory = run_directory(Path(option.cdp_runs), target.name)
        run = ContractRun(_plan(config).only(chosen), target, directory, config.stash[_DEPTH].budget, examples)
        config.stash[_RUN] = run
        obstacle = ""
        try:
            run.start()
            yield run
            if not (request.session.shouldstop or request.session.shouldfail or run.obstacle):
                _judge_deeper(run)
        except OutOfTime:
            pytest.exit("the budget ended before anything was judged", _NOT_JUDGED)
        except Obstacle as error:
            obstacle = str(error)
            pytest.exit(obstacle, _NOT_JUDGED)
        finally:
            run.finish(interrupted=bool(request.session.shouldstop), obstacle=obstacle or run.obstacle)


def _share(session: pytest.Session) -> Iterator[ContractRun]:
    """The part of the run that a process of pytest-xdist has."""
    from contracts.parallel.distributed import open_share, stop
    from contracts.session import Obstacle

    config: Any = session.config
    try:
        share = open_share(config.workerinput["cdp_desk"])
    except (Obstacle, OSError) as error:
        stop(session, str(error))
    try:
        yield share
        if not (session.shouldstop or session.shouldfail or share.obstacle):
            _judge_deeper(share)
    except Obstacle as error:
        share.obstacle = str(error)
        stop(session, share.obstacle)
    finally:
        if share.obstacle:
            config.workeroutput["cdp_obstacle"] = share.secrets.redact(share.obstacle)
        share.close()


@pytest.fixture
def stop_run(request: pytest.FixtureRequest) -> Callable[[str], NoReturn]:
    """Ends the session because nothing more can be judged."""
    if hasattr(request.config, "workerinput"):
        from contracts.parallel.distributed import stop

        return lambda reason: stop(request.session, reason)
    return lambda reason: pytest.exit(reason, _NOT_JUDGED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    """A process of pytest-xdist tells with each report what its cell took."""
    report = yield
    latest = getattr(getattr(item, "funcargs", {}).get("contract_run"), "latest", None)
    if call.when == "call" and latest is not None:
        report.cdp_told = latest.as_record()
    return report


def _judge_deeper(run: ContractRun) -> None:
    """Judge again what has more to show; what breaks then is an error of the last test's teardown for pytest."""
    from cdp.verdicts import Verdict

    broken = [r for r in run.judge_deeper() if r.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if broken:
        lines = [f"{r.verdict.name} {r.cell.address} in round {r.round}, seed {r.seed}: {r.sentence}" for r in broken]
        pytest.fail("\n".join(["judged again:", *lines]), pytrace=False)


@pytest.hookimpl(trylast=True)  # pytest-xdist ends its processes first
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The exit code is the run's; an interrupted one could not be judged."""
    from cdp.results import read_results
    from cdp.verdicts import exit_code

    distribution: Any = session.config.pluginmanager.getplugin(_DISTRIBUTION)
    if distribution is not None:
        distribution.finish(session)
    run = _run_of(session.config)
    judged = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    if run is not None and session.exitstatus in judged:
        session.exitstatus = exit_code(read_results(run.directory / "results.jsonl"), run.plan.strict)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """After pytest's own lines: the matrix, the findings, and where the reports are."""
    from cdp.history import record
    from cdp.results import read_results
    from reports import write_reports
    from reports.console import make_console
    from reports.terminal import print_run

    run = _run_of(terminalreporter.config)
    if run is None:
        return
    results = run.directory / "results.jsonl"
    if problem := record(results):
        terminalreporter.write_line(problem)
    print_run(read_results(results), make_console(), run.plan.strict)
    for report in write_reports(results):
        terminalreporter.write_line(str(report))
