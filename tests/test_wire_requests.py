"""Where requests go and what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.targets import Credentials, Target
from load.wire import Pool, RequestTemplate, WireError
from load.wire.origin import parse_origin
from load.wire.target import open_pool
from tests.pooled import pooled, request, well
from tests.scripted_server import Exchange, scripted


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
