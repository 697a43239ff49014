"""The command line: `cdp contract`, `cdp load`, `cdp gate`, and what goes before and after them."""

from __future__ import annotations

import sys

import click

from cdp import __version__
from cdp.cli.audit import audit
from cdp.cli.capacity import capacity
from cdp.cli.clean import clean
from cdp.cli.compare import accept_command, compare
from cdp.cli.contract import contract
from cdp.cli.doctor import doctor
from cdp.cli.gate import gate
from cdp.cli.history import history
from cdp.cli.load import load
from cdp.cli.overlays import confirm_command, diff_command, import_command
from cdp.cli.prove import prove
from cdp.cli.report import report
from cdp.cli.serve import serve
from cdp.cli.spec import spec
from cdp.cli.targets import targets

USAGE, NOT_JUDGED = 2, 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cdp")
def cli() -> None:
    """Hold a Meiro CDP instance to its contract."""


cli.add_command(spec)
spec.add_command(diff_command)
spec.add_command(confirm_command)
spec.add_command(import_command)
cli.add_command(serve)
cli.add_command(contract)
cli.add_command(clean)
cli.add_command(doctor)
cli.add_command(load)
cli.add_command(audit)
cli.add_command(capacity)
cli.add_command(targets)
cli.add_command(compare)
cli.add_command(accept_command)
cli.add_command(history)
cli.add_command(gate)
cli.add_command(report)
cli.add_command(prove)


def main() -> None:
    """Entry point. Usage errors end with 2; nothing ends with a traceback."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except (click.Abort, KeyboardInterrupt):
        print("cdp: interrupted", file=sys.stderr)
        sys.exit(NOT_JUDGED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
