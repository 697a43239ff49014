"""The pool: connections that are used again, limits, who waits, how it is closed."""

from __future__ import annotations

import logging
import os
import resource
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import gevent
import gevent.event
import pytest

from load.answer import Answer, Failure
from load.wire import Pool, WireError
from tests.pooled import TIMEOUT_S, Gate, pooled, request, until, well
from tests.scripted_server import Exchange


def test_a_connection_is_used_again() -> None:
    with pooled(max_connections=1) as (pool, server):
        for _ in range(50):
            assert pool.perform(request(pool)).status == 200
        assert (pool.opened, pool.idle, pool.in_flight, server.connections) == (1, 1, 0, 1)


@pytest.mark.parametrize(("most", "age_ns", "opened"), [(8, -(10**12), 2), (8, 10**9, 1), (1, -(10**12), 1)])
def test_the_first_answer_has_to_be_some_time_ago(most: int, age_ns: int, opened: int) -> None:
    """Else a new connection is opened, if there may be one more. Once it has been used again, it is trusted."""
    with pooled(max_connections=most) as (pool, _):
        assert pool.perform(request(pool)).status == 200
        (connection,) = pool.unproven_connections
        connection.freed_ns -= age_ns
        assert pool.perform(request(pool)).status == 200
        assert pool.opened == opened
        assert (pool.idle, pool.in_flight) == (opened, 0)
        if opened == 1:
            assert list(pool.idle_connections) == [connection]
            for _ in range(20):
                assert pool.perform(request(pool)).status == 200
            assert pool.opened == 1


@pytest.mark.parametrize(("idle_s", "opened"), [(3, 3), (4.5, 4)])
def test_a_server_that_closes_what_is_idle_is_forestalled(idle_s: float, opened: int) -> None:
    """It has closed two connections that were idle for five seconds: who waits as long with a third may meet that."""
    hang_up = threading.Event()

    def impatient(exchange: Exchange) -> None:
        well(exchange)
        if exchange.what == "last":
            hang_up.wait(TIMEOUT_S)
            hang_up.clear()
            exchange.close()

    with pooled(impatient, max_connections=1) as (pool, server):

        def idle_for(seconds: float, path: str) -> None:
            assert pool.perform(request(pool, path)).status == 200
            (connection,) = pool.unproven_connections
            connection.freed_ns -= int(seconds * 1e9)

        for _ in range(2):
            idle_for(5, "/last/00000001")
            hang_up.set()
            until(lambda: pool.idle == 0)
        idle_for(idle_s, "/plain/00000001")
        assert pool.perform(request(pool)).status == 200
        assert pool.opened == server.connections == opened


def test_start_says_no_when_all_are_busy_and_on_free_says_when_one_is_not() -> None:
    gate = Gate()
    answers: list[Answer] = []
    free: list[int] = []
    with pooled(gate.play, max_connections=3) as (pool, _):
        assert [pool.start(request(pool), answers.append) for _ in range(5)] == [True, True, True, False, False]
        assert (pool.in_flight, pool.idle) == (3, 0)

        def on_free() -> None:
            free.append(pool.idle)
            if len(free) == 1:
                assert pool.start(request(pool), answers.append)

        pool.on_free = on_free
        gate.opened.set()
        until(lambda: len(answers) == 4)
        assert [answer.status for answer in answers] == [200] * 4
        assert pool.opened == 3
        assert pool.in_flight == 0
        assert free[0] >= 1


def test_done_is_never_called_from_start() -> None:
    with pooled() as (pool, _):
        pool.addresses = ()
        answers: list[Answer] = []
        assert pool.start(request(pool), answers.append)
        assert not answers
        until(lambda: bool(answers))
        assert answers[0].failure is Failure.UNREACHABLE


def test_start_within_done_goes_on_over_the_same_connection() -> None:
    with pooled(max_connections=1) as (pool, _):
        answers: list[Answer] = []
        over = gevent.event.Event()

        def done(answer: Answer) -> None:
            answers.append(answer)
            if len(answers) < 500:
                assert pool.start(request(pool), done)
            else:
                over.set()

        pool.start(request(pool), done)
        assert over.wait(TIMEOUT_S)
        assert {answer.status for answer in answers} == {200}
        assert (pool.opened, pool.idle) == (1, 1)


def test_a_broken_receiver_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(answer: Answer) -> None:
        raise ValueError("a secret of the scenario")

    with pooled(max_connections=1) as (pool, _), caplog.at_level(logging.ERROR):
        for _ in range(3):
            pool.start(request(pool), broken)
            until(lambda: pool.in_flight == 0)
        assert pool.perform(request(pool)).status == 200
        assert (pool.opened, pool.broken_receivers) == (1, 3)
    assert len(caplog.records) == 1
    assert "ValueError in " in caplog.text
    assert "secret" not in caplog.text


def test_greenlets_wait_for_a_free_connection_in_turn() -> None:
    order: list[int] = []
    with pooled(max_connections=2) as (pool, server):

        def person(number: int) -> None:
            assert pool.perform(request(pool)).status == 200
            order.append(number)

        gevent.joinall([gevent.spawn(person, number) for number in range(20)], timeout=TIMEOUT_S, raise_error=True)
        assert sorted(order) == list(range(20))
        assert server.connections == 2


def test_a_greenlet_killed_while_it_waits_takes_no_turn() -> None:
    gate = Gate()
    with pooled(gate.play, max_connections=1) as (pool, server):
        first = gevent.spawn(pool.perform, request(pool))
        until(lambda: pool.in_flight == 1)
        second = gevent.spawn(pool.perform, request(pool))
        third = gevent.spawn(pool.perform, request(pool))
        gevent.sleep(0)
        second.kill()
        gate.opened.set()
        assert first.get(timeout=TIMEOUT_S).status == 200
        assert third.get(timeout=TIMEOUT_S).status == 200
        assert len(server.asked) == 2


def test_a_greenlet_killed_in_flight_leaves_the_pool_in_order() -> None:
    gate = Gate()
    with pooled(gate.play, max_connections=1) as (pool, _):
        first = gevent.spawn(pool.perform, request(pool))
        until(lambda: pool.in_flight == 1)
        first.kill()
        gate.opened.set()
        assert pool.perform(request(pool)).status == 200
        assert (pool.in_flight, pool.idle) == (0, 1)


def test_more_connections_than_select_could_watch() -> None:
    """File descriptors above 1,023, answered out of order and used again."""
    wanted = 1_200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this machine allows {hard} open files, {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=wanted)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def serve() -> None:
        connections = []
        with suppress(OSError):
            for _ in range(wanted):
                connections.append(listener.accept()[0])
            for _ in range(2):
                for each in connections:
                    each.settimeout(TIMEOUT_S)
                    each.recv(65536)
                for each in reversed(connections):
                    each.sendall(answer)
        for each in connections:
            each.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    pool = Pool(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=60, max_connections=wanted)
    try:
        for _ in range(2):
            answers: list[Answer] = []
            for _ in range(wanted):
                assert pool.start(request(pool), answers.append)
            until(lambda: len(answers) == wanted)  # noqa: B023
            assert {one.body for one in answers} == {b"ok"}
        assert pool.opened == wanted
        assert max(int(name) for name in os.listdir("/proc/self/fd")) > 1_100
    finally:
        pool.close()
        listener.close()
        thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Closing


def test_abandon() -> None:
    gate = Gate()
    with pooled(gate.play, max_connections=3) as (pool, _):
        answers: list[Answer] = []
        for _ in range(3):
            pool.start(request(pool), answers.append)
        until(lambda: pool.opened == 3)
        waiting = gevent.spawn(pool.perform, request(pool))
        gevent.sleep(0)
        pool.close()
        assert [answer.failure for answer in answers] == [Failure.ABANDONED] * 3
        assert all(answer.indeterminate for answer in answers)
        last = waiting.get(timeout=TIMEOUT_S)
        assert (last.failure, last.indeterminate) == (Failure.ABANDONED, False)
        assert (pool.in_flight, pool.idle) == (0, 0)
        with pytest.raises(WireError, match="closed"):
            pool.start(request(pool), answers.append)
        gate.opened.set()


def test_close_may_let_them_end() -> None:
    gate = Gate()
    with pooled(gate.play) as (pool, _):
        answers: list[Answer] = []
        pool.start(request(pool), answers.append)
        until(lambda: pool.opened == 1)
        pool.close(abandon=False)
        assert not answers
        gate.opened.set()
        until(lambda: bool(answers))
        assert answers[0].status == 200
        assert (pool.in_flight, pool.idle) == (0, 0)


# Kernel time stamps


def test_kernel_time_stamps_of_a_sample() -> None:
    with pooled(sample_kernel_time_every=4) as (pool, _):
        # The kernel begins to stamp a moment after the first socket asks for it.
        deadline = time.monotonic() + TIMEOUT_S
        stamped = False
        while not stamped and time.monotonic() < deadline:
            answers = [pool.perform(request(pool)) for _ in range(40)]
            stamped = sum(answer.received_ns > 0 for answer in answers) == 10
        if not stamped and not Path("/proc/sys/net").exists():
            pytest.skip("this system stamps nothing")
        for answer in answers:
            assert not answer.received_ns or answer.sent_ns <= answer.received_ns <= answer.done_ns


def test_a_stamp_of_another_clock_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    wall_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + 3600 * 10**9)  # it was set meanwhile
    with pooled(sample_kernel_time_every=1) as (pool, _):
        answers = [pool.perform(request(pool)) for _ in range(40)]
        assert {answer.received_ns for answer in answers} == {0}, "no answer lay unread for an hour"
