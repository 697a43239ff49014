"""Judging a run in several processes: who gets what, and what happens when one of them dies."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Protocol, Self

from cdp.pacing import LONGEST_PAUSE_S, PAUSES_AFTER_429
from cdp.results import ResultsError
from cdp.verdicts import Cell, Verdict
from contracts.parallel.deaths import left_by_the_dead, store_errors
from contracts.parallel.process import Deeper, Doing, Finished, Hindered, Spent, judge_share
from contracts.parallel.schedule import Schedule
from contracts.parallel.share import Told, kit
from contracts.run import ContractRun
from contracts.session import Obstacle

DEATHS = 4  # of so many processes, times those that were wanted, the place is taken by new ones
_POLL_S = 0.2
_END_S = 5.0
_DEEPER = "rounds"  # in place of a unit


class Watcher(Protocol):
    """Whoever shows how far the run is."""

    def doing(self, operation: str) -> None: ...

    def judged(self, verdict: Verdict, cell: Cell) -> None: ...

    def again(self, cell: Cell, verdict: Verdict, number: int) -> None: ...


@dataclass
class Worker:
    """A process, and what it judges at the moment: the name of the unit and its cells."""

    place: int
    process: BaseProcess
    connection: Connection[Any, Any]
    unit: str = ""
    cells: Sequence[Cell] = ()
    equipped: bool = False
    heard: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return f"process {self.process.pid}"


class Pool:
    """The processes of a run, as a context: they start with it, so that they are ready when the run has started, and
    none is left when it ends."""

    def __init__(self, run: ContractRun) -> None:
        self.run = run
        self.schedule = Schedule(run.plan.contract, run.plan.cells)
        self.workers: list[Worker] = []
        self._shares = itertools.count(1)
        self._deaths = 0
        self._spent = False
        self._context = multiprocessing.get_context("spawn")

    def __enter__(self) -> Self:
        for place in range(min(self.run.processes, len(self.schedule.waiting))):
            self._start(place)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def judge_all(self, watcher: Watcher) -> None:
        """Have every cell judged. Raises Obstacle and ResultsError as `ContractRun.judge` does, KeyboardInterrupt when
        the run is to stop; then the processes are still to be stopped. When the budget ends first, cells are left."""
        while True:
            self._hand_out()
            if not self._busy:
                break
            self._listen(watcher)
        if self._spent:
            return
        left = [cell for name in list(self.schedule.waiting) for cell in self.schedule.take(name)]
        self._lost(store_errors(self.run, left, "no process of the run was left to judge it"), watcher)

    def judge_deeper(self, watcher: Watcher) -> None:
        """Have every process judge again those of its cells that have more to show. Raises as `judge_all` does."""
        for worker in [worker for worker in self.workers if worker.equipped and not self._spent]:
            worker.unit, worker.heard = _DEEPER, time.monotonic()
            with suppress(OSError):  # it is dead, and will be found so
                worker.connection.send(Deeper())
        while self._busy:
            self._listen(watcher)

    def _listen(self, watcher: Watcher) -> None:
        self._hear(watcher)
        if self.run.session.stopping:
            raise KeyboardInterrupt
        self._watch_silence(watcher)

    @property
    def _busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.unit]

    def _start(self, place: int) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=judge_share, args=(theirs,), daemon=True)
        # The terminal sends Ctrl-C to every process of the run: it is for this one alone.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        self.workers.append(Worker(place, process, ours))

    def _hand_out(self) -> None:
        """Give every idle process the next unit that disturbs no other one."""
        for worker in [worker for worker in self.workers if not worker.unit and not self._spent]:
            name = self.schedule.free(other.unit for other in self._busy)
            if name is None:
                return
            worker.unit, worker.cells = name, self.schedule.take(name)
            worker.heard = time.monotonic()
            try:
                if not worker.equipped:
                    worker.connection.send(kit(self.run, worker.place, next(self._shares)))
                    worker.equipped = True
                worker.connection.send(worker.cells)
            except OSError:
                pass  # it is dead, and will be found so

    def _hear(self, watcher: Watcher) -> None:
        """Take in what the processes tell."""
        ready = wait([worker.connection for worker in self.workers], _POLL_S)
        for worker in [worker for worker in self.workers if worker.connection in ready]:
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                worker.process.join(_END_S)
                why = f"{worker} of the run ended {_ending(worker.process.exitcode)} while it judged this operation"
                self._died(worker, why, watcher)
                continue
            worker.heard = time.monotonic()
            self._take(worker, message, watcher)

    def _take(self, worker: Worker, message: Any, watcher: Watcher) -> None:
        if isinstance(message, Doing):
            watcher.doing(message.operation)
        elif isinstance(message, Told):
            self.run.take(message.cell.operation, message.asked, message.share, message.beside)
            if message.number > 1:
                watcher.again(message.cell, message.verdict, message.number)
            else:
                watcher.judged(message.verdict, message.cell)
        elif isinstance(message, Finished | Spent):
            self._spent = self._spent or isinstance(message, Spent)
            worker.unit, worker.cells = "", ()
        elif isinstance(message, Hindered):
            raise (ResultsError if message.storing else Obstacle)(message.sentence)

    def _watch_silence(self, watcher: Watcher) -> None:
        """End a process that has been silent for longer than any request can take."""
        limit = self.silence_s
        for worker in self._busy:
            if time.monotonic() - worker.heard > limit:
                worker.process.kill()
                worker.process.join(_END_S)
                self._died(worker, f"{worker} of the run was silent for {limit:.0f} s and was ended", watcher)

    @property
    def silence_s(self) -> float:
        """Seconds after which a process that says nothing is taken for dead."""
        target = self.run.target
        a_try = target.timeout_s + (self.run.processes / target.max_rps if target.max_rps else 0)
        return 60 + 2 * (PAUSES_AFTER_429 + 1) * (2 * a_try + LONGEST_PAUSE_S)

    def _died(self, worker: Worker, why: str, watcher: Watcher) -> None:
        """Nothing is lost: what was being judged becomes ERROR, what was to come waits for another process."""
        self.workers.remove(worker)
        worker.connection.close()
        if worker.unit:
            lost, left = left_by_the_dead(self.run, worker.cells, why)
            self._lost(lost, watcher)
            self.schedule.put_back(worker.unit, left)
        self._deaths += 1
        if self._deaths <= DEATHS * self.run.processes and self.schedule.waiting:
            self._start(worker.place)

    @staticmethod
    def _lost(results: Sequence[Any], watcher: Watcher) -> None:
        for result in results:
            watcher.judged(result.verdict, result.cell)

    def stop(self) -> None:
        """End every process: the idle ones at once, the others after the request under way."""
        deadline = time.monotonic() + self.run.target.timeout_s + _END_S
        try:
            for worker in self.workers:
                worker.process.terminate()
                with suppress(OSError):
                    worker.connection.send(None)
            for worker in self.workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
        finally:  # a second Ctrl-C ends the waiting
            for worker in self.workers:
                worker.process.kill()
                worker.process.join(_END_S)
                worker.connection.close()
            self.workers = []


def _ending(code: int | None) -> str:
    """How a process ended, by its exit code; a negative one names the signal."""
    if code is None or code >= 0:
        return f"with exit code {code}"
    known = {int(number): number.name for number in signal.Signals}
    return f"by {known.get(-code, f'signal {-code}')}"
