"""Comparisons as people ask for them: by the names of runs, or with the one that was accepted."""

from __future__ import annotations

from pathlib import Path

from cdp.comparison.accepted import accepted_for, last_accepted
from cdp.comparison.model import Comparison, unknown
from cdp.comparison.stored import compare_runs, kind_of, read_run, results_of
from cdp.gate.record import find_gate, read_gate, runs_of
from cdp.records import ResultsError

ACCEPTED = ("accepted", "baseline")  # both words mean the last accepted run


def compare_with(before: str, results: Path, runs: Path) -> Comparison:
    """The run of a results file against the one that `before` names: a run, or `accepted` for the last accepted one of
    its target and kind; told is UNKNOWN where none was accepted. ResultsError when one cannot be read."""
    if before not in ACCEPTED:
        return compare_runs(results_of(before, runs), results, accepted_for(results, runs))
    last = last_accepted(results, runs)
    if last is None:
        why = f"no run of this target and kind was accepted yet (cdp accept {results.parent})"
        return unknown(kind_of(read_run(results)), before, results.parent.name, [why])
    return compare_runs(last.results, results, last.accepted)


def parts_of(run: str, runs: Path) -> list[Path]:
    """The results files of a run: its own, or those of the parts of a gate. ResultsError when there is none."""
    gate = find_gate(run, runs)
    if gate is None:
        return [results_of(run, runs)]
    found = runs_of(read_gate(gate), gate.parent)
    if not found:
        raise ResultsError(f"{gate.parent} has no part that could be accepted")
    return found
