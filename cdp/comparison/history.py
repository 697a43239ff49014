"""The runs of a target in a row, and the nights on which a series of their figures moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cdp.comparison.capacity import CAPACITY
from cdp.comparison.comparable import load_differences, unusable
from cdp.history import RunSummary, opened
from cdp.statistics.change_points import change_points
from cdp.verdicts import Verdict

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

    def as_record(self, last: int) -> dict[str, Any]:
        """The last runs as plain data: p50 and p99 in ms, rates a second; shares are of 1."""
        nights = [
            {
                "run": night.directory.name,
                "started": night.started,
                "headline": night.headline,
                "verdicts": {verdict.name: count for verdict, count in night.counts.items()},
                "figures": night.figures,
                "left_out": night.left_out,
            }
            for night in self.nights[-last:]
        ]
        moved = [
            {
                "run": each.night.directory.name,
                "figure": each.figure,
                "before": each.before,
                "after": each.after,
                "share": each.share,
                "p": each.p,
            }
            for each in self.moved
        ]
        return {"kind": self.kind, "runs": nights, "moved": moved}


def histories(runs: Path, target: str) -> tuple[list[History], list[str]]:
    """Every kind of run of a target that the store of `runs` has, and a line for each run that could not be read."""
    with opened(runs) as (store, unread):
        found = []
        for kind in store.kinds(target):
            latest = store.latest(target, MOST_RUNS, kind)
            nights = nights_of(runs, latest)
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


def nights_of(runs: Path, latest: Sequence[RunSummary]) -> list[Night]:
    """Runs of one kind as nights, in their order."""
    if latest and not latest[0].kind.startswith("contract/"):
        return _load_nights(runs, latest)
    return [Night(runs / each.name, each.started, each.headline, dict(each.counts)) for each in latest]


def _load_nights(runs: Path, latest: Sequence[RunSummary]) -> list[Night]:
    """A night belongs to the series when it asked what the last one asked that can be used."""
    loads = [each.load_run for each in latest]
    last = next((run for run in reversed(loads) if not unusable(run)), None)
    nights = []
    for each, run in zip(latest, loads, strict=True):
        why = unusable(run)
        if not why and last is not None:
            why = "; ".join(load_differences(run, last, objectives=False))
        nights.append(Night(runs / each.name, each.started, each.headline, {}, dict(each.figures), why))
    return nights
