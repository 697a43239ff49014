"""`cdp audit`: read back once more what a load run sent."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import orjson

from cdp.cli.showing import Shown, print_json, showing_options
from cdp.cli.spec import read_contract
from cdp.cli.targeting import Choice, target_options
from cdp.exit_codes import BROKEN, NOT_JUDGED, OK
from cdp.load_results import LoadRun, read_load_results
from cdp.records import RESULTS_FILE, ResultsError
from cdp.targets import EMBEDDED, Target, TargetError, parse_base_url

if TYPE_CHECKING:
    from cdp.audit_results import Audit


@click.command()
@click.argument("run_directory", metavar="RUN", type=click.Path(exists=True, path_type=Path))
@target_options
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(0.1, 86_400),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an acknowledged event may take to be seen.",
)
@showing_options()
def audit(run_directory: Path, choice: Choice, deadline_s: float, shown: Shown) -> None:
    """Read back what a load run sent, and say what became of every event.

    \b
    cdp audit reports/runs/20270101T020000Z-staging
    cdp audit reports/runs/20270101T020000Z-staging --url https://INSTANCE.meiro.io --allow load

    RUN is the run's directory, which holds its ledgers. The target is the run's own, as long as it stands in
    targets.toml; else give --url. Exit codes: 0 every acknowledged event is there once and unchanged, 1 something was
    found, 2 usage, 3 it could not be judged.
    """
    directory = run_directory.parent if run_directory.is_file() else run_directory
    run = _run(directory)
    try:
        with shown.working(), _choice_of(run, choice).open() as target:
            _same(run, target)
            found = _audited(directory, run, target, deadline_s)
    except TargetError as error:
        raise click.ClickException(str(error)) from None
    _tell(found, directory, target, shown)
    sys.exit({"clean": OK, "findings": BROKEN}.get(found.verdict, NOT_JUDGED))


def _run(directory: Path) -> LoadRun:
    try:
        return read_load_results(directory / RESULTS_FILE)
    except ResultsError as error:
        raise click.ClickException(str(error)) from None


def _choice_of(run: LoadRun, choice: Choice) -> Choice:
    """The target that was named, else the run's own."""
    if choice.name or choice.url:
        return choice
    options: dict[str, Any] = run.header.get("options") or {}
    name = options.get("target")
    if not name or name == EMBEDDED:
        raise click.ClickException(
            f"the run was on {run.header.get('base_url')}, which stands in no targets.toml; name it with --url or "
            "--target (an embedded instance is gone with its run)"
        )
    return replace(choice, name=str(name), file=choice.file or options.get("targets"))


def _same(run: LoadRun, target: Target) -> None:
    """The audit asks the instance that the run was on; another one would have none of its events."""
    told = str(run.header.get("base_url"))
    if parse_base_url(told) != target.base_url and not target.loopback:
        raise TargetError(f"the run was on {told}, and this is {target.base_url}")
    if target.proxy:
        raise TargetError(f"target {target.name!r} is behind a proxy, which the audit does not go through")


def _audited(directory: Path, run: LoadRun, target: Target, deadline_s: float) -> Audit:
    """The audit; the first Ctrl-C ends it in good order, the second at once."""
    stopped: list[str] = []

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stopped.append("interrupted")

    before = signal.signal(signal.SIGINT, stop)
    try:
        return _asked(directory, run, target, deadline_s, lambda: "".join(stopped))
    finally:
        signal.signal(signal.SIGINT, before)


def _asked(directory: Path, run: LoadRun, target: Target, deadline_s: float, wanted: Callable[[], str]) -> Audit:
    from load.audit.run import audit_run

    return audit_run(
        directory,
        target,
        read_contract(None, target.overlay),
        lasted_s=run.lasted_s,
        deadline_s=deadline_s,
        wanted=wanted,
        say=lambda line: click.echo(line, err=True),
        answered=sum(figures.events for figures in run.totals.values()),
    )


def _tell(found: Audit, directory: Path, target: Target, shown: Shown) -> None:
    """Print what was found, and keep it beside the run's results."""
    from reports.audit import headline, on_terminal, summary
    from reports.console import make_console

    console = make_console()
    if shown is Shown.QUIET:
        click.echo(f"{found.verdict}  {headline(found)}")
    elif shown is not Shown.JSON:
        for part in on_terminal(found):
            console.print(part)
    now = datetime.now(UTC)
    path = directory / f"audit-{now:%Y%m%dT%H%M%SZ}.result.json"
    record = {"audited": now.isoformat(timespec="seconds"), "base_url": target.base_url, **found.as_record()}
    try:
        path.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
    if shown is Shown.JSON:
        print_json(
            {
                "kind": "audit",
                "target": target.name,
                "sentence": headline(found),
                **summary(found),
                "reports": [str(path)],
            }
        )
    else:
        click.echo(str(path))
