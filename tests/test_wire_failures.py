"""What becomes of a request whose answer does not come: nobody listens, nothing is left to send with, time is up."""

from __future__ import annotations

import errno
import os
import resource
import socket
from contextlib import suppress
from functools import partial
from typing import Any

import gevent
import gevent.event
import pytest

from cdp.ports import free_port
from load.answer import Answer, Failure
from load.wire import Pool, sockets
from tests.pooled import TIMEOUT_S, Gate, pooled, request, until


def test_nobody_listens() -> None:
    pool = Pool(f"http://127.0.0.1:{free_port()}", timeout_s=TIMEOUT_S, max_connections=2)
    answer = pool.perform(request(pool))
    assert (answer.status, answer.failure, answer.indeterminate) == (0, Failure.REFUSED, False)
    assert answer.sent_ns == 0
    assert (pool.in_flight, pool.opened) == (0, 0)
    pool.close()


def test_the_next_address_is_tried_when_one_refuses() -> None:
    with pooled() as (pool, _):
        pool.addresses = (
            (socket.AF_INET, ("127.0.0.1", free_port())),
            (socket.AF_INET6, ("::1", free_port(), 0, 0)),
            *pool.addresses,
        )
        assert pool.perform(request(pool)).status == 200


def test_a_port_that_connects_to_itself_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that draws the port it wants to reach speaks to itself."""

    class Unlucky(socket.socket):
        def connect_ex(self, address: Any) -> int:
            self.bind(address)
            return super().connect_ex(address)

    monkeypatch.setattr(sockets, "_Socket", Unlucky)
    pool = Pool(f"http://127.0.0.1:{free_port()}", timeout_s=TIMEOUT_S, max_connections=2)
    answer = pool.perform(request(pool))
    assert (answer.failure, answer.indeterminate) == (Failure.REFUSED, False)
    pool.close()


def test_no_descriptor_left() -> None:
    with pooled() as (pool, _):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        taken = []
        try:
            with suppress(OSError):
                while True:
                    taken.append(os.dup(0))
            answer = pool.perform(request(pool))
        finally:
            for each in taken:
                os.close(each)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (answer.failure, answer.indeterminate) == (Failure.NO_DESCRIPTOR, False)
        assert pool.perform(request(pool)).status == 200


def test_no_port_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(socket.socket):
        def connect_ex(self, address: object) -> int:
            return errno.EADDRNOTAVAIL

    with pooled() as (pool, _):
        monkeypatch.setattr(sockets, "_Socket", Full)
        answer = pool.perform(request(pool))
        assert (answer.failure, answer.indeterminate) == (Failure.NO_PORT, False)


def test_a_host_that_never_answers_a_connect() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    address = listener.getsockname()
    stuck = []
    for _ in range(8):  # the queue of the listener is full before that
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(address)
        stuck.append(one)
    pool = Pool(f"http://127.0.0.1:{address[1]}", timeout_s=0.2, max_connections=2)
    answer = pool.perform(request(pool))
    assert (answer.failure, answer.indeterminate, answer.sent_ns) == (Failure.TIMEOUT, False, 0)
    pool.close()
    for each in (*stuck, listener):
        each.close()


def test_timeouts_of_single_requests() -> None:
    gate = Gate()
    with pooled(gate.play) as (pool, _):
        answers: dict[str, Answer] = {}
        pool.start(request(pool), partial(answers.__setitem__, "long"))
        pool.start(request(pool), partial(answers.__setitem__, "short"), timeout_s=0.1)
        pool.start(request(pool), partial(answers.__setitem__, "shorter"), timeout_s=0.05)
        until(lambda: len(answers) == 2)
        assert set(answers) == {"short", "shorter"}
        assert {answer.failure for answer in answers.values()} == {Failure.TIMEOUT}
        gate.opened.set()
        until(lambda: len(answers) == 3)
        assert answers["long"].status == 200


def test_no_connection_became_free_in_time() -> None:
    gate = Gate()
    with pooled(gate.play, max_connections=1) as (pool, server):
        first = gevent.spawn(pool.perform, request(pool))
        until(lambda: pool.in_flight == 1)
        answer = pool.perform(request(pool), timeout_s=0.1)
        assert (answer.failure, answer.indeterminate, answer.sent_ns) == (Failure.TIMEOUT, False, 0)
        assert "no connection became free" in answer.detail
        gate.opened.set()
        assert first.get(timeout=TIMEOUT_S).status == 200
        assert len(server.asked) == 1
