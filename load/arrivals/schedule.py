"""Schedules: pure, seeded objects that say when each arrival is due.

A rate over time is a row of straight pieces. Its integral maps time to the expected number of arrivals, so that a
process of rate 1 becomes one of the wanted rate by the inverse of it (time rescaling; Cox and Lewis, "The Statistical
Analysis of Series of Events", 1966): exponential gaps give a Poisson process, even ones a uniform stream.

Arrival i belongs to stripe i mod n. The arrivals themselves do not depend on n, so that a run is the same run whatever
the number of processes that share it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
CHUNK = 4096
_MOST = 2_000_000_000
_STEPS = 5
_FROM = 0.01  # of the rate, where a ramp begins
_SPIKE_BASE, _SPIKE_LENGTH = 0.2, 0.1


class ScheduleError(ValueError):
    """No schedule can be made of this; the message is one line that says why."""


@dataclass(frozen=True)
class Piece:
    """From `from_s` to `to_s` the rate goes in a straight line from `from_rate` to `to_rate` (arrivals a second)."""

    from_s: float
    to_s: float
    from_rate: float
    to_rate: float

    @property
    def expected(self) -> float:
        return (self.to_s - self.from_s) * (self.from_rate + self.to_rate) / 2


@dataclass(frozen=True)
class Schedule:
    """Arrivals over time. `poisson`: exponential gaps, else even ones. `words`: the shape as people say it."""

    pieces: tuple[Piece, ...]
    seed: int = 1
    poisson: bool = True
    words: str = ""

    def __post_init__(self) -> None:
        if not self.pieces:
            raise ScheduleError("a schedule needs a time in which something is due")
        for piece in self.pieces:
            numbers = (piece.from_s, piece.to_s, piece.from_rate, piece.to_rate)
            if not all(map(math.isfinite, numbers)):
                raise ScheduleError("rates and times have to be finite numbers")
            if piece.to_s <= piece.from_s:
                raise ScheduleError(f"the time {piece.to_s:g} s does not come after {piece.from_s:g} s")
            if piece.from_rate < 0 or piece.to_rate < 0:
                raise ScheduleError("a rate cannot be below 0")
        if not 0 < self.expected() <= _MOST:
            raise ScheduleError(f"about {self.expected():,.0f} arrivals are due; from 1 to {_MOST:,} make sense")

    @property
    def duration_s(self) -> float:
        return self.pieces[-1].to_s

    @property
    def peak_rate(self) -> float:
        """The highest rate, in arrivals a second."""
        return max(max(piece.from_rate, piece.to_rate) for piece in self.pieces)

    def expected(self, from_s: float = 0.0, to_s: float = math.inf) -> float:
        """How many arrivals are expected between two times."""
        total = 0.0
        for piece in self.pieces:
            begin, end = max(from_s, piece.from_s), min(to_s, piece.to_s)
            if begin < end:
                slope = (piece.to_rate - piece.from_rate) / (piece.to_s - piece.from_s)
                middle = piece.from_rate + slope * ((begin + end) / 2 - piece.from_s)
                total += middle * (end - begin)
        return total

    def describe(self) -> str:
        """The schedule in words, for reports."""
        kind = "Poisson" if self.poisson else "uniform"
        return f"{self.words or f'up to {self.peak_rate:g}/s'} for {self.duration_s:g} s, {kind} arrivals"

    def times(self, stripe: int = 0, stripes: int = 1) -> Iterator[tuple[Integers, Integers]]:
        """The arrivals of a stripe in chunks: their numbers, and when they are due in ns from the start; both rise."""
        if not 0 <= stripe < stripes:
            raise ScheduleError(f"there is no stripe {stripe} of {stripes}")
        drawn = 0.0  # how far the process of rate 1 has come
        first = 0
        random = np.random.Generator(np.random.Philox(key=self.seed & (2**64 - 1)))
        total = self._borders[-1]
        while drawn < total:
            gaps = random.standard_exponential(CHUNK) if self.poisson else np.ones(CHUNK)
            if first == 0 and not self.poisson:
                gaps[0] = 0.5
            units = drawn + np.cumsum(gaps)
            drawn = float(units[-1])
            numbers = np.arange(first, first + CHUNK)
            first += CHUNK
            mine = (numbers % stripes == stripe) & (units < total)
            if mine.any():
                yield numbers[mine], np.rint(self._when_s(units[mine]) * 1e9).astype(np.int64)

    def count(self, stripe: int, stripes: int, before_ns: int) -> int:
        """How many arrivals of a stripe are due before a time in ns from the start."""
        total = 0
        for _, due_ns in self.times(stripe, stripes):
            before = int(np.searchsorted(due_ns, before_ns))
            total += before
            if before < len(due_ns):
                break
        return total

    @cached_property
    def _borders(self) -> Floats:
        return np.cumsum([0.0] + [piece.expected for piece in self.pieces])

    def _when_s(self, units: Floats) -> Floats:
        """The times at which so many arrivals are expected to have come."""
        borders = self._borders
        # A piece without arrivals is never the place of one: of equal borders the last is taken.
        place = np.clip(np.searchsorted(borders, units, side="right") - 1, 0, len(self.pieces) - 1)
        table = np.array([[p.from_s, p.to_s - p.from_s, p.from_rate, p.to_rate] for p in self.pieces])
        begin, length, rate, end_rate = table[place].T
        rest = units - borders[place]
        slope = (end_rate - rate) / length
        # The positive root of rate·t + slope·t²/2 = rest, in the form that is exact for small slopes, too.
        root = np.sqrt(np.maximum(rate * rate + 2 * slope * rest, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            passed = np.where(rate + root > 0, 2 * rest / (rate + root), 0.0)
        return begin + np.minimum(passed, length)


def steady(rate: float, duration_s: float) -> tuple[Piece, ...]:
    """The same rate all the time."""
    return (Piece(0.0, duration_s, rate, rate),)


def ramp(rate: float, duration_s: float) -> tuple[Piece, ...]:
    """From next to nothing up to the rate, in a straight line."""
    return (Piece(0.0, duration_s, rate * _FROM, rate),)


def spike(rate: float, duration_s: float) -> tuple[Piece, ...]:
    """A fifth of the rate, and in the middle, for a tenth of the time, the whole of it."""
    begin, end = duration_s * (1 - _SPIKE_LENGTH) / 2, duration_s * (1 + _SPIKE_LENGTH) / 2
    base = rate * _SPIKE_BASE
    return (Piece(0.0, begin, base, base), Piece(begin, end, rate, rate), Piece(end, duration_s, base, base))


def steps(rate: float, duration_s: float, number: int = _STEPS) -> tuple[Piece, ...]:
    """Up to the rate in even steps of even length."""
    length = duration_s / number
    levels = [rate * (step + 1) / number for step in range(number)]
    return tuple(Piece(i * length, (i + 1) * length, level, level) for i, level in enumerate(levels))


def trace(path: Path, duration_s: float | None = None) -> tuple[Piece, ...]:
    """A recorded rate: a CSV of `time_s,rate_per_s`, with or without a header; between two lines the rate goes in a
    straight line. `duration_s` cuts it off. Raises ScheduleError, which names the line."""
    points = _points(path)
    pieces = []
    for (t, rate), (later, next_rate) in pairwise(points):
        if duration_s is not None and later > duration_s:
            next_rate = rate + (next_rate - rate) * (duration_s - t) / (later - t)
            later = duration_s
        if later <= t:
            break
        pieces.append(Piece(t, later, rate, next_rate))
    return tuple(pieces)


def _points(path: Path) -> list[tuple[float, float]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise ScheduleError(f"cannot read the trace {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScheduleError(f"the trace {path} is no CSV of time_s,rate_per_s: {error}") from None
    points: list[tuple[float, float]] = []
    for number, row in enumerate(rows, start=1):
        if not row or not "".join(row).strip():
            continue
        try:
            time_s, rate = (float(text) for text in row)
        except ValueError:
            if not points and number == 1:
                continue  # the header
            raise ScheduleError(f"{path}, line {number}: two numbers were expected, time_s,rate_per_s") from None
        _check_point(path, number, points, time_s, rate)
        points.append((time_s, rate))
    if len(points) < 2:
        raise ScheduleError(f"the trace {path} needs at least two lines of time_s,rate_per_s")
    begin = points[0][0]
    return [(time_s - begin, rate) for time_s, rate in points]


def _check_point(path: Path, number: int, points: Sequence[tuple[float, float]], time_s: float, rate: float) -> None:
    if not math.isfinite(time_s) or not math.isfinite(rate) or rate < 0 or time_s < 0:
        raise ScheduleError(f"{path}, line {number}: times and rates are finite numbers from 0 on")
    if points and time_s <= points[-1][0]:
        raise ScheduleError(f"{path}, line {number}: the time {time_s:g} does not come after {points[-1][0]:g}")
