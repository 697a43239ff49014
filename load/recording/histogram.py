"""Buckets of an HDR histogram: 100 ns and coarser, three significant digits, up to an hour.

The layout is that of HdrHistogram (Tene, hdrhistogram.org): the first 2,048 units have a bucket each, after that every
doubling has 1,024. So a value is kept to 0.1 %, and below 0.2 ms to 100 ns: 1 % at 10 µs. Values are rounded up to
their unit and stand for the upper end of their bucket, so that no time is ever told too short.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hdrh.histogram import HdrHistogram

from cdp.distribution import UNIT_NS, Distribution, Numbers

DIGITS = 3
HIGHEST_UNITS = 36_000_000_000  # an hour
_SUB_BITS = 11  # of 2 * 10 ** DIGITS, rounded up to a power of two
_HALF = 1 << (_SUB_BITS - 1)


def bucket_of(times_ns: Numbers) -> Numbers:
    """The index of the bucket of each time in ns. Times below a unit count as one, above an hour as an hour."""
    units = np.minimum(np.maximum((times_ns + (UNIT_NS - 1)) // UNIT_NS, 1), HIGHEST_UNITS)
    # The exponent of a float64 is the number of bits of a whole number, exactly so below 2^53.
    bits = (units.astype(np.float64).view(np.int64) >> 52) - 1022
    coarse = np.maximum(bits - _SUB_BITS, 0)
    return (coarse << (_SUB_BITS - 1)) + (units >> coarse)


def value_of(buckets: Numbers) -> Numbers:
    """The highest time in ns that falls into each bucket."""
    coarse = np.maximum(buckets // _HALF - 1, 0)
    sub = buckets - coarse * _HALF
    return (((sub + 1) << coarse) - 1) * UNIT_NS


BUCKETS = int(bucket_of(np.array([HIGHEST_UNITS * UNIT_NS]))[0]) + 1


class Counters:
    """A counter for each bucket: times are added many at a time, and taken out as a distribution."""

    __slots__ = ("_any", "_counts")

    def __init__(self) -> None:
        self._counts = np.zeros(BUCKETS, dtype=np.int64)
        self._any = False

    def add(self, times_ns: Numbers) -> None:
        """Count times in ns."""
        self._any = True
        np.add.at(self._counts, bucket_of(times_ns), 1)

    def take(self) -> Distribution:
        """What was counted since the last time."""
        if not self._any:
            return Distribution()
        self._any = False
        buckets = np.flatnonzero(self._counts)
        counts = self._counts[buckets]
        self._counts[buckets] = 0
        return Distribution(value_of(buckets), counts)


def distribution_of(times_ns: Numbers) -> Distribution:
    """Times in ns, in buckets."""
    buckets, counts = np.unique(bucket_of(times_ns), return_counts=True)
    return Distribution(value_of(buckets), counts)


def counted(parts: Iterable[Distribution]) -> Numbers:
    """How many times there are in each bucket, of all the distributions together. Such arrays add up and subtract."""
    filled = [part for part in parts if part.count]
    if not filled:
        return np.zeros(BUCKETS, dtype=np.int64)
    buckets = bucket_of(np.concatenate([part.values_ns for part in filled]))
    counts = np.bincount(buckets, np.concatenate([part.counts for part in filled]), BUCKETS)
    return counts.astype(np.int64)


def uncounted(counts: Numbers) -> Distribution:
    """The distribution of what `counted` counted."""
    filled = np.flatnonzero(counts)
    return Distribution(value_of(filled), counts[filled])


def hdr_histogram(distribution: Distribution) -> HdrHistogram:
    """The same as an HdrHistogram, whose values are in units of 100 ns."""
    histogram = HdrHistogram(1, HIGHEST_UNITS, DIGITS)
    if distribution.count:
        buckets = bucket_of(distribution.values_ns)
        # Set as the decoder of the package sets them: one at a time they would take a thousand times as long.
        np.ctypeslib.as_array(histogram.counts)[buckets] = distribution.counts
        histogram.set_internal_tacking_values(int(buckets[0]), int(buckets[-1]), distribution.count)
    return histogram
