"""What a kind of awkwardness is: it may act before a request is handled, change the answer after it, and lay data."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from instance.contract import Operation

if TYPE_CHECKING:
    from instance.app import Scope, Send
    from instance.store import Store

JSON_TYPE = b"application/json"
_MISSING = object()
Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Settings:
    """What can be set of the kinds. Times in milliseconds or seconds, as their names say; `*_every` count requests."""

    latency_ms: int = 200
    idle_s: int = 2
    busy_every: int = 200
    close_every: int = 1
    others_every: int = 4
    edits_every: int = 8
    token_s: int = 300
    big: int = 100_000
    cold_ms: int = 3000


@dataclass
class World:
    """What the kinds know: the store, the seed, and what is set."""

    store: Store
    seed: int
    settings: Settings

    def random(self, name: str) -> random.Random:
        """A random source of its own for each kind, so that one kind does not change what another does."""
        return random.Random(f"{name} {self.seed}")


@dataclass
class Request:
    """A request before it is handled. `operation` None = an unknown path or method; `ids`: its path parameters."""

    scope: Scope
    operation: Operation | None
    ids: tuple[str, ...] = ()
    body: bytes = b""  # where a kind reads it

    def header(self, name: bytes) -> bytes:
        """The values of a header (its name in small letters), joined; empty where it was not sent."""
        return b", ".join(value for given, value in self.scope["headers"] if given == name)


@dataclass
class Answer:
    """An answer before it is written. How its JSON is written is decided last: `ascii`, `layout`, `pieces`."""

    status: int
    headers: list[Header]
    body: bytes
    changed: bool = False
    ascii: bool = False  # everything else stands as \\uXXXX
    layout: tuple[int, tuple[str, str], str, str] | None = None  # indent, separators, what stands before and behind
    pieces: int = 0  # so many chunks, without a length
    _value: Any = field(default=_MISSING, repr=False)

    def get(self, name: bytes) -> bytes:
        """The value of a header (its name in small letters); empty where there is none."""
        return next((value for given, value in self.headers if given.lower() == name), b"")

    def put(self, name: bytes, value: bytes | None) -> None:
        """Replace a header; None takes it away."""
        self.headers = [(given, old) for given, old in self.headers if given.lower() != name]
        if value is not None:
            self.headers.append((name, value))

    @property
    def is_json(self) -> bool:
        return bool(self.body) and self.get(b"content-type").lower().startswith(JSON_TYPE)

    @property
    def value(self) -> Any:
        """The decoded body, which may be changed in place (then set `changed`); None where it is no JSON."""
        if self._value is _MISSING:
            self._value = orjson.loads(self.body) if self.is_json else None
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value, self.changed = value, True

    def write(self) -> None:
        """Bring what was changed into the body."""
        if not self.is_json or not (self.changed or self.ascii or self.layout):
            return
        if self.ascii or self.layout:
            indent, separators, before, behind = self.layout or (None, (",", ":"), "", "")
            text = json.dumps(self.value, ensure_ascii=self.ascii, indent=indent, separators=separators)
            self.body = f"{before}{escaped(text) if self.ascii else text}{behind}".encode()
        else:
            self.body = orjson.dumps(self.value)
        self.changed, self.ascii, self.layout = False, False, None

    async def send(self, send: Send) -> None:
        """Write the answer to the client, in one piece with its length, or in several without."""
        self.put(b"content-length", None if self.pieces else str(len(self.body)).encode())
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        size = max(1, -(-len(self.body) // max(1, self.pieces)))
        for start in range(0, len(self.body), size) if self.pieces else ():
            await send({"type": "http.response.body", "body": self.body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b"" if self.pieces else self.body})


def escaped(text: str) -> str:
    """JSON of ASCII signs only with slashes escaped, which may stand in texts alone."""
    return text.replace("/", "\\/")


class Kind:
    """One kind of awkwardness, and why the documents allow it."""

    name: ClassVar[str]
    sentence: ClassVar[str]
    allowed: ClassVar[str]
    alone: ClassVar[bool] = False  # whether it stays out where all kinds are asked for
    reads_body: ClassVar[bool] = False  # whether it looks at what is sent before it acts

    def __init__(self, world: World) -> None:
        self.world = world

    @cached_property
    def rng(self) -> random.Random:
        return self.world.random(self.name)

    def furnish(self, store: Store) -> None:
        """Change the data of a new store before it is served."""

    def start(self, store: Store) -> None:
        """Make ready to serve a store, new or not."""

    async def before(self, request: Request) -> Answer | None:
        """Act before the application does; an answer stands in place of the application's."""
        return None

    def after(self, request: Request, answer: Answer) -> None:
        """Change an answer."""


def records_of(operation: Operation | None, answer: Answer) -> list[dict[str, Any]]:
    """The records in a success answer of an operation."""
    if operation is None or not 200 <= answer.status < 300 or answer.value is None:
        return []
    value = answer.value
    if operation.collection is not None:
        key = operation.collection.key
        rows = value if key is None else value.get(key) if isinstance(value, dict) else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if operation.has_item and isinstance(value, dict):
        record = value if operation.item_key is None else value.get(operation.item_key)
        return [record] if isinstance(record, dict) else []
    return []
