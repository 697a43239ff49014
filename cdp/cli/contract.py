"""`cdp contract`: hold a target to the contract and say what was found."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from cdp.cli.compare import against_option, check_against, compared
from cdp.cli.continuous import announce
from cdp.cli.runs import runs_option
from cdp.cli.showing import Shown, showing_options, tell
from cdp.cli.spec import read_contract
from cdp.cli.targeting import (
    Choice,
    contract_option,
    known_failures_option,
    overlay_option,
    processes_option,
    profile_option,
    seed_option,
    target_options,
)
from cdp.contract import Contract, ContractError
from cdp.exit_codes import NOT_JUDGED
from cdp.known_failures import KnownFailure, KnownFailuresError, read_known_failures
from cdp.records import RESULTS_FILE, run_directory
from cdp.results import ResultsError, Run
from cdp.targets import Target, TargetError
from cdp.verdicts import exit_code

if TYPE_CHECKING:
    from contracts.budget import Depth
    from contracts.parallel.pool import Pool
    from contracts.plan import Plan
    from contracts.run import ContractRun
    from reports.exports import Stored
    from reports.progress import Progress


@click.command()
@target_options
@click.option("--section", "sections", multiple=True, help="Only this section (name or slug); may be repeated.")
@click.option(
    "--requirement", "requirements", multiple=True, help="Only this requirement or family, for example PAGE-03 or PAGE."
)
@click.option("--operation", "operations", multiple=True, help="Only this operation.")
@click.option(
    "--cell",
    "cells",
    multiple=True,
    help="Only this cell, by its address REQUIREMENT/operation[/role]; without the role, for all roles.",
)
@profile_option("How thoroughly to look.")
@click.option(
    "--budget",
    "budget_min",
    type=float,
    default=None,
    metavar="MINUTES",
    help="With nightly: how long the run may take, clean-up included; it looks deeper until the time is up.",
)
@click.option(
    "--examples",
    "examples_directory",
    default=None,
    help="With release and nightly: where examples that broke a rule are kept, to be tried first in the next run.  "
    "[default: reports/examples]",
)
@click.option("--strict", is_flag=True, help="A broken SHOULD fails the run as well.")
@known_failures_option
@against_option
@click.option("--dry-run", is_flag=True, help="List the cells that would be judged, and send nothing.")
@seed_option
@processes_option
@runs_option("Directory in which the run's directory is created.")
@contract_option
@overlay_option
@showing_options(details=True)
def contract(
    choice: Choice,
    sections: tuple[str, ...],
    requirements: tuple[str, ...],
    operations: tuple[str, ...],
    cells: tuple[str, ...],
    profile: str,
    budget_min: float | None,
    examples_directory: str | None,
    strict: bool,
    known_failures_path: str | None,
    against: str | None,
    dry_run: bool,
    seed: int,
    processes: int,
    runs_directory: str,
    contract_path: str | None,
    overlay: str | None,
    shown: Shown,
) -> None:
    """Hold a target to the contract. Exit codes: 0 kept, 1 broken, 2 usage, 3 could not be judged.

    \b
    cdp contract --section Segments                          # the embedded instance
    cdp contract --target staging --profile release --against accepted
    cdp contract --target staging --cell PAGE-03/list_tags   # one cell again

    Without --target and --url it is the embedded instance. With --url the credentials come from the environment:
    CDP_TOKEN, or CDP_EMAIL and CDP_PASSWORD.
    """
    _check_processes(processes)
    depth = _depth(profile, budget_min, examples_directory)
    try:
        known = read_contract(contract_path, overlay or choice.overlay())
    except TargetError as error:
        raise click.ClickException(str(error)) from None
    plan = _plan(known, sections, requirements, operations, cells, profile, seed, strict, known_failures_path)
    if dry_run:
        for cell in plan.cells:
            click.echo(cell.address)
        click.echo(f"{len(plan.cells)} cells on {len(plan.operations)} operations", err=True)
        return
    runs = Path(runs_directory)
    check_against(against, runs)
    try:
        with shown.working():
            with choice.open() as target:
                done = run_contract(plan, target, runs, depth, processes, shown)
            results = done.directory / RESULTS_FILE
            code, found = compared(done.code, results, against, runs)
    except TargetError as error:
        raise click.ClickException(str(error)) from None
    except ResultsError as error:
        click.echo(f"cdp contract: {error}", err=True)
        sys.exit(NOT_JUDGED)
    if done.stored is not None:
        tell(shown, done.stored, done.reports, **({"comparison": found.as_record()} if found else {}))
        announce(done.stored)
    sys.exit(code)


def contract_plan(
    known: Contract, profile: str, seed: int, strict: bool, known_failures_path: str | None, processes: int
) -> Plan:
    """The plan of a run over every cell. ClickException in one line for what cannot be used."""
    _check_processes(processes)
    return _plan(known, (), (), (), (), profile, seed, strict, known_failures_path)


def _check_processes(processes: int) -> None:
    from contracts.parallel.claims import possible

    if processes > 1 and not possible():
        raise click.ClickException("this system has no file locks (flock), which -n needs; run one process")


def _depth(profile: str, budget_min: float | None, examples_directory: str | None) -> Depth:
    """What was asked for beside the profile; the clock of a budget runs from here on."""
    from contracts.budget import DepthError, depth_of

    try:
        return depth_of(profile, budget_min, examples_directory)
    except DepthError as error:
        raise click.ClickException(str(error)) from None


def _known_failures(path: str | None) -> tuple[KnownFailure, ...]:
    """What the file holds. One that holds nothing any more is fine, and said: it may be the wrong one."""
    if path is None:
        return ()
    try:
        found = read_known_failures(Path(path))
    except KnownFailuresError as error:
        raise click.ClickException(str(error)) from None
    if not found:
        click.echo(f"cdp: {path} holds no [[accepted]] entry, so that every failure counts", err=True)
    return tuple(found)


def _plan(
    loaded: Contract,
    sections: tuple[str, ...],
    requirements: tuple[str, ...],
    operations: tuple[str, ...],
    cells: tuple[str, ...],
    profile: str,
    seed: int,
    strict: bool,
    known_failures_path: str | None,
) -> Plan:
    from contracts.catalogue import load_catalogue
    from contracts.cells import Selection, SelectionError
    from contracts.plan import GateError, make_plan
    from contracts.profiles import PROFILES

    try:
        selection = Selection(sections, requirements, operations, cells)
        plan = make_plan(loaded, load_catalogue(), selection, PROFILES[profile], seed, strict)
    except (ContractError, SelectionError, GateError) as error:
        raise click.ClickException(str(error)) from None
    if not plan.cells:
        raise click.ClickException("no cell fits; none of the requirements applies to what was chosen")
    return replace(plan, known_failures=_known_failures(known_failures_path))


@dataclass(frozen=True)
class Done:
    """A contract run that is over: its exit code, its directory, what it stored, and its reports; nothing of these two
    where not everything could be kept."""

    code: int
    directory: Path
    stored: Stored | None = None
    reports: tuple[Path, ...] = ()


def run_contract(
    plan: Plan, target: Target, runs_directory: Path, depth: Depth, processes: int, shown: Shown = Shown.USUAL
) -> Done:
    """Run the plan, keep and print its results.

    ClickException for examples that cannot be used, ResultsError when nothing can be stored."""
    from cdp.history import record
    from contracts.examples import ExamplesError, examples_for
    from contracts.run import ContractRun
    from reports.exports import read_stored
    from reports.writing import write_reports_of

    try:
        examples = examples_for(depth.examples, target.name)
    except ExamplesError as error:
        raise click.ClickException(str(error)) from None
    directory = run_directory(runs_directory, target.name)
    run = ContractRun(plan, target, directory, depth.budget, examples, processes=processes)
    lost = ""
    try:
        _execute(run, shown)
    except ResultsError as error:  # a full disk: nothing more can be kept, what is there is reported
        lost = str(error)
    written = directory / RESULTS_FILE
    problem = record(written)
    stored = read_stored(written)
    if lost:
        _print(stored, plan.strict, shown, [])
        click.echo(f"cdp contract: {lost}", err=True)
        return Done(NOT_JUDGED, directory)
    try:
        reports = write_reports_of(stored)
    except ResultsError:
        _print(stored, plan.strict, shown, [])
        raise
    _print(stored, plan.strict, shown, reports)
    for line in filter(None, (run.obstacle, problem)):
        click.echo(f"cdp contract: {line}", err=True)
    assert isinstance(stored.run, Run)
    return Done(exit_code(stored.run, plan.strict), directory, stored, tuple(reports))


def _print(stored: Stored, strict: bool, shown: Shown, reports: list[Path]) -> None:
    """Print a run: what fits on one screen, or everything."""
    from reports.console import make_console
    from reports.screen import print_screen
    from reports.terminal import print_run

    assert isinstance(stored.run, Run)
    if not shown.whole:
        print_screen(stored.run, make_console(), strict, stored.since, reports)
        return
    print_run(stored.run, make_console(), strict, stored.since)
    for report in reports:
        click.echo(str(report))


def _execute(run: ContractRun, shown: Shown) -> None:
    """Start, judge and finish, whatever happens in between; Ctrl-C and SIGTERM stop it in good order."""
    from contracts.budget import OutOfTime
    from contracts.session import Obstacle
    from reports.progress import Progress

    interrupted, obstacle = False, ""
    with _stopping_in_good_order(run):
        try:
            with _processes(run) as pool:
                run.start()
                with Progress(len(run.plan.cells), shown.progress_console()) as progress:
                    _judge(run, pool, progress)
        except OutOfTime:  # the results say which cells it left out
            pass
        except Obstacle as error:
            obstacle = str(error)
        except KeyboardInterrupt:
            interrupted, run.session.stopping = True, False
            click.echo("\ninterrupted: removing what the run created; press Ctrl-C again to leave it", err=True)
        finally:
            try:
                run.finish(interrupted=interrupted, obstacle=obstacle)
            except KeyboardInterrupt:
                click.echo(f"what is left on the target stands in {run.directory / 'ledger.jsonl'}", err=True)


def _judge(run: ContractRun, pool: Pool | None, progress: Progress) -> None:
    """Judge every cell, then those again that have more to show."""
    if pool is not None:
        pool.judge_all(progress)
        progress.deeper(run.budget_left_s)
        pool.judge_deeper(progress)
        return
    for cell in run.plan.cells:
        if run.session.stopping:  # whoever got the interrupt may have swallowed it
            raise KeyboardInterrupt
        progress.doing(cell.operation)
        progress.done(run.judge(cell))
    progress.deeper(run.budget_left_s)
    for result in run.judge_deeper():
        if run.session.stopping:
            raise KeyboardInterrupt
        progress.again(result.cell, result.verdict, result.round)


@contextmanager
def _processes(run: ContractRun) -> Iterator[Pool | None]:
    """The processes that judge the run; None when it is this one alone."""
    if run.processes == 1:
        yield None
        return
    from contracts.parallel.pool import Pool

    with Pool(run) as pool:
        yield pool


@contextmanager
def _stopping_in_good_order(run: ContractRun) -> Iterator[None]:
    """The first Ctrl-C, or SIGTERM of a CI job, lets the request under way end, so that its record is in the books;
    the second stops at once."""
    signals = 0

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            raise KeyboardInterrupt
        run.session.stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
