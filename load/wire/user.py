"""A Locust user on the wire client."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import ClassVar
from weakref import WeakSet

from locust import User
from locust.env import Environment
from locust.exception import StopTest
from locust.user.users import RestMixin

from load.wire.client import WireClient, split_credentials
from load.wire.origin import Origin, WireError, parse_origin
from load.wire.pool import Pool
from load.wire.reporting import reporter_of
from load.wire.response import WireResponse

_pools: dict[tuple[Origin, ssl.SSLContext | None], tuple[Pool, int]] = {}
_closing: WeakSet[Environment] = WeakSet()


def shared_pool(url: str, *, tls: ssl.SSLContext | None, timeout_s: float, max_connections: int) -> Pool:
    """The pool that all users of this process have for an origin. Raises WireError as `Pool` does, and when the
    users of one origin do not agree about `max_connections`."""
    key = (parse_origin(url), tls)
    pool, agreed = _pools.get(key, (None, 0))
    if pool is None or pool.closed:
        pool = Pool(url, timeout_s=timeout_s, tls=tls, max_connections=max_connections)
        _pools[key] = (pool, max_connections)
    elif agreed != max_connections:
        raise WireError(f"users of {key[0]} share one pool: max_connections is {agreed} or {max_connections}, not both")
    return pool


def close_pools() -> None:
    """Close the shared pools; requests in flight are abandoned."""
    while _pools:
        _pools.popitem()[1][0].close()


def _close_at_the_end(environment: Environment) -> None:
    if environment not in _closing:
        _closing.add(environment)
        environment.events.quitting.add_listener(lambda **_: close_pools())


class WireUser(User, RestMixin[WireResponse]):
    """Like HttpUser and FastHttpUser, at a fraction of the CPU:

        class Person(WireUser):
            default_headers = {"X-Access-Token": "..."}

            @task
            def look(self):
                self.client.get("/customers", params={"limit": 10}, name="/customers")

    Other than theirs, this client checks certificates, follows no redirects (they are failures) and keeps no cookies.
    """

    abstract = True
    timeout_s: float = 60.0
    """For one request, from the call to the last byte."""
    max_connections: int = 10_000
    """Of all users of one process to one origin."""
    default_headers: ClassVar[Mapping[str, str]] = {}
    """Sent with every request."""
    tls: ssl.SSLContext | None = None
    """For https; without one, the usual authorities (`load.wire.tls.make_context` makes others)."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if not self.host:
            raise StopTest("no host: give one with --host, or as the attribute 'host' of the user class")
        usual = {"User-Agent": "cdp-suite", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
        given = {name.lower() for name in self.default_headers}
        headers = {name: value for name, value in usual.items() if name.lower() not in given}
        try:
            pool = shared_pool(
                split_credentials(self.host)[0],
                tls=self.tls,
                timeout_s=self.timeout_s,
                max_connections=self.max_connections,
            )
            self.client = WireClient(
                self.host,
                pool,
                reporter_of(environment),
                {**headers, **self.default_headers},
                timeout_s=self.timeout_s,
                scenario=type(self).__name__,
                context=self.context,
            )
        except (WireError, ValueError) as error:
            raise StopTest(str(error)) from None
        _close_at_the_end(environment)
