"""Where a series of numbers moved: change points, by the energy between what was before and what came after.

The method is E-divisive of Matteson and James ("A Nonparametric Approach for Multiple Change Point Analysis of
Multivariate Data", Journal of the American Statistical Association 109, 2014), used for software performance as by
Daly, Brown, Ingo, O'Leary and Bradford ("The Use of Change Point Detection to Identify Software Performance
Regressions", ICPE 2020): the place that divides a series best is a change point when hardly any order of the same
values divides as well; then each part is divided in the same way.

The orders are drawn from a fixed seed: the same series has always the same change points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cdp.statistics.ranks import Floats, Sample

LEAST = 3
"""Values on each side of a change point: fewer are no new level, but perhaps one bad night."""
SIGNIFICANCE = 0.003
"""How often an unchanged series may be divided. It is small because series are looked at night after night."""

_ORDERS = 2999
_SEED = 20200420
_CHUNK = 50
_HOPELESS = 8  # orders that divide as well, after which the answer is known
_CLIP = 3.5  # robust deviations beyond which a value says no more than that it is far away
_MAD = 1.4826  # of a normal distribution: standard deviation by median absolute deviation
_SEASONS = 3  # turns of a season from which on its pattern can be told


@dataclass(frozen=True)
class ChangePoint:
    """`index`: the first value of the new level. `before` and `after`: the medians of the parts that it divides.
    `p`: how often an order of the same values divides as well."""

    index: int
    before: float
    after: float
    p: float


def change_points(
    values: Sample, seasons: Sequence[int] | None = None, significance: float = SIGNIFICANCE, least: int = LEAST
) -> list[ChangePoint]:
    """The change points of a series, in its order.

    `seasons` says of each value to which part of a repeating pattern it belongs (the day of the week); where each part
    came often enough, its usual level is taken out first. Values far away are drawn in, so that single outliers are
    none. `least` values are on each side of every change point.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2 * least:
        return []
    level = without_pattern(numbers, seasons) if seasons is not None else numbers
    places: dict[int, float] = {}
    parts = [(0, len(level))]
    while parts:
        start, end = parts.pop()
        divided = _divide(_clipped(level[start:end]), significance, least)
        if divided is not None:
            at = start + divided[0]
            places[at] = divided[1]
            parts += [(start, at), (at, end)]
    borders = [0, *sorted(places), len(level)]
    medians = [float(np.median(numbers[a:b])) for a, b in pairwise(borders)]
    return [
        ChangePoint(at, medians[number], medians[number + 1], places[at]) for number, at in enumerate(sorted(places))
    ]


def without_pattern(numbers: Floats, seasons: Sequence[int]) -> Floats:
    """The series without its repeating pattern: each value less the usual level of its season.

    The usual level is the median of how far the season's values are from the median of the turn around each (as many
    values as there are seasons), so that a step of the whole series is not taken for a pattern. A series with less than
    three turns stays as it is.
    """
    marks = np.asarray(seasons)
    names, counts = np.unique(marks, return_counts=True)
    if len(names) < 2 or counts.min() < _SEASONS:
        return numbers
    half = len(names) // 2
    last = len(numbers) - len(names)
    around = [numbers[(start := min(max(0, i - half), last)) : start + len(names)] for i in range(len(numbers))]
    apart = numbers - np.array([np.median(each) for each in around])
    result = numbers.copy()
    for name in names:
        result[marks == name] -= np.median(apart[marks == name])
    return result


def _clipped(level: Floats) -> Floats:
    middle = float(np.median(level))
    # Of neighbours' differences, because a step between two levels would widen the deviation around one median.
    steps = np.abs(np.diff(level))
    reach = _CLIP * _MAD * float(np.median(steps)) / np.sqrt(2)
    if reach == 0:
        return level
    low, high = (float(each) for each in np.percentile(level, (25, 75)))
    return np.clip(level, min(middle, low) - reach, max(middle, high) + reach)


def _divide(level: Floats, significance: float, least: int) -> tuple[int, float] | None:
    """Where the values divide best, and how often an order of them divides as well; None when that is too often."""
    count = len(level)
    if count < 2 * least or np.ptp(level) == 0:
        return None
    energies = _energies(level[None], least)[0]
    best = int(np.argmax(energies))
    reached = float(energies[best]) * (1 - 1e-12)
    as_good = tried = 0
    for orders in _orders(count):
        as_good += int((_energies(level[orders], least).max(axis=1) >= reached).sum())
        tried += len(orders)
        if as_good >= _HOPELESS and as_good / tried > 2 * significance:
            return None  # Besag and Clifford, "Sequential Monte Carlo p-values" (Biometrika 78, 1991)
    p = (as_good + 1) / (tried + 1)
    return (best + least, p) if p <= significance else None


def _energies(series: Floats, least: int) -> Floats:
    """For each series (a row) and each place of division, from `least` on: how far apart the two parts are, beyond how
    far their own values are from each other."""
    count = series.shape[1]
    distances = np.abs(series[:, :, None] - series[:, None, :])
    earlier = np.tril(np.ones((count, count)), -1)
    before = np.einsum("rij,ij->ri", distances, earlier)  # of each value to all before it
    sums = distances.sum(axis=2)
    within_left = np.cumsum(before, axis=1)  # pairs among the first i + 1 values
    total = within_left[:, -1:]
    across_or_left = np.cumsum(sums, axis=1) - within_left  # pairs of which at least one is among them
    sizes = np.arange(least, count - least + 1)
    left = within_left[:, sizes - 1]
    right = total - across_or_left[:, sizes - 1]
    across = total - left - right
    m, n = sizes.astype(np.float64), (count - sizes).astype(np.float64)
    between = 2 * across / (m * n)
    result: Floats = m * n / (m + n) * (between - 2 * left / (m * (m - 1)) - 2 * right / (n * (n - 1)))
    return result


@lru_cache(maxsize=32)
def _orders(count: int) -> tuple[NDArray[np.int16], ...]:
    """Orders of so many values (at most 32,767) in chunks, always the same ones."""
    draw = np.random.Generator(np.random.PCG64(_SEED + count))
    sizes = [min(_CHUNK, _ORDERS - start) for start in range(0, _ORDERS, _CHUNK)]
    return tuple(draw.permuted(np.tile(np.arange(count, dtype=np.int16), (size, 1)), axis=1) for size in sizes)
