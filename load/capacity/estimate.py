"""The rate at which an objective breaks, from the steps on both sides of it, with a 95 % interval.

Near saturation the share of requests beyond a limit grows exponentially with the rate: in M/M/1 the latency exceeds S
with the probability exp(-(μ-λ)S), and queues of other kinds behave alike in a small neighbourhood (their waiting times
have exponential tails; Asmussen, Applied Probability and Queues, chapter XIII). So a straight line through the
logarithm of the share over the rate, weighted by how sure each step is, crosses the allowed share at the rate that is
looked for.
The rate of a step is the one that was really offered: in ten seconds of Poisson arrivals it differs from the planned
one by more than the interval is wide.

Where no line can be drawn (a target that refuses from some rate on) the bracket stands: the highest rate that held and
the lowest that did not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from load.capacity.shares import Share

_Z = 1.959964
_NEAR = 20.0  # steps whose share is further from the allowed one, by this factor, lie outside the neighbourhood
_LEAST_HITS = 3
LINE, BRACKET = "line", "bracket"


@dataclass(frozen=True)
class Point:
    """One step: the rate that was offered (arrivals a second), and the share beyond an objective. `steady`: the queue
    did not grow on and on, so that the share is that of a steady state."""

    rate: float
    share: Share
    steady: bool = True


@dataclass(frozen=True)
class Estimate:
    """The rate at which an objective breaks, with its 95 % interval. `method`: a `line`, or the `bracket`."""

    rate: float
    low: float
    high: float
    method: str

    @property
    def width(self) -> float:
        """Of the interval, as a share of the rate."""
        return (self.high - self.low) / self.rate if self.rate else math.inf


def estimate(points: Sequence[Point], allowed: float, held: float, failed: float) -> Estimate:
    """Where the share passes `allowed`. `held` and `failed`: the highest rate that held and the lowest that did not."""
    line = _line([point for point in points if _usable(point, allowed)], allowed)
    if line is None:
        return Estimate(math.sqrt(held * failed), held, failed, BRACKET)
    return line


def _usable(point: Point, allowed: float) -> bool:
    share = point.share
    if not point.steady or share.hits < _LEAST_HITS or not allowed:
        return False
    return allowed / _NEAR <= share.value <= min(0.5, allowed * _NEAR)


def _line(points: Sequence[Point], allowed: float) -> Estimate | None:
    """Weighted least squares of log share over rate, inverted at the allowed share by Fieller's theorem (Journal of the
    Royal Statistical Society B 16, 1954); None when the points do not show that the share rises."""
    if len({round(point.rate, 9) for point in points}) < 2:
        return None
    rates = np.array([point.rate for point in points])
    logs = np.array([math.log((point.share.hits + 0.5) / (point.share.count + 1)) for point in points])
    weights = 1 / np.array([point.share.log_variance for point in points])
    middle = float((weights * rates).sum() / weights.sum())
    height = float((weights * logs).sum() / weights.sum())
    spread = float((weights * (rates - middle) ** 2).sum())
    slope = float((weights * (rates - middle) * logs).sum()) / spread
    left = logs - height - slope * (rates - middle)
    free = len(points) - 2
    scale = max(1.0, float((weights * left**2).sum()) / free) if free > 0 else 1.0
    height_variance, slope_variance = scale / float(weights.sum()), scale / spread
    wanted = math.log(allowed) - height
    # Fieller: all x with (wanted - slope x)^2 <= z^2 (var(height) + x^2 var(slope)), x from the middle
    a = slope**2 - _Z**2 * slope_variance
    if slope <= 0 or a <= 0:
        return None
    b, c = -2 * wanted * slope, wanted**2 - _Z**2 * height_variance
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    low, high = middle + (-b - root) / (2 * a), middle + (-b + root) / (2 * a)
    rate = middle + wanted / slope
    return Estimate(rate, low, high, LINE) if low > 0 else None
