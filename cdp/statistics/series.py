"""Series of numbers in time: how much each depends on the one before, and how much such series vary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cdp.statistics.ranks import Floats, Sample, midranks

_MOST = 0.9  # a series that depends on itself more than this tells next to nothing

# Student's t: 97.5 % lie below, by degrees of freedom from 1.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
_Z = 1.960


def autocorrelation(values: Sample) -> float:
    """How much the ranks of a series depend on those of the values just before (lag 1), from -1 to 1; 0 for a constant
    or very short one. Of ranks, so that a single outlier does not hide it."""
    if len(values) < 3:
        return 0.0
    ranks = midranks(values)
    ranks = ranks - ranks.mean()
    whole = float((ranks**2).sum())
    return float((ranks[1:] * ranks[:-1]).sum()) / whole if whole else 0.0


def inflation(*series: Sample) -> float:
    """By how much the variance of means or ranks of these series exceeds that of independent values, at least 1.

    (1 + r) / (1 - r) for a first-order process with autocorrelation r (Bartlett, "Some aspects of the time-correlation
    problem", Journal of the Royal Statistical Society 98, 1935). The estimate of r is the mean over the series, each
    freed from its bias towards -1/n (Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41,
    1954).
    """
    long = [each for each in series if len(each) >= 3]
    if not long:
        return 1.0
    found = [r + (1 + 3 * r) / len(each) for each in long for r in [autocorrelation(each)]]
    r = min(_MOST, max(0.0, float(np.average(found, weights=[len(each) for each in long]))))
    return (1 + r) / (1 - r)


@dataclass(frozen=True)
class Variation:
    """How much single values of a series vary: the standard deviation, and how many degrees of freedom it rests on."""

    deviation: float
    freedom: float

    @property
    def reach(self) -> float:
        """How far two single values of the series are apart at most in 95 % of cases."""
        return student_t(self.freedom) * math.sqrt(2) * self.deviation


def student_t(freedom: float) -> float:
    """Below what 97.5 % of Student's t lie, for any degrees of freedom; infinite below 1. Between the whole numbers of
    the table it is interpolated in 1 / freedom, in which t is nearly straight."""
    if freedom < 1:
        return math.inf
    inverses = [0.0, *(1 / number for number in range(len(_T), 0, -1))]
    return float(np.interp(1 / freedom, inverses, [_Z, *reversed(_T)]))


def variation(values: Sequence[float]) -> Variation:
    """The variation of a series whose level may wander or step now and then, from the differences of neighbours.

    The mean square successive difference (von Neumann, Kent, Bellinson and Hart, Annals of Mathematical Statistics 12,
    1941); with about two thirds of the degrees of freedom of the common estimate. Infinite for less than two values.
    """
    count = len(values)
    if count < 2:
        return Variation(math.inf, 0.0)
    differences: Floats = np.diff(np.asarray(values, dtype=np.float64))
    freedom = 2 * (count - 1) ** 2 / (3 * count - 4)
    return Variation(math.sqrt(float((differences**2).mean()) / 2), freedom)
