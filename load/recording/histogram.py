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
    units = np.clip(-(-times_ns // UNIT_NS), 1, HIGHEST_UNITS)
    bits = np.frexp(units.astype(np.float64))[1].astype(np.int64)
    coarse = np.maximum(bits - _SUB_BITS, 0)
    return (coarse + 1) * _HALF + (units >> coarse) - _HALF


def value_of(buckets: Numbers) -> Numbers:
    """The highest time in ns that falls into each bucket."""
    coarse = np.maximum(buckets // _HALF - 1, 0)
    sub = buckets - coarse * _HALF
    return (((sub + 1) << coarse) - 1) * UNIT_NS


_BUCKETS = int(bucket_of(np.array([HIGHEST_UNITS * UNIT_NS]))[0]) + 1


def distribution_of(times_ns: Numbers) -> Distribution:
    """Times in ns, in buckets."""
    buckets, counts = np.unique(bucket_of(times_ns), return_counts=True)
    return Distribution(value_of(buckets), counts)


def counted(parts: Iterable[Distribution]) -> Numbers:
    """How many times there are in each bucket, of all the distributions together. Such arrays add up and subtract."""
    filled = [part for part in parts if part.count]
    if not filled:
        return np.zeros(_BUCKETS, dtype=np.int64)
    buckets = bucket_of(np.concatenate([part.values_ns for part in filled]))
    counts = np.bincount(buckets, np.concatenate([part.counts for part in filled]), _BUCKETS)
    return counts.astype(np.int64)


def uncounted(counts: Numbers) -> Distribution:
    """The distribution of what `counted` counted."""
    filled = np.flatnonzero(counts)
    return Distribution(value_of(filled), counts[filled])


def hdr_histogram(distribution: Distribution) -> HdrHistogram:
    """The same as an HdrHistogram, whose values are in units of 100 ns."""
    histogram = HdrHistogram(1, HIGHEST_UNITS, DIGITS)
    pairs: Iterable[tuple[int, int]] = zip(
        (distribution.values_ns // UNIT_NS).tolist(), distribution.counts.tolist(), strict=True
    )
    for value, count in pairs:
        histogram.record_value(value, count)
    return histogram
