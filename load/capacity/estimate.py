"""The rate at which an objective breaks, from the steps on both sides of it, with a 95 % interval.

Near saturation the time in a system has an exponential tail whose decay shrinks linearly with the rate: in M/M/1 the
latency exceeds t with the probability exp(-(μ-λ)t), and other queues are like that in heavy traffic (Kingman, "The
single server queue in heavy traffic", 1961; Asmussen, Applied Probability and Queues, chapters X and XIII). So the
logarithm of the share beyond t is taken as α - βt + γλt, over times t up to the limit and the rates λ of all steps near
it. The shorter times are exceeded much more often than the limit itself, and that is what makes the answer sharp within
minutes. Where the objective is no time, it is α + γλ.

The rate of a step is the one that was really offered: in ten seconds of Poisson arrivals it differs from the planned
one by more than the interval is wide. The interval is that of a bootstrap over blocks of seconds (Künsch, "The
jackknife and the bootstrap for general stationary observations", 1989), because requests near to each other wait in one
queue. The nearer a queue is to saturation, the longer it remembers: a step counts for as much less as its tail decays
more slowly, and the interval is the wider the less blocks of that length can know of what the queue does.

Where no such line can be drawn (a target that refuses from some rate on) the bracket stands: the highest rate that
clearly held and the lowest that clearly did not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdp.statistics.intervals import Z_95

Floats = npt.NDArray[np.float64]

LINE, BRACKET = "line", "bracket"
BLOCK_S = 2.5
FRACTIONS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15)
"""Of the limit: the times whose exceedance is counted. The limit itself is one of them."""

_DRAWS = 400
_NEAR = 0.75  # of the bracket's lower end: what is further down tells nothing of the tail
_BEYOND = 1.12  # of its upper end: from there on queues grow, and their shares are those of no steady state
_OUTSIDE = 1.15  # how far outside the bracket an interval may reach: most steps there were clear
_LEAST_HITS = 10
_LEAST_BLOCKS = 8
_ROUNDS = 12  # of the iterated fit, which settles in half of them
_WIDEN_DOWN, _WIDEN_UP = 2.0, 1.2
"""Lucky steps end sooner, and who saw few bursts knows little of those that did not come: on simulated queues of known
capacity an interval that knew nothing of that was too high in a fifth of the searches and hardly ever too low. With its
arms so much longer it holds what it says (`make bench-capacity ARGS=--simulated`)."""
_SHORT_MEMORY_S = 0.4  # what the arms above were found for; a queue that remembers for longer has longer ones
_LONG_MEMORY_S = 20.0
_LINGERS = 4.0  # relaxation times that what is slow stays correlated for
_SLOWEST = 0.3  # of the decay that is searched for: what decays more slowly than that counts as this


@dataclass(frozen=True)
class Tail:
    """One step: the rate that was offered (arrivals a second), requests of each block, and how many of them exceeded
    each of `FRACTIONS` of the limit (blocks x fractions; one column where the objective is no time)."""

    rate: float
    counts: Floats
    hits: Floats


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


def estimate(tails: Sequence[Tail], allowed: float, low: float, high: float, limit_s: float = 0.0) -> Estimate:
    """Where the share beyond the limit passes `allowed`. `low` and `high`: the bracket; `limit_s`: the limit in
    seconds, 0 where the objective is no time."""
    return _line(tails, allowed, low, high, limit_s) or Estimate(math.sqrt(low * high), low, high, BRACKET)


def _line(tails: Sequence[Tail], allowed: float, low: float, high: float, limit_s: float) -> Estimate | None:
    # Steps are chosen by their rates alone. Whoever left out cells by what was found in them would lean to one side.
    near = [
        tail for tail in tails if _NEAR * low <= tail.rate <= _BEYOND * high and len(tail.counts) and tail.counts.sum()
    ]
    if not allowed or sum(len(tail.counts) for tail in near) < _LEAST_BLOCKS or len(near) < 2:
        return None
    random = np.random.default_rng(1)  # the same steps give the same interval
    observed = [(tail.counts[None, :], tail.hits[None, :, :]) for tail in near]
    drawn = [_drawn(tail, random) for tail in near]
    rows = np.concatenate([_rows(tail) for tail in near])
    if sum(float(tail.hits[:, 0].sum()) for tail in near) < _LEAST_HITS:
        return None
    hits = np.concatenate(
        [np.concatenate([each[1].sum(axis=1) for each in part], axis=1) for part in (observed, drawn)]
    )
    counts = np.concatenate([np.concatenate([_spread(*each) for each in part], axis=1) for part in (observed, drawn)])
    solved, unknowns = _crossing(rows, hits, counts, math.log(allowed))
    rate, slope, rates = float(solved[0]), float(unknowns[0, -1]), solved[1:]
    rates = rates[np.isfinite(rates)]
    if not math.isfinite(rate) or len(rates) < 0.9 * _DRAWS or not low / _OUTSIDE < rate < high * _OUTSIDE:
        return None
    first, last = (float(end) for end in np.quantile(rates, (0.025, 0.975)))
    below, above = _by_bursts(near)
    down, up = max(rate - first, below / slope), max(last - rate, above / slope)
    unseen = _unseen(_memory_s(unknowns[0], rate, limit_s))
    first = max(rate - _WIDEN_DOWN * unseen * down, low / _OUTSIDE)
    last = min(rate + _WIDEN_UP * unseen * up, high * _OUTSIDE)
    return Estimate(rate, first, last, LINE)


def _memory_s(unknowns: Floats, rate: float, limit_s: float) -> float:
    """The relaxation time at a rate, in seconds, of the queue whose tail the fit describes; 0 where the objective is no
    time.

    In heavy traffic the waiting time is a reflected Brownian motion. With the idle share δ and the variance v that a
    second of work brings, its tail decays with 2δ/v and it relaxes in v/δ² (Abate and Whitt, "Transient behavior of
    regulated Brownian motion", 1987): in 2/δ divided by that decay. The tail stops decaying where nothing is idle.
    """
    if len(unknowns) < 3 or not limit_s:
        return 0.0
    decay, idle = -(unknowns[1] + unknowns[2] * rate), 1 + unknowns[2] * rate / unknowns[1]
    if decay <= 0 or idle <= 0:
        return _LONG_MEMORY_S
    return float(min(_LONG_MEMORY_S, 2 * limit_s / (decay * idle)))


def _unseen(memory_s: float) -> float:
    """How many times longer the arms of an interval have to be for what blocks do not see of the variance: what stays
    correlated for longer than a block makes blocks look more alike than they are."""

    def seen(time_s: float) -> float:
        length = BLOCK_S / (_LINGERS * time_s)
        return 1 - (1 - math.exp(-length)) / length

    return math.sqrt(seen(_SHORT_MEMORY_S) / seen(max(memory_s, _SHORT_MEMORY_S)))


def _by_bursts(tails: Sequence[Tail]) -> tuple[float, float]:
    """By how much the logarithm of the share may be too low and too high, from the number of bursts alone.

    Slow requests come in bursts, one for each time that the queue was long. A bootstrap of few of them cannot know of
    the bursts that did not come: their number is taken as Poisson's, with the interval of Garwood ("Fiducial limits for
    the Poisson distribution", 1936).
    """
    hits = np.concatenate([tail.hits[:, tail.hits.shape[1] * 2 // 8] for tail in tails])
    bursts = float(hits.sum() ** 2 / (hits**2).sum()) if hits.any() else 0.5
    return math.log(_chi_square(Z_95, 2 * bursts + 2) / 2 / bursts), -math.log(
        _chi_square(-Z_95, 2 * bursts) / 2 / bursts
    )


def _chi_square(z: float, freedom: float) -> float:
    """A quantile of the chi-square distribution, by that of the normal one (Wilson and Hilferty, 1931)."""
    part = 2 / (9 * freedom)
    return freedom * max(1e-3, 1 - part + z * math.sqrt(part)) ** 3


def _spread(counts: Floats, hits: Floats) -> Floats:
    """Requests of each draw, once for each column."""
    return np.repeat(counts.sum(axis=1)[:, None], hits.shape[2], axis=1)


def _drawn(tail: Tail, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Counts and hits of the blocks of a step, drawn again and again with replacement."""
    places = random.integers(0, len(tail.counts), (_DRAWS, len(tail.counts)))
    return tail.counts[places], tail.hits[places]


def _rows(tail: Tail) -> Floats:
    """The unknowns' factors of each column of a step."""
    columns = tail.hits.shape[1]
    rates, ones = np.full(columns, tail.rate), np.ones(columns)
    if columns == 1:
        return np.stack([ones, rates], axis=1)
    times = np.array(FRACTIONS)
    return np.stack([ones, times, rates * times], axis=1)


def _crossing(rows: Floats, hits: Floats, counts: Floats, wanted: float) -> tuple[Floats, Floats]:
    """The rate at which the line fitted to each draw passes `wanted` at the limit, nan where it does not rise; and the
    unknowns of each fit, the last of them its slope over the rate.

    What remembers its past for long says little for its size: in heavy traffic the relaxation time of a queue goes with
    the square of the tail's mean, and its variance with that (Whitt, "Planning queueing simulations", 1989). So the
    cells of a step are weighted by the decay of its tail, as the fit has it.

    A Poisson regression with the logarithm as link, by iterated weighted least squares (Nelder and Wedderburn,
    "Generalized linear models", 1972). Least squares of the logarithms would take few hits for fewer than they stand
    for, and put the rate too high.
    """
    columns = len(FRACTIONS) if rows.shape[1] == 3 else 1
    at_limit = np.arange(len(rows)) // columns * columns + (FRACTIONS.index(1.0) if columns > 1 else 0)
    scale = np.abs(rows).max(axis=0)
    table = rows / scale
    unknowns = np.linalg.lstsq(table, np.log((hits + 0.5) / (counts + 1)).T, rcond=None)[0].T
    ridge = np.eye(table.shape[1]) * 1e-9
    for _ in range(_ROUNDS):
        linear = np.clip(unknowns @ table.T, -40.0, 1.0)
        expected = counts * np.exp(linear)
        working = linear + (hits - expected) / np.maximum(expected, 1e-9)
        decay = np.maximum(-linear[:, at_limit] / abs(wanted), _SLOWEST)
        weighted = (expected * decay)[:, :, None] * table
        unknowns = np.linalg.solve(
            np.einsum("dci,cj->dij", weighted, table) + ridge, np.einsum("dci,dc->di", weighted, working)[:, :, None]
        )[:, :, 0]
    unknowns = unknowns / scale
    rises = unknowns[:, -1] > 0
    found: Floats = np.full(len(unknowns), np.nan)
    found[rises] = ((wanted - unknowns[:, :-1].sum(axis=1)) / np.where(rises, unknowns[:, -1], 1.0))[rises]
    return found, unknowns
