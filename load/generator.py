"""What one process of a load run does: it prepares its scenario, sends its stripe, and reports what came back.

In an open loop it drives the engine; in a closed loop Locust's users send by themselves, and it only watches and
reports. Reports go out twice a second, and one last time at the end, whatever ended it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment

from cdp.contract import load_contract
from cdp.secrets import Secrets
from cdp.targets import Target, TargetError
from load.access import Access
from load.admission import sign_in
from load.arrivals.dispatcher import Dispatcher
from load.audit.noting import Noting, note_events
from load.capacity.sender import StepOrder, StepSender
from load.engine import DRAIN_GRACE_S, OpenLoop
from load.health.sampler import HealthSampler
from load.options import LoadOptions
from load.plan import Plan, schedule_of
from load.recording.locust_stats import LocustTables
from load.recording.recorder import Recorder
from load.scenarios import make_scenario
from load.scenarios.people import pool_of, provide
from load.wire.origin import WireError
from load.wire.pool import Pool
from load.wire.reporting import attach
from load.wire.target import open_pool
from load.witness import Witness

REPORT_INTERVAL_S = 0.5
_SAMPLE_EVERY = 16  # answers of which one is asked when the kernel had it


Report = dict[str, Any]


class Generator:
    """One process at work. `send_report` takes each report; it must not block for long."""

    def __init__(
        self,
        options: LoadOptions,
        target: Target,
        plan: Plan,
        environment: Environment,
        send_report: Callable[[Report], None],
    ) -> None:
        self.options = options
        self.target = target
        self.plan = plan
        self.environment = environment
        self.secrets = Secrets()
        self.ended = Event()
        self.witness = Witness(environment, self.secrets)
        tables = LocustTables(environment.stats, closed_loop=not options.open_loop, good_too=not self.witness.wants_all)
        self.recorder = Recorder(tables.take, self.secrets.redact)
        if not options.open_loop:
            attach(environment, self.recorder)
        self._send_report = send_report
        self._stop = Event()
        self._over = Event()
        self._sequence = 0
        self._reason = ""
        self._access: Access | None = None
        self._noting: Noting | None = None
        self._steps: StepSender | None = None
        self._sending: OpenLoop | StepSender | None = None

    def prepare(self) -> None:
        """Get a token, read what the scenario needs, make the pool. Raises TargetError or ScenarioError in one line."""
        options, target = self.options, self.target
        contract = load_contract(overlay=Path(target.overlay) if target.overlay else None)
        token = sign_in(target, contract, self.secrets)
        access = self._access = Access(target, contract, self.secrets, token)
        self.pool = access.pool = self._open_pool()
        self.sampler = HealthSampler(self.pool, process=f"worker {self.plan.stripe}" if self.plan.stripes > 1 else "")
        plan = self.plan
        day = date.fromisoformat(plan.day)
        self.scenario = make_scenario(
            options, target, contract, token, plan.run, plan.stripe, plan.stripes, day, access
        )
        self.scenario.prepare()
        self._noting = note_events(options, target, contract, access, plan, self.scenario)
        if not options.open_loop:
            provide(self.environment, self.scenario)
        if options.find_capacity:
            self._steps = StepSender(
                self._engine,
                stripe=self.plan.stripe,
                stripes=self.plan.stripes,
                answer_timeout_s=options.answer_timeout,
                on_error=self._on_error,
            )

    def _open_pool(self) -> Pool:
        """The connections of this process; in a closed loop those that its users share."""
        options, target = self.options, self.target
        try:
            if options.open_loop:
                return open_pool(target, max_connections=options.connections, sample_kernel_time_every=_SAMPLE_EVERY)
            return pool_of(target)
        except WireError as error:
            raise TargetError(str(error)) from None

    def begin(self, in_s: float) -> None:
        """Start to send, `in_s` seconds from now, and report until it is over. Returns when it is."""
        self._start_ns = start_ns = time.monotonic_ns() + int(in_s * 1e9)
        gc.collect()
        gc.freeze()  # the contract is many objects that never go: without this a collection stops the loop for 50 ms
        self.sampler.begin(start_ns)
        reporter = gevent.spawn(self._report_regularly)
        if self._noting is not None:
            self._noting.start()
        try:
            if self._steps is not None:
                self._send_steps(self._steps)
            elif self.options.open_loop:
                self._send_schedule(start_ns)
            else:
                self._stop.wait()
        finally:
            if self._noting is not None:
                self._noting.finish(self._watched_for_s)
            self._over.set()
            reporter.join()
            self._finish()
            self.sampler.close()

    @property
    def _watched_for_s(self) -> float:
        """For how long events may be looked for that nobody has seen yet. Who was told to stop may be waited for."""
        if not self._stop.is_set():
            return math.inf
        scheduled = self.options.open_loop and self._steps is None
        return 1.0 if scheduled or self._reason else 3.0

    def stop(self, reason: str = "") -> None:
        """End before the time is over; what is in flight counts as unanswered."""
        self._reason = self._reason or reason
        self._stop.set()

    def order(self, message: dict[str, Any]) -> None:
        """Begin or halt a step of a search for capacity; the order as `StepOrder` writes it."""
        if self._steps is not None:
            self._steps.order(StepOrder.from_message(message))

    def _engine(self, on_burst: Callable[[], None] | None) -> OpenLoop:
        return OpenLoop(
            self.scenario,
            self.pool,
            self.recorder,
            self.sampler,
            self.witness,
            on_burst=on_burst,
            access=self._access,
        )

    def _send_steps(self, steps: StepSender) -> None:
        """Carry out the steps of a search for capacity, until it is over."""
        self._sending = steps
        try:
            steps.serve(self._stop)
        finally:
            self.pool.close(abandon=True)

    def _send_schedule(self, start_ns: int) -> None:
        schedule = schedule_of(self.options)
        engine = self._engine(None if self.options.keep_going else self._on_burst)
        arrivals = schedule.times(self.plan.stripe, self.plan.stripes)
        dispatcher = Dispatcher(arrivals, start_ns, engine.fire, on_error=self._on_error)
        self._sending = engine
        try:
            engine.start(dispatcher)
            end_ns = start_ns + int(schedule.duration_s * 1e9)
            self._stop.wait(max(0.0, (end_ns - time.monotonic_ns()) / 1e9))
            if not self._stop.is_set():
                drain_ns = end_ns + int((self.options.answer_timeout + DRAIN_GRACE_S) * 1e9)
                drained = gevent.spawn(engine.drain, drain_ns)
                gevent.wait([drained, self._stop], count=1)
                drained.kill()
        finally:
            engine.stop()

    def _on_error(self, error: Exception) -> None:
        text = self.secrets.redact(" ".join(str(error).split()))
        self.stop(f"the scenario made no request of an arrival: {type(error).__name__}: {text}")

    def _on_burst(self) -> None:
        self.stop("server errors or broken connections were more than half of all answers of five seconds")

    def _report_regularly(self) -> None:
        while not self._over.wait(REPORT_INTERVAL_S):
            self._report(final=False)

    def _finish(self) -> None:
        if not self.ended.is_set():
            self._report(final=True)
            self.ended.set()

    def _report(self, *, final: bool) -> None:
        now_ns = time.monotonic_ns()
        health = self.sampler.sample(now_ns).as_message()
        gevent.sleep(0)  # arrivals that became due meanwhile go before the rest
        self._sequence += 1
        sending, steps, access = self._sending, self._steps, self._access
        self._send_report(
            {
                "seq": self._sequence,
                "started": now_ns >= self._start_ns,
                "channels": [
                    {"key": list(key), "figures": figures.as_record()} for key, figures in self.recorder.fold().items()
                ],
                "health": health,
                "offered": sending.offered if sending else 0,
                "waiting": sending.waiting if sending else 0,
                "in_flight": self.pool.in_flight,
                "unfollowed": sending.unfollowed if sending else 0,
                "follow_ups": sending.follow_ups if sending else 0,
                "step": [steps.number, steps.phase, steps.burst] if steps else None,
                "findings": self.witness.take_findings(self._start_ns),
                "obstacle": access.lost if access else "",
                "renewals": access.renewals if access else 0,
                "sent_again": access.sent_again if access else 0,
                "unasked": self.pool.refused_reuse,
                "audit": self._noting.take(final=final) if self._noting is not None else None,
                "reason": self._reason,
                "final": final,
            }
        )
