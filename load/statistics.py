"""How sure a figure is: intervals for shares and percentiles, and what too small a sample can still show.

All of it takes requests to be independent. Requests that wait in the same queue are not quite, so that the true
intervals are somewhat wider.
"""

from __future__ import annotations

import math

from cdp.distribution import Distribution

_Z = 1.959964  # the normal distribution holds 95 % within so many standard deviations


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score (Journal of the American Statistical Association 22, 1927).

    Unlike the common ± it holds near 0 and 1 and for small counts: no error in 100 requests is 0 % to 3.7 %.
    """
    if not count:
        return 0.0, 1.0
    share, weight = hits / count, _Z * _Z / count
    middle = (share + weight / 2) / (1 + weight)
    reach = _Z / (1 + weight) * math.sqrt(share * (1 - share) / count + weight / count / 4)
    return max(0.0, middle - reach) if hits else 0.0, min(1.0, middle + reach) if hits < count else 1.0


def percentile_interval(times: Distribution, percentile: float) -> tuple[int, int] | None:
    """The 95 % interval in ns of a percentile, by order statistics; nothing is assumed of the distribution's form.

    The ranks are those of the normal approximation to the binomial (Hahn and Meeker, Statistical Intervals, 1991,
    section 5.2). None when the sample is too small to have an upper end, 473 values for p99.
    """
    ranks = percentile_ranks(times.count, percentile)
    return (times.at(ranks[0]), times.at(ranks[1])) if ranks else None


def percentile_ranks(count: int, percentile: float, design_effect: float = 1.0) -> tuple[int, int] | None:
    """The ranks of the order statistics that the 95 % interval of a percentile lies between; None without an upper end.

    `design_effect`: how many times the variance is that of independent values.
    """
    share = percentile / 100
    reach = _Z * math.sqrt(count * share * (1 - share) * design_effect)
    low, high = math.floor(count * share - reach), math.ceil(count * share + reach) + 1
    return (low, high) if low >= 1 and high <= count else None


def chance_of(hits: int, count: int, share: float) -> float:
    """How likely at least `hits` of `count` are, each with the chance `share` (binomial distribution)."""
    below = math.fsum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(hits))
    return max(0.0, 1.0 - below)
