"""What one place of a load run does for all: it puts the reports of the processes together, watches over them, stores
what comes in, and says the verdict."""

from __future__ import annotations

import os
import secrets as randomness
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from gevent.event import Event

from cdp.audit_results import Audit
from cdp.load_figures import ChannelKey, Figures, Span
from cdp.load_results import Books, Decision, Finding, HealthJudged, ObjectiveJudged, Step, read_load_results
from cdp.records import RESULTS_FILE, ResultsError, run_directory
from cdp.targets import Target
from load.audit.auditing import Auditing
from load.audit.ledger import LedgerError
from load.evaluation import Evaluator
from load.generator import Report
from load.health.judge import judge
from load.health.sample import HealthSample
from load.objectives import parse_objectives
from load.options import DIRECTORY_VARIABLE, LoadOptions
from load.plan import PARTS, schedule_of
from load.recording.books import close_books
from load.recording.hdr_log import HDR_FILE, write_hdr_log
from load.recording.histogram import distribution_of
from load.recording.recorder import merged
from load.results import LoadResultsWriter, machine, versions
from load.verdict import INCONCLUSIVE_CODE, decide, with_audit
from load.workers import Crew

ROW_S = 1.0
OVERTIME_S = 60.0  # beyond its schedule and its drain a run is ended whatever happens


class Show(Protocol):
    """Who shows a run to people."""

    def progress(self, span: Span, planned_s: float | None) -> None:
        """What came in the last second; `planned_s`: how long the run is going to be."""

    def step(self, step: Step) -> None:
        """A step of a search for capacity is over."""

    def report(self, directory: Path) -> None:
        """The run is over and stored: write its reports, and say what came out. Raises ResultsError."""


@dataclass
class Coordinator:
    """One run. `begin`, then `ready`, `take` and `tick` as they come, then `finish`."""

    row_s: ClassVar[float] = ROW_S
    options: LoadOptions
    target: Target
    names: list[str]
    show: Show
    users: int | None = None  # of a closed loop
    obstacle: str = ""
    stopped: str = ""
    finished: bool = False
    stopping: bool = False
    exit_code: int = INCONCLUSIVE_CODE
    all_ready: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.prefix = "cdp-" + randomness.token_hex(4)
        self.crew = Crew(self.names)
        self.objectives = parse_objectives(self.options.slo, PARTS[self.options.scenario])
        self.evaluator = Evaluator(self.objectives, self.options.warm_up)
        fixed = self.options.open_loop and not self.options.find_capacity
        self.schedule = schedule_of(self.options) if fixed else None
        self.auditing = Auditing(self.options, self.target)
        self.audited: Audit | None = None
        self._sending: ChannelKey | None = None  # the operation that events are sent by
        self.directory = Path()
        self._samples: list[HealthSample] = []
        self._whole: dict[ChannelKey, Figures] = {}
        self._writer: LoadResultsWriter | None = None
        self._parent = os.getppid()
        self._began_s = time.monotonic()
        self._start_s: float | None = None  # of the schedule
        self._start_wall_s = time.time()
        self._row_s = 0.0

    # --- the beginning

    def begin(self) -> bool:
        """Make the run's directory and write the header. False, with one line said, when that is not possible."""
        try:
            made = os.environ.get(DIRECTORY_VARIABLE)  # by the command that started this process and looks there later
            self.directory = Path(made) if made else run_directory(Path(self.options.runs), self.target.name)
            self._writer = LoadResultsWriter(self.directory / RESULTS_FILE)
            self._writer.header(**self._header())
        except ResultsError as error:
            self.obstacle = str(error)
            _say(f"load: {error}")
            return False
        return True

    def _header(self) -> dict[str, Any]:
        options = self.options
        return {
            "load": options.scenario,
            "target": self.target.name,
            "base_url": self.target.base_url,
            "loop": "open" if options.open_loop else "closed",
            "schedule": self._schedule_in_words,
            "objectives": options.slo,
            "options": options.as_record(),
            "seed": options.seed,
            "warm_up_s": options.warm_up,
            "planned_s": self.schedule.duration_s if self.schedule else options.time_s,
            "users": None if self.options.open_loop else self.users,
            "processes": len(self.crew),
            "prefix": self.prefix,
            "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "versions": versions(),
            "machine": machine(),
            "shares_machine": self.target.loopback,
        }

    @property
    def _schedule_in_words(self) -> str:
        return self.schedule.describe() if self.schedule else "users who wait for their answers and think"

    def ready(self, name: str, error: str) -> None:
        """A process is ready to send, or says in one line why it cannot."""
        worker = self.crew.get(name)
        if worker is None:
            return
        worker.ready, worker.error, worker.heard_s = not error, error, time.monotonic()
        if error and not self.obstacle:
            self.obstacle = error
            self.stop_at_once()
        if self.crew.ready:
            self.all_ready.set()

    def without_the_unready(self) -> None:
        """Give up those that did not become ready."""
        error = self.crew.without_the_unready()
        self.obstacle = self.obstacle or error

    # --- while it goes

    def take(self, name: str, report: Report) -> None:
        """A report of a process; one that came before is left out."""
        worker = self.crew.get(name)
        if worker is None or not worker.take(report):
            return
        if self._start_s is None and report["started"]:
            self._start_s = time.monotonic()
            self._start_wall_s = time.time()
        self._samples.append(HealthSample.from_message(report["health"]))
        if report["obstacle"]:
            self.obstacle = self.obstacle or report["obstacle"]
            self.stop_at_once()
        if report["reason"]:
            self.stop_early(report["reason"])
        try:
            if self._writer is not None:
                self._writer.health(self._samples[-1])
                for finding in report["findings"]:
                    self._writer.finding(Finding(**finding))
            self.auditing.take(report["audit"], self.directory)
        except (ResultsError, LedgerError) as error:
            self._cannot_store(error)

    def tick(self) -> None:
        """What has to be done now and then: store a row, say how it goes, look after the processes."""
        now_s = time.monotonic()
        self.crew.without_the_silent(now_s)
        if self._start_s is not None and now_s - self._start_s - self._row_s >= self.row_s:
            self._write_row(now_s - self._start_s)
        if os.getppid() != self._parent and "CDP_LOAD_OWN_SUMMARY" in os.environ:
            self.stop_by_hand("the command that started it is gone")
        planned_s = self._planned_s
        if self.schedule is None and planned_s and self._start_s is not None and now_s - self._start_s >= planned_s:
            self._time_is_up()
        if planned_s and now_s - self._began_s > planned_s + self.options.answer_timeout + 2 * OVERTIME_S:
            self.obstacle = self.obstacle or "the run did not come to its end in time"
            self.crew.give_up()

    def _time_is_up(self) -> None:
        """A closed loop ends by the clock."""
        self.stop_at_once()

    @property
    def _planned_s(self) -> float | None:
        return self.schedule.duration_s if self.schedule else self.options.time_s

    def stop_at_once(self) -> None:
        """Let everybody stop; what they still report is taken."""
        self.stopping = True

    def stop_early(self, reason: str) -> None:
        """Let everybody stop before the time is over, for a reason; without a planned time any moment is as good."""
        if not self.stopping and self._planned_s:
            self.stopped = reason
        self.stop_at_once()

    def stop_by_hand(self, reason: str) -> None:
        """The same when somebody does not want to wait any more; then nothing is audited, either."""
        if self._planned_s or self.crew.over:
            self.auditing.stop(reason)
        self.stop_early(reason)

    def _write_row(self, at_s: float) -> None:
        span = Span(self._row_s, at_s, merged([part for w in self.crew for part in w.taken()]))
        self._note_visible(span)
        span.offered = sum(worker.newly_offered() for worker in self.crew)
        span.waiting = sum(worker.waiting for worker in self.crew)
        span.in_flight = sum(worker.in_flight for worker in self.crew)
        self._row_s = at_s
        self._came(span)
        self._whole = merged([self._whole, span.channels])
        try:
            if self._writer is not None:
                self._writer.span(span)
        except ResultsError as error:
            self._cannot_store(error)
        self.show.progress(span, self._planned_s)

    def _note_visible(self, span: Span) -> None:
        """Put into a span how long events took until they could be read, with the operation that sends most of them."""
        sending = [key for key, figures in span.channels.items() if figures.events]
        if not sending and self._sending is None:  # users do not say how many events they send
            sending = [key for key in span.channels if key.method == "POST"]
        if sending:
            self._sending = max(sending, key=lambda key: span.channels[key].events)
        if self._sending is not None and (times_ns := self.auditing.take_times_ns()):
            figures = span.channels.setdefault(self._sending, Figures())
            figures.visible = distribution_of(np.array(times_ns, dtype=np.int64))

    def _came(self, span: Span) -> None:
        """A span is complete."""
        self.evaluator.feed(span)

    def take_orders(self) -> list[dict[str, Any]]:
        """What the processes that send have to be told now."""
        return []

    def _cannot_store(self, error: ResultsError | LedgerError) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self.obstacle = self.obstacle or str(error)
        self.stop_at_once()

    # --- the end

    def audit(self) -> None:
        """Read back what was sent, unless it is not wanted or nothing can have been sent. It may take long."""
        if not self.auditing.wanted or self._writer is None or self._start_s is None or self.finished:
            return
        lasted_s = time.monotonic() - self._start_s
        self._write_row(max(self._row_s, lasted_s))
        answered = sum(figures.events for figures in self._whole.values())
        self.audited = self.auditing.run(self.directory, lasted_s, answered)

    def finish(self) -> None:
        """Judge the run, write the footer and the reports, and say what came out. Safe to call twice."""
        if self.finished:
            return
        self.finished = True
        if self._start_s is not None and self.audited is None:
            self._write_row(max(self._row_s, time.monotonic() - self._start_s))
        self.crew.give_up(begun=True)
        decision = self._decide()
        self.exit_code = decision.exit_code
        if self._writer is None:
            _say(f"load: {self.obstacle or decision.sentence}")
            return
        try:
            run = read_load_results(self.directory / RESULTS_FILE)
            write_hdr_log(run, self.directory / HDR_FILE, self._start_wall_s)
            self.show.report(self.directory)
        except ResultsError as error:  # nobody waited all that time for the name of a file
            _say(f"load: {decision.headline}: {decision.sentence}")
            _say(f"load: {error}; `cdp report {self.directory}` writes the reports")

    def _decide(self) -> Decision:
        objectives = self.evaluator.judge()
        health = self._judged_health()
        decision = decide(
            objectives,
            health,
            self.books(),
            dead_workers=self.crew.dead,
            obstacle=self.obstacle,
            stopped=self.stopped,
            open_loop=self.schedule is not None,
        )
        decision = with_audit(decision, self._audited())
        self._store(decision, objectives, health)
        return decision

    def _judged_health(self) -> HealthJudged:
        judged = judge(
            self._samples,
            self.objectives,
            Figures.merged(self._whole.values()),
            warm_up_s=self.options.warm_up,
            shares_machine=self.target.loopback,
            cores=os.cpu_count() or 0,
        )
        return replace(judged, notes=[*judged.notes, *self._notes()])

    def _notes(self) -> Iterator[str]:
        """What else is to be known of the run."""
        if renewals := self.crew.renewals:
            times = "once" if renewals == 1 else f"{renewals:,} times"
            yield (
                f"token renewed {times}, because it had run out; requests that met that and were sent again: "
                f"{self.crew.sent_again:,}, each counted once, from when it was due"
            )
        if unasked := sum(worker.unasked for worker in self.crew):
            yield (
                f"bytes after an answer that nobody had asked for: {unasked:,} times; the connection was closed, "
                "but who keeps it takes them for the next answer"
            )

    def _store(
        self, decision: Decision, objectives: list[ObjectiveJudged], health: HealthJudged, **others: Any
    ) -> None:
        """Write the footer."""
        if self._writer is None:
            return
        try:
            if self.audited is not None:
                self._writer.audit(self.audited)
            self._writer.finish(
                decision,
                objectives,
                health,
                self.books(),
                ended=datetime.now(UTC).isoformat(timespec="milliseconds"),
                wall_s=round(time.monotonic() - self._began_s, 3),
                interrupted=bool(self.stopped or self.obstacle),
                token_renewals=self.crew.renewals,
                sent_again=self.crew.sent_again,
                unfollowed=sum(worker.unfollowed for worker in self.crew),
                **others,
            )
            self._writer.close()
        except ResultsError as error:
            self.obstacle = str(error)
            self._writer = None

    def _audited(self) -> Audit | None:
        """What the audit says; that there was none, where it was cut off."""
        if self.audited is None and self.auditing.wanted and self._start_s is not None:
            reason = self.obstacle or self.stopped or "the run was cut off"
            self.audited = self.auditing.declined(reason, self.directory)
        return self.audited

    def books(self) -> Books:
        """What was offered and what became of it; the unsent share of a process that died is in it."""
        return close_books(
            self._whole.values(),
            self.crew,
            self.schedule,
            self._row_s,
            open_loop=self.options.open_loop,
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr)
