"""`cdp history`: the runs of a target in a row."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cdp.cli.compare import runs_option
from cdp.targets import EMBEDDED

NOTHING_STORED = 3


@click.command()
@click.option("--target", default=EMBEDDED, show_default=True, help="Name of the target, as it stands in its runs.")
@click.option("--last", default=30, show_default=True, type=click.IntRange(1), help="How many runs of a kind to show.")
@runs_option
def history(target: str, last: int, runs_directory: str) -> None:
    """Show the last runs of a target: verdicts, p99, throughput, and on which night a series of load runs moved.

    Change points are found by E-divisive (Matteson and James 2014) in up to 120 runs that asked the same, on the same
    machine. Exit codes: 0 shown, 2 usage, 3 no run is stored.
    """
    from cdp.comparison.history import histories
    from reports.comparison import print_history
    from reports.console import make_console

    found, unread = histories(Path(runs_directory), target)
    for line in unread:
        click.echo(f"cdp history: left out: {line}", err=True)
    if not found:
        click.echo(f"cdp history: no run of {target} is stored in {runs_directory}", err=True)
        sys.exit(NOTHING_STORED)
    console = make_console()
    for number, each in enumerate(found):
        if number:
            console.print()
        print_history(each, console, last)
