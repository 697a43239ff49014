"""Takes the samples of a generator's process.

Whoever drives the load hands over what only it knows: `tried` when an arrival is first tried to be sent, `full` and
`freed` when every connection is busy and when one is free again, `take` for each answer. All of that is cheap; the
machine itself is read when a sample is taken, twice a second or less often.
"""

from __future__ import annotations

import os
import socket
import time
from array import array
from typing import Any, Protocol

import gevent
import numpy as np

from cdp.distribution import Distribution
from load.answer import Answer
from load.health.machine import Machine, Reading
from load.health.sample import HealthSample

PROBE_NS = 20_000_000
_LOOKED_AT = 2_000  # times of a sample at most
_GOLDEN = 0.6180339887498949


class Connections(Protocol):
    """What is asked of a pool of connections."""

    @property
    def in_flight(self) -> int: ...

    @property
    def idle(self) -> int: ...


class HubProbe:
    """How late timers of the event loop run, looked at fifty times a second.

    A loop that stands still for a second misses fifty looks; they are added at the lateness that they would have seen,
    as HdrHistogram does for an expected interval (Gil Tene, "How NOT to Measure Latency"). Without that a block would
    be one late look of many.
    """

    def __init__(self) -> None:
        self.delays_ns: list[int] = []
        self._last_ns = 0
        self._timer: Any = None

    def start(self) -> None:
        """Begin to look, in the hub of this thread."""
        if self._timer is None:
            self._last_ns = time.monotonic_ns()
            self._timer = gevent.get_hub().loop.timer(PROBE_NS / 1e9, PROBE_NS / 1e9, ref=False)
            self._timer.start(lambda: self.look(time.monotonic_ns()))

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def look(self, now_ns: int) -> None:
        """A timer ran."""
        delay_ns = max(0, now_ns - self._last_ns - PROBE_NS)
        self._last_ns = now_ns
        self.delays_ns.append(delay_ns)
        while delay_ns > PROBE_NS:
            delay_ns -= PROBE_NS
            self.delays_ns.append(delay_ns)


class HealthSampler:
    """Samples of this process. `begin` when the schedule starts, `sample` regularly, `close` at the end."""

    def __init__(
        self,
        connections: Connections | None = None,
        *,
        process: str = "",
        machine: Machine | None = None,
        probe: HubProbe | None = None,
    ) -> None:
        self.lateness = array("q")
        self.read_lag: list[int] = []
        self.found_full = 0
        self.process = process or f"process {os.getpid()}"
        self._full_until_ns = 0
        self._queued = False
        self._connections = connections
        self._host = socket.gethostname()
        self._machine = machine or Machine()
        self._probe = probe or HubProbe()
        self._start_ns = self._last_ns = time.monotonic_ns()
        self._reading = self._machine.read()

    def begin(self, start_ns: int, now_ns: int | None = None) -> None:
        """The schedule starts at `start_ns`; what was before `now_ns` (None: now) is forgotten."""
        self._start_ns = start_ns
        self._last_ns = time.monotonic_ns() if now_ns is None else now_ns
        self._reading = self._machine.read()
        self._take()
        self._probe.start()

    def tried(self, intended_ns: int, now_ns: int) -> None:
        """An arrival is tried for the first time. One that became due while every connection was busy stood in the
        queue for the target, and its delay is not the generator's."""
        self._queued = intended_ns < self._full_until_ns
        if self._queued:
            self.found_full += 1
        else:
            self.lateness.append(now_ns - intended_ns)

    def full(self) -> None:
        """The arrival that was tried last found every connection busy."""
        if not self._queued:
            self._queued = True
            self.found_full += 1

    def freed(self, now_ns: int) -> None:
        """The arrival that had found every connection busy could be sent."""
        self._full_until_ns = now_ns

    def take(self, answer: Answer) -> None:
        """Note how long an answer lay in the kernel, when that is known."""
        if answer.received_ns:
            self.read_lag.append(answer.done_ns - answer.received_ns)

    def sample(self, now_ns: int) -> HealthSample:
        """How it was since the last sample."""
        before, self._reading = self._reading, self._machine.read()
        last_ns, self._last_ns = self._last_ns, now_ns
        connections = self._connections
        hub, lateness, read_lag, found_full = self._take()
        return HealthSample(
            from_s=(last_ns - self._start_ns) / 1e9,
            to_s=(now_ns - self._start_ns) / 1e9,
            process=self.process,
            host=self._host,
            **_shares(before, self._reading, max(1, now_ns - last_ns)),
            descriptors=self._reading.descriptors,
            descriptor_limit=self._reading.descriptor_limit,
            sockets=connections.in_flight + connections.idle if connections else 0,
            time_wait=self._reading.time_wait,
            ports=self._reading.ports,
            memory_bytes=self._reading.memory_bytes,
            memory_free=self._reading.memory_free,
            in_flight=connections.in_flight if connections else 0,
            found_full=found_full,
            hub=Distribution.of(hub),
            lateness=_thinned(lateness),
            read_lag=_thinned(read_lag),
        )

    def close(self) -> None:
        """Look no more."""
        self._probe.stop()
        self._machine.close()

    def _take(self) -> tuple[list[int], array[int], list[int], int]:
        # They are emptied in place: whoever appends may hold on to them.
        taken = self._probe.delays_ns[:], self.lateness[:], self.read_lag[:], self.found_full
        self._probe.delays_ns.clear()
        del self.lateness[:]
        self.read_lag.clear()
        self.found_full = 0
        return taken


def _thinned(times_ns: array[int] | list[int]) -> Distribution:
    """The distribution of one in k times, each counted k times, so that tens of thousands cost no more than some.

    Which ones: steps of the golden ratio spread evenly over the list and are in step with no pattern in it.
    """
    of = -(-len(times_ns) // _LOOKED_AT)
    if of <= 1:
        return Distribution.of(times_ns)
    places = (np.arange(len(times_ns) // of) * _GOLDEN % 1 * len(times_ns)).astype(np.int64)
    found = Distribution.of(np.array(times_ns, dtype=np.int64)[places])
    return Distribution(found.values_ns, found.counts * of)


def _shares(before: Reading, after: Reading, span_ns: int) -> dict[str, Any]:
    def grown(first: int | None, second: int | None) -> int | None:
        return max(0, second - first) if first is not None and second is not None else None

    wait, throttled = grown(before.cpu_wait_ns, after.cpu_wait_ns), grown(before.throttled_ns, after.throttled_ns)
    steal, ticks = grown(before.steal_ticks, after.steal_ticks), grown(before.all_ticks, after.all_ticks)
    return {
        "cpu": max(0, after.cpu_ns - before.cpu_ns) / span_ns,
        "cpu_wait": wait / span_ns if wait is not None else None,
        "steal": steal / ticks if steal is not None and ticks else None,
        "throttled": throttled / span_ns if throttled is not None else None,
    }
