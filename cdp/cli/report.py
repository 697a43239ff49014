"""`cdp report`: the reports of stored runs, made again."""

from __future__ import annotations

from pathlib import Path

import click

from cdp.cli.compare import runs_option
from cdp.records import ResultsError


@click.command()
@click.argument("run", metavar="RUN")
@runs_option
def report(run: str, runs_directory: str) -> None:
    """Make the reports of RUN again, of a contract run, a load run or a gate, and print what it says.

    A run is a directory, or its name within --runs. Exit codes: 0 made, 2 usage; the run's own exit code is its own.
    """
    from cdp.comparison.stored import results_of
    from cdp.gate.record import find_gate
    from reports.rendering import render

    runs = Path(runs_directory)
    try:
        written = render(find_gate(run, runs) or results_of(run, runs))
    except ResultsError as error:
        raise click.ClickException(str(error)) from None
    for path in written:
        click.echo(str(path))
