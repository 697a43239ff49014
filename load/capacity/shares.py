"""Objectives as shares: of all requests of a step, the share that may be beyond an objective, and the share that was.

A percentile objective p99<300ms says that at most 1 % of the requests take longer than 300 ms; so percentiles, errors
and the rate of good answers are all the same question, and one interval answers it. Requests that wait in one queue are
slow together: the variance of the share is therefore taken from batch means (Law and Kelton, Simulation Modeling and
Analysis, section 9.5.3), and the design effect, by how much it exceeds that of independent requests (Kish, Survey
Sampling, 1965), shortens the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Figures
from cdp.statistics.intervals import Z_95, wilson
from load.objectives import Kind, Objective, ObjectiveError

MOST_BATCHES = 20
LEAST_BATCHES = 8
"""With fewer the design effect cannot be told, and nothing is clear."""


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Raises ObjectiveError in one line for an objective that no single rate can be held to."""
    if not any(not each.implied for each in objectives):
        raise ObjectiveError("a search for capacity needs an objective: --slo 'p99<300ms,errors<0.1%'")
    for each in objectives:
        if each.window_s:
            raise ObjectiveError(f"{each.text}: windows belong to load runs; a step of a search is one window")
        if each.kind is Kind.RATE and not each.share:
            raise ObjectiveError(f"{each.text}: the rate is what is searched for; --peak says which one is needed")
        if each.kind in (Kind.ERRORS, Kind.INDETERMINATE) and not each.share and each.limit:
            raise ObjectiveError(f"{each.text}: a count grows with the time of a step; write a share, such as 0.1%")


def allowed_share(objective: Objective) -> float | None:
    """The share of requests that may be beyond an objective; None for a mean, which is no share."""
    if objective.kind is Kind.PERCENTILE:
        return 1 - objective.percentile / 100
    if objective.kind is Kind.RATE:
        return 1 - objective.limit
    if objective.kind in (Kind.ERRORS, Kind.INDETERMINATE):
        return objective.limit if objective.share else 0.0
    return 0.0 if objective.kind is Kind.VIOLATIONS else None


def part_of(channels: dict[ChannelKey, Figures], scenario: str) -> Figures:
    """The figures of one scenario, of all without a name."""
    return Figures.merged(each for key, each in channels.items() if not scenario or key.scenario == scenario)


def times_of(objective: Objective, figures: Figures) -> Distribution:
    """The times that an objective is about."""
    if objective.visible:
        return figures.visible
    return figures.service if objective.service else figures.latency


def beyond(objective: Objective, figures: Figures) -> tuple[int, int]:
    """How many requests were beyond an objective, and of how many."""
    if objective.of_time:
        times = times_of(objective, figures)
        # `<` and `<=` differ by one value of a histogram's bucket; the bucket of the limit counts as within it.
        return times.above(objective.limit), times.count
    if objective.kind is Kind.VIOLATIONS:
        return figures.violations, figures.offered
    if objective.kind is Kind.INDETERMINATE:
        return figures.indeterminate, figures.offered
    return figures.bad, figures.offered


@dataclass(frozen=True)
class Share:
    """`hits` of `count`; `design_effect`: how many times the variance is that of independent requests."""

    hits: int
    count: int
    design_effect: float = 1.0

    @property
    def value(self) -> float:
        return self.hits / self.count if self.count else 0.0

    def interval(self, z: float = Z_95) -> tuple[float, float]:
        """Wilson's score interval of the effective sample at `z` standard deviations."""
        return wilson(self.hits, self.count, z, self.design_effect)


def design_effect(parts: Sequence[tuple[int, int]]) -> float:
    """The design effect of a share, from hits and counts of the parts of a step in their order; 1 at least.

    The ratio estimator's variance over batches (Cochran, Sampling Techniques, section 9.3): batches may be of unequal
    size, as Poisson arrivals are.
    """
    batches = _batches(parts)
    hits, counts = batches[:, 0], batches[:, 1]
    total = counts.sum()
    if len(batches) < 2 or not total:
        return 1.0
    share = hits.sum() / total
    if not 0 < share < 1:
        return 1.0
    spread = ((hits - share * counts) ** 2).sum() * len(batches) / (len(batches) - 1)
    return float(max(1.0, spread / (total * share * (1 - share))))


def _batches(parts: Sequence[tuple[int, int]]) -> npt.NDArray[np.float64]:
    rows = np.array(parts, dtype=np.float64).reshape(-1, 2)
    if len(rows) <= MOST_BATCHES:
        return rows
    edges = np.linspace(0, len(rows), MOST_BATCHES + 1).astype(int)
    return np.array([rows[first:last].sum(axis=0) for first, last in pairwise(edges)])
