"""Trying many things in several processes, each with an instance of its own."""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from cdp.contract import load_contract
from cdp.embedded import embedded_instance
from cdp.fault_control import Control, ProofError
from cdp.targets import TargetError
from contracts.proof.trial import Court

Outcome = TypeVar("Outcome")
Outcome_co = TypeVar("Outcome_co", covariant=True)

SMALL = ("--faults", "--customers", "60", "--events", "800")
"""What an instance for proofs is started with: as few data as every requirement needs."""
_READY, _DONE, _FAILED = "ready", "done", "failed"  # what a process says
_START_S = 120.0
_END_S = 5.0


class Task(Protocol[Outcome_co]):
    """Something that a process can do before its instance."""

    @property
    def longest_s(self) -> float:
        """Seconds after which it is given up."""

    def done(self, court: Court) -> Outcome_co:
        """Do it. Raises ProofError when the instance does not let it."""

    def lost(self, why: str) -> Outcome_co:
        """What is said of it when it did not come to its end. Raises ProofError when nothing can be said."""


def serve_court(connection: Connection[Any, Any]) -> None:
    """What a process does: one task after the other until it gets None. Runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this one
    try:
        with embedded_instance(*SMALL) as target:
            court = Court(load_contract(), target, Control(target.origin))
            connection.send((_READY, None))
            while (task := connection.recv()) is not None:
                connection.send((_DONE, task.done(court)))
    except (ProofError, TargetError, OSError, EOFError) as error:
        with suppress(OSError):
            connection.send((_FAILED, str(error)))


@dataclass
class _Worker(Generic[Outcome]):
    process: BaseProcess
    connection: Connection[Any, Any]
    task: Task[Outcome] | None = None
    ready: bool = False
    since: float = 0.0

    @property
    def longest_s(self) -> float:
        """Seconds that it may take for what it does now."""
        if not self.ready:
            return _START_S
        return self.task.longest_s if self.task else math.inf

    @property
    def late(self) -> bool:
        return time.monotonic() - self.since > self.longest_s


class Pool(Generic[Outcome]):
    """Processes that do tasks; a context, after which none of them is left."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._workers: list[_Worker[Outcome]] = []
        self._context = multiprocessing.get_context("spawn")
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            self._end(worker)

    def outcomes(self, tasks: Iterable[Task[Outcome]]) -> Iterator[Outcome]:
        """What became of each, as they come. Raises ProofError when no process can work, or a task cannot be lost."""
        waiting = deque(tasks)
        while waiting or self._busy:
            while len(self._workers) < min(self.processes, len(waiting) + self._busy):
                self._start()
            for worker in self._workers:
                if worker.ready and worker.task is None and waiting:
                    self._hand(worker, waiting.popleft())
            for connection in wait([worker.connection for worker in self._workers], 1.0):
                worker = next(w for w in self._workers if w.connection is connection)
                yield from self._heard(worker)
            for worker in [w for w in self._workers if w.late]:
                yield from self._lose(worker, f"it was not over after {worker.longest_s:.0f} s")

    @property
    def _busy(self) -> int:
        return sum(worker.task is not None for worker in self._workers)

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve_court, args=(theirs,), daemon=False)
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours, since=time.monotonic()))

    def _hand(self, worker: _Worker[Outcome], task: Task[Outcome]) -> None:
        worker.task, worker.since = task, time.monotonic()
        with suppress(OSError):  # a dead one is noticed at the next look
            worker.connection.send(task)

    def _heard(self, worker: _Worker[Outcome]) -> Iterator[Outcome]:
        try:
            word, what = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._lose(worker, "the process died")
            return
        if word == _FAILED:
            yield from self._lose(worker, what)
        elif word == _DONE:
            worker.task = None
            yield what
        else:
            worker.ready = True

    def _lose(self, worker: _Worker[Outcome], why: str) -> Iterator[Outcome]:
        self._deaths += 1
        self._workers.remove(worker)
        self._end(worker)
        if worker.task is not None:
            yield worker.task.lost(why)
        elif self._deaths > 2 * self.processes:
            raise ProofError(f"no process can try anything: {why}")

    def _end(self, worker: _Worker[Outcome]) -> None:
        with suppress(OSError):
            worker.connection.send(None)
        worker.process.join(0.5 if worker.task else _END_S)
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join(_END_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(_END_S)
        worker.connection.close()
