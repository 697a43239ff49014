"""One way to read every list: pages, walks and selection settings, shared by the families that look at collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdp.http import Exchange
from contracts.calls import Call
from contracts.checks import Broken, NotExercised
from contracts.subject import Subject

REFERENCE_PAGE = 100


@dataclass(frozen=True)
class Page:
    """A page of a collection as it was answered."""

    records: list[Any]
    settings: dict[str, Any] | None
    exchange: Exchange


def list_call(s: Subject) -> Call:
    """The valid call of a list operation, without paging parameters."""
    return s.call().asking(without=("limit", "offset"))


def page(s: Subject, *query: tuple[str, Any], base: Call | None = None) -> Page:
    """Read a page; Broken when the answer is no page, NotExercised when the caller may not read it."""
    exchange = s.session.read((base or list_call(s)).asking(*query), s.caller())
    return as_page(s, exchange, describe(*query))


def as_page(s: Subject, exchange: Exchange, example: str) -> Page:
    collection = s.operation.collection
    assert collection is not None
    if exchange.refused_access:
        raise NotExercised(f"the caller is refused with {exchange.status}")
    body = exchange.json
    records = body if collection.key is None else body.get(collection.key) if isinstance(body, dict) else None
    if not exchange.ok or not isinstance(records, list):
        where = f"under {collection.key}" if collection.key else "as an array"
        raise Broken(f"a valid list request got {exchange.outcome()} without a list {where}", exchange, example)
    settings = body.get("selection_settings") if isinstance(body, dict) else None
    return Page(records, settings if isinstance(settings, dict) else None, exchange)


def describe(*query: tuple[str, Any]) -> str:
    return "&".join(f"{name}={value}" for name, value in query) or "without parameters"


@dataclass(frozen=True)
class Walk:
    """Records from the start of a collection; `complete` when the end was reached."""

    records: list[Any]
    complete: bool
    exchange: Exchange

    def __len__(self) -> int:
        return len(self.records)


def walk(s: Subject, step: int = REFERENCE_PAGE, base: Call | None = None) -> Walk:
    """Read a collection page by page, up to the profile's window."""
    window = s.session.profile.window
    records: list[Any] = []
    while True:
        query: list[tuple[str, Any]] = [("limit", step)]
        if records:
            query.append(("offset", len(records)))
        found = page(s, *query, base=base)
        records += found.records
        if len(found.records) < step:
            return Walk(records, True, found.exchange)
        if len(records) >= window:
            return Walk(records, False, found.exchange)


def needing(s: Subject, records: Walk, count: int, what: str) -> None:
    """Raise NotExercised unless the walk holds at least so many records."""
    if len(records) < count:
        raise NotExercised(f"{s.operation.id} holds {len(records)} records; {what} needs {count}")


def still(s: Subject, reference: Walk, error: Broken) -> Exception:
    """The verdict on a difference between two reads: it only counts when the collection held still meanwhile."""
    before = reference.records[:REFERENCE_PAGE]
    again = s.session.send(list_call(s).asking(("limit", REFERENCE_PAGE)), s.caller())
    if again.ok and as_page(s, again, "").records != before:
        return NotExercised("the collection changed while it was read; a quieter target would make it checkable")
    return error


def identity(record: Any) -> Any:
    """What tells a record from the others: its id, else all of it."""
    if isinstance(record, dict):
        return record["id"] if "id" in record else tuple(sorted((k, repr(v)) for k, v in record.items()))
    return record
