"""`cdp targets`: what is configured, and what each target allows. Secrets are neither shown nor needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import click

from cdp.targets import EMBEDDED, PERMISSIONS, Entry, TargetError, read_targets, targets_path
from cdp.targets.model import PRODUCTION_FLAG, looks_like_production
from cdp.targets.values import Variable


@click.command()
@click.option(
    "--targets",
    "targets_file",
    default=None,
    metavar="FILE",
    help="File of targets.  [default: $CDP_TARGETS, else targets.toml]",
)
def targets(targets_file: str | None) -> None:
    """List the targets, how each is reached, and what a run may do there."""
    file = targets_path(targets_file, os.environ)
    click.echo(f"{EMBEDDED}  (without --target)")
    _fact("base URL", "started for the run, thrown away after it")
    _fact("allowed", f"read, {', '.join(PERMISSIONS)}")
    if targets_file is None and not file.exists():
        click.echo(f"\nNo {file}: copy targets.example.toml to describe instances of your own.")
        return
    try:
        entries = read_targets(file)
    except TargetError as error:
        raise click.ClickException(str(error)) from None
    for entry in entries.values():
        click.echo(f"\n{entry.name}")
        for label, text in _facts(entry, os.environ):
            _fact(label, text)
    click.echo(f"\n{len(entries)} in {file}")


def _fact(label: str, text: str) -> None:
    click.echo(f"  {label:<13}{text}")


def _facts(entry: Entry, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    def named(variable: Variable) -> str:
        return variable.name if environment.get(variable.name) else f"{variable.name} (not set)"

    yield "base URL", entry.base_url
    if entry.token:
        yield "token", f"from {named(entry.token)}"
    elif entry.email and entry.password:
        yield "login", f"from {named(entry.email)} and {named(entry.password)}"
    yield "allowed", ", ".join(["read", *(p for p in PERMISSIONS if p in entry.allow)])
    refused = [p for p in PERMISSIONS if p not in entry.allow]
    if refused:
        yield "refused", ", ".join(refused)
    pace = f"{entry.max_rps:g} requests a second at most" if entry.max_rps else "one request at a time"
    yield "pace", f"{pace}, {entry.timeout_s:g} s for an answer"
    if entry.peak:
        peak = entry.peak
        yield (
            "peak",
            f"{peak.scenario}, {peak.rate:g} requests a second for {peak.time}{f', {peak.slo}' if peak.slo else ''}",
        )
    why = looks_like_production(entry.name, entry.base_url, declared=entry.production)
    if why:
        yield "production", f"{why}; a run needs {PRODUCTION_FLAG}"
    if entry.ca_file:
        yield "authority", entry.ca_file
    if entry.client_cert:
        yield "certificate", entry.client_cert
    if entry.proxy:
        yield "proxy", f"from {named(entry.proxy)}" if isinstance(entry.proxy, Variable) else entry.proxy
    for name, value in entry.headers:
        yield "header", f"{name} from {named(value)}" if isinstance(value, Variable) else f"{name}, as in the file"
    if entry.overlay:
        yield "overlay", entry.overlay
    for role in entry.roles:
        features = ", ".join(sorted(role.features)) or "no feature"
        yield "role", f"{role.name} ({features}), token from {named(role.token)}"
