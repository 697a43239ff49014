"""`cdp spec`: what the contract says, as lists for people and as one document for other tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import orjson
import yaml
from rich.console import Console
from rich.table import Table

from cdp.contract import CONTRACT_ROOT, Contract, ContractError, Operation, load_contract
from cdp.contract.overlay import PlainDumper

_MARKS = {"documented": "documented", "observed": "observed", "assumed": "assumed"}


def read_contract(path: str | None, overlay: str | None = None) -> Contract:
    """The contract at a path, or the project's own, with an overlay if one is named; a broken one is a usage error in
    one line."""
    try:
        return load_contract(Path(path) if path else CONTRACT_ROOT, Path(overlay) if overlay else None)
    except ContractError as error:
        raise click.ClickException(str(error)) from None


@dataclass(frozen=True)
class Chosen:
    """Which contract the command is about."""

    contract_path: str | None
    overlay: str | None

    def read(self) -> Contract:
        return read_contract(self.contract_path, self.overlay)


def make_console() -> Console:
    """A console without highlighting; 160 columns wide where the output is no terminal, so that lines stay whole."""
    return Console(width=None if Console().is_terminal else 160, highlight=False)


@click.group(invoke_without_command=True)
@click.option("--section", "section_name", default=None, help="Show one section, by name or slug, in full.")
@click.option("--contract", "contract_path", default=None, help="Root file of another contract to use.")
@click.option("--overlay", default=None, help="OpenAPI Overlay to apply to the contract.")
@click.pass_context
def spec(context: click.Context, section_name: str | None, contract_path: str | None, overlay: str | None) -> None:
    """List sections and operations with provenance and features."""
    context.obj = Chosen(contract_path, overlay)
    if context.invoked_subcommand:
        return
    contract = context.obj.read()
    console = make_console()
    if section_name is None:
        _overview(contract, console)
        return
    section = contract.section(section_name)
    if section is None:
        raise click.ClickException(f"no section is called {section_name!r}; `cdp spec` lists them")
    _section(contract, section.name, console)


@spec.command("bundle")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    help="File to write: .json, or YAML by any other name; - is standard output.",
)
@click.pass_context
def bundle_command(context: click.Context, output: str) -> None:
    """Write the contract as one OpenAPI document for mock servers, Swagger UI and client generators."""
    contract = context.obj.read()
    path = Path(output)
    if path.suffix == ".json":
        text = orjson.dumps(contract.document, option=orjson.OPT_INDENT_2).decode()
    else:
        text = yaml.dump(contract.document, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=140)
    if output == "-":
        click.echo(text.encode(), nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"{path}: {len(contract.operations)} operations of {len(contract.sections)} sections")


def _overview(contract: Contract, console: Console) -> None:
    for section in contract.sections:
        operations = [o for o in contract.operations.values() if o.section == section.name]
        console.print(
            f"[bold]{section.name}[/bold]  ({section.slug}, page {section.documentation}, {len(operations)} operations)"
        )
        if operations:
            console.print(_table(operations))
    counts = {p: sum(o.provenance == p for o in contract.operations.values()) for p in _MARKS}
    told = ", ".join(f"{n} {p}" for p, n in counts.items())
    console.print(
        f"{len(contract.sections)} sections, {len(contract.operations)} operations: {told}; "
        f"{len(contract.feature_names)} features"
    )


def _table(operations: list[Operation]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for heading in ("operation", "", "path", "provenance", "features"):
        table.add_column(heading, overflow="fold")
    for o in operations:
        features = "open" if o.open else o.features.text()
        if o.features.needed and o.features_provenance != "documented":
            features += f" ({o.features_provenance})"
        table.add_row(o.id, o.method, o.template, o.provenance, features)
    return table


def _section(contract: Contract, name: str, console: Console) -> None:
    section = contract.section(name)
    assert section is not None
    console.print(f"[bold]{section.name}[/bold] ({section.slug}), page {section.documentation}")
    if section.unread:
        console.print(f"Not known: {section.unread}")
    for o in [o for o in contract.operations.values() if o.section == section.name]:
        console.print(f"\n[bold]{o.id}[/bold]  {o.method} {o.template}  {o.summary}")
        for line in _known_of(contract, o):
            console.print(f"  {line}", markup=False)
    for note in section.notes:
        console.print(f"\n- {note}", markup=False)


def _known_of(contract: Contract, o: Operation) -> Iterator[str]:
    """What is known of an operation, line by line."""
    yield f"provenance  {o.provenance} ({o.source}); safety {o.safety}; answers {', '.join(map(str, o.responses))}"
    yield f"features    {'open, no token needed' if o.open else o.features.text()} ({o.features_provenance})"
    for p in (*o.path_parameters, *o.query_parameters):
        schema = contract.resolved(p.schema)
        facts = [str(schema.get("type", "")), p.place, "required" if p.required else "", p.provenance]
        facts += [f"{key} {schema[key]}" for key in ("default", "minimum", "maximum", "enum") if key in schema]
        yield f"{p.name}: {', '.join(f for f in facts if f)}"
    if o.body_schema is not None:
        fields = contract.resolved(o.body_schema)
        required = fields.get("required", ())
        names = ", ".join(n + ("" if n in required else "?") for n in fields.get("properties", {}))
        yield f"body        {o.body_media_type} {names}"
    if o.collection:
        c = o.collection
        order = f", newest first by {c.timestamp} ({c.timestamp_provenance})" if c.timestamp else ""
        yield f"collection  under {c.key or 'no key (bare array)'}, {'paged' if c.paging else 'not paged'}{order}"
    if o.sub_entities:
        yield f"refers to   {', '.join(f'{s.field} -> {s.section}' for s in o.sub_entities)}"
