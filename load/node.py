"""How a load run lives in Locust: what each node does on Locust's events, and what master and workers tell each other.

A run has one coordinator (in the master, or in the only process) and one generator in each process that sends. They
speak through six messages: the master's `plan` (which stripe of the schedule is whose), `go` and `order` (a step of a
search for capacity), the worker's `ready` and `report` (what came in since the last one; the last one says so), and
`stop`. Without workers the same calls are
made directly.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import Any

import gevent
import locust.runners
from gevent.event import Event
from locust.env import Environment
from locust.event import Events
from locust.runners import MasterRunner, Runner, WorkerRunner

from cdp.contract import ContractError
from cdp.exit_codes import NOT_JUDGED, USAGE
from cdp.targets import Target, TargetError
from load.admission import find_target
from load.audit.ledger import LedgerError
from load.capacity.run import CapacityRun
from load.coordinator import Coordinator, Show
from load.generator import REPORT_INTERVAL_S, Generator, Report
from load.options import TABLE, LoadOptions, OptionError, read_options
from load.plan import Plan, check
from load.recording.locust_stats import measure_finely
from load.scenario import ScenarioError
from load.scenarios.hot import yesterday
from load.scenarios.people import PEOPLE, Arrivals, outfit
from load.wire.origin import WireError

OWN_SUMMARY = "CDP_LOAD_OWN_SUMMARY"  # set where `cdp load` started Locust
LOCAL = "local"  # the name of the only process
PLAN, READY, GO, REPORT, STOP = "cdp-plan", "cdp-ready", "cdp-go", "cdp-report", "cdp-stop"
ORDER = "cdp-order"  # of a search for capacity
READY_DEADLINE_S = 60.0
LIVENESS_S = 45
GO_IN_S = 0.5
FINAL_DEADLINE_S = 5.0


def install(events: Events, show: Show) -> None:
    """Make Locust's events start, judge and end load runs, which `show` shows."""

    def on_init(environment: Environment, runner: Runner, **_: Any) -> None:
        node = Node(environment, runner, show)
        node.prepare_locust()
        node.listen()
        if OWN_SUMMARY in os.environ:  # the tables of Locust would say the same again
            logging.getLogger("locust.stats_logger").setLevel(logging.CRITICAL)

    measure_finely()
    # A worker that reads contract and target is silent for longer than the three seconds of Locust on a busy machine;
    # who died is told by the reports that do not come.
    locust.runners.HEARTBEAT_LIVENESS = LIVENESS_S
    events.init_command_line_parser.add_listener(_add_options)
    events.init.add_listener(on_init)


def _add_options(parser: Any) -> None:
    group = parser.add_argument_group("Load on the CDP API")
    for option in TABLE:
        if option.flag:
            group.add_argument(f"--{option.name}", action="store_true", help=option.help, env_var=option.variable)
        else:
            group.add_argument(
                f"--{option.name}",
                default=option.default,
                metavar=option.metavar,
                nargs="+" if option.name == "shape" else None,
                help=option.help.replace("%", "%%"),
                env_var=option.variable,
            )


class Node:
    """One process of Locust: the only one, the master, or a worker."""

    def __init__(self, environment: Environment, runner: Runner, show: Show) -> None:
        self.environment = environment
        self.runner: Any = runner
        self.parsed: Any = environment.parsed_options
        self.show = show
        self.is_master = isinstance(runner, MasterRunner)
        self.is_worker = isinstance(runner, WorkerRunner)
        self.coordinator: Coordinator | None = None
        self.generator: Generator | None = None
        self._time_s: int | None = getattr(environment.parsed_options, "run_time", None)
        self._plan: Plan | None = None
        self._go = Event()
        self._interrupted = False

    # --- before a run

    def read(self) -> LoadOptions:
        """The options as they are now; whatever cannot be used ends the process with one line and exit code 2."""
        try:
            options = read_options(vars(self.parsed), self._time_s)
            check(options)
            if self.environment.host or options.target:
                self._target(options)
        except (OptionError, TargetError, ContractError) as error:
            self._refuse(str(error))
        return options

    def _target(self, options: LoadOptions) -> Target:
        target = find_target(options, self.environment.host, os.environ)
        self.environment.host = target.origin
        return target

    def _refuse(self, message: str) -> None:
        if not self.is_worker or os.getppid() == 1 or not self.parsed.processes:
            print(f"load: {message}", file=sys.stderr)
        raise SystemExit(USAGE)

    def prepare_locust(self) -> None:
        """Make Locust run what the options say: one placeholder a process in an open loop, people in a closed one. A
        worker is told the options by the master, so it has to be ready for either."""
        if self.is_worker:
            everybody = dict.fromkeys(each for classes in PEOPLE.values() for each in classes)
            self.environment.user_classes = [Arrivals, *everybody]
            return
        parsed, options = self.parsed, self.read()
        parsed.run_time = None  # the time counts from when everybody is ready
        if options.open_loop:
            if parsed.num_users:
                self._refuse("--users is a closed loop and --rate an open one; give one of them")
            self.environment.user_classes = [Arrivals]
            parsed.num_users = parsed.spawn_rate = max(1, parsed.expect_workers if self.is_master else 1)
        elif not parsed.user_classes:
            self.environment.user_classes = list(PEOPLE[options.scenario])

    def listen(self) -> None:
        events = self.environment.events
        events.test_start.add_listener(self._on_test_start)
        events.test_stopping.add_listener(self._on_test_stopping)
        events.test_stop.add_listener(self._on_test_stop)
        events.quitting.add_listener(self._on_quitting)
        gevent.signal_handler(signal.SIGINT, self._on_interrupt)
        if self.is_worker and self.parsed.processes:
            gevent.spawn(self._end_with, os.getppid())
        register = self.runner.register_message
        if self.is_master:
            register(READY, self._on_ready)
            register(REPORT, self._on_report)
        if self.is_worker:
            register(PLAN, self._on_plan)
            register(GO, self._on_go)
            register(STOP, self._on_stop_message)
            register(ORDER, self._on_order)

    # --- the beginning

    def _on_test_start(self, environment: Environment, **_: Any) -> None:
        if self.is_worker:
            self._begin_work()
            return
        options = self.read()
        workers = [client.id for client in self.runner.clients.all] if self.is_master else [LOCAL]
        kind = CapacityRun if options.find_capacity else Coordinator
        self.coordinator = kind(options, self._target(options), workers, self.show, self.parsed.num_users)
        if not self.coordinator.begin():
            gevent.spawn(self._end_run)  # Locust is in the middle of starting
            return
        day = yesterday().isoformat()
        plans = {
            worker: Plan(
                self.coordinator.prefix,
                stripe,
                len(workers),
                options.as_record(),
                str(self.coordinator.directory.absolute()),
                day,
            )
            for stripe, worker in enumerate(sorted(workers))
        }
        if self.is_master:
            for worker, plan in plans.items():
                self.runner.send_message(PLAN, plan.as_message(), worker)
            gevent.spawn(self._go_when_ready)
        else:
            self._plan = plans[LOCAL]
            self._begin_work()
        gevent.spawn(self._supervise, self.coordinator)

    def _go_when_ready(self) -> None:
        """Let all workers begin together, as soon as each is ready, or without those that are not in a minute."""
        coordinator = self.coordinator
        assert coordinator is not None
        coordinator.all_ready.wait(READY_DEADLINE_S)
        coordinator.without_the_unready()
        self.runner.send_message(GO, {"in_s": GO_IN_S})

    def _begin_work(self) -> None:
        """Begin to send the part that the plan gives this process, if it has one: a worker that came while the run was
        on has none."""
        plan, self._plan = self._plan, None
        if plan is None:
            return
        self._go.clear()
        options = LoadOptions(**plan.options)
        try:
            target = self._target(options)
            if not options.open_loop:  # they are made before the target has been looked at
                outfit(target, options.connections)
        except (TargetError, WireError) as error:
            self._send_ready(str(error))
            return
        gevent.spawn(self._work, Generator(options, target, plan, self.environment, self._send_report))

    def _work(self, generator: Generator) -> None:
        """What a process that sends does from the start of a test to its end."""
        self.generator = generator
        try:
            generator.prepare()
        except (TargetError, ContractError, ScenarioError, LedgerError) as error:
            self._send_ready(generator.secrets.redact(str(error)))
            return
        except Exception as error:  # whoever waits for this process has to hear of it
            said = f"the suite itself failed before the run: {type(error).__name__}: {error}"
            self._send_ready(generator.secrets.redact(" ".join(said.split())))
            return
        self._send_ready("")
        if self.is_worker:
            self._go.wait(READY_DEADLINE_S + FINAL_DEADLINE_S)
        generator.begin(GO_IN_S)

    def _send_ready(self, error: str) -> None:
        if self.is_worker:
            self.runner.send_message(READY, {"error": error})
        elif self.coordinator is not None:
            self.coordinator.ready(LOCAL, error)

    def _send_report(self, report: Report) -> None:
        if self.is_worker:
            self.runner.send_message(REPORT, report)
        elif self.coordinator is not None:
            self.coordinator.take(LOCAL, report)

    # --- messages

    def _on_plan(self, msg: Any, **_: Any) -> None:
        self._plan = Plan(**msg.data)

    def _on_go(self, msg: Any, **_: Any) -> None:
        self._go.set()

    def _on_ready(self, msg: Any, **_: Any) -> None:
        if self.coordinator is not None:
            self.coordinator.ready(msg.node_id, msg.data["error"])

    def _on_report(self, msg: Any, **_: Any) -> None:
        if self.coordinator is not None:
            self.coordinator.take(msg.node_id, msg.data)

    def _on_order(self, msg: Any, **_: Any) -> None:
        if self.generator is not None:
            self.generator.order(msg.data)

    def _on_stop_message(self, msg: Any, **_: Any) -> None:
        self._stop_sending()

    # --- the end

    def _on_interrupt(self) -> None:
        """Ctrl-C: the first ends the run in good order, the second at once. Locust's own way may lose the interrupt in
        whichever greenlet is running."""
        if self._interrupted or (self.coordinator is None and self.generator is None):
            os._exit(NOT_JUDGED)
        self._interrupted = True
        if self.is_worker:  # the master gets it as well, and says when to go
            self._stop_sending()
            gevent.spawn_later(2 * FINAL_DEADLINE_S, os._exit, NOT_JUDGED)
        elif self.coordinator is not None:
            print("\nload: interrupted: taking in what is under way; Ctrl-C again to leave it", file=sys.stderr)
            self.coordinator.stop_by_hand("interrupted")

    def _end_with(self, master: int) -> None:
        """End when the master that forked this worker is gone: nobody would watch over what it sends, and Locust's own
        workers notice a minute later."""
        while os.getppid() == master:
            gevent.sleep(REPORT_INTERVAL_S)
        self._stop_sending()
        if self.generator is not None:
            self.generator.ended.wait(FINAL_DEADLINE_S)  # the ledger is closed by then
        os._exit(NOT_JUDGED)

    def _supervise(self, coordinator: Coordinator) -> None:
        """Watch over the run until all that send have said that they are through, or are given up."""
        told = False
        while not coordinator.crew.over:
            gevent.sleep(REPORT_INTERVAL_S)
            coordinator.tick()
            for order in coordinator.take_orders():
                self._give(order)
            if coordinator.stopping and not told:
                told = True
                self._tell_all_to_stop()
        self._end_run()

    def _end_run(self) -> None:
        coordinator = self.coordinator
        assert coordinator is not None
        try:
            coordinator.audit()
            coordinator.finish()
        finally:  # whatever happened there: nobody else ends this process
            self.environment.process_exit_code = coordinator.exit_code
            if self.parsed.headless:
                self.runner.quit()
            else:
                self.runner.stop()

    def _give(self, order: dict[str, Any]) -> None:
        """Hand an order to everybody who sends."""
        if self.is_master:
            self.runner.send_message(ORDER, order)
        elif self.generator is not None:
            self.generator.order(order)

    def _tell_all_to_stop(self) -> None:
        if self.is_master:
            self.runner.send_message(STOP)
        self._stop_sending()

    def _stop_sending(self) -> None:
        if self.generator is not None:
            self.generator.stop()

    def _on_test_stopping(self, **_: Any) -> None:
        self._stop_sending()
        if self.coordinator is not None and not self.coordinator.finished:
            self.coordinator.stop_by_hand("stopped by hand")

    def _on_test_stop(self, **_: Any) -> None:
        """Before a worker goes, its last report has to be on its way."""
        if self.generator is not None:
            self.generator.ended.wait(FINAL_DEADLINE_S)
            self.generator = None

    def _on_quitting(self, environment: Environment, **_: Any) -> None:
        self._stop_sending()
        if self.is_worker:
            self._on_test_stop()
            environment.process_exit_code = 0  # the verdict is the master's
            return
        coordinator = self.coordinator
        if coordinator is None or coordinator.finished:
            return
        coordinator.stop_by_hand("interrupted")
        self._tell_all_to_stop()
        deadline = time.monotonic() + FINAL_DEADLINE_S
        while not coordinator.crew.over and time.monotonic() < deadline:
            gevent.sleep(0.05)
        coordinator.finish()
        environment.process_exit_code = coordinator.exit_code
