"""The pool over TLS: certificates, handshakes, and ends that may have been cut off."""

from __future__ import annotations

import datetime
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from load.answer import Failure
from load.wire import Pool, WireError
from load.wire.tls import make_context
from tests.pooled import pooled, request, well
from tests.scripted_server import Exchange, pieces_of
from tests.wire_corpus import ALL, MAX_BODY, Case


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
