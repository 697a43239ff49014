"""A pool of connections and the server that it speaks to, for tests."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import gevent.event

from load.wire import Pool, RequestTemplate
from tests.scripted_server import Exchange, Play, ScriptedServer, scripted

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
