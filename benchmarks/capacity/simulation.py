"""Queues on a clock of their own: the spans that a step of a fixed rate would have seen, and searches over them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cdp.load_figures import ChannelKey, Figures, Span
from cdp.load_results import HealthJudged, Step
from load.capacity.course import Course, step_time_s
from load.capacity.search import Order, Search
from load.capacity.steps import PASSED, beyond_doubt, is_over, judged
from load.capacity.watch import StepWatch
from load.objectives import Objective, parse_objectives
from load.recording.histogram import distribution_of

KEY = ChannelKey("search", "GET", "search")
ROW_S = 0.5
SETTLE_S = 2.0
_FREEZE_S = 2.0
_FREEZES_AT_S = (SETTLE_S, SETTLE_S + 4.0)
HEALTHY = HealthJudged(False, [], [], "")
Service = Callable[[np.random.Generator, int], np.ndarray]


def exponential(mean_s: float) -> Service:
    """Exponentially distributed service times (the M of M/M/1)."""
    return lambda random, count: random.exponential(mean_s, count)


def constant(service_s: float) -> Service:
    """Service times that are all the same (the D of M/D/1)."""
    return lambda random, count: np.full(count, service_s)


@dataclass
class Passage:
    """Arrivals of a step, when each was answered, and which were refused."""

    arrivals: np.ndarray
    ends: np.ndarray
    refused: np.ndarray

    def span(self, from_s: float, to_s: float) -> Span:
        """What came between two moments."""
        arrivals = (self.arrivals >= from_s) & (self.arrivals < to_s)
        done = (self.ends >= from_s) & (self.ends < to_s)
        in_flight = int(((self.arrivals < to_s) & (self.ends >= to_s)).sum())
        return Span(from_s, to_s, self._figures(done), offered=int(arrivals.sum()), in_flight=in_flight)

    def drained(self, at_s: float) -> Span:
        """What was under way when the step was halted."""
        return Span(at_s, at_s + ROW_S, self._figures((self.arrivals < at_s) & (self.ends >= at_s)))

    def _figures(self, done: np.ndarray) -> dict[ChannelKey, Figures]:
        times = ((self.ends - self.arrivals)[done & ~self.refused] * 1e9).astype(np.int64)
        latency = distribution_of(times)
        failed = int((done & self.refused).sum())
        return {KEY: Figures(good=len(times), failed=failed, latency=latency, service=latency)}


@dataclass
class Queue:
    """First come, first served, `places` of service. `refuses_at`: with so many in the system a request is refused.
    `freezes`: the chance that one service of a step takes two seconds longer, as a server or a machine that stops for a
    moment would make it."""

    service: Service
    places: int = 1
    refuses_at: int = 0
    freezes: float = 0.0

    def passage(self, rate: float, longest_s: float, random: np.random.Generator) -> Passage:
        """What comes of `rate` arrivals a second."""
        arrivals = np.cumsum(random.exponential(1 / rate, int(rate * longest_s * 1.2) + 50))
        arrivals = arrivals[arrivals < longest_s]
        services = self.service(random, len(arrivals))
        if self.freezes and len(arrivals) and random.random() < self.freezes:
            services[min(int(np.searchsorted(arrivals, random.uniform(*_FREEZES_AT_S))), len(services) - 1)] += (
                _FREEZE_S
            )
        return Passage(arrivals, *self._served(arrivals, services))

    def _served(self, arrivals: np.ndarray, services: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """When each request is answered, and which ones are refused."""
        free = [0.0] * self.places
        ends, refused = np.empty(len(arrivals)), np.zeros(len(arrivals), dtype=bool)
        inside: list[float] = []
        for number, (at, service) in enumerate(zip(arrivals.tolist(), services.tolist(), strict=True)):
            while inside and inside[0] <= at:
                heapq.heappop(inside)
            if self.refuses_at and len(inside) >= self.refuses_at:
                ends[number], refused[number] = at, True
                continue
            end = max(at, heapq.heappop(free)) + service
            heapq.heappush(free, end)
            heapq.heappush(inside, end)
            ends[number] = end
        return ends, refused


def simulated_step(
    queue: Queue, order: Order, number: int, objectives: list[Objective], longest_s: float, random: np.random.Generator
) -> Step:
    """One step, judged as a run judges it."""
    watch = StepWatch(objectives, order.rate, SETTLE_S)
    passage = queue.passage(order.rate, SETTLE_S + longest_s + 1, random)
    at_s = 0.0
    while at_s <= SETTLE_S or not is_over(watch, order.kind, longest_s):
        watch.feed(passage.span(at_s, at_s + ROW_S))
        at_s += ROW_S
    watch.halted_s = at_s
    watch.feed(passage.drained(at_s))
    return judged(
        order,
        number,
        watch,
        HEALTHY,
        objectives,
        from_s=0.0,
        to_s=at_s,
        burst=False,
        balance="",
        delay_ns=0,
    )


def simulated_search(
    queue: Queue,
    slo: str,
    seed: int,
    *,
    start: float,
    ceiling: float = 1e6,
    time_s: float = 150.0,
    step_s: float | None = None,
) -> tuple[list[Step], Course]:
    """A whole search; two seconds of cool-down after each step that failed."""
    random = np.random.default_rng(seed)
    objectives = parse_objectives(slo)
    search = Search(start, precision=0.04, ceiling=ceiling, floor=0.5)
    course = Course(search, objectives, settle_s=SETTLE_S, step_s=step_s or step_time_s(objectives), confirm_s=30.0)
    steps: list[Step] = []
    left_s = time_s
    while (order := course.next(steps, left_s)) is not None:
        step = simulated_step(queue, order, len(steps) + 1, objectives, course.longest_s(order.kind), random)
        steps.append(step)
        left_s -= step.to_s + (0.5 if step.verdict == PASSED else 3.5)
        search.take(order, step.verdict == PASSED, beyond_doubt=beyond_doubt(step, objectives))
    return steps, course
