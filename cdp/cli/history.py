"""`cdp history`: the runs of a target in a row, and since when what is broken has been."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from cdp.cli.runs import runs_option
from cdp.cli.showing import print_json

NOTHING_STORED = 3
EMBEDDED = "embedded"  # as `cdp.targets` has it, which takes longer to load than the history to answer


@click.command()
@click.option("--target", default=EMBEDDED, show_default=True, help="Name of the target, as its runs give it.")
@click.option("--last", default=30, show_default=True, type=click.IntRange(1), help="How many runs of a kind to show.")
@click.option("--broken", is_flag=True, help="Show what is broken in the last contract run, and since which run.")
@click.option("--rebuild", "rebuilding", is_flag=True, help="Rebuild the store from the runs that still exist.")
@runs_option()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def history(target: str, last: int, broken: bool, rebuilding: bool, runs_directory: str, as_json: bool) -> None:
    """Show the last runs of a target: verdicts, p99, throughput, and on which night a series of load runs moved.

    \b
    cdp history --target staging
    cdp history --target staging --broken          # and since which run each cell is broken
    cdp history --rebuild                          # after the store was damaged

    Change points are found by E-divisive (Matteson and James 2014) in up to 120 runs that asked the same, on the same
    machine. The store is history.sqlite in the directory of the runs; it remembers runs that were deleted since, and
    --rebuild forgets them. Exit codes: 0 shown, 2 usage, 3 no run is stored.
    """
    runs = Path(runs_directory)
    if rebuilding:
        _rebuild(runs)
    if broken:
        _show_broken(runs, target, as_json)
    elif not rebuilding:
        _show(runs, target, last, as_json)


def _rebuild(runs: Path) -> None:
    from cdp.history import HISTORY_FILE, HistoryError, rebuild

    try:
        count, unread = rebuild(runs)
    except HistoryError as error:
        raise click.ClickException(str(error)) from None
    _tell(unread)
    click.echo(f"{runs / HISTORY_FILE}: {count} run{'' if count == 1 else 's'}", err=True)


def _show(runs: Path, target: str, last: int, as_json: bool) -> None:
    from cdp.comparison.history import histories
    from cdp.history import HistoryError
    from reports.comparison import print_endings, print_history
    from reports.console import make_console

    try:
        found, unread = histories(runs, target)
    except HistoryError as error:
        raise click.ClickException(str(error)) from None
    _tell(unread)
    if as_json:
        print_json({"kind": "history", "target": target, "histories": [each.as_record(last) for each in found]})
    if not found:
        _nothing(f"no run of {target} is stored in {runs}; --target names another one")
    if as_json:
        return
    console = make_console()
    for number, each in enumerate(found):
        if number:
            console.print()
        print_history(each, console, last)
    if len(found) > 1:
        console.print()
        print_endings(found, console)


def _show_broken(runs: Path, target: str, as_json: bool) -> None:
    from cdp.history import HistoryError, last_contract_run
    from reports.comparison import print_since
    from reports.console import make_console

    try:
        run, since, unread = last_contract_run(runs, target)
    except HistoryError as error:
        raise click.ClickException(str(error)) from None
    _tell(unread)
    if run is None:
        if as_json:
            print_json({"kind": "broken", "target": target, "run": None, "started": None, "cells": {}})
        _nothing(f"no contract run of {target} is stored in {runs}; --target names another one")
    elif as_json:
        cells = {address: {**asdict(each), "new": each.new} for address, each in sorted(since.items())}
        print_json({"kind": "broken", "target": target, "run": run.name, "started": run.started, "cells": cells})
    else:
        print_since(run, since, make_console())


def _tell(unread: list[str]) -> None:
    for line in unread:
        click.echo(f"cdp history: left out: {line}", err=True)


def _nothing(line: str) -> None:
    click.echo(f"cdp history: {line}", err=True)
    sys.exit(NOTHING_STORED)
