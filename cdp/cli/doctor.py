"""`cdp doctor`: look at a target before a run."""

from __future__ import annotations

import sys

import click

from cdp.cli.spec import make_console, read_contract
from cdp.cli.targeting import Choice, target_options
from cdp.contract import ContractError
from cdp.targets import TargetError

_STYLES = {"ok": "green", "gap": "yellow", "problem": "red"}
_SUMMARY = {
    0: "Ready.",
    1: "Usable, with gaps.",
    3: "Not usable.",
}


@click.command()
@target_options
@click.option(
    "--profile",
    type=click.Choice(["quick", "release", "nightly"]),
    default="quick",
    show_default=True,
    help="Whose cells are counted.",
)
@click.option("--contract", "contract_path", default=None, help="Root file of another contract.")
@click.option("--overlay", default=None, help="Overlay over the contract.  [default: that of the target's entry]")
def doctor(
    target_name: str | None,
    targets_file: str | None,
    url: str | None,
    allow: str,
    only_reading: bool,
    production_is_known: bool,
    timeout_s: float | None,
    profile: str,
    contract_path: str | None,
    overlay: str | None,
) -> None:
    """Look at a target before a run. Exit codes: 0 ready, 1 usable with gaps, 2 usage, 3 not usable.

    Only reads, and at most 250 requests. Where writes are allowed one role is created, and removed at once.
    """
    from contracts.catalogue import load_catalogue
    from contracts.doctor import describe_reach, diagnose

    choice = Choice(target_name, targets_file, url, allow, timeout_s, only_reading, production_is_known)
    try:
        contract = read_contract(contract_path, overlay or choice.overlay())
        with choice.open() as target:
            found = diagnose(contract, load_catalogue(), target, profile)
    except (TargetError, ContractError) as error:
        raise click.ClickException(str(error)) from None
    console = make_console()
    for line in found.lines:
        style = _STYLES[line.state]
        console.print(f"[{style}]{line.state:<8}[/{style}]", end="")
        console.print(f"{line.subject}: {line.text}", markup=False, soft_wrap=True)
        if line.advice and line.state != "ok":
            console.print(f"        -> {line.advice}", markup=False, soft_wrap=True)
    if found.reach is not None:
        console.print()
        for text in describe_reach(found.reach, profile):
            console.print(text, markup=False, soft_wrap=True)
    console.print(f"\n{_SUMMARY[found.exit_code]} {found.requests} requests.", markup=False)
    sys.exit(found.exit_code)
