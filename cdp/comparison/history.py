"""The runs of a target in a row, and the nights on which a series of their figures moved."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdp.comparison.capacity import CAPACITY
from cdp.comparison.comparable import load_differences, unusable
from cdp.comparison.stored import kind_of, target_of
from cdp.load_results import INCONCLUSIVE, LoadRun
from cdp.records import RESULTS_FILE, Records, ResultsError, read_records
from cdp.results import Run, read_results
from cdp.statistics.change_points import change_points
from cdp.verdicts import Verdict, decide

MOST_RUNS = 120
"""Runs of a kind that are looked at: older ones say little about now."""

FIGURES = {"p50": "p50 latency", "p99": "p99 latency", "rate": "good answers a second", CAPACITY: "capacity"}
"""The figures of load runs whose series are watched: p50 and p99 in ms, rate and capacity a second. Of a search for
capacity only its answer is one."""


@dataclass(frozen=True)
class Night:
    """One stored run: its directory, when it started, what it said, and its counts or figures. `left_out`: why it is
    in no series; empty when it is."""

    directory: Path
    started: datetime
    headline: str
    counts: dict[Verdict, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    left_out: str = ""


@dataclass(frozen=True)
class Moved:
    """A series moved with this night: the figure's name, its median before and after, and how likely that is chance."""

    night: Night
    figure: str
    before: float
    after: float
    p: float

    @property
    def share(self) -> float:
        """By how much it moved, as a share of what it was before."""
        return self.after / self.before - 1


@dataclass(frozen=True)
class History:
    """The runs of a target of one kind, oldest first, and where their series moved."""

    kind: str
    nights: list[Night]
    moved: list[Moved]


def histories(runs: Path, target: str) -> tuple[list[History], list[str]]:
    """Every kind of run of a target that is stored in `runs`, and a line for each run that could not be read."""
    stored: dict[str, list[tuple[datetime, Records]]] = {}
    unread = []
    for path in sorted(runs.glob(f"*/{RESULTS_FILE}")):
        try:
            records = read_records(path)
        except ResultsError as error:
            unread.append(str(error))
            continue
        run = LoadRun(records.header) if records.of_load else Run(records.header)
        if target_of(run) == target and (started := _started(records.header)) is not None:
            stored.setdefault(kind_of(run), []).append((started, records))
    found = []
    for kind, parts in sorted(stored.items()):
        latest = sorted(parts, key=lambda part: part[0])[-MOST_RUNS:]
        nights = _load_nights(latest, unread) if latest[0][1].of_load else _contract_nights(latest, unread)
        found.append(History(kind, nights, movements(nights)))
    return found, unread


def movements(nights: list[Night]) -> list[Moved]:
    """Where the series of the nights' figures moved, in the order of the nights."""
    usable = [night for night in nights if not night.left_out]
    found = []
    for figure in FIGURES:
        series = [night for night in usable if night.figures.get(figure, 0) > 0]
        values = [math.log(night.figures[figure]) for night in series]
        for point in change_points(values, [night.started.weekday() for night in series]):
            before, after = math.exp(point.before), math.exp(point.after)
            found.append(Moved(series[point.index], figure, before, after, point.p))
    return sorted(found, key=lambda moved: (moved.night.started, list(FIGURES).index(moved.figure)))


def _contract_nights(parts: list[tuple[datetime, Records]], unread: list[str]) -> list[Night]:
    nights = []
    for started, records in parts:
        try:
            run = read_results(records.path)
        except ResultsError as error:
            unread.append(str(error))
            continue
        counts = dict(Counter(result.verdict for result in run.results))
        nights.append(Night(records.path.parent, started, decide(run).headline, counts))
    return nights


def _load_nights(parts: list[tuple[datetime, Records]], unread: list[str]) -> list[Night]:
    """Read from headers and footers alone; a night belongs to the series when it asked what the last one asked."""
    read = []
    for started, records in parts:
        try:
            run = LoadRun(records.header, footer=records.footer)
            read.append((started, records.path.parent, run, run.decision.headline, unusable(run)))
        except (ResultsError, ValueError, TypeError, KeyError) as error:
            unread.append(f"{records.path}: {error}")
    last = next((run for _, _, run, _, why in reversed(read) if not why), None)
    nights = []
    for started, directory, run, headline, why in read:
        if not why and last is not None:
            why = "; ".join(load_differences(run, last, objectives=False))
        nights.append(Night(directory, started, headline if run.footer else INCONCLUSIVE, {}, _figures(run), why))
    return nights


def _figures(run: LoadRun) -> dict[str, float]:
    """The figures of a run, of all operations together, as the footer tells them."""
    if run.finds_capacity:
        capacity = run.capacity
        return {CAPACITY: capacity.rate} if capacity is not None and capacity.rate else {}
    totals: Any = (run.footer or {}).get("totals")
    whole: Any = totals[-1] if isinstance(totals, list) and totals else {}
    times = whole.get("latency_ms") if isinstance(whole, dict) else None
    found = {"rate": whole.get("rate_per_s"), **({n: times.get(n) for n in ("p50", "p99")} if times else {})}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def _started(header: dict[str, Any]) -> datetime | None:
    try:
        started = datetime.fromisoformat(str(header.get("started")))
    except ValueError:
        return None
    return started if started.tzinfo else started.replace(tzinfo=UTC)
