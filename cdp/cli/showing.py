"""How much a command prints: one screen, everything, one line, or one JSON object."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from reports.exports import Stored

F = TypeVar("F", bound=Callable[..., Any])


class Shown(StrEnum):
    """How much is printed. USUAL: one screen on a terminal, everything elsewhere; DETAILS: everything; QUIET: the
    verdict and the paths; JSON: one object on standard output, everything else on standard error."""

    USUAL = "usual"
    DETAILS = "details"
    QUIET = "quiet"
    JSON = "json"

    @property
    def whole(self) -> bool:
        """Whether everything is to be printed: a log is searched, and nobody scrolls in it."""
        return self is Shown.DETAILS or (self is Shown.USUAL and not sys.stdout.isatty())

    @contextmanager
    def working(self) -> Iterator[None]:
        """What is printed to standard output meanwhile goes where this says: there, to standard error, or nowhere."""
        with ExitStack() as stack:
            if self is Shown.JSON:
                stack.enter_context(redirect_stdout(sys.stderr))
            elif self is Shown.QUIET:
                stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
            yield

    def progress_console(self) -> Console:
        """Where progress is shown."""
        from reports.console import make_console

        console = make_console(sys.stderr)
        console.quiet = self is Shown.QUIET
        return console


def showing_options(*, details: bool = False) -> Callable[[F], F]:
    """`--quiet` and `--json` (and `--details`, where there is more than fits on a screen) as one parameter, `shown`."""

    def add(command: F) -> F:
        @wraps(command)
        def wrapped(*args: Any, quiet: bool, as_json: bool, whole: bool = False, **kwargs: Any) -> Any:
            if quiet + as_json + whole > 1:
                raise click.ClickException("--quiet, --json and --details exclude one another; give one of them")
            shown = Shown.QUIET if quiet else Shown.JSON if as_json else Shown.DETAILS if whole else Shown.USUAL
            return command(*args, shown=shown, **kwargs)

        options = [
            click.option("-q", "--quiet", is_flag=True, help="Print only the verdict and the paths of the reports."),
            click.option(
                "--json", "as_json", is_flag=True, help="Print one JSON object; everything else goes to stderr."
            ),
        ]
        if details:
            options.append(
                click.option("--details", "whole", is_flag=True, help="Print everything instead of one screen.")
            )
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[return-value]

    return add


def print_json(value: object) -> None:
    """Print one object for other programs."""
    from reports.exports import as_json

    click.echo(as_json(value), nl=False)  # bytes: UTF-8, whatever the encoding of the terminal is


def tell(shown: Shown, stored: Stored, written: Sequence[Path], **beside: Any) -> None:
    """The end of a command, where it is quiet or speaks JSON: the verdict and the paths, or the document of the run
    (docs/results.schema.json) with the paths, and what stands `beside` it."""
    if shown is Shown.QUIET:
        click.echo(verdict_line(stored))
        for path in written:
            click.echo(str(path))
    elif shown is Shown.JSON:
        from reports.exports.document import document

        found = document(stored.run, stored.since, cells=False)
        print_json(
            {**found, "directory": str(stored.path.parent), "reports": [str(path) for path in written], **beside}
        )


def verdict_line(stored: Stored) -> str:
    """What a run says, in one line."""
    from cdp.load_results import LoadRun
    from cdp.results import Run
    from cdp.verdicts import decide
    from reports.gate import gate_answer
    from reports.wording import one_line

    run = stored.run
    if isinstance(run, Run):
        decision = decide(run)
        return f"{decision.headline}  {one_line(decision.sentence)}"
    if isinstance(run, LoadRun):
        return f"{run.decision.headline}  {one_line(run.decision.sentence)}"
    return f"{run.headline}  {one_line(gate_answer(run))}"
