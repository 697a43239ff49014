"""The course of a search: which step comes next and how long it may take, from the steps so far and the time left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cdp.load_results import Step
from load.capacity.answer import bracket, estimates
from load.capacity.estimate import Estimate
from load.capacity.search import Kind, Order, Search
from load.capacity.steps import growing_s
from load.objectives import Objective

CLIMB_S = 6.0  # judged time of a step on the way up at most: nothing rests on it but the way
REFINED = 6  # steps at most that only narrow the interval
STEP_S = 15.0  # judged time of a step at most, where the objectives need no longer ones
LONGEST_STEP_S = 60.0
LEFT_S = 8.0  # of the time, kept for what is under way
_BELOW, _ABOVE = 0.97, 1.02  # of the bracket: how far outside a step that narrows the interval may lie


def step_time_s(objectives: Sequence[Objective]) -> float:
    """Judged time of a step, in seconds, that these objectives need: a queue that grows has to have the time to reach
    the limit."""
    return max(STEP_S, min(growing_s(objectives), LONGEST_STEP_S))


@dataclass
class Course:
    """Times in seconds. `step_s`, `confirm_s`: judged time of a step at most; `settle_s` comes before it."""

    search: Search
    objectives: Sequence[Objective]
    settle_s: float
    step_s: float
    confirm_s: float
    refined: int = 0
    unfinished: str = field(default="", init=False)

    def next(self, steps: Sequence[Step], left_s: float) -> Order | None:
        """The next step; None when all is known, or the time is over (then `unfinished` says so)."""
        order = self.search.next() or self._refinement(steps)
        if order is None:
            return None
        if left_s < self.settle_s + min(self.longest_s(order.kind), 5.0) + LEFT_S:
            if order.kind is not Kind.REFINE:
                self.unfinished = "the time was over"
            return None
        self.refined += order.kind is Kind.REFINE
        return order

    def longest_s(self, kind: Kind) -> float:
        """Judged time of a step at most."""
        if kind is Kind.CLIMB:
            return min(max(CLIMB_S, growing_s(self.objectives) / 2), self.step_s)
        return self.step_s if kind in (Kind.BISECT, Kind.RECHECK) else max(self.confirm_s, self.step_s)

    @property
    def too_short(self) -> str:
        """Why the steps show less than they should; empty when they are long enough."""
        needed_s = growing_s(self.objectives)
        if self.step_s >= min(needed_s, LONGEST_STEP_S):
            return ""
        return (
            f"steps of {self.step_s:.0f} s are short for these limits: at a rate 4 % too high a queue needs "
            f"{needed_s:.0f} s to grow to them, so the answer may be too high; leave --step-time out"
        )

    def _refinement(self, steps: Sequence[Step]) -> Order | None:
        """One more step where the objective breaks, while the interval is wider than it should be."""
        found = estimates(steps, self.objectives)
        held, failed = bracket(steps)
        if not found or held is None or failed is None or self.refined >= REFINED:
            return None
        where: Estimate = found[0][1]
        if where.width <= 2 * self.search.precision:
            return None
        return Order(Kind.REFINE, min(max(where.rate, held * _BELOW), failed * _ABOVE))
