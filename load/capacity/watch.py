"""One step while it goes: what came in at one rate, and whether each objective holds, is broken, or is still open.

A step settles first, then it runs until every objective is clear or its time is up. Clear is an objective whose
interval lies on one side of it; the interval is wider than a report's (99 %), because it is looked at again and again.
When the time is up the observed figure decides, and the step says that it was not clear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from cdp.distribution import in_words
from cdp.load_figures import Figures, Span
from cdp.statistics.intervals import percentile_interval
from load.capacity.estimate import BLOCK_S, FRACTIONS, Tail
from load.capacity.shares import LEAST_BATCHES, Share, allowed_share, beyond, design_effect, part_of, times_of
from load.evaluation import share_in_words
from load.objectives import Kind, Objective

_CLEAR_Z = 2.575829
_SLACK_S = 0.05
_CORRELATED = 90.0  # percentile whose exceedance tells how far requests are slow together, when few miss the objective
_GROWTH = 0.02  # of the rate: a backlog that grows faster will break any objective, given time
_LEAST_GROWN = 20.0
_QUEUES = 2.0  # times what may be under way by the strictest latency: queues that swing by less are no growth
_WELL_BELOW = 0.6  # of a limit
_UNLIMITED_S = 0.5  # where no latency is limited
_LEAST_LOOKS = 6
BACKLOG = "backlog"


class State(StrEnum):
    """What is known of an objective."""

    HOLDS = "holds"
    BROKEN = "broken"
    OPEN = "open"


@dataclass(frozen=True)
class Held:
    """An objective in a step: `holds` by the observed figure, `state` by its interval; `value` and `detail` in words.
    `share` is None for what is no share (a mean, a backlog), else `allowed` says how large it may be."""

    text: str
    scenario: str
    state: State
    holds: bool
    value: str
    detail: str = ""
    share: Share | None = None
    allowed: float = 0.0


@dataclass
class StepWatch:
    """Takes in the spans of a step, in seconds from its start."""

    objectives: Sequence[Objective]
    rate: float
    settle_s: float
    spans: list[Span] = field(default_factory=list)
    halted_s: float | None = None  # since the step's start, when its arrivals were ended

    def __post_init__(self) -> None:
        # Of everything together and of each scenario: what came span by span, and all of it. Whoever watches may be the
        # process that sends, so nothing is summed up anew at each look.
        names = {"", *(each.scenario for each in self.objectives)}
        self._parts: dict[str, list[Figures]] = {name: [] for name in names}
        self._wholes: dict[str, Figures] = {name: Figures() for name in names}

    def feed(self, span: Span) -> None:
        """Take in what came between two moments; what came while the step settled is left out."""
        if span.from_s < self.settle_s - _SLACK_S:
            return
        self.spans.append(span)
        for name, parts in self._parts.items():
            parts.append(part_of(span.channels, name))
            self._wholes[name] = Figures.merged((self._wholes[name], parts[-1]))

    def of(self, scenario: str) -> Figures:
        """Everything of a scenario since the step settled; of all with an empty name."""
        return self._wholes[scenario]

    @property
    def figures(self) -> Figures:
        """Everything since the step settled."""
        return self.of("")

    @property
    def _offering(self) -> list[Span]:
        """The spans in which arrivals came all the time: not the one in which they ended, nor the wait for the last
        answers. With those, every rate would look lower than it was."""
        end_s = math.inf if self.halted_s is None else self.halted_s + _SLACK_S
        return [span for span in self.spans if span.to_s <= end_s]

    @property
    def judged_s(self) -> float:
        """How long arrivals have come since the step settled."""
        return sum(span.to_s - span.from_s for span in self._offering)

    @property
    def offered_rate(self) -> float:
        """Arrivals a second that really came."""
        return self._per_second(lambda span: span.offered)

    @property
    def good_rate(self) -> float:
        """Good answers a second while arrivals came."""
        return self._per_second(lambda span: span.all.good)

    @property
    def events_rate(self) -> float:
        """Acknowledged events a second while arrivals came."""
        return self._per_second(lambda span: span.all.events)

    def _per_second(self, number: Callable[[Span], int]) -> float:
        spans, judged_s = self._offering, self.judged_s
        return sum(map(number, spans)) / judged_s if judged_s else 0.0

    def tail(self, objective: Objective) -> Tail:
        """What an estimate is made of: block by block, how many requests exceeded each fraction of the limit."""
        size = max(1, round(BLOCK_S * len(self.spans) / max(self.judged_s, BLOCK_S)))
        parts = self._parts[objective.scenario]
        blocks = [Figures.merged(parts[at : at + size]) for at in range(0, len(parts), size)]
        fractions = FRACTIONS if objective.of_time else (1.0,)
        rows = [
            [beyond(replace(objective, limit=objective.limit * fraction), block) for fraction in fractions]
            for block in blocks
        ]
        table = np.array(rows, dtype=np.float64).reshape(len(blocks), len(fractions), 2)
        return Tail(self.offered_rate, table[:, -1, 1] if len(blocks) else np.empty(0), table[:, :, 0])

    @property
    def far_from_limits(self) -> bool:
        """Whether even well below each limit of a time no more is exceeded than is allowed at it. A few seconds without
        a long queue look clear when they are only lucky; then the shorter times tell."""
        for objective in self.objectives:
            allowed = allowed_share(objective)
            if objective.of_time and allowed:
                nearer = replace(objective, limit=objective.limit * _WELL_BELOW)
                hits, count = beyond(nearer, self.of(objective.scenario))
                if hits > allowed * count:
                    return False
        return True

    # --- objectives

    def judge(self) -> list[Held]:
        """Each objective, and the backlog behind them."""
        return [*(self._judge(each) for each in self.objectives), self._backlog()]

    def _judge(self, objective: Objective) -> Held:
        parts, whole = self._parts[objective.scenario], self.of(objective.scenario)
        allowed = allowed_share(objective)
        if allowed is None:
            return self._mean(objective, parts, whole)
        counts = [beyond(objective, part) for part in parts]
        effect = max(design_effect(counts), self._correlation(objective, parts, whole))
        share = Share(sum(hits for hits, _ in counts), sum(count for _, count in counts), effect)
        return Held(
            objective.text,
            objective.scenario,
            _state(share, allowed, len(parts)),
            share.value <= allowed,
            *_words(objective, whole, share),
            share,
            allowed,
        )

    def _correlation(self, objective: Objective, parts: Sequence[Figures], whole: Figures) -> float:
        """The design effect of being slow at all: where nothing missed the objective there is no other."""
        if not objective.of_time:
            return 1.0
        limit = times_of(objective, whole).percentile(_CORRELATED)
        return design_effect([(times_of(objective, p).above(limit), times_of(objective, p).count) for p in parts])

    def _mean(self, objective: Objective, parts: Sequence[Figures], whole: Figures) -> Held:
        means = np.array([times_of(objective, part).mean_ns for part in parts if times_of(objective, part).count])
        value = times_of(objective, whole).mean_ns
        holds = objective.holds(value)
        state = State.OPEN
        if len(means) >= LEAST_BATCHES:
            reach = _CLEAR_Z * float(means.std(ddof=1)) / len(means) ** 0.5
            if value + reach < objective.limit:
                state = State.HOLDS
            elif value - reach > objective.limit:
                state = State.BROKEN
        return Held(objective.text, objective.scenario, state, holds, in_words(value))

    # --- the queue

    def _backlog(self) -> Held:
        """Whether more and more requests are under way or wait to be sent: then no rate like this can last."""
        looks = self._levels
        growth = self.growth
        words = f"{growth:+,.1f}/s"
        if len(looks) < _LEAST_LOOKS:
            return Held(BACKLOG, "", State.OPEN, True, words)
        levels = np.array([level for _, level in looks], dtype=np.float64)
        third = len(levels) // 3
        first, last = levels[:third].mean(), levels[-third:].mean()
        limit_s = min((each.limit / 1e9 for each in self.objectives if each.of_answers), default=_UNLIMITED_S)
        least = max(_LEAST_GROWN, _QUEUES * self.rate * limit_s)
        grows = growth > _GROWTH * self.rate and last > 2 * first and last - first > least
        detail = f"{levels[0]:,.0f} requests under way at first, {levels[-1]:,.0f} at last"
        return Held(BACKLOG, "", State.BROKEN if grows else State.HOLDS, not grows, words, detail)

    @property
    def _levels(self) -> list[tuple[float, int]]:
        """How many requests were under way or waited, at the end of each span."""
        return [(span.to_s, span.waiting + span.in_flight) for span in self._offering]

    @property
    def growth(self) -> float:
        """By how many requests a second the number of those under way or waiting rises."""
        looks = self._levels
        if len(looks) < 2:
            return 0.0
        times, levels = np.array(looks, dtype=np.float64).T
        times -= times.mean()
        return float((times * levels).sum() / (times**2).sum())

    @property
    def in_flight(self) -> float:
        """How many requests were under way on the average."""
        levels = [span.in_flight for span in self._offering]
        return sum(levels) / len(levels) if levels else 0.0


def _state(share: Share, allowed: float, parts: int) -> State:
    """By the interval; with too few parts nothing but plain impossibility is clear."""
    low, high = share.interval(_CLEAR_Z)
    if not allowed:
        return State.BROKEN if share.hits else State.OPEN
    if parts < LEAST_BATCHES:
        return State.OPEN
    if high < allowed:
        return State.HOLDS
    return State.BROKEN if low > allowed else State.OPEN


def _words(objective: Objective, whole: Figures, share: Share) -> tuple[str, str]:
    """Value and interval in words."""
    if objective.of_time:
        times = times_of(objective, whole)
        if not times.count:
            return "–", ""
        value = in_words(times.percentile(objective.percentile))
        found = percentile_interval(times, objective.percentile, share.design_effect)
        return value, f"95 % CI {in_words(found[0])} – {in_words(found[1])}" if found else ""
    if objective.kind is Kind.VIOLATIONS or not allowed_share(objective):
        return f"{share.hits:,}", ""
    low, high = share.interval()
    if objective.kind is Kind.RATE:
        return share_in_words(1 - share.value), f"95 % CI {share_in_words(1 - high)} – {share_in_words(1 - low)}"
    return share_in_words(share.value), f"95 % CI {share_in_words(low)} – {share_in_words(high)}"
