"""A pool of kept-alive connections to one origin, driven by the gevent hub of the thread that made it.

At most one request is in flight on a connection. Nothing is followed (redirects), kept (cookies), or sent again: a
request whose connection broke is a failure, and `indeterminate` when a byte of it may have left.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.hub import Hub, Waiter

from load.answer import Answer, Done, Failure
from load.wire.connection import Connection
from load.wire.origin import Address, WireError, parse_origin, resolve
from load.wire.parser import Heads
from load.wire.tls import check_context, make_context

SWEEP_S = 0.05  # how often deadlines are looked at: a timeout is told at most this much late
MAX_BODY = 32 * 1024 * 1024  # bytes of one answer's body, before and after its content coding
_LOOK_AFTER_NS = 10_000_000  # a connection that was idle for longer is looked at before it is used
# Some servers close a connection right after its answer and do not say so. The end arrives a moment after the answer,
# and a request sent at once would be lost: the first time, a connection rests for this long if there is another way.
_PROOF_NS = 5_000_000
_LEAST_IDLE_NS = 500_000_000  # a server that closes sooner does so because of its answer, and not because it waits
_ALIKE, _SAFE = 1.25, 0.8

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request of a greenlet that waits for a free connection."""

    request: bytes
    done: Done
    deadline_ns: int


class Pool:
    """Connections to `origin` (`https://host:port`; a path is left aside), opened when they are needed.

    `timeout_s`: how long a request may take from the call to the last byte of its answer, connecting and the TLS
    handshake included. `tls`: for https, a context that checks certificates; None makes one with the usual
    authorities. `max_connections`: most connections at a time. `sample_kernel_time_every`: for every k-th answer the
    kernel is asked when its last byte came (`Answer.received_ns`; Linux only, elsewhere it stays 0); 0: never.
    `max_body`: most bytes of a body.

    The host's name is looked up here, once; this blocks the calling greenlet. Raises WireError, in one line, when the
    origin is none, cannot be resolved, or the TLS context checks nothing.

    Counters: `opened` (connections that came up, ever), `refused_reuse` (connections closed because bytes came that
    nobody had asked for), `broken_receivers` (calls of a `done` that raised).
    """

    def __init__(
        self,
        origin: str,
        *,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
        max_connections: int,
        sample_kernel_time_every: int = 0,
        max_body: int = MAX_BODY,
    ) -> None:
        if timeout_s <= 0 or max_connections < 1:
            raise WireError("timeout_s and max_connections must be greater than 0")
        self.origin = parse_origin(origin)
        self.tls = (tls or make_context()) if self.origin.secure else None
        if self.tls is not None:
            check_context(self.tls)
        self.addresses: tuple[Address, ...] = resolve(self.origin, timeout_s)
        self.max_body = max_body
        self.heads: Heads = {}
        self.sample_every = sample_kernel_time_every
        self.on_free: Callable[[], None] | None = None
        self.opened = 0
        self.refused_reuse = 0
        self.broken_receivers = 0
        self.closed = False
        self.idle_connections: dict[Connection, None] = {}  # the one that was used last is used first
        self.unproven_connections: OrderedDict[Connection, None] = OrderedDict()  # after their first answer
        self._hub: Hub = gevent.get_hub()
        self.loop: Any = self._hub.loop
        self._timeout_ns = int(timeout_s * 1e9)
        self._max_connections = max_connections
        self._connections: set[Connection] = set()
        self._waiting: deque[_Waiting] = deque()
        self._asked = 0
        self._idle_ns = 0  # for how long the connection had been idle that the server closed last
        self._longest_idle_ns = 1 << 62
        self._sweeper = self.loop.timer(SWEEP_S, SWEEP_S)

    @property
    def in_flight(self) -> int:
        """Requests that were begun and are not answered yet."""
        return len(self._connections) - self.idle

    @property
    def idle(self) -> int:
        """Open connections that wait for a request."""
        return len(self.idle_connections) + len(self.unproven_connections)

    def start(self, request: bytes, done: Done, timeout_s: float | None = None) -> bool:
        """Send a request, over an idle connection or a new one. False, and nothing else happens, when
        `max_connections` are busy.

        Returns at once, from hub callbacks and greenlets alike. `done(answer)` is called exactly once, from the hub
        and never from in here; it must not block, and may call `start`. Raises WireError when the pool is closed.
        """
        now_ns = time.monotonic_ns()
        return self._start(
            request, done, now_ns, now_ns + (self._timeout_ns if timeout_s is None else int(timeout_s * 1e9))
        )

    def _start(self, request: bytes, done: Done, now_ns: int, deadline_ns: int) -> bool:
        idle = self.idle_connections
        while idle:
            connection = idle.popitem()[0]
            if now_ns - connection.freed_ns < _LOOK_AFTER_NS or self._good(connection, now_ns):
                connection.send(request, done, now_ns, deadline_ns)
                return True
        if self.closed:
            raise WireError("the pool is closed")
        full = len(self._connections) >= self._max_connections
        while self.unproven_connections:
            oldest = next(iter(self.unproven_connections))
            if now_ns - oldest.freed_ns < _PROOF_NS and not full:
                break
            del self.unproven_connections[oldest]
            if self._good(oldest, now_ns):
                oldest.send(request, done, now_ns, deadline_ns)
                return True
            full = len(self._connections) >= self._max_connections
        if full:
            return False
        connection = Connection(self, request, done, deadline_ns)
        self._connections.add(connection)
        self._sweeper.start(self._sweep)
        connection.open()
        return True

    def perform(self, request: bytes, timeout_s: float | None = None) -> Answer:
        """Send a request and wait for its answer; only the calling greenlet waits, also for a free connection (first
        come, first served). Raises WireError when the pool is closed."""
        now_ns = time.monotonic_ns()
        deadline_ns = now_ns + (self._timeout_ns if timeout_s is None else int(timeout_s * 1e9))
        waiter: Any = Waiter(self._hub)
        if not self._waiting and self._start(request, waiter.switch, now_ns, deadline_ns):
            answer: Answer = waiter.get()
            return answer
        turn = _Waiting(request, waiter.switch, deadline_ns)
        self._waiting.append(turn)
        try:
            answer = waiter.get()
            return answer
        except BaseException:
            if turn in self._waiting:  # the greenlet was killed before its turn came
                self._waiting.remove(turn)
            raise

    def close(self, abandon: bool = True) -> None:
        """Close the idle connections, and no new ones are opened. `abandon`: every request in flight, or waiting for
        a connection, gets Failure.ABANDONED at once; else they may end first. When it returns in a greenlet, every
        `done` of an abandoned request has been called; called in the hub itself, they are called before it returns."""
        self.closed = True
        for connection in [*self.idle_connections, *self.unproven_connections]:
            connection.close()
        if not abandon:
            return
        if gevent.getcurrent() is self._hub:
            self._abandon()
            return
        waiter: Any = Waiter(self._hub)
        self.loop.run_callback(self._abandon)
        self.loop.run_callback(waiter.switch, None)
        waiter.get()

    # What the connections call

    def deliver(self, done: Done, answer: Answer) -> None:
        """Hand an answer to whoever waits for it. What goes wrong there is none of the connection's business."""
        try:
            done(answer)
        except Exception as error:
            self._complain(error)
        if self._waiting or self.on_free is not None:
            self._freed()

    def note_idle(self, idle_ns: int) -> None:
        """The server closed a connection that had been idle for so long. What it does twice it will do again: a request
        that meets it on the way would get no answer, and look like a fault of the server's."""
        if idle_ns < _LEAST_IDLE_NS:
            return
        if self._idle_ns / _ALIKE <= idle_ns <= self._idle_ns * _ALIKE:
            self._longest_idle_ns = min(self._longest_idle_ns, int(_SAFE * min(idle_ns, self._idle_ns)))
        self._idle_ns = idle_ns

    def _good(self, connection: Connection, now_ns: int) -> bool:
        """Whether an idle connection may be used; it is closed if not."""
        if now_ns - connection.freed_ns > self._longest_idle_ns:
            connection.close()
            return False
        return connection.look()

    def forget(self, connection: Connection) -> None:
        """A connection was closed."""
        self._connections.discard(connection)
        self.idle_connections.pop(connection, None)
        self.unproven_connections.pop(connection, None)
        if not self._connections and not self._waiting:
            self._sweeper.stop()

    def sampled(self) -> bool:
        """Whether the answer of the next request is one of the sample."""
        self._asked += 1
        return self._asked % self.sample_every == 0

    def _freed(self) -> None:
        """A connection became free, unless somebody took it already: those that wait come first."""
        while self._waiting and self._room:
            turn = self._waiting.popleft()
            self._start(turn.request, turn.done, time.monotonic_ns(), turn.deadline_ns)
        if self.on_free is not None and self._room:
            try:
                self.on_free()
            except Exception as error:
                self._complain(error)

    @property
    def _room(self) -> bool:
        return not self.closed and (self.idle > 0 or len(self._connections) < self._max_connections)

    def _sweep(self) -> None:
        """End what is beyond its deadline."""
        now_ns = time.monotonic_ns()
        for connection in [each for each in self._connections if each.deadline_ns <= now_ns]:
            if connection.deadline_ns <= now_ns:  # it may have been closed on the way
                connection.fail(Failure.TIMEOUT)
        self._give_up([turn for turn in self._waiting if turn.deadline_ns <= now_ns], Failure.TIMEOUT)

    def _abandon(self) -> None:
        for connection in list(self._connections):
            connection.fail(Failure.ABANDONED)
        self._give_up(list(self._waiting), Failure.ABANDONED)

    def _give_up(self, turns: list[_Waiting], failure: Failure) -> None:
        """End requests that never got a connection."""
        for turn in turns:
            if turn in self._waiting:
                self._waiting.remove(turn)
                answer = Answer(done_ns=time.monotonic_ns(), failure=failure, detail="no connection became free")
                self.deliver(turn.done, answer)

    def _complain(self, error: Exception) -> None:
        """Say once in the log where a receiver is broken, and count. Its message is left out: it may hold anything."""
        self.broken_receivers += 1
        if self.broken_receivers == 1:
            at = error.__traceback__
            while at is not None and at.tb_next is not None:
                at = at.tb_next
            where = f" in {at.tb_frame.f_code.co_qualname}, line {at.tb_lineno}" if at is not None else ""
            logger.error("a receiver of answers raised %s%s (said once)", type(error).__name__, where)
