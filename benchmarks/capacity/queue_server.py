"""A server that is a queue: what it answers is an embedded instance's, when it answers is the queue's.

    python -m benchmarks.capacity.queue_server PORT UPSTREAM MODEL [KEY=VALUE ...]

Every request joins the queue when it has been read, and is answered when its service ends (Lindley's recursion, first
come, first served, `places` of service). The answer was fetched from the upstream instance the first time that it was
asked for; so the time of an answer is that of the queue alone, to a tenth of a millisecond.

Models: `constant`, `exponential` (service_ms, places), `shedding` (constant; 503 when more than `room` wait), `slowing`
(constant up to `knee` requests a second, then longer the further beyond it), `stalling` (constant, and every `every_s`
seconds on the average nothing goes on for `stall_ms`).
"""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import heapq  # noqa: E402
import http.client  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import gevent  # noqa: E402
from gevent.event import AsyncResult, Event  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

from load.arrivals.timer import make_timer  # noqa: E402

_FULL = b'{"message":"full"}'
_SHED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_FULL),
    _FULL,
)
_RATE_S = 1.0


@dataclass
class Model:
    """How long a service takes, and who is refused."""

    kind: str
    service_s: float = 0.002
    places: int = 1
    room: int = 20
    knee: float = 300.0
    every_s: float = 20.0
    stall_s: float = 0.1
    seed: int = 1
    free_ns: list[int] = field(default_factory=list)
    waiting: int = 0
    _stall_ns: int = 0
    _arrivals: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.free_ns = [0] * self.places

    def departure(self, now_ns: int) -> int | None:
        """When the service of a request that arrives now ends; None: it is refused."""
        if self.kind == "shedding" and self.waiting > self.room:
            return None
        begin_ns = max(now_ns, heapq.heappop(self.free_ns))
        if self.kind == "stalling":
            begin_ns = self._stalled(begin_ns)
        end_ns = begin_ns + int(self._service_s(now_ns) * 1e9)
        heapq.heappush(self.free_ns, end_ns)
        return end_ns

    def _service_s(self, now_ns: int) -> float:
        if self.kind == "exponential":
            return self.random.expovariate(1 / self.service_s)
        if self.kind == "slowing":
            self._arrivals.append(now_ns)
            while self._arrivals[0] < now_ns - _RATE_S * 1e9:
                self._arrivals.pop(0)
            excess = len(self._arrivals) / _RATE_S / self.knee - 1
            return self.service_s * (1 + 20 * max(0.0, excess))
        return self.service_s

    def _stalled(self, begin_ns: int) -> int:
        """The begin of a service, later when the server stands still then."""
        if not self._stall_ns:
            self._stall_ns = begin_ns + int(self.random.expovariate(1 / self.every_s) * 1e9)
        while begin_ns >= self._stall_ns:
            end_ns = self._stall_ns + int(self.stall_s * 1e9)
            self._stall_ns = end_ns + int(self.random.expovariate(1 / self.every_s) * 1e9)
            begin_ns = max(begin_ns, end_ns)
        return begin_ns


class Answers:
    """What the upstream answers, asked for once each."""

    def __init__(self, upstream: str) -> None:
        self._parts = urlsplit(upstream)
        self._known: dict[bytes, AsyncResult[bytes]] = {}

    def of(self, head: bytes, body: bytes) -> AsyncResult[bytes]:
        """The whole answer, as bytes to send."""
        line, _, rest = head.partition(b"\r\n")
        key = line + body
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = AsyncResult()
            gevent.spawn(self._fetch, found, line, rest, body)
        return found

    def _fetch(self, result: AsyncResult[bytes], line: bytes, rest: bytes, body: bytes) -> None:
        method, target, _ = line.decode("latin-1").split(" ")
        headers: dict[str, str] = {}
        for row in rest.decode("latin-1").split("\r\n"):
            name, _, value = row.partition(":")
            if name and name.lower() not in ("host", "connection", "accept-encoding", "content-length"):
                headers[name] = value.strip()
        connection = http.client.HTTPConnection(self._parts.hostname or "", self._parts.port, timeout=30)
        try:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        kept = [f"{n}: {v}" for n, v in answer.getheaders() if n.lower() in ("content-type", "content-disposition")]
        head = "\r\n".join([f"HTTP/1.1 {answer.status} {answer.reason}", *kept, f"Content-Length: {len(content)}"])
        result.set(head.encode("latin-1") + b"\r\n\r\n" + content)


class Departures:
    """Wakes whoever waits for the end of his service."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Event]] = []
        self._number = 0
        self._timer = make_timer(self._fire)

    def wait_until(self, when_ns: int) -> None:
        """Let the calling greenlet wait until a time of the monotonic clock."""
        event = Event()
        self._number += 1
        heapq.heappush(self._due, (when_ns, self._number, event))
        if self._due[0][2] is event:
            self._timer.at(when_ns)
        event.wait()

    def _fire(self) -> None:
        now_ns = time.monotonic_ns()
        while self._due and self._due[0][0] <= now_ns:
            heapq.heappop(self._due)[2].set()
        if self._due:
            self._timer.at(self._due[0][0])
        else:
            self._timer.rest()


class QueueServer:
    """The queue with its connections."""

    def __init__(self, model: Model, upstream: str) -> None:
        self.model, self.answers, self.departures = model, Answers(upstream), Departures()

    def connected(self, connection: Any, address: Any) -> None:
        """Serve one connection until it ends."""
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = _length(head)
                while len(data) < length:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                body, data = data[:length], data[length:]
                connection.sendall(self._served(head, body))
        except OSError:
            return

    def _served(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST") and b"login" in head.split(b"\r\n", 1)[0]:
            return self.answers.of(head, body).get(timeout=30)
        departs_ns = self.model.departure(time.monotonic_ns())
        if departs_ns is None:
            return _SHED
        answer = self.answers.of(head, body)
        self.model.waiting += 1
        self.departures.wait_until(departs_ns)
        self.model.waiting -= 1
        return answer.get(timeout=30)


def _length(head: bytes) -> int:
    for row in head.split(b"\r\n")[1:]:
        if row.lower().startswith(b"content-length:"):
            return int(row.partition(b":")[2])
    return 0


def model_from(kind: str, settings: list[str]) -> Model:
    """The model that a command line names; times in ms there."""
    given = dict(each.split("=") for each in settings)
    times = {
        name.removesuffix("_ms") + "_s": float(given.pop(name)) / 1000 for name in list(given) if name.endswith("_ms")
    }
    whole = {name: int(value) for name, value in given.items() if name in ("places", "room", "seed")}
    return Model(kind, **{**times, **{n: float(v) for n, v in given.items() if n not in whole}, **whole})  # type: ignore[arg-type]


if __name__ == "__main__":
    server = StreamServer(
        ("127.0.0.1", int(sys.argv[1])),
        QueueServer(model_from(sys.argv[3], sys.argv[4:]), sys.argv[2]).connected,
        backlog=4096,
    )
    server.serve_forever()
