"""`cdp compare` and `cdp accept`: compare two runs, and accept one that later ones are compared with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cdp.cli.runs import runs_option
from cdp.cli.showing import Shown, print_json, showing_options
from cdp.exit_codes import NOT_JUDGED
from cdp.records import ResultsError

if TYPE_CHECKING:
    from cdp.comparison.model import Comparison

F = TypeVar("F", bound=Callable[..., Any])


@click.command()
@click.argument("before", metavar="RUN_A")
@click.argument("after", metavar="RUN_B")
@runs_option()
@showing_options()
def compare(before: str, after: str, runs_directory: str, shown: Shown) -> None:
    """Say what changed from RUN_A to RUN_B, two contract runs or two load runs.

    \b
    cdp compare reports/runs/20270101T020000Z-staging reports/runs/20270102T020000Z-staging
    cdp compare accepted 20270102T020000Z-staging

    A run is a directory, or its name within --runs; the word accepted is the last accepted run of RUN_B's target
    and kind.
    Exit codes: 0 no evidence of a change for the worse, 1 worse, 2 usage, 3 it cannot be told.
    """
    from cdp.comparison.asked import compare_with
    from cdp.comparison.stored import results_of

    runs = Path(runs_directory)
    try:
        found = compare_with(before, results_of(after, runs), runs)
    except ResultsError as error:
        raise click.ClickException(str(error)) from None
    if shown is Shown.JSON:
        print_json({"kind": "comparison", "exit_code": found.exit_code, **_without_kind(found)})
    elif shown is Shown.QUIET:
        click.echo(found.sentence)
    else:
        show(found)
    sys.exit(found.exit_code)


@click.command("accept")
@click.argument("accepted", metavar="RUN")
@runs_option()
def accept_command(accepted: str, runs_directory: str) -> None:
    """Accept RUN: later runs of the same target and kind are compared with it.

    It is noted in accepted.json in the directory of the runs. A run that judged nothing for sure cannot be accepted; a
    NO-GO can, and its broken cells are known from then on. Exit codes: 0 accepted, 2 it cannot be.
    """
    from cdp.comparison.accepted import ACCEPTED_FILE, accept
    from cdp.comparison.asked import parts_of

    runs = Path(runs_directory)
    try:
        for results in parts_of(accepted, runs):
            entry = accept(results, runs)
            click.echo(f"accepted {results.parent} as {entry.kind} of {entry.target} ({runs / ACCEPTED_FILE})")
    except ResultsError as error:
        raise click.ClickException(str(error)) from None


def against_option(command: F) -> F:
    """The option that compares a new run with one that is stored."""
    help_ = (
        "Compare the run with another one; `accepted` is the last accepted one of its target. Exits with 1 if it is "
        "worse."
    )
    return click.option("--against", default=None, metavar="RUN", help=help_)(command)


def check_against(against: str | None, runs: Path) -> None:
    """Whether a run to compare with is there, before another one is made. ClickException in one line."""
    if against is None:
        return
    from cdp.comparison.asked import ACCEPTED
    from cdp.comparison.stored import results_of

    try:
        if against not in ACCEPTED:
            results_of(against, runs)
    except ResultsError as error:
        raise click.ClickException(f"--against: {error}") from None


def compared(code: int, results: Path, against: str | None, runs: Path) -> tuple[int, Comparison | None]:
    """Compare a run that is just over, where that was asked for, and say what was found; the exit code of both, and the
    comparison, if there is one. What broke in the run itself comes first, then the comparison."""
    if against is None or not results.is_file():
        return code, None
    from cdp.comparison.asked import compare_with

    try:
        found = compare_with(against, results, runs)
    except ResultsError as error:
        click.echo(f"cdp: the comparison: {error}", err=True)
        return code or NOT_JUDGED, None
    click.echo()
    show(found)
    return code or found.exit_code, found


def _without_kind(found: Comparison) -> dict[str, Any]:
    """The comparison as a record; what was compared is called `runs`, because every object says its own kind."""
    record = found.as_record()
    return {"runs": record.pop("kind"), **record}


def show(found: Comparison) -> None:
    """Print a comparison."""
    from reports.comparison import print_comparison
    from reports.console import make_console

    print_comparison(found, make_console())
