"""Stored runs of either kind: finding them, reading them, and comparing two of them."""

from __future__ import annotations

from pathlib import Path

from cdp.comparison.capacity import CAPACITY, compare_capacities
from cdp.comparison.cells import compare_contract_runs
from cdp.comparison.load import compare_load_runs
from cdp.comparison.model import Comparison, unknown
from cdp.load_results import LoadRun, read_load_results
from cdp.records import RESULTS_FILE, ResultsError, read_records
from cdp.results import Run, read_results

AnyRun = Run | LoadRun


def results_of(run: str | Path, runs: Path) -> Path:
    """The results file that a person means by a run: a directory, its name within `runs`, or the file itself.

    ResultsError in one line when there is none.
    """
    for path in (Path(run), runs / run):
        found = path / RESULTS_FILE if path.is_dir() else path
        if found.is_file():
            return found
    raise ResultsError(f"no run is stored as {run}; give a directory with a {RESULTS_FILE}, or its name within {runs}")


def read_run(path: Path) -> AnyRun:
    """A run of either kind from its results file. ResultsError when it cannot be read."""
    return read_load_results(path) if read_records(path).of_load else read_results(path)


def kind_of(run: AnyRun) -> str:
    """What is compared with what: `contract/release`, `load/mixed`, `capacity/search`."""
    if isinstance(run, LoadRun):
        return f"{CAPACITY if run.finds_capacity else 'load'}/{run.scenario}"
    return f"contract/{run.header.get('profile') or 'quick'}"


def target_of(run: AnyRun) -> str:
    """The name of the target that a run was held against."""
    return str(run.header.get("target") or "")


def compare_runs(before: Path, after: Path, accepted: list[Path]) -> Comparison:
    """Compare two runs by their results files; `accepted`: those of accepted runs of the same target and kind, oldest
    first. ResultsError when one of the two cannot be read; accepted ones that cannot are left out."""
    old, new = read_run(before), read_run(after)
    names = (before.parent.name or str(before), after.parent.name or str(after))
    if isinstance(old, Run) and isinstance(new, Run):
        return compare_contract_runs(old, new, names)
    if isinstance(old, LoadRun) and isinstance(new, LoadRun) and old.finds_capacity == new.finds_capacity:
        compare = compare_capacities if new.finds_capacity else compare_load_runs
        return compare(old, new, _readable(accepted, after), names)
    return unknown(kind_of(new), *names, [f"runs of different kinds, {kind_of(old)} and {kind_of(new)}"])


def _readable(paths: list[Path], but: Path) -> list[LoadRun]:
    runs = []
    for path in paths:
        if path.resolve() == but.resolve():
            continue
        try:
            runs.append(read_load_results(path))
        except ResultsError:
            continue
    return runs
