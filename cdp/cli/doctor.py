"""`cdp doctor`: look at a target before a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cdp.cli.showing import Shown, print_json, showing_options
from cdp.cli.spec import make_console, read_contract
from cdp.cli.targeting import Choice, contract_option, overlay_option, profile_option, target_options
from cdp.contract import ContractError
from cdp.targets import TargetError

if TYPE_CHECKING:
    from contracts.diagnosis import Diagnosis

_STYLES = {"ok": "green", "gap": "yellow", "problem": "red"}
_SUMMARY = {
    0: "Ready.",
    1: "Usable, with gaps.",
    3: "Not usable.",
}


@click.command()
@target_options
@profile_option("Profile whose cells are counted.")
@contract_option
@overlay_option
@showing_options()
def doctor(
    choice: Choice,
    profile: str,
    contract_path: str | None,
    overlay: str | None,
    shown: Shown,
) -> None:
    """Look at a target before a run. Exit codes: 0 ready, 1 usable with gaps, 2 usage, 3 not usable.

    \b
    cdp doctor --target staging
    cdp doctor --url https://INSTANCE.meiro.io --profile release

    At most 250 requests, all of them reads. Only where writes are allowed, a role and a user are created, the user
    logs in, and both are removed at once.
    """
    from contracts.catalogue import load_catalogue
    from contracts.doctor import diagnose

    try:
        contract = read_contract(contract_path, overlay or choice.overlay())
        with choice.open() as target:
            found = diagnose(contract, load_catalogue(), target, profile)
    except (TargetError, ContractError) as error:
        raise click.ClickException(str(error)) from None
    if shown is Shown.JSON:
        print_json(as_record(found, profile))
    elif shown is Shown.QUIET:
        click.echo(_SUMMARY[found.exit_code])
    else:
        print_diagnosis(found, profile)
    sys.exit(found.exit_code)


def as_record(found: Diagnosis, profile: str) -> dict[str, Any]:
    """What was found, as plain data."""
    from contracts.diagnosis import describe_reach

    lines = [
        {"state": str(line.state), "subject": line.subject, "text": line.text, "advice": line.advice}
        for line in found.lines
    ]
    reach = describe_reach(found.reach, profile) if found.reach is not None else []
    head = {"kind": "diagnosis", "exit_code": found.exit_code, "sentence": _SUMMARY[found.exit_code]}
    return {**head, "profile": profile, "lines": lines, "reach": list(reach), "requests": found.requests}


def print_diagnosis(found: Diagnosis, profile: str) -> None:
    """Print what was found about a target, and what can be judged there."""
    from contracts.diagnosis import describe_reach

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
