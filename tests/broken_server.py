"""The real instance in this process, behind a switch that puts one breakage after the other in front of it.

One server and one seeded database serve the whole session; every breakage gets a copy of the data of its own.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from argon2 import PasswordHasher

from cdp.secrets import new_password
from cdp.targets import PERMISSIONS, Credentials, Target
from instance import access
from instance.app import Receive, Scope, Send, create_app
from instance.contract import Contract
from instance.customers import uploads
from instance.routing import Router
from instance.server import Protocol, Server, admit_administrator, listen, open_store
from instance.store import Store
from tests.breakages.model import Answer, Breakage, Request, World, parse_query

CUSTOMERS, EVENTS = 60, 800
_READY_DEADLINE_S = 30.0


class BrokenServer:
    """A server whose application can be exchanged while it runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seeded = directory / "seeded.sqlite"
        # Hundreds of users are made and logged in: the cheapest hash is enough here.
        self._hasher, access.HASHER = access.HASHER, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        password = new_password()
        store, _ = open_store(str(self.seeded), 1, CUSTOMERS, EVENTS)
        self.contract: Contract = store.contract
        email = admit_administrator(store, password)
        store.close()
        self.router = Router(self.contract.operations.values())
        self.world: World | None = None
        self.breakage: Breakage | None = None
        self._running: asyncio.AbstractEventLoop | None = None
        bound: socket.socket = listen("127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{bound.getsockname()[1]}/api"
        credentials = Credentials(email=email, password=password)
        self.target = Target("broken", base_url, credentials, frozenset(PERMISSIONS))
        ready = threading.Event()
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            http=Protocol,
            ws="none",
            lifespan="off",
            loop="uvloop",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        self._server = Server(config, ready.set)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [bound]}, daemon=True)
        self._thread.start()
        if not ready.wait(_READY_DEADLINE_S):
            raise RuntimeError("the server did not start")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        access.HASHER = self._hasher

    @contextmanager
    def breaking(self, breakage: Breakage | None) -> Iterator[Target]:
        """Serve a fresh copy of the data with this breakage in front, or with none."""
        path = self.directory / "served.sqlite"
        shutil.copyfile(self.seeded, path)
        store = Store(path, self.contract)
        self.world, self.breakage = World(create_app(store), store), breakage
        try:
            yield self.target
        finally:
            self.world = None
            asyncio.run_coroutine_threadsafe(_close(store), self._loop()).result(10)
            for left in self.directory.glob("served.sqlite*"):
                left.unlink()

    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._running is not None, "the server never answered a request"
        return self._running

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._running = asyncio.get_running_loop()
        world, breakage = self.world, self.breakage
        assert world is not None, "a request came while nothing is served"
        request = await self._request(scope, receive)
        if breakage is not None and breakage.concerns(request):
            answer = await breakage.alter(request, world)
        else:
            answer = await world.forward(request)
        if not answer.status:
            cycle: Any = getattr(send, "__self__", None)
            cycle.transport.abort()
            return
        await _send(answer, send)

    async def _request(self, scope: Scope, receive: Receive) -> Request:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        found = self.router.find(scope["raw_path"])
        operation = found[0].get(scope["method"]) if found else None
        return Request(
            scope["method"],
            scope["raw_path"].decode("ascii"),
            parse_query(scope["query_string"]),
            tuple(scope["headers"]),
            body,
            operation,
            tuple(found[1]) if found else (),
            scope["query_string"],
        )


async def _close(store: Store) -> None:
    """Close a store where it is used: in the server's thread, after the work that a request left behind."""
    await uploads.stop(store)
    store.close()


async def _send(answer: Answer, send: Send) -> None:
    headers = [(n.encode(), v.encode("latin-1")) for n, v in answer.headers]
    if b"content-length" not in dict(headers):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
