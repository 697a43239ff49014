"""The real instance in this process, behind a switch that puts one fault after the other in front of it.

One server serves the whole session; every fault gets a copy of the data of its own.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from cdp.secrets import new_password
from cdp.targets import PERMISSIONS, Credentials, Target
from instance import access
from instance.app import Receive, Scope, Send, create_app
from instance.contract import Contract
from instance.faults.application import FaultyApplication
from instance.faults.model import Fault, switched
from instance.server import Protocol, Server, admit_administrator, listen, open_store

CUSTOMERS, EVENTS = 60, 800
_READY_DEADLINE_S = 30.0


class BrokenServer:
    """A server whose application can be exchanged while it runs."""

    def __init__(self, directory: Path) -> None:
        self._hasher = access.HASHER
        password = new_password()
        store, _ = open_store(str(directory / "instance.sqlite"), 1, CUSTOMERS, EVENTS)
        self.contract: Contract = store.contract
        email = admit_administrator(store, password)
        self.faulty = FaultyApplication(store, create_app)
        self._running: asyncio.AbstractEventLoop | None = None
        bound: socket.socket = listen("127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{bound.getsockname()[1]}/api"
        credentials = Credentials(email=email, password=password)
        self.target = Target("broken", base_url, credentials, frozenset(PERMISSIONS), disposable=True)
        ready = threading.Event()

        def came_up() -> None:
            self._running = asyncio.get_running_loop()
            ready.set()

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
        self._server = Server(config, came_up)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [bound]}, daemon=True)
        self._thread.start()
        if not ready.wait(_READY_DEADLINE_S):
            raise RuntimeError("the server did not start")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self.faulty.close()
        access.HASHER = self._hasher

    @contextmanager
    def breaking(self, fault: Fault | None) -> Iterator[Target]:
        """Serve a fresh copy of the data with this fault in front, or with none."""
        examples = fault.examples if fault is not None else ()
        names = [name for name in examples if name in self.contract.operations]
        self._in_loop(self.faulty.switch(None))
        if fault is not None:
            self.faulty.switched = switched(fault, names, self.contract)
        try:
            yield self.target
            assert not self.faulty.counted.broke, f"the fault itself broke: {self.faulty.counted.broke}"
        finally:
            self._in_loop(self.faulty.switch(None))

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it where the data are used: in the server's thread."""
        assert self._running is not None
        asyncio.run_coroutine_threadsafe(work, self._running).result(10)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.faulty(scope, receive, send)
