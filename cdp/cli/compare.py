"""`cdp compare` and `cdp accept`: a run against another one, and which runs are the measure of those to come."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cdp.comparison.accepted import ACCEPTED_FILE, accept, accepted_for, baseline_for
from cdp.comparison.model import EXIT_CODES, Comparison, Told, unknown
from cdp.comparison.stored import compare_runs, results_of
from cdp.gate.record import find_gate, read_gate, runs_of
from cdp.records import RUNS, ResultsError

BASELINE = "baseline"
runs_option = click.option("--runs", "runs_directory", default=str(RUNS), show_default=True, help="Where the runs are.")


@click.command()
@click.argument("before", metavar="RUN_A")
@click.argument("after", metavar="RUN_B")
@runs_option
def compare(before: str, after: str, runs_directory: str) -> None:
    """Say what changed from RUN_A to RUN_B, two contract runs or two load runs.

    \b
    cdp compare reports/runs/20270101T020000Z-staging reports/runs/20270102T020000Z-staging
    cdp compare baseline 20270102T020000Z-staging

    A run is a directory, or its name within --runs; the word baseline is the accepted run of RUN_B's target and kind.
    Exit codes: 0 no evidence of a change for the worse, 1 worse, 2 usage, 3 it cannot be told.
    """
    runs = Path(runs_directory)
    try:
        latter = results_of(after, runs)
        if before == BASELINE:
            found = against_baseline(latter, runs)
        else:
            former = results_of(before, runs)
            found = compare_runs(former, latter, accepted_for(latter, runs))
    except ResultsError as error:
        raise click.ClickException(str(error)) from None
    show(found)
    sys.exit(found.exit_code)


@click.command("accept")
@click.argument("accepted", metavar="RUN")
@runs_option
def accept_command(accepted: str, runs_directory: str) -> None:
    """Accept RUN: runs to come of the same target and kind are compared with it.

    It is noted in accepted.json in the directory of the runs. A run that judged nothing for sure cannot be accepted; a
    NO-GO can, and its broken cells are known from then on. Exit codes: 0 accepted, 2 it cannot be.
    """
    runs = Path(runs_directory)
    try:
        for results in parts_of(accepted, runs):
            entry = accept(results, runs)
            click.echo(f"accepted {results.parent} as {entry.kind} of {entry.target} ({runs / ACCEPTED_FILE})")
    except ResultsError as error:
        raise click.ClickException(str(error)) from None


def parts_of(run: str, runs: Path) -> list[Path]:
    """The results files of a run: its own, or those of the parts of a gate. ResultsError when there is none."""
    gate = find_gate(run, runs)
    if gate is None:
        return [results_of(run, runs)]
    found = list(runs_of(read_gate(gate), gate.parent))
    if not found:
        raise ResultsError(f"{gate.parent} has no part that could be accepted")
    return found


def against_option(command: click.decorators.FC) -> click.decorators.FC:
    """The option that compares a new run with one that is stored."""
    return click.option(
        "--against",
        default=None,
        metavar="RUN",
        help="Compare the run with another one; `baseline` is the accepted one of its target. Worse ends with 1.",
    )(command)


def compared_code(code: int, results: Path, against: str | None, runs: Path) -> int:
    """Compare a run that is just over, where that was asked for, and say what was found; the exit code of both: what
    broke in the run itself comes first, then the comparison."""
    if against is None or not results.is_file():
        return code
    try:
        if against == BASELINE:
            found = against_baseline(results, runs)
        else:
            former = results_of(against, runs)
            found = compare_runs(former, results, accepted_for(results, runs))
    except ResultsError as error:
        click.echo(f"cdp: the comparison: {error}", err=True)
        return code or EXIT_CODES[Told.UNKNOWN]
    click.echo()
    show(found)
    return code or found.exit_code


def check_against(against: str | None, runs: Path) -> None:
    """Whether a run to compare with is there, before another one is made. ClickException in one line."""
    if against is None or against == BASELINE:
        return
    try:
        results_of(against, runs)
    except ResultsError as error:
        raise click.ClickException(f"--against: {error}") from None


def against_baseline(results: Path, runs: Path) -> Comparison:
    """A run against the last accepted one of its target and kind; told is UNKNOWN where none was accepted.
    ResultsError when one cannot be read."""
    baseline = baseline_for(results, runs)
    if baseline is None:
        why = f"no run of this target and kind was accepted yet (cdp accept {results.parent})"
        return unknown("", BASELINE, results.parent.name, [why])
    return compare_runs(baseline.results, results, baseline.accepted)


def show(found: Comparison) -> None:
    """Print a comparison."""
    from reports.comparison import print_comparison
    from reports.console import make_console

    print_comparison(found, make_console())
