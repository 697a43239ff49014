"""The real instance in this process with kinds of awkwardness around it, over real HTTP."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import uvicorn
from argon2 import PasswordHasher

from cdp.secrets import new_password
from cdp.targets import PERMISSIONS, Credentials, Target
from instance import access, services
from instance.app import Application, Receive, Scope, Send, create_app
from instance.awkward import Awkwardness, chosen
from instance.contract import Contract
from instance.customers import uploads
from instance.seeding import seed_instance
from instance.server import Protocol, Server, admit_administrator, listen
from instance.store import Store

CUSTOMERS, EVENTS = 40, 300
_DEADLINE_S = 30.0


@dataclass(frozen=True)
class Served:
    """A running server: its store, its target, and a caller who may do everything."""

    store: Store
    target: Target
    token: str

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for a path of the API as the administrator."""
        own = {"X-Access-Token": self.token, "Accept-Encoding": "identity"}
        return requests.get(self.target.base_url + path, headers={**own, **headers}, timeout=_DEADLINE_S)

    def run_out(self) -> None:
        """Let every token that was handed out run out now; it can still be renewed."""
        self.store.connection.execute("UPDATE token SET expires = ?", (self.store.clock().timestamp() - 1,))
        self.store.cache.pop("callers", None)


class AwkwardServers:
    """Serves one kind after the other on copies of the same data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seeded: dict[int, Path] = {}
        services.register()
        self.contract = Contract()

    @contextmanager
    def serving(
        self, text: str, seed: int = 1, wrap: Callable[[Application], Application] = lambda app: app
    ) -> Iterator[Served]:
        """Serve with the kinds and settings of a list as it stands on the command line; `wrap` is put below them."""
        awkward = chosen(text, seed)
        path = self.directory / "served.sqlite"
        shutil.copyfile(self._data(awkward.first_id), path)
        hasher, access.HASHER = access.HASHER, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        store = Store(path, self.contract)
        try:
            yield from _served(awkward, store, wrap)
        finally:
            access.HASHER = hasher
            for left in self.directory.glob("served.sqlite*"):
                left.unlink()

    def _data(self, first_id: int) -> Path:
        """A seeded store, made once for each first id."""
        if first_id not in self._seeded:
            path = self.directory / f"seeded-{first_id}.sqlite"
            store = Store(path, self.contract)
            seed_instance(store, 1, CUSTOMERS, EVENTS, first_id)
            store.close()
            self._seeded[first_id] = path
        return self._seeded[first_id]


def _served(awkward: Awkwardness, store: Store, wrap: Callable[[Application], Application]) -> Iterator[Served]:
    password = new_password()
    email = admit_administrator(store, password)
    app = awkward.put_around(wrap(create_app(store)), store, new=True)
    loops: list[asyncio.AbstractEventLoop] = []

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        loops[:] = [asyncio.get_running_loop()]
        await app(scope, receive, send)

    bound = listen("127.0.0.1", 0)
    ready = threading.Event()
    config = uvicorn.Config(
        noted,
        interface="asgi3",
        http=awkward.protocol(Protocol),
        ws="none",
        lifespan="off",
        loop="uvloop",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=awkward.keep_alive_s,
        timeout_graceful_shutdown=1,
    )
    server = Server(config, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        if not ready.wait(_DEADLINE_S):
            raise RuntimeError("the server did not start")
        base_url = f"http://127.0.0.1:{bound.getsockname()[1]}/api"
        credentials = Credentials(email=email, password=password)
        target = Target("awkward", base_url, credentials, frozenset(PERMISSIONS))
        yield Served(store, target, access.issue_token(store, 1))
    finally:
        if loops:  # a store is closed where it is used, after the work that a request left behind
            asyncio.run_coroutine_threadsafe(_close(store), loops[0]).result(_DEADLINE_S)
        else:
            store.close()
        server.should_exit = True
        thread.join(_DEADLINE_S)


async def _close(store: Store) -> None:
    await uploads.stop(store)
    store.close()
