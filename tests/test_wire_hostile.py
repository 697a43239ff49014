"""Servers that answer as no server should, over real sockets. After each such answer, the next request over the same
pool has to get its own answer: every request carries a nonce that its answer gives back."""

from __future__ import annotations

import errno
import itertools
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from load.answer import Answer, Failure
from load.wire import Pool, RequestTemplate
from tests.pooled import TIMEOUT_S, until
from tests.scripted_server import Exchange, ScriptedServer, pieces_of, scripted
from tests.wire_corpus import ALL, BAD, EXACT, GOOD, MAX_BODY, SMALL, SURPLUS, Case

_NONCES = itertools.count(1)


@dataclass
class Stage:
    """A pool, and a server that plays for /odd/ what was said last, and answers /plain/ well."""

    pool: Pool
    server: ScriptedServer
    plays: dict[bytes, Callable[[Exchange], None]] = field(default_factory=dict)

    def ask(
        self,
        play: Callable[[Exchange], None] | None,
        method: str = "GET",
        body: bytes = b"",
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """One request; None: a plain one. An answer has to bear the request's own nonce."""
        nonce = f"{next(_NONCES):08x}"
        if play is not None:
            self.plays[nonce.encode()] = play
        template = RequestTemplate(self.pool.origin.authority)
        request = template.encode(method, f"/{'plain' if play is None else 'odd'}/{nonce}", body)
        answer = self.pool.perform(request, timeout_s)
        if answer.status:
            assert answer.header("X-Nonce") == nonce
        return answer

    def ask_plainly(self) -> None:
        """A second request, which gets its own answer."""
        answer = self.ask(None)
        assert (answer.status, answer.failure) == (200, None), answer
        assert answer.body.decode() == answer.header("X-Nonce")


@contextmanager
def stage(max_connections: int = 1) -> Iterator[Stage]:
    plays: dict[bytes, Callable[[Exchange], None]] = {}

    def play(exchange: Exchange) -> None:
        if exchange.what == "odd":
            plays.pop(exchange.nonce)(exchange)
        else:
            exchange.read_body()
            exchange.plain()

    with scripted(play) as server:
        pool = Pool(server.url, timeout_s=TIMEOUT_S, max_connections=max_connections, max_body=MAX_BODY)
        try:
            yield Stage(pool, server, plays)
        finally:
            pool.close()


@pytest.fixture
def odd() -> Iterator[Stage]:
    """One connection at a time, so that the next request goes over the same one whenever that is allowed."""
    with stage() as one:
        yield one


@pytest.fixture
def wide() -> Iterator[Stage]:
    with stage(64) as one:
        yield one


def sending(case: Case, ends: list[int] | None = None) -> Callable[[Exchange], None]:
    """Play an answer, cut at these places; a connection that cannot be used again is closed where the answer says
    so."""

    def play(exchange: Exchange) -> None:
        exchange.send(*pieces_of(exchange.mark(case.raw), ends or []))
        if case.until_close:
            exchange.close()

    return play


def check(answer: Answer, case: Case) -> None:
    assert (answer.status, answer.body, answer.failure) == (case.status, case.body, case.failure)
    assert answer.indeterminate == (case.status == 0)
    assert 0 < answer.sent_ns < answer.done_ns


@pytest.mark.parametrize("case", ALL, ids=str)
def test_then_the_next_request_gets_its_own_answer(odd: Stage, case: Case) -> None:
    check(odd.ask(sending(case), case.method), case)
    odd.ask_plainly()
    assert odd.pool.opened == (1 if case.reusable else 2)
    assert odd.pool.in_flight == 0
    assert odd.pool.refused_reuse == case.surplus


@pytest.mark.parametrize("case", [case for case in SMALL if not case.surplus], ids=str)
def test_split_at_every_byte(odd: Stage, case: Case) -> None:
    for at in range(1, len(case.raw), 1 if len(case.raw) < 200 else 7):
        check(odd.ask(sending(case, [at]), case.method), case)
        odd.ask_plainly()
    check(odd.ask(sending(case, list(range(len(case.raw)))), case.method), case)
    odd.ask_plainly()


@pytest.mark.parametrize("rude", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("case", EXACT, ids=str)
def test_cut_off_at_every_byte(odd: Stage, case: Case, rude: bool) -> None:
    """An answer that ends early is none, unless only the end of the connection could have said that it is whole."""
    head = case.raw.index(b"\r\n\r\n") + 4
    for length in range(0, len(case.raw), 1 if len(case.raw) < 200 else 7):

        def play(exchange: Exchange, length: int = length) -> None:
            exchange.send(exchange.mark(case.raw)[:length])
            if rude:
                exchange.reset()
            else:
                exchange.close()

        answer = odd.ask(play, case.method)
        if case.until_close and length >= head and not rude:
            assert answer.status == 200
        else:
            assert answer.status == 0
            assert answer.failure in (Failure.CLOSED, Failure.RESET)
            assert answer.indeterminate
        odd.ask_plainly()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=st.sampled_from([*GOOD, *BAD]), places=st.lists(st.integers(0, 1 << 20), max_size=12))
def test_in_any_pieces(odd: Stage, case: Case, places: list[int]) -> None:
    check(odd.ask(sending(case, [place % len(case.raw) for place in places]), case.method), case)
    odd.ask_plainly()


def test_many_at_once_never_get_each_others_answers(wide: Stage) -> None:
    """Good, bad and cut answers over the same pool, while others wait for theirs."""

    def person(seed: int) -> None:
        drawn = random.Random(seed)
        for _ in range(40):
            case = drawn.choice([*GOOD, *SURPLUS, *BAD])
            ends = [] if case.surplus else [drawn.randrange(len(case.raw)) for _ in range(3)]
            check(wide.ask(sending(case, ends), case.method), case)
            wide.ask_plainly()

    people = [gevent.spawn(person, seed) for seed in range(16)]
    gevent.joinall(people, timeout=60, raise_error=True)
    assert all(one.successful() for one in people)
    assert wide.pool.in_flight == 0


# Time


def test_no_answer(odd: Stage) -> None:
    answer = odd.ask(lambda exchange: exchange.wait(), timeout_s=0.2)
    assert (answer.status, answer.failure, answer.indeterminate) == (0, Failure.TIMEOUT, True)
    odd.ask_plainly()


@pytest.mark.parametrize("sort", ["head", "body", "chunks", "interim"])
def test_slow_bytes_do_not_stretch_the_deadline(odd: Stage, sort: str) -> None:
    first, again = {
        "head": (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        "interim": (b"", b"HTTP/1.1 103 Early Hints\r\nX-A: a\r\n"),
    }[sort]

    def play(exchange: Exchange) -> None:
        exchange.send(first)
        for _ in range(100):
            exchange.send(again)
            exchange.wait(0.02)

    answer = odd.ask(play, timeout_s=0.3)
    assert answer.failure in (Failure.TIMEOUT, Failure.MALFORMED)
    assert answer.failure is Failure.TIMEOUT or sort == "interim"
    assert answer.indeterminate
    odd.ask_plainly()


# Answers before the request was there


LARGE = b"a" * 8_000_000


def early(exchange: Exchange) -> None:
    exchange.send(exchange.mark(b"HTTP/1.1 413 Too Large\r\nX-Nonce: @@@@@@@@\r\nContent-Length: 0\r\n\r\n"))


def test_an_answer_while_the_request_is_being_sent_counts(odd: Stage) -> None:
    answer = odd.ask(early, "POST", LARGE)
    assert (answer.status, answer.failure) == (413, None)
    odd.ask_plainly()
    assert odd.pool.opened == 2  # half a request was left on the first


def test_an_early_answer_and_a_reset(odd: Stage) -> None:
    def play(exchange: Exchange) -> None:
        early(exchange)
        exchange.reset()

    for _ in range(20):
        answer = odd.ask(play, "POST", LARGE)
        assert answer.status == 413 or (answer.failure is Failure.RESET and answer.indeterminate)
        odd.ask_plainly()


def test_an_early_answer_is_read_after_the_sending_failed() -> None:
    """The server answered and was gone before the hub had a turn: what it said lies in the kernel yet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = Pool(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=TIMEOUT_S, max_connections=1)
        answers: list[Answer] = []
        pool.start(RequestTemplate(pool.origin.authority).encode("POST", "/", LARGE), answers.append)
        server = listener.accept()[0]
        with gevent.Timeout(TIMEOUT_S):
            while not pool.opened:
                gevent.sleep(0.001)
        (connection,) = pool._connections
        server.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection._broken(BrokenPipeError(errno.EPIPE, "gone"), connection.done)
        server.close()
        assert [(answer.status, answer.body) for answer in answers] == [(413, b"no")]
        assert (pool.idle, pool.in_flight) == (0, 0)
        pool.close()


def test_a_server_that_goes_while_the_request_is_being_sent(odd: Stage) -> None:
    answer = odd.ask(lambda exchange: exchange.reset(), "POST", LARGE)
    assert (answer.status, answer.failure, answer.indeterminate) == (0, Failure.RESET, True)
    odd.ask_plainly()


def test_a_large_request_arrives_whole(odd: Stage) -> None:
    def play(exchange: Exchange) -> None:
        body = exchange.read_body()
        assert body == LARGE
        exchange.plain()

    for _ in range(3):
        assert odd.ask(play, "POST", LARGE).status == 200
    assert odd.pool.opened == 1


# Between requests


def test_bytes_on_an_idle_connection_close_it(odd: Stage) -> None:
    waiting: list[Exchange] = []

    def play(exchange: Exchange) -> None:
        exchange.plain()
        waiting.append(exchange)

    assert odd.ask(play).status == 200
    until(lambda: bool(waiting))
    assert odd.pool.idle == 1
    waiting[0].send(b"HTTP/1.1 200 OK\r\nX-Nonce: other\r\nContent-Length: 0\r\n\r\n")
    until(lambda: odd.pool.idle == 0)
    assert odd.pool.refused_reuse == 1
    odd.ask_plainly()
    assert odd.pool.opened == 2


@pytest.mark.parametrize("rude", [False, True], ids=["closed", "reset"])
def test_a_connection_closed_while_idle_costs_nothing(odd: Stage, rude: bool) -> None:
    def play(exchange: Exchange) -> None:
        exchange.plain()
        exchange.wait(0.01)
        if rude:
            exchange.reset()
        else:
            exchange.close()

    for _ in range(5):
        assert odd.ask(play).status == 200
        until(lambda: odd.pool.idle == 0)
        odd.ask_plainly()
    assert odd.pool.refused_reuse == 0


@pytest.mark.parametrize("connections", [1, 64])
def test_a_server_that_closes_after_each_answer_and_does_not_say_so(connections: int) -> None:
    with stage(connections) as one:
        for _ in range(300):
            answer = one.ask(lambda exchange: exchange.plain_and_close())
            assert (answer.status, answer.failure) == (200, None)
        assert len(one.server.asked) == one.pool.opened == 300


def test_a_close_that_the_hub_has_not_told_of_is_seen_before_a_late_reuse(odd: Stage) -> None:
    waiting: list[Exchange] = []

    def play(exchange: Exchange) -> None:
        exchange.plain()
        waiting.append(exchange)

    odd.ask_plainly()
    assert odd.ask(play).status == 200
    until(lambda: bool(waiting))
    assert odd.pool.idle_connections
    waiting[0].close()  # between here and the next request the hub has no turn
    assert odd.pool.idle == 1
    for connection in odd.pool.idle_connections:
        connection.freed_ns -= 1_000_000_000
    odd.ask_plainly()
    assert odd.pool.opened == 2


def test_nothing_is_sent_again(odd: Stage) -> None:
    """Also not a GET whose kept-alive connection the server closes in the moment of sending."""
    odd.ask_plainly()
    before = len(odd.server.asked)
    answer = odd.ask(lambda exchange: exchange.close())
    assert (answer.status, answer.failure, answer.indeterminate) == (0, Failure.CLOSED, True)
    odd.ask_plainly()
    assert len(odd.server.asked) == before + 2


def test_redirects_are_not_followed_and_cookies_not_kept(odd: Stage) -> None:
    heads: list[str] = []

    def play(exchange: Exchange) -> None:
        heads.append(exchange.head)
        exchange.send(
            exchange.mark(
                b"HTTP/1.1 302 Found\r\nX-Nonce: @@@@@@@@\r\nLocation: /plain/00000000\r\nSet-Cookie: a=b\r\n"
                b"Content-Length: 0\r\n\r\n"
            )
        )

    assert odd.ask(play).status == 302
    assert odd.ask(play).status == 302
    assert len(odd.server.asked) == 2
    assert "cookie" not in heads[1].lower()
