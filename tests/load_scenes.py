"""What tests of the load side share: contexts for a target, and shots that are sent over plain sockets."""

from __future__ import annotations

import http.client
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from cdp.contract import Contract, load_contract
from cdp.targets import Credentials, Target
from load.answer import Answer, Failure
from load.scenario import Outcome, Scenario, Shot
from load.scenarios import encoder
from load.scenarios.hot import Context
from tests.running_instance import RunningInstance

RUN = "cdp-0badcafe"
CONTRACT: Contract = load_contract()
_SHORTEST_PAUSE_S = 0.02  # uploads of tests are small


def context_of(instance: RunningInstance, base_url: str = "", **more: Any) -> Context:
    """A context for the instance, or for what stands in front of it at another base URL."""
    target = Target("tested", base_url or instance.base_url, Credentials(token=instance.token))
    known = Context(CONTRACT, target, encoder(target, instance.token), instance.token, RUN, check_every=1)
    return replace(known, **more)


def read_request(request: bytes) -> tuple[str, str, dict[str, str], bytes]:
    """Method, target, headers and body of a request."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    return method, target, dict(header.split(": ", 1) for header in lines), body


class Wire:
    """One kept-alive connection that sends shots one after the other."""

    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        assert parts.hostname
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)

    def close(self) -> None:
        self._connection.close()

    def send(self, request: bytes) -> Answer:
        """The answer to a request as the wire client would bring it; a connection that ends early is closed."""
        method, target, headers, body = read_request(request)
        sent_ns = time.monotonic_ns()
        try:
            self._connection.request(method, target, body or None, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            now_ns = time.monotonic_ns()
            return Answer(sent_ns=sent_ns, done_ns=now_ns, failure=Failure.CLOSED, indeterminate=True)
        found = tuple((n.encode("latin-1"), v.encode("latin-1")) for n, v in response.getheaders())
        return Answer(response.status, found, content, sent_ns, time.monotonic_ns())

    def follow(self, shot: Shot) -> Iterator[tuple[Shot, Outcome]]:
        """Send a shot and everything that follows it; what each answer was worth."""
        waiting = deque([shot])
        while waiting:
            shot = waiting.popleft()
            answer = self.send(shot.request)
            outcome = shot.judge(answer)
            yield shot, outcome
            following = shot.followed_by(answer) if shot.followed_by and outcome.good else None
            if following is not None:
                time.sleep(min(_SHORTEST_PAUSE_S, following[0]))
                waiting.append(following[1])


@contextmanager
def wire(origin: str) -> Iterator[Wire]:
    """A connection for as long as the context lasts."""
    opened = Wire(origin)
    try:
        yield opened
    finally:
        opened.close()


def play(scenario: Scenario, origin: str, arrivals: range) -> list[tuple[Shot, Outcome]]:
    """Send these arrivals, one after the other, and what follows them."""
    with wire(origin) as opened:
        return [pair for arrival in arrivals for pair in opened.follow(scenario.shot(arrival))]
