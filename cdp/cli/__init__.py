"""The command line: `cdp contract`, `cdp load`, `cdp gate`, and what goes before and after them."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from click.shell_completion import CompletionItem

from cdp import __version__
from cdp.cli.completion import PROGRAM
from cdp.cli.continuous import in_github, shielded
from cdp.exit_codes import NOT_JUDGED, USAGE
from cdp.output import output_lost, print_whatever_comes

_COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Before a run": {
        "doctor": ("cdp.cli.doctor:doctor", "Is a target ready, and what can be judged there?"),
        "targets": ("cdp.cli.targets:targets", "List the targets, and what a run may do on each."),
        "spec": ("cdp.cli.spec_commands:spec", "Show, confirm, import and bundle the contract."),
        "serve": ("cdp.cli.serve:serve", "Run the embedded instance."),
    },
    "Judge a target": {
        "gate": ("cdp.cli.gate:gate", "May it be released? GO, NO-GO or CANNOT TELL."),
        "contract": ("cdp.cli.contract:contract", "Hold a target to the contract."),
        "load": ("cdp.cli.load:load", "Put load on customer search and event ingestion."),
        "capacity": ("cdp.cli.capacity:capacity", "Find the highest rate at which objectives hold."),
    },
    "After a run": {
        "report": ("cdp.cli.report:report", "Write the reports of a run again, or export it."),
        "compare": ("cdp.cli.compare:compare", "What changed from one run to another?"),
        "accept": ("cdp.cli.compare:accept_command", "Accept a run: later ones are compared with it."),
        "history": ("cdp.cli.history:history", "Show the last runs of a target, and since when it fails."),
        "audit": ("cdp.cli.audit:audit", "Read back again what a load run sent."),
        "clean": ("cdp.cli.clean:clean", "Remove what stopped runs left on a target."),
    },
    "This program": {
        "prove": ("cdp.cli.prove:prove", "Can every check fail? Inject faults and count those found."),
        "completion": ("cdp.cli.completion:completion", "Print a completion script for your shell."),
    },
}
"""Where each command is, and what it is for, in groups. A command is loaded when it is asked for: a shell asks at every
press of Tab."""

_FIRST_STEPS = """\
Hold a Meiro CDP instance to its contract.

First, on the embedded instance (nothing has to be configured):

  cdp contract --section Segments        one section of the contract, in seconds
  cdp gate                               contract, load, audit: GO or NO-GO, in minutes

Then on yours:

  cp targets.example.toml targets.toml   say where it is, and what may be done there
  cdp doctor --target staging            is it ready, and what can be judged?
  cdp contract --target staging

`cdp --help` lists all commands, `cdp COMMAND --help` explains one.
"""


class _Commands(click.Group):
    """The commands in groups, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for group in _COMMANDS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = next((group[cmd_name] for group in _COMMANDS.values() if cmd_name in group), None)
        if found is None:
            return None
        module, _, attribute = found[0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands without loading any; options as usual."""
        known = {name: purpose for group in _COMMANDS.values() for name, (_, purpose) in group.items()}
        found = [CompletionItem(name, help=known[name]) for name in known if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, purpose) for name, (_, purpose) in commands.items()])


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 in order, 1 something is broken, 2 wrong usage, 3 it could not be judged.",
)
@click.version_option(__version__, prog_name=PROGRAM)
@click.pass_context
def cli(context: click.Context) -> None:
    """Hold a Meiro CDP instance to its contract, put load on it, and say whether it may be released.

    \b
    cdp contract --section Segments          try it on the embedded instance
    cdp doctor --target staging              look at a target of targets.toml
    cdp gate --target staging                GO, NO-GO or CANNOT TELL
    cdp report RUN --format junit            what a run said, for other programs
    """
    if context.invoked_subcommand is None:
        click.echo(_FIRST_STEPS, nl=False)
    elif in_github():
        context.with_resource(shielded(context))


@contextmanager
def _terminating_as_interrupting() -> Iterator[None]:
    """SIGTERM, which ends a CI job, ends a command like Ctrl-C, while the command has no way of its own."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    """Entry point. Usage errors end with 2; nothing ends with a traceback. An answer that could not be printed is none,
    unless something is broken, or its reader has gone."""
    print_whatever_comes()
    code = _run()
    if lost := output_lost():
        print(f"{PROGRAM}: {lost}", file=sys.stderr)
        code = code or NOT_JUDGED
    sys.exit(code)


def _run() -> int:
    """Run the command of the command line; its exit code."""
    try:
        with _terminating_as_interrupting():
            cli.main(prog_name=PROGRAM, standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        print("cdp: interrupted", file=sys.stderr)
        return NOT_JUDGED
    return 0
