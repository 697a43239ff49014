"""Two samples compared by ranks: how sure it is that they differ, how much, and by what factor.

Ranks ask nothing of the form of a distribution and cannot be led astray by a few slow seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sample = Sequence[float] | Floats

_NORMAL = NormalDist()


@dataclass(frozen=True)
class RankTest:
    """`u`: pairs (one of each sample) in which the second is larger, ties counting half. `p`: how likely a difference
    at least as large is when there is none, two-sided. `delta`: Cliff's delta, from -1 (every value of the second
    sample is smaller) to 1 (larger); it is the rank-biserial correlation."""

    u: float
    p: float
    delta: float


def midranks(values: Sample) -> Floats:
    """The rank of each value from 1; equal values share the mean of their ranks."""
    numbers = _floats(values)
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Floats = last - (counts - 1) / 2
    return means[places]


def mann_whitney(first: Sample, second: Sample, inflation: float = 1.0) -> RankTest:
    """Whether values of the second sample tend to be larger or smaller than those of the first.

    The test of Mann and Whitney ("On a test of whether one of two random variables is stochastically larger than the
    other", Annals of Mathematical Statistics 18, 1947) by the normal approximation, corrected for ties and for
    continuity; the effect is Cliff's ("Dominance statistics", Psychological Bulletin 114, 1993). `inflation` (1 or
    more) is by how much the values' dependence on each other inflates the variance. ValueError when a sample is empty.
    """
    one, two = _floats(first), _floats(second)
    m, n = len(one), len(two)
    if not m or not n:
        raise ValueError("a sample is empty")
    ranks = midranks(np.concatenate((one, two)))
    u = float(ranks[m:].sum()) - n * (n + 1) / 2
    delta = 2 * u / (m * n) - 1
    spread = math.sqrt(_variance_of_u(ranks, m, n) * inflation)
    distance = abs(u - m * n / 2) - 0.5
    p = 1.0 if spread == 0 or distance <= 0 else 2 * _NORMAL.cdf(-distance / spread)
    return RankTest(u, min(1.0, p), delta)


def _variance_of_u(ranks: Floats, m: int, n: int) -> float:
    whole = m + n
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    tied = float((ties**3 - ties).sum())
    return m * n / 12 * (whole + 1 - tied / (whole * (whole - 1))) if whole > 1 else 0.0


@dataclass(frozen=True)
class Shift:
    """By how much the second sample lies above the first: the estimate, and the ends of its interval; infinite where
    the samples are too small to have one."""

    estimate: float
    low: float
    high: float


def hodges_lehmann(first: Sample, second: Sample, confidence: float = 0.95, inflation: float = 1.0) -> Shift:
    """The shift from the first sample to the second: the median of all differences between them.

    The estimate is Hodges' and Lehmann's ("Estimates of location based on rank tests", Annals of Mathematical
    Statistics 34, 1963), the interval Moses' (Hollander and Wolfe, Nonparametric Statistical Methods, section 4.3): the
    shifts that `mann_whitney` would not reject. On logarithms a shift is a factor. ValueError when a sample is empty.
    """
    one, two = _floats(first), _floats(second)
    m, n = len(one), len(two)
    if not m or not n:
        raise ValueError("a sample is empty")
    differences = np.sort((two[:, None] - one[None, :]).ravel())
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    place = round(m * n / 2 - z * math.sqrt(m * n * (m + n + 1) / 12 * inflation))
    estimate = float(np.median(differences))
    if place < 1:
        return Shift(estimate, -math.inf, math.inf)
    return Shift(estimate, float(differences[place - 1]), float(differences[m * n - place]))


def holm(chances: Sequence[float]) -> list[float]:
    """The p-values of several tests, each raised so far that all together err as seldom as one would.

    Holm, "A simple sequentially rejective multiple test procedure" (Scandinavian Journal of Statistics 6, 1979).
    """
    adjusted = [1.0] * len(chances)
    largest = 0.0
    for position, number in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        largest = max(largest, min(1.0, chances[number] * (len(chances) - position)))
        adjusted[number] = largest
    return adjusted


def _floats(values: Sample) -> Floats:
    return np.asarray(values, dtype=np.float64)
