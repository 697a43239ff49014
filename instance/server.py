"""Opening the database, and serving it over HTTP until told to stop."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from instance import access, records, services
from instance.app import create_app
from instance.awkward import Awkwardness
from instance.contract import Contract, ContractError
from instance.store import Store
from instance.users import ADMINISTRATOR_ID, ADMINISTRATOR_ROLE_ID

PASSWORD_VARIABLE = "CDP_ADMIN_PASSWORD"


class CannotServe(Exception):
    """The instance cannot be started; the text is one line for people."""


class Protocol(HttpToolsProtocol):
    """Answers what is no HTTP in JSON too."""

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that cannot be read as a request."""
        body = orjson.dumps({"message": msg, "detail": "The bytes sent are no valid HTTP request."})
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: "
        self.transport.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
        self.transport.close()


class Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then call `ready`."""
        await super().startup(sockets)
        self._ready()


def open_store(path: str, seed: int, customers: int, events: int, first_id: int = 0) -> tuple[Store, bool]:
    """The store at `path` and whether it was new; a new one is seeded, integer ids after `first_id`. Raises
    `CannotServe`."""
    services.register()
    try:
        contract = Contract()
    except ContractError as error:
        raise CannotServe(f"the contract cannot be read: {error}") from error
    try:
        store = Store(path, contract)
    except (sqlite3.Error, OSError) as error:
        raise CannotServe(f"cannot open the data file {path}: {error}") from error
    try:
        new = store.connection.execute("SELECT COUNT(*) FROM record").fetchone()[0] == 0
        if new:
            from instance.seeding import seed_instance

            seed_instance(store, seed, customers, events, first_id)
        return store, new
    except sqlite3.Error as error:
        store.close()
        raise CannotServe(f"cannot write to the data file {path}: {error}") from error


def admit_administrator(store: Store, password: str) -> str:
    """Set the administrator's password, and give his role every feature of the contract. Answers his e-mail."""
    with store.transaction():
        role = records.get(store, "user_role", ADMINISTRATOR_ROLE_ID, deleted=None)
        user = records.get(store, "user", ADMINISTRATOR_ID, deleted=None)
        if role is None or user is None:
            raise CannotServe(f"the data file {store.path} holds no administrator")
        role |= {"features": sorted(store.contract.features), "disabled": 0, "deleted": 0}
        records.update(store, "user_role", ADMINISTRATOR_ROLE_ID, role, deleted=False)
        records.update(store, "user", ADMINISTRATOR_ID, {**user, "disabled": 0, "deleted": 0}, deleted=False)
        access.set_password(store, ADMINISTRATOR_ID, password)
    return str(user["email"])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `CannotServe` if the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or error
        raise CannotServe(f"cannot listen on {host}:{port}: {reason}") from error
    return bound


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    data: str | None = None,
    seed: int = 1,
    customers: int = 2000,
    events: int = 20000,
    wrap: Callable[[Any], Any] | None = None,
    exit_with_parent: bool = False,
    faults: bool = False,
    awkward: Awkwardness | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Prints base URL and administrator when ready. Raises `CannotServe`.

    `data` None = a temporary file that goes when the server does. `wrap` may put something around the application.
    `faults`: it has a control address that switches faults (instance/faults).
    `awkward`: kinds of awkwardness that the documents allow (instance/awkward).
    """
    # Until the server runs, SIGTERM ends it as Ctrl-C does, so that the temporary file goes.
    signal.signal(signal.SIGTERM, _interrupt)
    if exit_with_parent:
        end_with_parent()
    with ExitStack() as cleanup:
        bound = cleanup.enter_context(closing(listen(host, port)))
        if data is None:
            directory = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="cdp-"))
            data = str(Path(directory) / "instance.sqlite")
        store, new = open_store(data, seed, customers, events, awkward.first_id if awkward else 0)
        cleanup.callback(_close, store)
        password = os.environ.get(PASSWORD_VARIABLE) or secrets.token_urlsafe(12)
        try:
            email = admit_administrator(store, password)
        except sqlite3.Error as error:
            raise CannotServe(f"cannot write to the data file {data}: {error}") from error
        app: Any
        if faults:
            from instance.faults.application import FaultyApplication

            app = cleanup.enter_context(closing(FaultyApplication(store, create_app)))
        else:
            app = create_app(store)
        if awkward is not None:
            app = awkward.put_around(app, store, new=new)
        _run(bound, host, wrap(app) if wrap else app, awkward, email, password)


def _close(store: Store) -> None:
    with suppress(sqlite3.Error):
        store.close()


def _run(bound: socket.socket, host: str, app: Any, awkward: Awkwardness | None, email: str, password: str) -> None:
    shown = f"[{host}]" if ":" in host else host

    def ready() -> None:
        print(f"Base URL: http://{shown}:{bound.getsockname()[1]}/api", flush=True)
        print(f"Administrator: {email} {password}", flush=True)

    config = uvicorn.Config(
        app,
        http=awkward.protocol(Protocol) if awkward else Protocol,
        ws="none",
        lifespan="off",
        loop="uvloop",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=awkward.keep_alive_s if awkward else 75,
        timeout_graceful_shutdown=1,
    )
    # It logs what it thinks of broken forms; the client is told instead.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    # uvicorn raises the signal again after it has shut down; by then it has done its work.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    Server(config, ready).run(sockets=[bound])


def end_with_parent() -> None:
    """Have this process end when the one that started it does, so that no server is left behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
