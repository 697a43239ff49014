"""Making the reports of whatever is stored, and printing what it says: a run of either kind, or a gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdp.gate.record import Gate
from cdp.load_results import LoadRun
from cdp.records import ResultsError
from reports.exports import FORMATS, Stored, exported
from reports.gate import print_gate, write_gate_reports
from reports.load_terminal import print_load_run
from reports.screen import print_screen
from reports.terminal import make_console, print_run
from reports.wording import write_whole
from reports.writing import write_reports_of


def render(stored: Stored, whole: bool = True) -> list[Path]:
    """Write and print the reports of a run or of a gate; their paths. `whole`: everything is printed, and not what fits
    on one screen. ResultsError in one line when a report cannot be written."""
    console = make_console()
    if isinstance(stored.run, Gate):
        written = write_gate_reports(stored.run, stored.path.parent)
        print_gate(stored.run, console)
        return written
    written = write_reports_of(stored)
    if isinstance(stored.run, LoadRun):
        print_load_run(stored.run, console, whole)
    elif whole:
        print_run(stored.run, console, since=stored.since)
    else:
        print_screen(stored.run, console, since=stored.since)
    return written


def export(stored: Stored, formats: Sequence[str], to: Path | None = None) -> list[Path]:
    """Write formats of what is stored into a directory, that of the run without `to`; what was written, a directory
    where a format is one. ResultsError in one line when a format is for another kind, or cannot be written."""
    directory = to or stored.path.parent
    made = [(FORMATS[name], exported(stored, FORMATS[name])) for name in dict.fromkeys(formats)]
    for _, files in made:
        for name, content in files.items():
            file = directory / name
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file, content)
            except OSError as error:
                raise ResultsError(f"cannot write {file}: {error.strerror}") from None
    return [directory / format_.file for format_, _ in made]
