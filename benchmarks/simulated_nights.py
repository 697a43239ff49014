"""Nights and load runs made up to try change points and comparisons on: noise as it is measured, with or without a
change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Figures, Span
from cdp.load_results import LoadRun

WEEK = (0.0, 0.01, 0.01, 0.0, -0.01, -0.05, -0.04)
"""By how much each day of the week lies above the mean, as a logarithm: weekends are quieter."""
HEAVY, HEAVY_SCALE = 0.03, 4.0  # the share of nights that are bad, and by how many deviations on the average
FIRST_NIGHT = date(2027, 1, 4)
CHANNEL = ChannelKey("search", "GET", "/customers/fulltext_search")

_MACHINE = {"processor": "made up", "cores": 2, "memory_gb": 8.0, "architecture": "none", "system": "none"}


@dataclass(frozen=True)
class Nights:
    """A series: the logarithm of p99 of each night, and the night's day of the week."""

    values: NDArray[np.float64]
    weekdays: list[int]


def nights(draw: np.random.Generator, count: int, noise: float, shift: float = 0.0, at: int | None = None) -> Nights:
    """So many nights with lognormal noise (`noise`: its standard deviation, 0.03 is 3 %), a few that are much worse,
    and a weekly pattern; from night `at` on p99 is higher by the share `shift`."""
    values = draw.normal(0.0, noise, count) + np.where(
        draw.random(count) < HEAVY, draw.exponential(HEAVY_SCALE * noise, count), 0.0
    )
    weekdays = [(FIRST_NIGHT + timedelta(number)).weekday() for number in range(count)]
    values += np.array([WEEK[day] for day in weekdays]) + np.log(0.2)
    if at is not None:
        values[at:] += np.log1p(shift)
    return Nights(values, weekdays)


@dataclass(frozen=True)
class Build:
    """How a made-up build answers: a median in ms, the spread of single answers, how much a second depends on the one
    before (from 0 to 1) and varies, and how much runs of the same build differ."""

    median_ms: float = 20.0
    spread: float = 0.5
    dependence: float = 0.6
    second_noise: float = 0.08
    run_noise: float = 0.02


USUAL = Build()


def load_run(
    draw: np.random.Generator, build: Build = USUAL, *, seconds: int = 60, rate: int = 100, slower: float = 0.0
) -> LoadRun:
    """A load run of a build that is slower than usual by a share, as it would be read from its file."""
    level = np.log(build.median_ms * 1e6) + np.log1p(slower) + draw.normal(0.0, build.run_noise)
    fresh = build.second_noise * np.sqrt(1 - build.dependence**2)
    wander, spans = draw.normal(0.0, build.second_noise), []
    for second in range(seconds):
        count = int(draw.poisson(rate))
        times = np.exp(level + wander + draw.normal(0.0, build.spread, count)).astype(np.int64)
        values, counts = np.unique(times // 100_000 * 100_000 + 100_000, return_counts=True)
        found = Distribution(values, counts)
        figures = Figures(good=count, latency=found, service=found)
        spans.append(Span(float(second), second + 1.0, {CHANNEL: figures} if count else {}, offered=count))
        wander = build.dependence * wander + draw.normal(0.0, fresh)
    return LoadRun(_header(seconds, rate), spans, footer=_footer(sum(span.offered for span in spans)))


def _header(seconds: int, rate: int) -> dict[str, Any]:
    return {
        "load": CHANNEL.scenario,
        "target": "made up",
        "loop": "open",
        "schedule": f"{rate}/s for {seconds} s",
        "planned_s": seconds,
        "machine": _MACHINE,
        "options": {"rate": rate},
    }


def _footer(count: int) -> dict[str, Any]:
    return {
        "decision": {"headline": "MET", "sentence": "made up", "exit_code": 0},
        "health": {"inconclusive": False, "reasons": [], "notes": [], "line": ""},
        "books": {
            "offered": count,
            "sent": count,
            "never_sent": 0,
            "answered": count,
            "failed": 0,
            "unanswered": 0,
            "balanced": True,
        },
    }
