"""The pool: limits, counters, deadlines, what a failure is, TLS."""

from __future__ import annotations

import datetime
import errno
import logging
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import pytest
import trustme

from cdp.targets import Credentials, Target
from load.answer import Answer, Failure
from load.wire import Pool, RequestTemplate, WireError, connection
from load.wire.origin import parse_origin
from load.wire.target import open_pool
from load.wire.tls import make_context
from tests.scripted_server import Exchange, Play, ScriptedServer, pieces_of, scripted
from tests.wire_corpus import ALL, MAX_BODY, Case

TIMEOUT_S = 15.0


def until(reached: Callable[[], bool]) -> None:
    """Let the hub work until something is so."""
    with gevent.Timeout(TIMEOUT_S):
        while not reached():
            gevent.sleep(0.001)


def request(pool: Pool, path: str = "/plain/00000001", method: str = "GET", body: bytes = b"") -> bytes:
    return RequestTemplate(pool.origin.authority).encode(method, path, body)


def well(exchange: Exchange) -> None:
    exchange.read_body()
    exchange.plain()


class Gate:
    """Plays that wait until the test lets them go on."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def play(self, exchange: Exchange) -> None:
        self.opened.wait(TIMEOUT_S)
        exchange.plain()


@contextmanager
def pooled(
    play: Play = well, tls: ssl.SSLContext | None = None, server_tls: ssl.SSLContext | None = None, **settings: int
) -> Iterator[tuple[Pool, ScriptedServer]]:
    with scripted(play, server_tls) as server:
        pool = Pool(server.url, timeout_s=TIMEOUT_S, tls=tls, **{"max_connections": 8, **settings})
        try:
            yield pool, server
        finally:
            pool.close()


# Connections and limits


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


# Failures


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


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

    monkeypatch.setattr(connection, "_Socket", Unlucky)
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
        assert answer.failure is not None
        assert answer.failure.of_generator
        assert pool.perform(request(pool)).status == 200


def test_no_port_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(socket.socket):
        def connect_ex(self, address: object) -> int:
            return errno.EADDRNOTAVAIL

    with pooled() as (pool, _):
        monkeypatch.setattr(connection, "_Socket", Full)
        answer = pool.perform(request(pool))
        assert (answer.failure, answer.indeterminate) == (Failure.NO_PORT, False)
        assert answer.failure is not None
        assert answer.failure.of_generator


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


# Where to


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("instance.example", "needs a scheme and a host"),
        ("ftp://instance.example", "needs a scheme and a host"),
        ("http://", "needs a scheme and a host"),
        ("http://a:b:c", "malformed"),
        ("http://[::1", "malformed"),
        ("http://instance.example:99999", "malformed"),
        ("http://user:secret@instance.example", "must not hold credentials"),
        ("http://instance..example", "no name that can be looked up"),
    ],
)
def test_what_is_no_origin(url: str, says: str) -> None:
    with pytest.raises(WireError, match=says) as caught:
        parse_origin(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://Instance.Example/api", "instance.example"),
        ("https://instance.example:443", "instance.example"),
        ("https://instance.example:80", "instance.example:80"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_what_the_host_header_says(url: str, authority: str) -> None:
    assert parse_origin(url).authority == authority


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(WireError, match=r"no-such-host\.invalid"):
        Pool("http://no-such-host.invalid", timeout_s=5, max_connections=1)


def test_load_goes_through_no_proxy() -> None:
    target = Target("staging", "https://instance.example/api", Credentials(), proxy="http://user:secret@proxy.example")
    with pytest.raises(WireError, match="does not go through a proxy") as caught:
        open_pool(target, max_connections=1)
    assert "secret" not in str(caught.value)


def test_a_pool_of_a_target() -> None:
    with scripted(well) as server:
        pool = open_pool(Target("here", server.url + "/api", Credentials(), timeout_s=3.0), max_connections=1)
        assert pool.perform(request(pool)).status == 200
        pool.close()


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


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(
    authority: trustme.CA, name: str = "127.0.0.1", until: datetime.datetime | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    since = until - datetime.timedelta(days=1) if until else None
    authority.issue_cert(name, not_before=since, not_after=until).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return make_context(str(path))


def test_tls(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with pooled(well, trusting, server_context(authority), max_connections=1) as (pool, server):
        for _ in range(20):
            assert pool.perform(request(pool)).status == 200
        assert (pool.opened, pool.idle, server.connections) == (1, 1, 1)
        assert pool.perform(request(pool, method="POST", body=b"a" * 5_000_000)).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(authority: trustme.CA, trusting: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    context = server_context(authority)
    context.minimum_version = context.maximum_version = version
    with pooled(well, trusting, context) as (pool, _):
        assert [pool.perform(request(pool)).status for _ in range(3)] == [200] * 3


def refused(tls: ssl.SSLContext | None, server_tls: ssl.SSLContext) -> str:
    """Why a server's certificate was refused; it was asked nothing."""
    with pooled(well, tls, server_tls) as (pool, server):
        answer = pool.perform(request(pool))
        assert (answer.status, answer.failure, answer.indeterminate) == (0, Failure.TLS, False)
        assert answer.sent_ns == 0
        assert not server.asked
        return answer.detail


def test_an_unknown_authority(trusting: ssl.SSLContext) -> None:
    assert "certificate is not accepted" in refused(trusting, server_context(trustme.CA()))
    assert "certificate is not accepted" in refused(None, server_context(trustme.CA()))


def test_a_certificate_of_another_host(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    assert "not valid for '127.0.0.1'" in refused(trusting, server_context(authority, "other.example"))


def test_a_certificate_that_has_expired(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    assert "expired" in refused(trusting, server_context(authority, until=past))


def test_a_context_that_checks_nothing_is_refused() -> None:
    for context in (ssl._create_unverified_context(), ssl.create_default_context()):
        context.check_hostname = False
        with pytest.raises(WireError, match="must check"):
            Pool("https://127.0.0.1:1", timeout_s=1, tls=context, max_connections=1)


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for arguments in ((str(tmp_path / "ca.pem"),), (str(tmp_path / "none.pem"),), ("", str(tmp_path / "ca.pem"))):
        with pytest.raises(WireError, match=r"pem: "):
            make_context(*arguments)


def test_a_client_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    mine = authority.issue_cert("me.example")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "me.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    demanding = server_context(authority)
    demanding.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(demanding)
    with pooled(well, make_context(str(tmp_path / "ca.pem"), str(tmp_path / "me.pem")), demanding) as (pool, _):
        assert pool.perform(request(pool)).status == 200
    with pooled(well, make_context(str(tmp_path / "ca.pem")), demanding) as (pool, server):
        answer = pool.perform(request(pool))
        assert answer.failure in (Failure.TLS, Failure.RESET, Failure.CLOSED)
        assert not server.asked


def test_plain_http_where_tls_is_spoken(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with pooled() as (plain, _):
        pool = Pool(str(plain.origin).replace("http:", "https:"), timeout_s=0.5, tls=trusting, max_connections=1)
        answer = pool.perform(request(pool))
        assert answer.failure in (Failure.TLS, Failure.TIMEOUT)
        assert not answer.indeterminate
        pool.close()


def test_a_handshake_has_the_deadline_of_its_request(trusting: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        pool = Pool(url, timeout_s=0.2, tls=trusting, max_connections=1)
        answer = pool.perform(request(pool))
        assert (answer.failure, answer.indeterminate) == (Failure.TIMEOUT, False)
        pool.close()


@pytest.mark.parametrize("case", [case for case in ALL if len(case.raw) < 80_000], ids=str)
def test_odd_answers_over_tls(authority: trustme.CA, trusting: ssl.SSLContext, case: Case) -> None:
    def play(exchange: Exchange) -> None:
        if exchange.what == "plain":
            exchange.plain()
            return
        raw = exchange.mark(case.raw)
        exchange.send(*pieces_of(raw, [] if case.surplus else range(1, min(len(raw), 200), 9)))
        if case.until_close:
            exchange.end_tls()

    with pooled(play, trusting, server_context(authority), max_body=MAX_BODY, max_connections=1) as (pool, _):
        answer = pool.perform(request(pool, "/odd/00000007", case.method))
        assert (answer.status, answer.body, answer.failure) == (case.status, case.body, case.failure)
        answer = pool.perform(request(pool, "/plain/00000008"))
        assert (answer.status, answer.body) == (200, b"00000008")
        assert pool.opened == (1 if case.reusable else 2)


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="needs a way to send two things at once")
def test_an_end_of_tls_right_after_the_answer(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    """The connection stays open below, but nothing may be sent over it any more."""

    def play(exchange: Exchange) -> None:
        exchange.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        exchange.plain()
        exchange.end_tls()

    with pooled(play, trusting, server_context(authority), max_connections=1) as (pool, server):
        for _ in range(5):
            assert pool.perform(request(pool)).status == 200
        assert (pool.opened, len(server.asked)) == (5, 5)


@pytest.mark.parametrize("politely", [False, True])
@pytest.mark.parametrize("head", [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_an_answer_cut_off_within_tls(
    authority: trustme.CA, trusting: ssl.SSLContext, head: bytes, politely: bool
) -> None:
    """Without TLS's own end, even an answer that ends with the connection may have been cut by anybody."""

    def play(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n2\r")
        if politely:
            exchange.end_tls()
        else:
            exchange.close()

    with pooled(play, trusting, server_context(authority)) as (pool, _):
        answer = pool.perform(request(pool))
        if politely and not head:
            assert (answer.status, answer.body) == (200, b"2\r")
        else:
            assert (answer.failure, answer.indeterminate) == (Failure.CLOSED, True)


# Requests


def test_what_is_sent(tmp_path: Path) -> None:
    heads: list[str] = []

    def play(exchange: Exchange) -> None:
        heads.append(exchange.head + "|" + exchange.read_body().decode())
        exchange.plain()

    with pooled(play) as (pool, _):
        template = RequestTemplate(pool.origin.authority, {"X-Access-Token": "t", "accept": "*/*"})
        more = template.with_headers({"Accept": "application/json"})
        pool.perform(template.encode("GET", "/a/00000001?b=%20"))
        pool.perform(more.encode("POST", "/a/00000001", b"{}", "application/json"))
        pool.perform(more.encode("POST", "/a/00000001"))
        start = f"HTTP/1.1\r\nHost: {pool.origin.authority}\r\nX-Access-Token: t\r\n"
    assert heads == [
        f"GET /a/00000001?b=%20 {start}accept: */*|",
        f"POST /a/00000001 {start}Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: 2|{{}}",
        f"POST /a/00000001 {start}Accept: application/json\r\nContent-Length: 0|",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "secret\r\nX-B: c"},
        {"X-A": "secret\n"},
        {"X-A": "secret\0"},
        {"X-A\r\nX-B": "secret"},
        {"X A": "secret"},
        {"": "secret"},
        {"X-A": "secret\N{SNOWMAN}"},
        {"Content-Length": "1"},
        {"transfer-encoding": "chunked"},
        {"Host": "other.example"},
        {"Expect": "100-continue"},
    ],
)
def test_headers_that_cannot_be_sent(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        RequestTemplate("instance.example", headers)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "target", "media_type"),
    [
        ("GET", "/a b", ""),
        ("GET", "/a\r\nX: y", ""),
        ("GET", "", ""),
        ("GET", "a", ""),
        ("GET", "/ä", ""),
        ("G T", "/", ""),
        ("get", "/", ""),
        ("GET\r\n", "/", ""),
        ("POST", "/", "text/plain\r\nX: y"),
    ],
)
def test_requests_that_cannot_be_sent(method: str, target: str, media_type: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be sent|target|Content-Type"):
        RequestTemplate("instance.example").encode(method, target, b"", media_type)
