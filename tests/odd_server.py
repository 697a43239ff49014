"""Servers that do what no page forbids, or break a rule beside it: the real instance with another mouth.

A `Mouth` is put between the awkward kinds and the application (see AwkwardServers.serving). It may change what is asked
for, and what is answered, as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from cdp.contract import Contract
from cdp.verdicts import Result
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from instance.app import Application, Receive, Scope, Send
from tests.awkward_server import Served
from tests.throwaway_runs import results_of


@dataclass(frozen=True)
class Asked:
    """A request: its method, its path below the API, its query, and its body where that is JSON."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    json: Any = None

    def get(self, name: str) -> str | None:
        return dict(self.query).get(name)

    def asking(self, **changed: Any) -> Asked:
        """With other parameters; None leaves one out."""
        kept = {**dict(self.query), **changed}
        return replace(self, query=tuple((n, str(v)) for n, v in kept.items() if v is not None))


Answered = tuple[int, Any]
Forward = Callable[..., Any]


class Mouth:
    """An application behind a function that answers `(status, value)`; `forward` asks the application itself."""

    def __init__(self, app: Application, speak: Callable[[Asked, Forward], Any]) -> None:
        self.app = app
        self.speak = speak

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        query = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        asked = Asked(scope["method"], scope["path"].removeprefix("/api"), query, _decoded(body))
        media_types: list[bytes] = []

        async def forward(other: Asked = asked, value: Any = body) -> Answered:
            content = value if isinstance(value, bytes) else orjson.dumps(value)
            headers = [(n, v) for n, v in scope["headers"] if n != b"content-length" or other.method != "GET"]
            headers = [(n, str(len(content)).encode() if n == b"content-length" else v) for n, v in headers]
            path = "/api" + other.path
            inner = {**scope, "method": other.method, "path": path, "raw_path": path.encode(), "headers": headers}
            inner["query_string"] = urlencode(other.query).encode()
            given = iter([{"type": "http.request", "body": content, "more_body": False}])
            status, parts = 0, []

            async def read() -> Any:
                return next(given, {"type": "http.disconnect"})

            async def write(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    media_types[:] = [v for n, v in message["headers"] if n.lower() == b"content-type"]
                else:
                    parts.append(message.get("body", b""))

            await self.app(inner, read, write)
            content = b"".join(parts)
            try:
                return status, orjson.loads(content)
            except orjson.JSONDecodeError:
                return status, content

        status, value = await self.speak(asked, forward)
        content = value if isinstance(value, bytes) else orjson.dumps(value)
        headers = [(b"content-type", (media_types or [b"application/json"])[0])] if content else []
        headers.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content if asked.method != "HEAD" else b""})
        return None


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def judged(
    served: Served,
    contract: Contract,
    directory: Path,
    operations: Iterable[str],
    requirements: Iterable[str],
    profile: str = "quick",
) -> dict[str, Result]:
    """What a run says, by requirement and operation; the data are thrown away."""
    results = judged_cells(served, contract, directory, operations, requirements, profile).values()
    return {f"{r.cell.requirement} {r.cell.operation}": r for r in results}


def judged_cells(
    served: Served,
    contract: Contract,
    directory: Path,
    operations: Iterable[str],
    requirements: Iterable[str],
    profile: str = "quick",
) -> dict[str, Result]:
    """What a run over some operations says of each cell, by its address; the data are thrown away."""
    selection = Selection(operations=tuple(operations), requirements=tuple(requirements))
    plan = make_plan(contract, load_catalogue(), selection, PROFILES[profile], seed=1)
    return {r.cell.address: r for r in results_of(plan, served.target, directory)}
