"""A search for capacity: what one place does for all. It orders one step after the other and says the answer."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import asdict, replace
from typing import Any, ClassVar

from cdp.load_figures import Span
from cdp.load_results import Capacity, Decision, Judged, ObjectiveJudged, Step
from cdp.records import ResultsError
from load.capacity.answer import answered
from load.capacity.course import Course, step_time_s
from load.capacity.search import Kind, Order, Search
from load.capacity.sender import BEGIN, HALT, IDLE, StepOrder
from load.capacity.steps import FAILED, PASSED, VOID, beyond_doubt, curve_of, is_over, judged
from load.capacity.watch import StepWatch
from load.coordinator import Coordinator
from load.health.judge import delay_ns, judge
from load.verdict import with_audit

BASE_RATE = 20.0  # a second: what is asked before anything, and after an overload
BASE_S, BASE_LONGEST_S = 2.5, 6.0
RECOVERY_S = 15.0  # so long a target is given to be as quick as at first
GONE_S = 60.0  # so long one is waited for that gives no good answer at all, as while it starts again
_QUICK = 2.0  # times the service time of the baseline, and a little, that count as quick again
_QUICK_NS = 2_000_000
_START_LOAD = 0.5  # of one place of service: what the search begins with where no start is given
_BEGIN_IN_S = 0.3
_REPEATS = 5  # of a step that is void, at most
_CLIMB_REPEATS = 1  # of one on the way up, before a lower rate is tried
_LEAST_RATE = 0.5
_BURST = "a burst of errors"


class CapacityRun(Coordinator):
    """One search. Between `tick`s the processes carry out the order that was given last."""

    row_s: ClassVar[float] = 0.45  # a row a report: the parts of a step that its variance is taken from

    def __post_init__(self) -> None:
        super().__post_init__()
        options = self.options
        limits = [(options.max_rate, f"--max-rate is {options.max_rate:g}/s")]
        if self.target.max_rps is not None:
            limits.append((self.target.max_rps, f"the target's entry allows {self.target.max_rps:g}/s (max_rps)"))
        self.ceiling, self.why_ceiling = min(limits)
        self.base_rate = min(BASE_RATE, self.ceiling / 2)
        self.course: Course | None = None
        self.steps: list[Step] = []
        self.step = 0
        self._orders: deque[StepOrder] = deque()
        self._order = Order(Kind.BASELINE, self.base_rate)
        self._watch: StepWatch | None = None
        self._begin_s = 0.0  # of the step, on the axis of the run
        self._halted_s: float | None = None
        self._why_over = ""
        self._renewals = 0  # of the token, before the step
        self._first = 0  # number of the next step's first arrival
        self._base_service_ns = 0.0
        self._repeats = 0
        self._overloaded_s: float | None = None  # when the overload ended that the target has to recover from
        self._gone = ""  # what the target said when it was last asked whether it had recovered, without a good answer
        self._unfinished = ""

    @property
    def _schedule_in_words(self) -> str:
        return (
            "steps of a fixed rate, Poisson arrivals" if self.options.arrivals == "poisson" else "steps, even arrivals"
        )

    # --- orders

    def take_orders(self) -> list[dict[str, Any]]:
        orders = [order.as_message() for order in self._orders]
        self._orders.clear()
        return orders

    def _came(self, span: Span) -> None:
        if self._watch is not None:
            self._watch.feed(replace(span, from_s=span.from_s - self._begin_s, to_s=span.to_s - self._begin_s))

    def tick(self) -> None:
        super().tick()
        if self._start_s is None or self.stopping or self.crew.over:
            return
        now_s = time.monotonic() - self._start_s
        if self._watch is None:
            self._begin(now_s)
        elif self._halted_s is None:
            self._look(now_s)
        elif self._idle:
            self._close(now_s)

    def _begin(self, now_s: float) -> None:
        """Order the step that comes now."""
        order = self._next()
        if order is None:
            self.stop_at_once()
            return
        longest_s = self._longest_s(order)
        self.step += 1
        command = StepOrder(
            BEGIN,
            self.step,
            rate=order.rate,
            longest_s=longest_s + self._settle_s(order) + 5,
            first=self._first,
            seed=self.options.seed + self.step,
            in_s=_BEGIN_IN_S,
        )
        sent = self.books().offered
        if sent + command.schedule.expected() > self.options.max_requests:
            self._unfinished = f"the next step could go beyond --max-requests {self.options.max_requests:,}"
            self.stop_at_once()
            return
        self._first += int(command.schedule.count(0, 1, 1 << 62)) + 1
        self._order, self._begin_s, self._halted_s, self._why_over = order, now_s + _BEGIN_IN_S, None, ""
        self._watch = StepWatch(self.objectives, order.rate, self._settle_s(order))
        self._renewals = self.crew.renewals
        self._orders.append(command)

    def _settle_s(self, order: Order) -> float:
        return 0.0 if order.kind in (Kind.BASELINE, Kind.RECOVERY) else float(self.options.settle)

    def _longest_s(self, order: Order) -> float:
        """Judged time of a step at most."""
        if order.kind is Kind.BASELINE:
            return BASE_LONGEST_S
        if order.kind is Kind.RECOVERY or self.course is None:
            return RECOVERY_S
        return self.course.longest_s(order.kind)

    def _next(self) -> Order | None:
        if self.course is None:
            return Order(Kind.BASELINE, self.base_rate)
        if self._overloaded_s is not None:
            return Order(Kind.RECOVERY, self.base_rate)
        return self.course.next(self.steps, self._left_s)

    @property
    def _left_s(self) -> float:
        assert self._start_s is not None and self.options.duration_s is not None
        return self.options.duration_s - (time.monotonic() - self._start_s)

    # --- a step

    def _look(self, now_s: float) -> None:
        """Halt the step under way when it has said what it can, or cannot go on."""
        watch = self._watch
        assert watch is not None
        lasted_s = now_s - self._begin_s
        if any(worker.burst and worker.step == self.step for worker in self.crew):
            self._why_over = _BURST
        elif self._order.kind is Kind.BASELINE:
            if lasted_s >= BASE_S and watch.figures.good >= 10:
                self._why_over = "enough is known"
            elif lasted_s >= BASE_LONGEST_S:
                self._why_over = "its time is up"
        elif self._order.kind is Kind.RECOVERY:
            if self._recovered(watch) or lasted_s >= RECOVERY_S:
                self._why_over = "it recovered, or did not"
        else:
            self._why_over = is_over(watch, self._order.kind, self._longest_s(self._order))
        if self._left_s < 0 and not self._why_over:
            self._why_over = "the time of the run is over"
        if self._why_over:
            self._halted_s = now_s
            watch.halted_s = now_s - self._begin_s
            self._orders.append(StepOrder(HALT, self.step))

    def _recovered(self, watch: StepWatch) -> bool:
        """Whether the last two rows of the low rate were as quick as at first."""
        rows = [span.all for span in watch.spans if span.all.good][-2:]
        if len(rows) < 2 or any(row.bad for row in rows):
            return False
        limit = _QUICK * self._base_service_ns + _QUICK_NS
        return all(row.latency.percentile(50) <= limit for row in rows)

    @property
    def _idle(self) -> bool:
        """Whether everybody alive has halted the step and has nothing under way."""
        return all(w.over or (w.step == self.step and w.phase == IDLE) for w in self.crew)

    def _close(self, now_s: float) -> None:
        """The step is over and all that it sent is accounted for."""
        self._write_row(now_s)
        watch, order = self._watch, self._order
        assert watch is not None and self._halted_s is not None
        self._watch = None
        if order.kind is Kind.BASELINE:
            self._base(watch, now_s)
        elif order.kind is Kind.RECOVERY:
            self._note_recovery(watch, now_s)
        else:
            self._judge(watch, now_s)

    def _base(self, watch: StepWatch, now_s: float) -> None:
        """The target at rest: how quick it is, and where the search begins."""
        figures = watch.figures
        self._store_step(self._plain_step(watch, now_s, PASSED if figures.good else FAILED))
        if figures.good < 5:
            errors = ", ".join(error.text for error, _ in figures.errors.most_common(2)) or "no answers"
            self.obstacle = (
                f"at {self.base_rate:g}/s it answers {figures.good} of {figures.offered} requests ({errors})"
            )
            self.stop_at_once()
            return
        self._base_service_ns = float(figures.service.percentile(50))
        start = self.options.start or max(2 * self.base_rate, _START_LOAD * 1e9 / max(figures.service.mean_ns, 1.0))
        options = self.options
        self.course = Course(
            Search(start, precision=options.precision, ceiling=self.ceiling, floor=_LEAST_RATE),
            self.objectives,
            settle_s=float(options.settle),
            step_s=float(options.step_time or step_time_s(self.objectives)),
            confirm_s=float(options.confirm),
        )

    def _note_recovery(self, watch: StepWatch, now_s: float) -> None:
        """Whether the target came back. One that gives no good answer at all is waited for, and ends the search when it
        stays away: every rate fails then, and none of them says where its limit is."""
        assert self._overloaded_s is not None
        figures, away_s = watch.figures, (self._halted_s or now_s) - self._overloaded_s
        if figures.offered:
            errors = ", ".join(error.text for error, _ in figures.errors.most_common(2)) or "no answers"
            self._gone = "" if figures.good else errors
        if self._recovered(watch):
            self._store_step(replace(self._plain_step(watch, now_s, PASSED), recovery_s=round(away_s, 2)))
        elif not self._gone:
            reason = f"it was not as quick as at first after {away_s:.0f} s"
            self._store_step(replace(self._plain_step(watch, now_s, FAILED), reason=reason))
        elif away_s < GONE_S and self._left_s > 0:
            return  # the next step waits for it, too
        else:
            reason = f"it gave no good answer for {away_s:.0f} s ({self._gone})"
            self._store_step(replace(self._plain_step(watch, now_s, FAILED), reason=reason))
            last = next(each for each in reversed(self.steps) if each.purpose != Kind.RECOVERY.value)
            self.obstacle = f"the target went away at {last.rate:.4g}/s and did not come back: {reason}"
            self.stop_at_once()
        self._overloaded_s, self._gone = None, ""

    def _judge(self, watch: StepWatch, now_s: float) -> None:
        """A step of the search."""
        assert self.course is not None and self._halted_s is not None
        burst = self._why_over == _BURST
        books = self.books()
        balance = "" if books.balanced else books.detail
        settled_s = self._begin_s + watch.settle_s
        samples = [each for each in self._samples if each.to_s > settled_s and each.from_s < self._halted_s]
        health = judge(
            samples,
            self.objectives,
            watch.figures,
            warm_up_s=settled_s,
            shares_machine=self.target.loopback,
            cores=os.cpu_count() or 0,
        )
        step = judged(
            self._order,
            self.step,
            watch,
            health,
            self.objectives,
            from_s=self._begin_s,
            to_s=now_s,
            burst=burst,
            balance=balance,
            delay_ns=delay_ns(samples),
            renewed=self.crew.renewals > self._renewals,
        )
        self._store_step(step)
        if step.verdict != PASSED:
            self._overloaded_s = self._halted_s
        if step.verdict == VOID:
            self._repeats += 1
            if self._repeats > _CLIMB_REPEATS and self.course.search.withdraw(self._order):
                self._repeats = 0
            elif self._repeats > _REPEATS:
                self.obstacle = f"at {step.rate:.4g}/s {step.reason}"
                self.stop_at_once()
            return
        self._repeats = 0
        self.course.search.take(self._order, step.verdict == PASSED, beyond_doubt=beyond_doubt(step, self.objectives))

    def _plain_step(self, watch: StepWatch, now_s: float, verdict: str) -> Step:
        """A step that is not judged by the objectives."""
        order = self._order
        return Step(
            number=self.step,
            purpose=order.kind.value,
            rate=order.rate,
            from_s=round(self._begin_s, 3),
            to_s=round(now_s, 3),
            judged_s=round(watch.judged_s, 3),
            verdict=verdict,
            offered_rate=round(watch.offered_rate, 3),
            in_flight=round(watch.in_flight, 3),
            curve=curve_of(watch.figures, watch.judge()),
            mean_latency_ns=round(watch.figures.latency.mean_ns),
        )

    def _store_step(self, step: Step) -> None:
        self.steps.append(step)
        try:
            if self._writer is not None:
                self._writer.step(step)
        except ResultsError as error:
            self._cannot_store(error)
        self.show.step(step)

    # --- the end

    def _time_is_up(self) -> None:
        """The step under way halts by itself; see `_look`."""

    def _decide(self) -> Decision:
        obstacle = self.obstacle
        if self.crew.dead and not obstacle:
            obstacle = f"a process that sends died ({', '.join(self.crew.dead)})"
        books = self.books()
        if not books.balanced and not obstacle:
            obstacle = f"the books do not balance: {books.detail}"
        capacity, decision = answered(
            self.steps,
            self.objectives,
            scenario=self.options.scenario,
            ceiling=self.ceiling,
            why_ceiling=self.why_ceiling,
            peak=self.options.peak,
            confirmed=self.course.search.confirmed if self.course else None,
            obstacle=obstacle,
            unfinished=self.stopped or self._unfinished or (self.course.unfinished if self.course else ""),
            too_short=self.course.too_short if self.course else "",
        )
        decision = with_audit(decision, self._audited())
        self._store(decision, self._objectives(capacity), self._judged_health(), capacity=asdict(capacity))
        return decision

    def _objectives(self, capacity: Capacity) -> list[ObjectiveJudged]:
        """The objectives in the step at the highest rate that held, the longest one of them."""
        at = [step for step in self.steps if step.verdict == PASSED and step.objectives and step.rate == capacity.held]
        if not at:
            return []
        best = max(at, key=lambda step: step.judged_s)
        return [
            ObjectiveJudged(each.text, each.scenario, Judged.MET, record["value"], record["detail"], each.implied)
            for each, record in zip(self.objectives, best.objectives, strict=False)
        ]
