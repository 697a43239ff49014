"""Making the reports of whatever is stored, and printing what it says: a run of either kind, or a gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdp.gate.record import Gate
from cdp.load_results import LoadRun
from cdp.records import ResultsError
from reports import write_reports_of
from reports.exports import FORMATS, exported, read_stored
from reports.gate import print_gate, write_gate_reports
from reports.load_terminal import print_load_run
from reports.terminal import make_console, print_run
from reports.wording import write_whole


def render(path: Path) -> list[Path]:
    """Write and print the reports of a results file, or of the record of a gate; their paths. ResultsError in one line
    when it cannot be read or a report cannot be written."""
    stored = read_stored(path)
    if isinstance(stored.run, Gate):
        written = write_gate_reports(stored.run, path.parent)
        print_gate(stored.run, make_console())
        return written
    written = write_reports_of(stored)
    if isinstance(stored.run, LoadRun):
        print_load_run(stored.run, make_console())
    else:
        print_run(stored.run, make_console(), since=stored.since)
    return written


def export(path: Path, formats: Sequence[str], to: Path | None = None) -> list[Path]:
    """Write formats of what is stored into a directory, that of the run without `to`; what was written, a directory
    where a format is one. ResultsError in one line when it cannot be read, is of another kind, or cannot be written."""
    stored = read_stored(path)
    directory = to or path.parent
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
