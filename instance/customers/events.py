"""Create Customer Events: checking events, finding or making their customers, storing them all or none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import orjson

from instance.calls import Call, Refusal, Reply
from instance.customers.definitions import DEFAULT_CATEGORY, IDENTIFIER_ATTRIBUTE, Definitions, definitions
from instance.customers.schema import event_id, fold, stamp
from instance.handlers import handles
from instance.store import Store

LARGEST_BATCH = 10_000
LONGEST_IDENTIFIER = 1024

_CUSTOMERS = uuid5(NAMESPACE_URL, "customers")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z?", re.ASCII)
# How many identifiers are looked up in one statement.
_LOOKED_UP = 500


class EventError(ValueError):
    """An event that is not accepted: `field` is to blame, `reason` completes the sentence "FIELD ..."."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class Event(NamedTuple):
    """A checked event. `event_time` is 'YYYY-MM-DD HH:MM:SS'; `payload` the JSON text of an object."""

    definition: str
    uuid: str
    source: str
    type: str
    version: str
    user_identifier: str
    event_time: str
    payload: str


@handles("create_customer_events")
def create_customer_events(call: Call) -> Reply:
    """`POST /customer_events/`: stores the whole batch, or nothing and answers 422 naming the first bad field."""
    batch: list[dict[str, Any]] = call.body["customer_events"]
    if not batch:
        raise Refusal(422, "customer_events must not be empty.", "customer_events")
    if len(batch) > LARGEST_BATCH:
        raise Refusal(422, f"customer_events holds more than {LARGEST_BATCH} events.", "customer_events")
    known = definitions(call.store)
    events = []
    for place, entry in enumerate(batch):
        try:
            events.append(
                check(
                    known,
                    entry["source_id"],
                    entry["type"],
                    entry["version"],
                    entry["user_identifier"],
                    entry["event_time"],
                    entry["payload"],
                )
            )
        except EventError as error:
            where = f"customer_events[{place}].{error.field}"
            raise Refusal(422, f"{where} {error.reason}.", where) from None
    first, created = store_events(call.store, events)
    answer = [
        {
            "id": event_id(pk),
            "event_id": event.uuid,
            "source_id": event.source,
            "type": event.type,
            "version": event.version,
            "user_identifier": event.user_identifier,
            "event_time": event.event_time,
            "payload": event.payload,
            "created": created,
        }
        for pk, event in enumerate(events, first)
    ]
    return Reply(201, {"count": len(answer), "customer_events": answer})


def check(
    known: Definitions,
    source: str,
    type: str,
    version: str,
    user_identifier: str,
    event_time: str,
    payload: Any,
) -> Event:
    """The event with its definition and in stored form. Raises `EventError` naming the first field that is wrong.

    `payload` is an object or the JSON text of one; a text is kept as it came.
    """
    definition = known.events.get((source, type, version))
    if definition is None:
        raise EventError(*_undefined(known, source, type))
    if not user_identifier or user_identifier.isspace():
        raise EventError("user_identifier", "must not be empty")
    if len(user_identifier) > LONGEST_IDENTIFIER:
        raise EventError("user_identifier", f"is longer than {LONGEST_IDENTIFIER} characters")
    moment = check_time(event_time)
    if isinstance(payload, str):
        try:
            value = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise EventError("payload", "is not JSON") from None
        if not isinstance(value, dict):
            raise EventError("payload", "is not a JSON object")
    elif isinstance(payload, dict):
        payload = orjson.dumps(payload).decode()
    else:
        raise EventError("payload", "is not a JSON object")
    return Event(definition.id, definition.uuid, source, type, version, user_identifier, moment, payload)


def check_time(text: str) -> str:
    """'YYYY-MM-DD HH:MM:SS' of a time in any of the API's four forms. Raises `EventError`."""
    if _TIME.fullmatch(text) is None:
        raise EventError("event_time", "is not a date and time such as 2022-08-01 13:12:00")
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        raise EventError("event_time", "is no moment of the calendar") from None
    return text if len(text) == 19 and text[10] == " " else f"{text[:10]} {text[11:19]}"


def store_events(store: Store, events: Sequence[Event]) -> tuple[int, str]:
    """Store checked events in one transaction, in this order. Answers the first row's number and their `created`."""
    with store.transaction() as connection:
        created = stamp(store, "customer_event")
        customers = _customers_of(store, events)
        first: int = connection.execute("SELECT COALESCE(MAX(pk), 0) + 1 FROM customer_event").fetchone()[0]
        connection.executemany(
            "INSERT INTO customer_event VALUES (?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    pk,
                    customers[e.user_identifier],
                    e.definition,
                    e.source,
                    e.type,
                    e.version,
                    e.user_identifier,
                    e.event_time,
                    e.payload,
                    created,
                )
                for pk, e in enumerate(events, first)
            ],
        )
        connection.executemany(
            "UPDATE customer SET modified=? WHERE pk=?", [(created, pk) for pk in set(customers.values())]
        )
    return first, created


def _undefined(known: Definitions, source: str, type: str) -> tuple[str, str]:
    """Which of source, type and version names no event definition, and how to say it."""
    keys = known.events.keys()
    if not any(key[0] == source for key in keys):
        return "source_id", "names no source with event definitions"
    if not any(key[:2] == (source, type) for key in keys):
        return "type", "names no event definition of the source"
    return "version", "names no version of the event definition"


def _customers_of(store: Store, events: Sequence[Event]) -> dict[str, int]:
    """Row number of the customer for each identifier; makes the customers who are not known yet."""
    sources = {event.user_identifier: event.source for event in reversed(events)}
    identifiers = list(sources)
    found: dict[str, int] = {}
    for start in range(0, len(identifiers), _LOOKED_UP):
        part = identifiers[start : start + _LOOKED_UP]
        # The same value may stand in several categories; the default one comes last here and so prevails.
        found.update(
            store.connection.execute(
                f"SELECT value, customer FROM stitching_value WHERE value IN ({','.join('?' * len(part))}) "
                "ORDER BY category = ?, category DESC",
                (*part, DEFAULT_CATEGORY),
            ).fetchall()
        )
    if len(found) < len(identifiers):
        _make_customers(store, [(name, sources[name]) for name in identifiers if name not in found], found)
    return found


def _make_customers(store: Store, new: list[tuple[str, str]], found: dict[str, int]) -> None:
    """Add a customer for each pair of identifier and source, and his row number to `found`."""
    connection = store.connection
    created = max(stamp(store, "customer"), stamp(store, "customer_value"))
    customer: int = connection.execute("SELECT COALESCE(MAX(pk), 0) FROM customer").fetchone()[0]
    value: int = connection.execute("SELECT COALESCE(MAX(pk), 0) FROM customer_value").fetchone()[0]
    people, identities, values, texts = [], [], [], []
    for identifier, source in new:
        customer += 1
        value += 1
        found[identifier] = customer
        people.append((customer, str(uuid5(_CUSTOMERS, identifier)), created, created))
        identities.append((identifier, DEFAULT_CATEGORY, customer))
        values.append((value, customer, IDENTIFIER_ATTRIBUTE, source, identifier, created))
        texts.append((value, fold(identifier)))
    connection.executemany("INSERT INTO customer VALUES (?,?,?,?)", people)
    connection.executemany("INSERT INTO stitching_value VALUES (?,?,?)", identities)
    connection.executemany(
        "INSERT INTO customer_value (pk, customer, attribute, source, text, created) VALUES (?,?,?,?,?,?)", values
    )
    connection.executemany("INSERT INTO customer_text (rowid, text) VALUES (?,?)", texts)
