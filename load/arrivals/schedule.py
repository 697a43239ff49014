"""Schedules: pure, seeded objects that say when each arrival is due.

A rate over time is a row of straight pieces. Its integral maps time to the expected number of arrivals, so that a
process of rate 1 becomes one of the wanted rate by the inverse of it (time rescaling; Cox and Lewis, "The Statistical
Analysis of Series of Events", 1966): exponential gaps give a Poisson process, even ones a uniform stream.

Arrival i belongs to stripe i mod n. The arrivals themselves do not depend on n, so that a run is the same run whatever
the number of processes that share it.
"""

from __future__ import annotations

import csv
import io
import math
import re
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
_LONGEST_TRACE, _LARGEST_TRACE = 1_000_000, 100_000_000  # lines; bytes
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


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

    @cached_property
    def _table(self) -> Floats:
        """Of each piece its begin, its length, and the rates at its ends: a row for each of the four."""
        return np.array([[p.from_s, p.to_s - p.from_s, p.from_rate, p.to_rate] for p in self.pieces]).T

    def _when_s(self, units: Floats) -> Floats:
        """The times at which so many arrivals are expected to have come."""
        borders = self._borders
        # A piece without arrivals is never the place of one: of equal borders the last is taken.
        place = np.clip(np.searchsorted(borders, units, side="right") - 1, 0, len(self.pieces) - 1)
        begin, length, rate, end_rate = self._table[:, place]
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
    """The points of a trace; their times count from the first line's, so that a trace may have times of day."""
    points: list[tuple[float, float]] = []
    rows = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        for row in rows:
            if not "".join(row).strip() or (not points and rows.line_num == 1 and _is_header(row)):
                continue
            points.append(_point(row, points[-1] if points else None))
            if len(points) > _LONGEST_TRACE:
                raise ValueError(f"a trace has {_LONGEST_TRACE:,} lines at most")
    except (ValueError, csv.Error) as error:
        raise ScheduleError(f"{path}, line {rows.line_num}: {error}") from None
    if len(points) < 2:
        raise ScheduleError(f"the trace {path} needs at least two lines of time_s,rate_per_s")
    begin = points[0][0]
    return [(time_s - begin, rate) for time_s, rate in points]


def _text(path: Path) -> str:
    """A file as text. Only a plain file is read: a pipe might never end."""
    try:
        if path.exists() and not path.is_file():
            raise ScheduleError(f"cannot read the trace {path}: it is no file")
        if path.stat().st_size > _LARGEST_TRACE:
            raise ScheduleError(f"the trace {path} is larger than {_LARGEST_TRACE // 10**6} MB")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        if isinstance(error, ScheduleError):
            raise
        raise ScheduleError(f"cannot read the trace {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScheduleError(f"{path}, line {line}: no text in UTF-8, so no CSV of time_s,rate_per_s") from None


def _is_header(row: Sequence[str]) -> bool:
    """Two names. A line with one number in it is no header but a broken line, which must not be passed over."""
    return len(row) == 2 and not any(map(_NUMBER.fullmatch, map(str.strip, row)))


def _point(row: Sequence[str], before: tuple[float, float] | None) -> tuple[float, float]:
    """Time and rate of a line. Raises ValueError, which says what is wrong with it."""
    if len(row) != 2 or not all(map(_NUMBER.fullmatch, map(str.strip, row))):
        raise ValueError(f"two numbers were expected, time_s,rate_per_s, not {','.join(row)[:60]!r}")
    time_s, rate = map(float, row)
    if not math.isfinite(time_s) or not math.isfinite(rate) or rate < 0 or time_s < 0:
        raise ValueError("times and rates are finite numbers from 0 on")
    if before is not None and time_s <= before[0]:
        raise ValueError(f"the time {time_s:g} does not come after {before[0]:g}")
    return time_s, rate
