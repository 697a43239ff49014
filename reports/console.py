"""The console that reports are printed on, and the signs and colours of verdicts there."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from rich.console import Console

from cdp.verdicts import Verdict
from reports.wording import ASCII_SYMBOLS, SYMBOLS

STYLES = {
    Verdict.NOT_APPLICABLE: "bright_black",
    Verdict.PASS: "green",
    Verdict.SKIP: "bright_black",
    Verdict.UNCONFIRMED: "cyan",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold bright_red",
    Verdict.ERROR: "bold white on red",
}

WIDTH = 100


def make_console(file: TextIO | None = None) -> Console:
    """A console for reports: the terminal's own width, else 100 columns or what COLUMNS says; NO_COLOR is kept."""
    file = file or sys.stdout
    width = None
    if not file.isatty():
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdigit() and int(columns) else WIDTH
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def symbols(console: Console) -> dict[Verdict, str]:
    """The signs of the verdicts, plain ones where the terminal cannot show others."""
    return ASCII_SYMBOLS if console.options.ascii_only else SYMBOLS
