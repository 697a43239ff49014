"""Objectives held to what came in: fed with spans while the run goes, and judged at its end.

Every decision is made by the observed figure; the 95 % interval stands beside it. A percentile of too few requests is
not judgeable, except that it is missed where so many slow ones would hardly come by chance.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cdp.distribution import Distribution, in_words
from cdp.load_figures import Figures, Span
from cdp.load_results import Judged, ObjectiveJudged
from cdp.statistics.intervals import chance_of, percentile_interval, wilson
from load.objectives import Kind, Objective
from load.recording.histogram import counted, uncounted

_COUNTS = ("good", "failed", "indeterminate", "unanswered", "never_sent")
_CHANCE = 0.025  # with a smaller chance that an objective is kept, few requests are enough to say it is missed
_WINDOW_CHANCE = 0.001  # there are many windows, and one of them may be unlucky
_SLACK_S = 0.05  # reports come a little early or late
_AGE_GROUPS = 8


class Evaluator:
    """Judges a run. Feed it the spans in their order; `judge` may be called at any time.

    Spans that begin within the warm-up are left out, except for violations of the contract.
    """

    def __init__(self, objectives: Iterable[Objective], warm_up_s: float = 0.0) -> None:
        self.objectives = list(objectives)
        self.warm_up_s = warm_up_s
        self._scenarios = {each.scenario for each in self.objectives}
        self._whole = {each.scenario: _Whole() for each in self.objectives if not each.window_s}
        self._violations: dict[str, int] = {}
        self._windows = {id(each): _Windows(each) for each in self.objectives if each.window_s}
        self._due = _Due()

    def feed(self, span: Span) -> None:
        """Take in what came between two moments."""
        self._due.add(span)
        parts = {scenario: _Sum.of(span, scenario) for scenario in self._scenarios}
        for name, part in parts.items():
            self._violations[name] = self._violations.get(name, 0) + part.violations
        if span.from_s < self.warm_up_s - _SLACK_S:
            return
        for name, whole in self._whole.items():
            whole.add(span, parts[name])
        for windows in self._windows.values():
            name = windows.objective.scenario
            # Who is waiting is known for everything together only.
            alone = not name or all(key.scenario == name for key in span.channels)
            if windows.objective.kind is Kind.RATE and self._due.known and not span.offered:
                continue  # the schedule is over, and nothing more is to be reached
            windows.add(span, parts[name], self._due.ages() if alone else Distribution())

    def judge(self) -> list[ObjectiveJudged]:
        """Each objective with what became of it."""
        return [self._judge(each) for each in self.objectives]

    def _judge(self, objective: Objective) -> ObjectiveJudged:
        if objective.kind is Kind.VIOLATIONS:
            count = self._violations.get(objective.scenario, 0)
            judged, value, detail = (Judged.MISSED if count else Judged.MET), f"{count:,}", ""
        elif objective.window_s:
            judged, value, detail = self._windows[id(objective)].judge()
        else:
            whole = self._whole[objective.scenario]
            figures = whole.sum.figures(objective)
            judged, value, detail = _judge_once(objective, figures, whole.sum.offered, whole.judged_s)
        return ObjectiveJudged(objective.text, objective.scenario, judged, value, detail, objective.implied)


class _Sum:
    """Figures that are added to others and taken away again. This runs beside the requests, so it has to be quick:
    times are counts in buckets, and nothing is put in order before it is asked for."""

    def __init__(self) -> None:
        self.offered = 0
        self.violations = 0
        self._counts = Counter[str]()
        self._times = {"latency": counted(()), "service": counted(()), "visible": counted(())}

    @classmethod
    def of(cls, span: Span, scenario: str) -> _Sum:
        """What came in a span of one scenario; of all with an empty name."""
        found = cls()
        part = [each for key, each in span.channels.items() if not scenario or key.scenario == scenario]
        found.offered = span.offered
        found.violations = sum(each.violations for each in part)
        for name in _COUNTS:
            found._counts[name] = sum(getattr(each, name) for each in part)
        for name in found._times:
            found._times[name] = counted(getattr(each, name) for each in part)
        return found

    def add(self, other: _Sum, sign: int = 1) -> None:
        """Add another; -1 takes it away."""
        self.offered += sign * other.offered
        self.violations += sign * other.violations
        for name in _COUNTS:
            self._counts[name] += sign * other._counts[name]
        for name, counts in self._times.items():
            counts += sign * other._times[name]

    def figures(self, objective: Objective) -> Figures:
        """What an objective has to know of it."""
        counts: dict[str, Any] = dict(self._counts)
        found = Figures(**counts)
        if objective.of_time and objective.visible:
            found.visible = uncounted(self._times["visible"])
        elif objective.of_time and objective.service:
            found.service = uncounted(self._times["service"])
        elif objective.of_time:
            found.latency = uncounted(self._times["latency"])
        return found


@dataclass
class _Whole:
    """All of a run, and how long it lasted."""

    sum: _Sum = field(default_factory=_Sum)
    lasted_s: float = 0.0
    offered_s: float = 0.0

    def add(self, span: Span, part: _Sum) -> None:
        self.sum.add(part)
        self.lasted_s += span.to_s - span.from_s
        if span.offered:
            self.offered_s = self.lasted_s

    @property
    def judged_s(self) -> float:
        """How long arrivals came; the wait for the last answers is no part of it."""
        return self.offered_s or self.lasted_s


class _Due:
    """When arrivals were due, so that those without an answer have an age."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float, int]] = []
        self._now_s = 0.0
        self._open = 0
        self.known = False

    def add(self, span: Span) -> None:
        self._spans.append((span.from_s, span.to_s, span.offered))
        self.known = self.known or bool(span.offered)
        self._now_s = span.to_s
        self._open = span.waiting + span.in_flight

    def ages(self) -> Distribution:
        """The ages of the arrivals that have no answer yet.

        Only their number is known. The newest arrivals are taken, which is the least that their ages can be: while
        everything stands still it is just right, and it never makes a target look worse than it is.
        """
        values: list[int] = []
        counts: list[int] = []
        left = self._open
        for from_s, to_s, offered in reversed(self._spans):
            if left <= 0:
                break
            taken = min(left, offered)
            left -= taken
            groups = min(_AGE_GROUPS, taken)
            for group in range(groups):
                share = (group + 0.5) / groups * (taken / offered)
                values.append(max(0, int((self._now_s - to_s + share * (to_s - from_s)) * 1e9)))
                counts.append(taken * (group + 1) // groups - taken * group // groups)
        order = np.argsort(np.array(values, dtype=np.int64), kind="stable")
        return Distribution(np.array(values, dtype=np.int64)[order], np.array(counts, dtype=np.int64)[order])


@dataclass
class _Windows:
    """An objective over a window that slides from span to span."""

    objective: Objective
    spans: deque[tuple[Span, _Sum]] = field(default_factory=deque)
    sum: _Sum = field(default_factory=_Sum)
    count: int = 0
    missed: int = 0
    skipped: int = 0
    fullest: int = 0
    worst: tuple[bool, float] = (False, -math.inf)  # whether it is missed, and by its value
    worst_value: str = ""
    worst_s: tuple[float, float] | None = None
    first_s: float | None = None
    last_s: float = 0.0

    def add(self, span: Span, part: _Sum, ages: Distribution) -> None:
        objective = self.objective
        self.first_s = span.from_s if self.first_s is None else self.first_s
        self.last_s = span.to_s
        self.spans.append((span, part))
        self.sum.add(part)
        begin_s = span.to_s - objective.window_s
        while self.spans and self.spans[0][0].from_s < begin_s - _SLACK_S:
            self.sum.add(self.spans.popleft()[1], -1)
        if self.first_s > begin_s + _SLACK_S:
            return  # the first window is not full yet
        whole, offered = self.sum.figures(objective), self.sum.offered
        if objective.of_answers and not objective.service:
            whole.latency = Distribution.merged((whole.latency, ages))
        count = _count(objective, whole, offered)
        self.fullest = max(self.fullest, count)
        judged, value, _ = _judge_once(objective, whole, offered, objective.window_s)
        if judged is Judged.NOT_JUDGEABLE:
            self.skipped += count > 0  # a window in which nothing came and nobody waited is none
            return
        self.count += 1
        self.missed += judged is Judged.MISSED
        badness = _value(objective, whole, offered, objective.window_s)
        rank = (judged is Judged.MISSED, -badness if objective.kind is Kind.RATE else badness)
        if rank > self.worst:
            self.worst, self.worst_value, self.worst_s = rank, value, (max(0.0, begin_s), span.to_s)

    def judge(self) -> tuple[Judged, str, str]:
        objective = self.objective
        lasted_s = self.last_s - (self.first_s or 0.0)
        if self.worst_s is None:
            if lasted_s < objective.window_s - _SLACK_S:
                return Judged.NOT_JUDGEABLE, "–", f"{lasted_s:.0f} s judged, {objective.window_s:g} s needed"
            needed = f"{self.fullest:,} requests in the fullest window, {objective.needed:,} needed"
            return Judged.NOT_JUDGEABLE, "–", needed
        value, (from_s, to_s) = self.worst_value, self.worst_s
        detail = f"worst window: {from_s:.1f} s to {to_s:.1f} s"
        if self.missed:
            detail += f"; missed in {self.missed:,} of {self.count + self.skipped:,} windows"
            return Judged.MISSED, value, detail
        if self.skipped:
            detail += f"; {self.skipped:,} windows had too few requests"
            if self.skipped > self.count:
                return Judged.NOT_JUDGEABLE, value, f"most windows had less than {objective.needed:,} requests"
        return Judged.MET, value, detail


def _judge_once(objective: Objective, figures: Figures, offered: int, lasted_s: float) -> tuple[Judged, str, str]:
    """Met, missed or not judgeable; the value and what there is to say beside it in words."""
    count = _count(objective, figures, offered)
    if objective.kind is Kind.RATE and lasted_s <= 0:
        return Judged.NOT_JUDGEABLE, "–", "nothing was judged"
    value = _value(objective, figures, offered, lasted_s)
    words = _in_words(objective, value)
    if count < objective.needed:
        what = "events" if objective.visible else "requests"
        few = f"{count:,} {what}, {objective.needed:,} needed"
        late = _times(objective, figures).above(objective.limit) if objective.kind is Kind.PERCENTILE else 0
        chance = _WINDOW_CHANCE if objective.window_s else _CHANCE
        if late and chance_of(late, count, 1 - objective.percentile / 100) < chance:
            return Judged.MISSED, words, f"{late:,} of only {count:,} {what} were slower"
        return Judged.NOT_JUDGEABLE, words if count else "–", few
    judged = Judged.MET if objective.holds(value) else Judged.MISSED
    return judged, words, _interval(objective, figures, count)


def _count(objective: Objective, figures: Figures, offered: int) -> int:
    """How many requests the figure rests on."""
    if objective.of_time:
        return _times(objective, figures).count
    if objective.kind is Kind.RATE:
        return max(offered, figures.offered) if objective.share else 1
    return figures.offered


def _value(objective: Objective, figures: Figures, offered: int, lasted_s: float) -> float:
    """The figure in the unit of the limit; 0 where nothing came."""
    if objective.kind is Kind.PERCENTILE:
        return _times(objective, figures).percentile(objective.percentile)
    if objective.kind is Kind.MEAN:
        return _times(objective, figures).mean_ns
    if objective.kind is Kind.RATE:
        # Arrivals of one scenario are known when they are over; for all together they are known when they are due.
        due = figures.offered if objective.scenario or not offered else offered
        whole = due if objective.share else lasted_s
        return figures.good / whole if whole else 0.0
    hits = _hits(objective, figures)
    return hits / figures.offered if objective.share and figures.offered else float(hits)


def _hits(objective: Objective, figures: Figures) -> int:
    return {
        Kind.ERRORS: figures.bad,
        Kind.INDETERMINATE: figures.indeterminate,
        Kind.VIOLATIONS: figures.violations,
    }[objective.kind]


def _times(objective: Objective, figures: Figures) -> Distribution:
    if objective.visible:
        return figures.visible
    return figures.service if objective.service else figures.latency


def _in_words(objective: Objective, value: float) -> str:
    if objective.of_time:
        return in_words(value)
    if objective.share:
        return share_in_words(value)
    return f"{value:,.1f}/s" if objective.kind is Kind.RATE else f"{value:,.0f}"


def share_in_words(share: float) -> str:
    """A share in per cent, with the digits that small ones need: 0 %, 0.013 %, 1.3 %, 99.7 %."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    percent = share * 100
    if percent > 99.9:  # not everything is never 100 %
        return f"{min(percent, 99.99):.2f} %"
    digits = 1 if percent >= 0.95 else 2 if percent >= 0.095 else 4 if percent < 0.001 else 3
    return f"{percent:.{digits}f} %"


def _interval(objective: Objective, figures: Figures, count: int) -> str:
    """The 95 % interval in words; empty where there is none."""
    if objective.window_s:
        return ""
    if objective.kind is Kind.PERCENTILE and objective.percentile < 100:
        found = percentile_interval(_times(objective, figures), objective.percentile)
        return (
            f"95 % CI {in_words(found[0])} – {in_words(found[1])}"
            if found
            else f"of {count:,} {'events' if objective.visible else 'requests'}, no CI"
        )
    if objective.kind in (Kind.ERRORS, Kind.INDETERMINATE) and objective.share:
        low, high = wilson(_hits(objective, figures), count)
        return f"95 % CI {share_in_words(low)} – {share_in_words(high)} (Wilson)"
    return ""
