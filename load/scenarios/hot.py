"""Which operations the load is about. The contract says it: which one searches, which ones take events in, and where
what was found or taken in can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from msgspec import UNSET

from cdp.addresses import path_of
from cdp.contract import Contract, Operation, Parameter
from cdp.contract.operation import Searches
from cdp.targets import Target
from load.access import Access
from load.answer import Answer
from load.decoding import attribute
from load.scenario import Entries, Outcome, ScenarioError, Shot

KEPT_OPEN = ("segment", "event", "attribute")  # whose lists people have on their screens


class Encode(Protocol):
    """Writes a request: `target` is path and query, percent-encoded. The same headers every time, the token in them."""

    def __call__(self, method: str, target: str, body: bytes = b"", media_type: str = "") -> bytes: ...


@dataclass(frozen=True)
class Context:
    """What all scenarios of a process share. `run`: the prefix of everything that the run writes; `worker`: the number
    of this process, of `workers` that share the arrivals; `check_every`: one answer in so many is held to the
    conventions; `day`: when events are said to have happened; `access`: who renews the token."""

    contract: Contract
    target: Target
    encode: Encode
    token: str = field(repr=False)
    run: str
    worker: int = 0
    workers: int = 1
    seed: int = 1
    check_every: int = 20
    day: date = field(default_factory=lambda: yesterday())
    access: Access | None = field(default=None, repr=False)

    def path(self, operation: Operation, path: Mapping[str, Any] | None = None) -> str:
        """Where an operation stands, from the origin on; what is left open in braces stays open."""
        return path_of(self.target, operation, path)


def yesterday() -> date:
    """The day before today (UTC)."""
    return datetime.now(UTC).date() - timedelta(days=1)


@dataclass(slots=True)
class Step:
    """One request before it is encoded, for those who send it in their own way. Fields as in `Shot`; `target` is path
    and query."""

    method: str
    name: str
    target: str
    judge: Callable[[Answer], Outcome]
    body: bytes = b""
    media_type: str = ""
    events: int = 0
    followed_by: Callable[[Answer], tuple[float, Step] | None] | None = None
    scenario: str = ""
    entries: Entries | None = None

    def shot(self, encode: Encode) -> Shot:
        """The same step, ready to be sent."""
        after, follow = self.followed_by, None
        if after is not None:

            def follow(answer: Answer) -> tuple[float, Shot] | None:
                following = after(answer)
                return (following[0], following[1].shot(encode)) if following else None

        request = encode(self.method, self.target, self.body, self.media_type)
        return Shot(self.method, self.name, request, self.judge, self.events, follow, self.scenario, self.entries)


@dataclass(frozen=True)
class Searching:
    """The search for customers: its text parameter, and the operations that open one of those who were found."""

    operation: Operation
    text: Parameter
    searches: Searches
    values: Operation
    owner: Parameter
    events: Operation | None

    @property
    def key(self) -> str:
        """Where the list stands in an answer."""
        return self.operation.collection.key or "" if self.operation.collection else ""


@dataclass(frozen=True)
class Ingesting:
    """Taking events in: as a JSON list, and as an upload whose state can be asked for, where there is one."""

    batch: Operation
    upload: Operation | None
    state: Operation | None
    shown: Operation | None  # the list of a customer's events


def searching(contract: Contract) -> Searching:
    """Raises ScenarioError when the contract has no search."""
    for operation in contract.operations.values():
        for parameter in operation.query_parameters:
            if parameter.searches and operation.collection and operation.collection.key:
                values = contract.operations[parameter.searches.operation]
                owner = next(p for p in values.path_parameters if p.entity == operation.entity)
                shown = _events_of(contract, operation.entity)
                return Searching(operation, parameter, parameter.searches, values, owner, shown)
    raise ScenarioError("the contract has no operation that searches (x-searches)")


def ingesting(contract: Contract) -> Ingesting:
    """Raises ScenarioError when the contract has no operation that takes a list of events."""
    taking = [o for o in contract.operations.values() if o.ingestion]
    batch = next((o for o in taking if o.ingestion and o.ingestion.key), None)
    if batch is None:
        raise ScenarioError("the contract has no operation that takes a list of events (x-ingestion with a key)")
    upload = next((o for o in taking if o.ingestion and o.ingestion.state), None)
    state = contract.by_action(upload.entity, "read") if upload else None
    return Ingesting(batch, upload if state else None, state, _events_of(contract, ""))


def lists(contract: Contract) -> list[Operation]:
    """The lists that people keep open."""
    found = [contract.by_action(entity, "list") for entity in KEPT_OPEN]
    return [o for o in found if o is not None and o.collection is not None and not o.path_parameters]


def page_size(contract: Contract, operation: Operation) -> int:
    """How many records a page holds when nothing is asked; 0 where the list is not paged."""
    limit = operation.query("limit")
    if limit is None or operation.collection is None or not operation.collection.paging:
        return 0
    return int(contract.resolved(limit.schema).get("default", 20))


def _events_of(contract: Contract, entity: str) -> Operation | None:
    """The list that shows the events of one record, of this entity where one is named."""
    for operation in contract.operations.values():
        for name in operation.ingestion.read_back if operation.ingestion else ():
            listing = contract.operations[name]
            if len(listing.path_parameters) == 1 and entity in ("", listing.path_parameters[0].entity):
                return listing
    return None


def field_of(name: str) -> Callable[[Any], Any]:
    """What reads a field of a decoded record; None where it has none."""
    inner = attribute(name)

    def get(record: Any) -> Any:
        value = record.get(name) if type(record) is dict else getattr(record, inner, None)
        return None if value is UNSET else value

    return get
