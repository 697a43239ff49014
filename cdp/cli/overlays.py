"""`cdp spec diff`, `cdp spec confirm` and `cdp spec import`: overlays shown, asked of a target, or read from a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cdp.cli.spec import Chosen, make_console, read_contract
from cdp.cli.targeting import Choice, target_options
from cdp.contract import Contract, ContractError
from cdp.contract.difference import Change, compare, counts
from cdp.contract.document import read_yaml
from cdp.contract.overlay import read_overlay, write_overlay
from cdp.exit_codes import NOT_JUDGED
from cdp.targets import TargetError

_output = click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="Overlay to write (YAML)."
)


@click.command("diff")
@click.option("--overlay", default=None, help="The overlay to compare with the contract.")
@click.pass_obj
def diff_command(chosen: Chosen, overlay: str | None) -> None:
    """Print what an overlay changes in the contract, operation by operation."""
    overlay = overlay or chosen.overlay
    if overlay is None:
        raise click.UsageError("diff needs --overlay FILE")
    before = read_contract(chosen.contract_path)
    after = read_contract(chosen.contract_path, overlay)
    print_changes(compare(before, after), make_console())


def print_changes(changes: list[Change], console: Console) -> None:
    """The changes under their sections, and how many there are of each kind."""
    section = ""
    for change in changes:
        if change.operation.section != section:
            section = change.operation.section
            console.print(section, style="bold", markup=False)
        console.print(f"  {change.title()}", markup=False, soft_wrap=True)
        for fact in change.facts:
            console.print(f"      {fact}", markup=False, soft_wrap=True)
    console.print(f"operations: {counts(changes)}", markup=False)


@click.command("confirm")
@target_options
@click.option(
    "--documented", is_flag=True, help="Ask for documented operations too, and remove those that are missing."
)
@_output
@click.pass_obj
def confirm_command(
    chosen: Chosen,
    choice: Choice,
    documented: bool,
    output: str,
) -> None:
    """Ask a target which assumed and observed operations it has, and write the overlay that says so.

    Only calls that change nothing are sent; what they cannot tell is left as it is. With `cdp spec --overlay FILE
    confirm` that overlay is taken as given, and what is written holds it, too.
    """
    from contracts.confirming import confirm
    from contracts.session import Obstacle

    contract = chosen.read()
    try:
        with choice.open() as target:
            found = confirm(contract, target, documented=documented)
    except TargetError as error:
        raise click.ClickException(str(error)) from None
    except Obstacle as error:
        click.echo(f"cdp spec confirm: {error}", err=True)
        sys.exit(NOT_JUDGED)
    console = make_console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("operation", "", "path", "known as", "now", "asked", "because"):
        table.add_column(heading, overflow="fold")
    for finding in found.findings:
        o = finding.operation
        table.add_row(o.id, o.method, o.template, o.provenance, finding.presence, finding.asked, finding.why)
    console.print(table)
    console.print(found.counts(), markup=False, soft_wrap=True)
    if found.cut_short:
        console.print(f"Not everything was asked: {found.cut_short}.", markup=False)
    _write(chosen, Path(output), f"What {found.target} has, asked on {found.day}", found.actions(), console)


def _write(chosen: Chosen, path: Path, title: str, actions: list[dict[str, Any]], console: Console) -> Contract | None:
    """Write the overlay, the one that was taken as given before it, and read it back."""
    if not actions:
        console.print("Nothing to write: the contract says as much already.")
        return None
    try:
        if chosen.overlay:
            read_overlay(Path(chosen.overlay))
            actions = [*read_yaml(Path(chosen.overlay))["actions"], *actions]
        write_overlay(path, title, actions)
    except ContractError as error:
        raise click.ClickException(str(error)) from None
    written = read_contract(chosen.contract_path, str(path))
    console.print(f"{path}: {len(actions)} actions", markup=False, soft_wrap=True)
    return written


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False))
@_output
@click.pass_obj
def import_command(chosen: Chosen, file: str, output: str) -> None:
    """Read the owner's API description, OpenAPI 3 or API Blueprint, and write the overlay with what it adds or says
    otherwise.

    What the contract has and the file does not show is listed, and stays.
    """
    from cdp.contract.described import read_description
    from cdp.contract.importing import import_description

    contract = chosen.read()
    try:
        description = read_description(Path(file), tuple(s.name for s in contract.sections))
    except ContractError as error:
        raise click.ClickException(str(error)) from None
    found = import_description(contract, description)
    console = make_console()
    written = _write(chosen, Path(output), f"What {Path(file).name} says", found.actions, console)
    if written is not None:
        print_changes(compare(contract, written), console)
    if found.unshown:
        console.print("Not shown by the file, and kept:", style="bold")
        for text in found.unshown:
            console.print(f"  {text}", markup=False, soft_wrap=True)
    new = found.operations - found.matched
    console.print(
        f"{file}: {found.operations} operations, {found.matched} known to the contract, {new} new; "
        f"{len(found.unshown)} notes of what it does not show",
        markup=False,
        soft_wrap=True,
    )
