"""Filling the store from stored runs, and asking it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from cdp.history.model import PAGE, RunSummary, Since
from cdp.history.store import HISTORY_FILE, MEMORY, HistoryError, Store
from cdp.history.summing import summed
from cdp.records import RESULTS_FILE, RUNS, ResultsError, read_records
from cdp.verdicts import Verdict

_IS_BROKEN = np.zeros(256, np.bool_)
_IS_BROKEN[[Verdict.WARN, Verdict.FAIL]] = True


def record(results: Path) -> str:
    """Put a run into the store of its directory of runs, when it is over. What went wrong, in one line; else empty: a
    run is no worse for it."""
    try:
        with Store(results.parent.parent / HISTORY_FILE) as store:
            _add(store, results)
    except (HistoryError, ResultsError) as error:
        return f"the history: {error}"
    return ""


@contextmanager
def opened(runs: Path) -> Iterator[tuple[Store, list[str]]]:
    """The store of a directory of runs, caught up with what stands there, and a line for each run that could not be
    read. Where the file cannot be used a line says so, and a store in memory takes its place."""
    if not runs.is_dir():
        with Store(MEMORY) as store:
            yield store, []
        return
    store, unread = _caught_up(runs)
    with store:
        yield store, unread


def _caught_up(runs: Path) -> tuple[Store, list[str]]:
    try:
        with ExitStack() as stack:
            store = stack.enter_context(Store(runs / HISTORY_FILE))
            unread = _catch_up(store, runs)
            store.keep()
            stack.pop_all()
    except HistoryError as error:
        store = Store(MEMORY)
        unread = [str(error), *_catch_up(store, runs)]
    return store, unread


def rebuild(runs: Path) -> tuple[int, list[str]]:
    """Make the store of a directory of runs again, from what stands there and nothing else: how many runs it has, and a
    line for each that could not be read. HistoryError in one line when it cannot be written."""
    if not runs.is_dir():
        raise HistoryError(f"there is no directory {runs}")
    path = runs / HISTORY_FILE
    part = runs / f".{HISTORY_FILE}.{os.getpid()}.part"
    try:
        with Store(part) as store:
            unread = _catch_up(store, runs)
            count = len(store.stamps())
        part.replace(path)
    except OSError as error:
        raise HistoryError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return count, unread


def last_runs(target: str, limit: int = 30, runs: Path = RUNS, kind: str | None = None) -> list[RunSummary]:
    """The last runs of a target, of one kind or of all, the latest last. HistoryError when the store is damaged."""
    with opened(runs) as (store, _):
        return store.latest(target, limit, kind)


def since(run: Path) -> dict[str, Since]:
    """Since when each cell is broken that is broken in a run (its directory), by the cell's address. Empty where the
    run is none of a contract, or is not in the store. HistoryError when the store is damaged."""
    run = Path(os.path.abspath(run))
    with opened(run.parent) as (store, _):
        return since_in(store, run)


def known_of(run: Path, most: int = 30) -> tuple[dict[str, Since], list[RunSummary]]:
    """What earlier runs say of a run (its directory): since when each of its broken cells is, and the runs of the same
    target and kind before it with itself at the end, at most so many. Where there is no store none is made, and nothing
    is known. HistoryError when it is damaged."""
    run = Path(os.path.abspath(run))
    if not (run.parent / HISTORY_FILE).is_file():
        return {}, []
    with opened(run.parent) as (store, _):
        summary = store.summary(run.name)
        if summary is None:
            return {}, []
        return since_in(store, run), [*store.latest(summary.target, most - 1, summary.kind, summary), summary]


def last_contract_run(runs: Path, target: str) -> tuple[RunSummary | None, dict[str, Since], list[str]]:
    """The last contract run of a target, since when its broken cells are, and a line for each run that could not be
    read. HistoryError when the store is damaged."""
    with opened(runs) as (store, unread):
        kinds = [kind for kind in store.kinds(target) if kind.startswith("contract/")]
        latest = [run for kind in kinds for run in store.latest(target, 1, kind)]
        run = max(latest, key=lambda each: each.started, default=None)
        return run, since_in(store, runs / run.name) if run else {}, unread


def since_in(store: Store, run: Path) -> dict[str, Since]:
    """The same, of a store that is open."""
    found = store.find(run.name)
    if found is None:
        return {}
    summary, verdicts = found
    cells = np.flatnonzero(_IS_BROKEN[verdicts])
    first, runs = np.zeros(len(cells), np.int64), np.ones(len(cells), np.int64)
    kept = np.zeros(len(cells), np.bool_)
    names, starts = [summary.name], [summary.started]
    following = np.arange(len(cells))  # places of the cells whose streak may still grow
    for name, started, earlier in store.before(summary):
        if not len(following):
            break
        names.append(name)
        starts.append(started)
        known = following[cells[following] < len(earlier)]  # the others are cells that came later
        seen = earlier[cells[known]]
        broken = known[_IS_BROKEN[seen]]
        first[broken] = len(names) - 1
        runs[broken] += 1
        ended = known[seen == Verdict.PASS]  # a run that did not judge a cell changes nothing for it
        if len(ended):
            kept[ended] = True
            following = np.setdiff1d(following, ended, assume_unique=True)
    pages = {place: _page(run, names[place]) for place in set(map(int, first))}
    addresses = store.addresses(map(int, cells))
    return {
        addresses[int(cell)]: Since(
            names[place], starts[place], int(runs[number]), bool(kept[number]), pages[int(place)]
        )
        for number, (cell, place) in enumerate(zip(cells, first, strict=True))
    }


def _page(run: Path, name: str) -> str:
    return f"../{name}/{PAGE}" if (run.parent / name / PAGE).is_file() else ""


def _catch_up(store: Store, runs: Path) -> list[str]:
    """Put in what is new or has changed; a line for each run that cannot be read."""
    known, unread = store.stamps(), []
    for results in sorted(runs.glob(f"*/{RESULTS_FILE}")):
        if known.get(results.parent.name) == _stamp(results):
            continue
        try:
            _add(store, results)
        except ResultsError as error:
            unread.append(str(error))
    return unread


def _add(store: Store, results: Path) -> None:
    stamp = _stamp(results)  # before it is read: what comes meanwhile is seen the next time
    found = summed(read_records(results))
    if found is not None:
        run, verdicts = found
        store.add(run, stamp, verdicts)


def _stamp(results: Path) -> str:
    try:
        state = results.stat()
    except OSError:
        return ""
    return f"{state.st_size} {state.st_mtime_ns}"
