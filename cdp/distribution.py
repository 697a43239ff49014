"""A distribution of times: values in rising order with how often each came, and what is read off it.

It says nothing of how the values were rounded into buckets: whoever counts (an HDR histogram) hands over one value for
each bucket, so that distributions of the same layout merge exactly.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

UNIT_NS = 100
"""The unit in which distributions are stored."""

Numbers = NDArray[np.int64]


def rank(percentile: float, count: int) -> int:
    """The rank (from 1) of a percentile among `count` values: the nearest rank, ⌈p·n⌉.

    It is the inverse of the empirical distribution function, type 1 of Hyndman and Fan, "Sample Quantiles in
    Statistical Packages" (The American Statistician 50, 1996): always a value that was measured, never one in between.
    """
    return max(1, math.ceil(round(percentile * count / 100, 9)))


def in_words(time_ns: float) -> str:
    """A time as people read it, three digits of it: 0.85 ms, 212 ms, 1.24 s."""
    number, unit = (time_ns / 1e9, "s") if time_ns >= 999.5e6 else (time_ns / 1e6, "ms")
    digits = 0 if number >= 99.95 else 1 if number >= 9.995 else 2
    return f"{number:,.{digits}f} {unit}"


class Distribution:
    """Values in ns, rising, with their counts. It is not changed once it is made."""

    __slots__ = ("_sums", "counts", "values_ns")

    def __init__(self, values_ns: Iterable[int] | Numbers = (), counts: Iterable[int] | Numbers = ()) -> None:
        self.values_ns: Numbers = _numbers(values_ns)
        self.counts: Numbers = _numbers(counts)
        if self.values_ns.shape != self.counts.shape:
            raise ValueError(f"{len(self.values_ns)} values and {len(self.counts)} counts do not belong together")
        self._sums: Numbers = np.cumsum(self.counts)

    @classmethod
    def of(cls, times_ns: Iterable[int] | Numbers) -> Self:
        """The distribution of single times in any order, rounded to two significant digits (5 % at most) and at least
        to the unit."""
        times = np.maximum(_numbers(times_ns), 1)
        step = np.maximum(np.power(10.0, np.floor(np.log10(times)) - 1).astype(np.int64), UNIT_NS)
        values, counts = np.unique((times + step // 2) // step * step, return_counts=True)
        return cls(values, counts)

    @classmethod
    def merged(cls, parts: Iterable[Distribution]) -> Self:
        """All of them taken together."""
        filled = [part for part in parts if part.count]
        if not filled:
            return cls()
        if len(filled) == 1:
            return cls(filled[0].values_ns, filled[0].counts)
        values = np.concatenate([part.values_ns for part in filled])
        order = np.argsort(values, kind="stable")  # a merge sort, which is quick on parts that rise already
        values = values[order]
        first = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
        return cls(values[first], np.add.reduceat(np.concatenate([part.counts for part in filled])[order], first))

    @property
    def count(self) -> int:
        """How many values there are."""
        return int(self._sums[-1]) if len(self._sums) else 0

    @property
    def max_ns(self) -> int:
        """The largest value; 0 when there is none."""
        return int(self.values_ns[-1]) if self.count else 0

    @property
    def mean_ns(self) -> float:
        """The mean; 0 when there is no value."""
        return float(np.dot(self.values_ns.astype(np.float64), self.counts)) / self.count if self.count else 0.0

    def percentile(self, percentile: float) -> int:
        """The value in ns at a percentile (0 to 100) by the nearest rank; 0 when there is no value."""
        return self.at(rank(percentile, self.count)) if self.count else 0

    def at(self, position: int) -> int:
        """The value in ns at a rank, from 1 to `count`."""
        return int(self.values_ns[int(np.searchsorted(self._sums, position))])

    def above(self, limit_ns: float) -> int:
        """How many values are larger than the limit."""
        first = int(np.searchsorted(self.values_ns, limit_ns, side="right"))
        return self.count - (int(self._sums[first - 1]) if first else 0)

    def as_record(self) -> list[list[int]]:
        """Two lists: the values in units of 100 ns, each as its distance from the one before, and the counts."""
        return [np.diff(self.values_ns // UNIT_NS, prepend=0).tolist(), self.counts.tolist()]

    @classmethod
    def from_record(cls, record: Any) -> Self:
        """What `as_record` wrote. Raises ValueError when it is anything else."""
        if not isinstance(record, list) or len(record) != 2 or not all(isinstance(part, list) for part in record):
            raise ValueError("a distribution is a list of values and a list of counts")
        try:
            steps, counts = (_numbers(part) for part in record)
        except (TypeError, OverflowError) as error:
            raise ValueError("a distribution holds whole numbers") from error
        if (steps[1:] <= 0).any() or (steps < 0).any() or (counts < 0).any():
            raise ValueError("the values of a distribution rise, and no count is below zero")
        return cls(np.cumsum(steps) * UNIT_NS, counts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Distribution):
            return NotImplemented
        return np.array_equal(self.values_ns, other.values_ns) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Distribution of {self.count:,} values up to {self.max_ns:,} ns>"


def _numbers(values: Iterable[int] | Numbers) -> Numbers:
    if isinstance(values, np.ndarray):
        return values
    found = np.array(values if isinstance(values, list | tuple | array) else list(values))
    if found.size and found.dtype.kind not in "iu":
        raise TypeError("whole numbers are needed")
    return found.astype(np.int64)
