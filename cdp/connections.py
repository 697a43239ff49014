"""Connections with a deadline for the whole answer, which the timeout of a single read is not."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter

_IDLE_S = 0.5
_GRACE_S = 0.05  # the timeout of a single read comes first, because it says more


class _Final(http.client.HTTPResponse):
    """The final answer to a request: interim ones before it (102, 103; RFC 9110 section 15.2) are passed over, which
    http.client does for 100 alone."""

    def begin(self) -> None:
        super().begin()
        while self.status < 200 and self.status != http.client.SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Watched:
    """A connection that tells the watch which socket it reads from."""

    watch: Watch
    response_class = _Final

    def getresponse(self) -> Any:
        self.watch.reading(self.sock)  # type: ignore[attr-defined]
        return super().getresponse()  # type: ignore[misc]


class Watch:
    """Ends the connection that is being read from when the deadline has passed: a server that sends a byte now and
    then would never run into the timeout of a single read."""

    def __init__(self, timeout_s: float) -> None:
        self.struck = False
        self._idle_s = min(_IDLE_S, timeout_s / 4)  # how often it looks for a new deadline
        self._socket: socket.socket | None = None
        self._deadline: float | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Watch over what is read in this context."""
        with self._changed:
            self.struck, self._socket, self._deadline = False, None, deadline
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="deadline")
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._deadline = self._socket = None

    def reading(self, connection: socket.socket | None) -> None:
        with self._changed:
            self._socket = connection

    def close(self) -> None:
        with self._changed:
            self._deadline, self._thread = None, None
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while self._thread is threading.current_thread():
                left = self._idle_s if self._deadline is None else self._deadline + _GRACE_S - time.perf_counter()
                if left > 0:
                    self._changed.wait(min(left, self._idle_s))
                    continue
                self.struck, self._deadline = True, None
                if self._socket is not None:
                    with suppress(OSError, ValueError):
                        self._socket.shutdown(socket.SHUT_RDWR)


class Adapter(HTTPAdapter):
    """Connections whose deadlines are watched."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        super().__init__(pool_connections=2, pool_maxsize=2, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        _watch_pools(self.poolmanager, self._watch)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            _watch_pools(manager, self._watch)
        return manager


def _watch_pools(manager: Any, watch: Watch) -> None:
    """Make a pool manager build its connections with the watch."""
    pools = {}
    for scheme, pool in manager.pool_classes_by_scheme.items():
        connection = type("Connection", (_Watched, pool.ConnectionCls), {"watch": watch})
        pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    manager.pool_classes_by_scheme = pools


class Session(requests.Session):
    """A session that takes no answer for a redirect: nothing is followed, not even looked at."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None
