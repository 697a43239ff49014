"""The option that says where runs are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cdp.records import RUNS

F = TypeVar("F", bound=Callable[..., Any])


def runs_option(help_: str = "Where the runs are.") -> Callable[[F], F]:
    """The directory of the runs, which need not be there yet; a file in its place is wrong usage."""
    kind = click.Path(file_okay=False)
    return click.option("--runs", "runs_directory", type=kind, default=str(RUNS), show_default=True, help=help_)
