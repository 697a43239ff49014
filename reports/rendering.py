"""Making the reports of whatever is stored, and printing what it says: a run of either kind, or a gate."""

from __future__ import annotations

from pathlib import Path

from cdp.gate.record import GATE_FILE, read_gate
from cdp.load_results import read_load_results
from cdp.records import read_records
from cdp.results import read_results
from reports import write_reports
from reports.gate import print_gate, write_gate_reports
from reports.load_terminal import print_load_run
from reports.terminal import make_console, print_run


def render(stored: Path) -> list[Path]:
    """Write and print the reports of a results file, or of the record of a gate; their paths. ResultsError in one line
    when it cannot be read or a report cannot be written."""
    if stored.name == GATE_FILE:
        gate = read_gate(stored)
        written = write_gate_reports(gate, stored.parent)
        print_gate(gate, make_console())
        return written
    written = write_reports(stored)
    if read_records(stored).of_load:
        print_load_run(read_load_results(stored), make_console())
    else:
        print_run(read_results(stored), make_console())
    return written
