"""The command line: `cdp spec`, `cdp serve`, `cdp contract`."""

from __future__ import annotations

import sys

import click

from cdp import __version__
from cdp.cli.contract import contract
from cdp.cli.serve import serve
from cdp.cli.spec import spec

USAGE, NOT_JUDGED = 2, 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cdp")
def cli() -> None:
    """Hold a Meiro CDP instance to its contract."""


cli.add_command(spec)
cli.add_command(serve)
cli.add_command(contract)


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
