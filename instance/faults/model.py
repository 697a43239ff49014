"""What a fault is: a small function between client and application that does what a real server bug would do.

It sees the whole request, may send it on to the real application as often as it likes, changed or not, and answers what
it wants.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from instance import access
from instance.app import Application
from instance.contract import Contract, Operation
from instance.store import Store
from instance.users import ADMINISTRATOR_ID

TOKEN = b"x-access-token"
JSON_TYPE = "application/json"
Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """A whole request. `operation`: the contract's, None for an unknown path or method; `ids`: path parameters."""

    method: str
    path: str
    query: Query
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    operation: Operation | None
    ids: tuple[str, ...] = ()
    raw_query: bytes | None = None  # as it was sent, while nothing in it is changed

    def get(self, name: str) -> str | None:
        """A query parameter's last value, None when it was not sent."""
        return dict(self.query).get(name)

    def number(self, name: str, default: int) -> int:
        """A query parameter as a number; the default when it is none."""
        text = self.get(name) or ""
        return int(text) if text.isdigit() else default

    def asking(self, **changes: Any) -> Request:
        """The same request with query parameters replaced; None removes one."""
        kept = tuple((n, v) for n, v in self.query if n not in changes)
        more = tuple((n, str(v)) for n, v in changes.items() if v is not None)
        return replace(self, query=kept + more, raw_query=None)

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    def with_header(self, name: bytes, value: bytes | None) -> Request:
        """The same request with a header replaced; None removes it."""
        kept = tuple((n, v) for n, v in self.headers if n != name)
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def with_body(self, body: Any) -> Request:
        """The same request with another JSON body."""
        return replace(self, body=orjson.dumps(body))

    def at_id(self, value: str) -> Request:
        """The same request with another last path parameter; only where that ends the path."""
        return replace(self, path=self.path.rpartition("/")[0] + "/" + value, ids=(*self.ids[:-1], value))

    @property
    def json(self) -> Any:
        """The decoded body, None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


@dataclass(frozen=True)
class Answer:
    """A whole answer. Status 0 = the connection is cut without one."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def showing(self, body: Any) -> Answer:
        """The same answer with another JSON body."""
        return replace(self, body=orjson.dumps(body))

    def typed(self, media_type: str, body: bytes | None = None) -> Answer:
        """The same answer under another media type, with another body where one is given."""
        kept = tuple((n, v) for n, v in self.headers if n != "content-type")
        return replace(self, headers=(*kept, ("content-type", media_type)), body=self.body if body is None else body)


def json_answer(status: int, body: Any) -> Answer:
    return Answer(status, (("content-type", JSON_TYPE),), orjson.dumps(body))


def html(status: int, text: str = "Sorry") -> Answer:
    """An error page as proxies and frameworks show them."""
    return Answer(status, (("content-type", "text/html"),), f"<html><body><h1>{text}</h1></body></html>".encode())


def refusal(status: int, message: str = "No.") -> Answer:
    """An error in the instance's own form."""
    return json_answer(status, {"message": message, "detail": message})


@dataclass
class World:
    """What a fault may use: the real application, its store, and a memory that lasts as long as the run."""

    app: Application
    store: Store
    memory: dict[Any, Any] = field(default_factory=dict)
    asked: Request | None = None  # what a client asked for, while a fault looks at it
    true_answer: Answer | None = None  # what it would have got
    acted: bool = False  # whether a fault has written something of its own

    async def alter(self, fault: Fault, request: Request) -> Answer:
        """What a client gets with this fault; `true_answer` and `acted` tell then whether that is anything else."""
        self.asked, self.true_answer, self.acted = request, None, False
        return await fault.alter(request, self)

    def deviates(self, answer: Answer) -> bool:
        """Whether an answer, or what was done for it, is another than the real one."""
        return self.acted or answer != self.true_answer

    async def forward(self, request: Request) -> Answer:
        """What the real application answers."""
        answer = await self._forward(request)
        if request is self.asked or request == self.asked:
            self.true_answer = self.true_answer or answer
        elif request.method != "GET":
            self.acted = True
        return answer

    async def _forward(self, request: Request) -> Answer:
        sent = False
        parts: list[Any] = []

        async def receive() -> dict[str, Any]:
            nonlocal sent
            body, sent = (b"" if sent else request.body), True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            parts.append(message)

        scope = {
            "type": "http",
            "method": request.method,
            "raw_path": request.path.encode("ascii"),
            "query_string": urlencode(request.query).encode() if request.raw_query is None else request.raw_query,
            "headers": list(request.headers),
            "client": ("127.0.0.1", 0),
        }
        await self.app(scope, receive, send)
        headers = tuple((n.decode(), v.decode("latin-1")) for n, v in parts[0]["headers"] if n != b"content-length")
        return Answer(parts[0]["status"], headers, b"".join(part.get("body", b"") for part in parts[1:]))

    def as_admin(self, request: Request) -> Request:
        """The same request with a valid token of the administrator."""
        if "token" not in self.memory:
            self.memory["token"] = access.issue_token(self.store, ADMINISTRATOR_ID).encode()
        return request.with_header(TOKEN, self.memory["token"])

    def features(self, request: Request) -> frozenset[str] | None:
        """The features of the caller's role, None when the token does not count."""
        try:
            return access.authenticate(self.store, list(request.headers)).features
        except Exception:
            return None

    async def whole(self, request: Request) -> list[Any]:
        """All records of the list that is asked, whatever page was asked for."""
        collection = request.operation.collection if request.operation else None
        paged = collection is not None and collection.paging
        answer = await self.forward(request.asking(limit=1000, offset=None) if paged else request)
        return records_of(request, answer) if answer.ok else []


def records_of(request: Request, answer: Answer) -> list[Any]:
    """The records in a list's answer; the one in the answer of an operation that is about one."""
    operation = request.operation
    assert operation is not None and (operation.collection is not None or operation.has_item)
    key = operation.collection.key if operation.collection is not None else operation.item_key
    found = answer.json if key is None else answer.json[key]
    if operation.collection is None:
        return [found]
    assert isinstance(found, list)
    return found


def with_records(request: Request, answer: Answer, records: list[Any]) -> Answer:
    """A list's answer with other records, or an answer with another one."""
    operation = request.operation
    assert operation is not None and (operation.collection is not None or operation.has_item)
    key = operation.collection.key if operation.collection is not None else operation.item_key
    shown = records if operation.collection is not None else records[0]
    return answer.showing(shown if key is None else {**answer.json, key: shown})


Alteration = Callable[[Request, World], Awaitable[Answer]]
Fitting = Callable[[Operation, Contract], bool]


@dataclass(frozen=True)
class Fault:
    """A deliberate bug. `by`: the requirements that it breaks; `also`: what else it may break there, and what names it
    as well.

    `examples`: operations that it was first seen on; `fits`: which ones it can be put on at all, `least`: records that
    the list must hold then. `through`: other operations that it changes, by id or by what they do with the same kind of
    record; `shows`: others yet on which it may show. `softly`: a WARN although the requirement is a MUST. `beyond`: it
    is on all requests, those to unknown paths and methods among them. `profile`: the least thorough one that has to
    find it; `rate`: how many of the requests that could show it do. `source`: where such a bug is described.
    """

    name: str
    what: str
    examples: tuple[str, ...]
    by: tuple[str, ...]
    alter: Alteration
    also: frozenset[str] = frozenset()
    through: frozenset[str] = frozenset()
    shows: frozenset[str] = frozenset()
    softly: bool = False
    beyond: bool = False
    fits: Fitting | None = None
    profile: str = "quick"
    rate: float = 1.0
    least: int = 0
    source: str = ""

    def operations(self, contract: Contract) -> list[str]:
        """The operations that it can be put on; whether a requirement is held to them is another question."""
        return [o.id for o in contract.operations.values() if self.fits is None or self.fits(o, contract)]

    def companions(self, operation: Operation, contract: Contract) -> frozenset[str]:
        """The other operations that it changes when it is on this one."""
        return self._related(self.through, operation, contract)

    def places(self, operation: Operation, contract: Contract) -> frozenset[str]:
        """Where it may be reported when it is on this operation."""
        return self._related(self.through | self.shows, operation, contract) | {operation.id}

    def _related(self, wanted: frozenset[str], operation: Operation, contract: Contract) -> frozenset[str]:
        found = {name for name in wanted if name in contract.operations}
        if operation.entity is not None:
            found |= {o.id for o in contract.of_entity(operation.entity) if o.action in wanted}
        return frozenset(found - {operation.id})


@dataclass(frozen=True)
class Switched:
    """A fault that is on, and the operations whose requests it sees."""

    fault: Fault
    operations: frozenset[str]

    def concerns(self, request: Request) -> bool:
        """Whether the bug is on what is asked."""
        return self.fault.beyond or (request.operation is not None and request.operation.id in self.operations)


def switched(fault: Fault, operations: Iterable[str], contract: Contract) -> Switched:
    """The fault on these operations and on those that go with them."""
    names = set(operations)
    for name in tuple(names):
        names |= fault.companions(contract.operations[name], contract)
    return Switched(fault, frozenset(names))


FAULTS: dict[str, Fault] = {}


def broken(
    name: str,
    what: str,
    on: str,
    by: str,
    alter: Alteration,
    also: str = "",
    through: str = "",
    shows: str = "",
    **more: Any,
) -> None:
    """Put a fault on the list; operations and requirements are separated by blanks."""
    if name in FAULTS:
        raise ValueError(f"two faults are called {name}")
    FAULTS[name] = Fault(
        name,
        what,
        tuple(on.split()),
        tuple(by.split()),
        alter,
        frozenset(also.split()),
        frozenset(through.split()),
        frozenset(shows.split()),
        **more,
    )


def breaks(
    name: str, what: str, on: str, by: str, also: str = "", through: str = "", **more: Any
) -> Callable[[Alteration], Alteration]:
    """`broken` as a decorator."""

    def register(alter: Alteration) -> Alteration:
        broken(name, what, on, by, alter, also, through, **more)
        return alter

    return register


def parse_query(raw: bytes) -> Query:
    return tuple(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))
