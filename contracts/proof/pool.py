"""Trying many mutants in several processes, each with an instance of its own."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from cdp.contract import load_contract
from cdp.embedded import embedded_instance
from cdp.fault_control import Control, Kind, ProofError
from cdp.proof_results import ERROR, Trial
from cdp.targets import TargetError
from contracts.proof.mutants import Mutant
from contracts.proof.trial import Court

SMALL = ("--faults", "--customers", "60", "--events", "800")
"""What an instance for proofs is started with: as few data as every requirement needs."""
DEADLINE_S = 300.0  # for one mutant; a fault that makes the suite hang is one that the suite does not bear
_START_S = 120.0
_END_S = 5.0


def serve_court(connection: Connection[Any, Any], profiles: Sequence[str], seed: int) -> None:
    """What a process does: try one mutant after the other until it gets None. Runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this one
    try:
        with embedded_instance(*SMALL) as target:
            court = Court(load_contract(), target, Control(target.origin), seed)
            connection.send(None)
            while (work := connection.recv()) is not None:
                mutant, kind = work
                try:
                    connection.send(court.tried(mutant, kind, profiles))
                except ProofError as error:
                    connection.send(_lost(court.contract.operations[mutant.operation].section, mutant, str(error)))
    except (TargetError, OSError, EOFError) as error:
        with suppress(OSError):
            connection.send(str(error))


def _lost(section: str, mutant: Mutant, why: str) -> Trial:
    return Trial(mutant.fault, mutant.operation, section, ERROR, why=why)


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection[Any, Any]
    mutant: Mutant | None = None
    ready: bool = False
    since: float = 0.0

    @property
    def late(self) -> bool:
        longest_s = DEADLINE_S if self.ready else _START_S
        return (self.mutant is not None or not self.ready) and time.monotonic() - self.since > longest_s


class Pool:
    """Processes that try mutants; a context, after which none of them is left."""

    def __init__(self, processes: int, profiles: Sequence[str], seed: int) -> None:
        self.processes, self.profiles, self.seed = processes, profiles, seed
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            self._end(worker)

    def trials(
        self, mutants: Sequence[Mutant], kinds: Mapping[str, Kind], sections: Mapping[str, str]
    ) -> Iterator[Trial]:
        """What became of each, as they come. `sections`: by operation. Raises ProofError when no process can work."""
        waiting = deque(mutants)
        while waiting or any(worker.mutant for worker in self._workers):
            while len(self._workers) < min(self.processes, len(waiting) + self._busy):
                self._start()
            for worker in self._workers:
                if worker.ready and worker.mutant is None and waiting:
                    self._hand(worker, waiting.popleft(), kinds)
            for connection in wait([worker.connection for worker in self._workers], 1.0):
                worker = next(w for w in self._workers if w.connection is connection)
                yield from self._heard(worker, sections)
            for worker in [w for w in self._workers if w.late]:
                yield from self._lose(worker, f"it was not over after {DEADLINE_S:.0f} s", sections)

    @property
    def _busy(self) -> int:
        return sum(worker.mutant is not None for worker in self._workers)

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve_court, args=(theirs, self.profiles, self.seed), daemon=False)
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours, since=time.monotonic()))

    def _hand(self, worker: _Worker, mutant: Mutant, kinds: Mapping[str, Kind]) -> None:
        worker.mutant, worker.since = mutant, time.monotonic()
        with suppress(OSError):  # a dead one is noticed at the next look
            worker.connection.send((mutant, kinds[mutant.fault]))

    def _heard(self, worker: _Worker, sections: Mapping[str, str]) -> Iterator[Trial]:
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._lose(worker, "the process died", sections)
            return
        if isinstance(said, Trial):
            worker.mutant = None
            yield said
        elif said is None:
            worker.ready = True
        else:
            yield from self._lose(worker, said, sections)

    def _lose(self, worker: _Worker, why: str, sections: Mapping[str, str]) -> Iterator[Trial]:
        self._deaths += 1
        self._workers.remove(worker)
        self._end(worker)
        if worker.mutant is not None:
            yield _lost(sections[worker.mutant.operation], worker.mutant, why)
        elif self._deaths > 2 * self.processes:
            raise ProofError(f"no process can try anything: {why}")

    def _end(self, worker: _Worker) -> None:
        with suppress(OSError):
            worker.connection.send(None)
        worker.process.join(0.5 if worker.mutant else _END_S)
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join(_END_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(_END_S)
        worker.connection.close()
