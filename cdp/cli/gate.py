"""`cdp gate`: everything that a release needs, in one command, with one answer."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cdp.cli.continuous import announce
from cdp.cli.contract import contract_plan
from cdp.cli.runs import runs_option
from cdp.cli.showing import Shown, showing_options, tell
from cdp.cli.spec import read_contract
from cdp.cli.targeting import (
    Choice,
    contract_option,
    known_failures_option,
    overlay_option,
    processes_option,
    seed_option,
    target_options,
)
from cdp.exit_codes import NOT_JUDGED
from cdp.records import ResultsError
from cdp.targets import TargetError

LOAD, COMPARISON = "load", "comparison"


@click.command()
@target_options
@click.option(
    "--profile",
    type=click.Choice(["quick", "release"]),
    default="release",
    show_default=True,
    help="How thoroughly to check the contract.",
)
@click.option("--strict", is_flag=True, help="A broken SHOULD is a NO-GO as well.")
@known_failures_option
@click.option(
    "--without",
    multiple=True,
    type=click.Choice([LOAD, COMPARISON]),
    help="Leave this part out deliberately; may be repeated.",
)
@click.option("--accept", "accepting", is_flag=True, help="On GO, accept the runs: later ones are compared with them.")
@seed_option
@processes_option
@runs_option()
@contract_option
@overlay_option
@showing_options(details=True)
def gate(
    choice: Choice,
    profile: str,
    strict: bool,
    known_failures_path: str | None,
    without: tuple[str, ...],
    accepting: bool,
    seed: int,
    processes: int,
    runs_directory: str,
    contract_path: str | None,
    overlay: str | None,
    shown: Shown,
) -> None:
    """Decide whether a target may be released: GO, NO-GO or CANNOT TELL, with one reason a line.

    \b
    cdp gate                                  # the embedded instance
    cdp gate --target staging --accept        # what is GO is the measure of the next
    cdp gate --target staging --without load

    It looks at the target (doctor), holds it to the contract, puts the load on it that its entry of targets.toml calls
    its peak, audits the events of that load, and compares both runs with the last accepted ones. Exit codes: 0 GO, 1
    NO-GO, 2 usage, 3 CANNOT TELL.
    """
    from cdp.cli.gate_steps import Steps, pass_gate
    from reports.exports import read_stored
    from reports.gate import gate_reports

    try:
        known = read_contract(contract_path, overlay or choice.overlay())
        plan = contract_plan(known, profile, seed, strict, known_failures_path, processes)
        with shown.working(), choice.open() as target:
            steps = Steps(choice, target, plan, Path(runs_directory), frozenset(without), seed, processes, shown)
            code = pass_gate(steps, accepting)
        stored = read_stored(steps.file)
        tell(shown, stored, gate_reports(steps.directory))
        announce(stored)
    except TargetError as error:
        raise click.ClickException(str(error)) from None
    except ResultsError as error:
        click.echo(f"cdp gate: {error}", err=True)
        sys.exit(NOT_JUDGED)
    sys.exit(code)
