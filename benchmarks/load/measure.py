"""What a contender costs: CPU time and requests between two moments of its steady state."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load.server import BenchError, Server


@dataclass(frozen=True)
class Cost:
    """One measurement. `requests`: how many the server answered in `seconds`; `cpu_s`: CPU seconds of the contender."""

    requests: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds a request."""
        return self.cpu_s / self.requests * 1e6


@contextmanager
def running(command: Sequence[str], core: int, log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A contender on its core, in a process group of its own that is gone afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,
        )
        try:
            yield process
        finally:
            for sign in (15, 9):
                try:
                    os.killpg(process.pid, sign)
                    process.wait(5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all that it started."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def steady_cost(server: Server, process: subprocess.Popen, log: Path, seconds: float, warm_up_s: float = 1.5) -> Cost:
    """Cost of a running contender: it has to be sending first, then it warms up, then it is measured."""
    before, deadline = server.requests(), time.monotonic() + 30
    while server.requests() - before < 200:
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise BenchError(f"{Path(str(process.args[0])).name} sends nothing: {last[0]:.200}")  # type: ignore[index]
        time.sleep(0.1)
    time.sleep(warm_up_s)
    requests, cpu, began = server.requests(), cpu_seconds(process.pid), time.monotonic()
    time.sleep(seconds)
    more, cpu_after, ended = server.requests(), cpu_seconds(process.pid), time.monotonic()
    return Cost(more - requests, ended - began, cpu_after - cpu)
