"""`cdp report`: the reports of stored runs made again, and exports for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cdp.cli.runs import runs_option
from cdp.cli.showing import Shown, showing_options, tell
from cdp.records import RESULTS_FILE, ResultsError

LAST = "last"


def _list_formats(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from reports.exports import FORMATS

    for each in FORMATS.values():
        click.echo(f"{each.name:<11} {each.file:<28} {each.purpose} ({', '.join(each.kinds)})")
    context.exit()


class _FormatName(click.ParamType[str]):
    """The name of a format; the list is read only when one is named."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from reports.exports import FORMATS

        if value not in FORMATS:
            self.fail(f"{value!r} is none of {', '.join(FORMATS)}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from reports.exports import FORMATS

        return [click.shell_completion.CompletionItem(name) for name in FORMATS if name.startswith(incomplete)]


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--format", "formats", multiple=True, type=_FormatName(), help="Write this format; may be repeated.")
@click.option(
    "--to",
    "directory",
    default=None,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the formats are written.  [default: the run's directory]",
)
@click.option(
    "--list-formats", is_flag=True, is_eager=True, expose_value=False, callback=_list_formats, help="List the formats."
)
@runs_option()
@showing_options(details=True)
def report(run: str, formats: tuple[str, ...], directory: Path | None, runs_directory: str, shown: Shown) -> None:
    """Write the reports of RUN again, be it a contract run, a load run or a gate, and print what it says.

    \b
    cdp report last
    cdp report 20270101T020000Z-staging --format sarif --format allure --to build/reports
    cdp report --list-formats

    A run is a directory, or its name within --runs; the word last is the latest one there. With --format only these
    formats are written, and only their paths printed. Exit codes: 0 made, 2 usage; the run's own exit code is its own.
    """
    from cdp.comparison.stored import results_of
    from cdp.gate.record import find_gate
    from reports.exports import read_stored
    from reports.rendering import export, render

    runs = Path(runs_directory)
    if directory is not None and not formats:
        raise click.ClickException("--to says where --format writes; name a format (cdp report --list-formats)")
    try:
        named = latest(runs) if run == LAST else run
        stored = read_stored(find_gate(named, runs) or results_of(named, runs))
        with shown.working():
            written = export(stored, formats, directory) if formats else render(stored, shown.whole)
            for path in written:
                click.echo(str(path))
    except ResultsError as error:
        raise click.ClickException(str(error)) from None
    tell(shown, stored, written)


def latest(runs: Path) -> Path:
    """The directory of the run or gate that began last, by its name. ResultsError in one line when there is none."""
    from cdp.gate.record import GATE_FILE

    found = [path.parent for file in (RESULTS_FILE, GATE_FILE) for path in runs.glob(f"*/{file}")]
    if not found:
        raise ResultsError(f"no run is stored in {runs}")
    return max(found, key=lambda directory: directory.name)
