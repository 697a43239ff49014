"""Bugs of what is taken in: records that are changed or ended otherwise than asked, events, rows and their times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.events import BATCH, STATE, UPLOAD, Rows, answering, event, in_payload, rewriting, rows, taken
from instance.faults.events import told as state_told
from instance.faults.life import acting, alone, changing, item, with_item
from instance.faults.model import (
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    json_answer,
    records_of,
    with_records,
)
from instance.faults.values import stored, takes
from instance.schemas import Schema

Fields = dict[str, Any]
SIX = 6  # columns of an upload


# --- SHAPE ----------------------------------------------------------------------------------------------------------


def shown(change: Callable[[Fields], Fields]) -> Alteration:
    """Records come otherwise, alone and in lists."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        operation = request.operation
        if not answer.ok or operation is None:
            return answer
        if operation.collection is not None:
            return with_records(request, answer, [change(x) for x in records_of(request, answer)])
        return with_item(request, answer, change(item(request, answer))) if operation.has_item else answer

    return alter


RECORDS = "get_tag list_tags list_feeds"
ALSO = "ORDER-01 ORDER-02 SHAPE-03 LIFE-01 LIFE-03 STRUCT-04"
broken(
    "created-is-a-day",
    "created tells the day alone",
    RECORDS,
    "SHAPE-01",
    shown(lambda x: {n: str(v)[:10] if n == "created" and v else v for n, v in x.items()}),
    ALSO,
    fits=fitting.records_with("created"),
)
broken(
    "created-is-empty",
    "created is an empty text",
    RECORDS,
    "SHAPE-01",
    shown(lambda x: {**x, "created": ""}),
    ALSO,
    fits=fitting.records_with("created"),
)


# --- LIFE -----------------------------------------------------------------------------------------------------------


def life(
    name: str, what: str, by: str, alter: Alteration, *fits: Any, also: str = "", on: str = "update_report"
) -> None:
    broken(name, what, on, by, alter, "LIFE-01 LIFE-03 MEDIA-06 " + also, fits=fitting.every(*fits))


def several(o: Operation, c: Contract) -> bool:
    """A body of several fields, of which some are texts."""
    return takes(lambda name, schema, c: c.book.kind(schema) == "string", "update", least=2)(o, c)


life(
    "only-the-first-field-changed",
    "of a change with several fields the first is stored",
    "LIFE-03",
    stored(lambda body: dict(list(body.items())[:1])),
    fitting.acting("update"),
    fitting.seen_alone,
    several,
    also="CODE-05",
)


def a_flag_or_number(name: str, schema: Schema, c: Contract) -> bool:
    return c.book.kind(schema) in ("boolean", "integer", "number") and "x-entity" not in schema and name != "deleted"


life(
    "false-and-zero-are-left-out",
    "a change to false or 0 is taken for a field that was not sent",
    "LIFE-03",
    stored(lambda body: {n: v for n, v in body.items() if v is not False and not (type(v) in (int, float) and v == 0)}),
    fitting.acting("update"),
    fitting.seen_alone,
    takes(a_flag_or_number, "update"),
    on="update_web_banner",
)


@breaks(
    "deletion-hits-newest",
    "a deletion ends the newest record, whatever its id",
    "delete_tag delete_report",
    "LIFE-04",
    also="LIFE-06 CODE-02",
    # Ties bear no mark of the run, by which its newest record is known.
    fits=fitting.every(fitting.acting("delete"), fitting.changed_alone, fitting.seen_alone, fitting.numbered),
)
async def deletion_hits_newest(request: Request, world: World) -> Answer:
    seen = await world.forward(alone(request))
    operation = request.operation
    if acting(request) != "delete" or not seen.ok or operation is None or operation.entity is None:
        return await world.forward(request)
    newest = "SELECT max(CAST(id AS INTEGER)) FROM record WHERE entity=? AND body LIKE '%\"cdp-%'"
    found = world.store.connection.execute(newest, (operation.entity,)).fetchone()[0]
    return await world.forward(request.at_id(str(found)) if found else request)


@breaks(
    "change-spills-over",
    "a change gives its texts to the record before it, too, whoever made that",
    "update_tag update_report",
    "LIFE-03",
    also="LIFE-01 LIFE-02",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone, fitting.numbered),
    source="CWE-193 Off-by-one Error",
)
async def change_spills_over(request: Request, world: World) -> Answer:
    answer, body = await world.forward(request), request.json
    if answer.ok and isinstance(body, dict) and request.ids[-1].isdigit():
        texts = {n: v for n, v in body.items() if isinstance(v, str)}
        await world.forward(request.at_id(str(int(request.ids[-1]) - 1)).with_body(texts))
    return answer


@breaks(
    "restored-dated-anew",
    "a restored record is as new as its restoration",
    "restore_segment restore_email",
    "LIFE-06",
    also="ORDER-01 ORDER-02",
    fits=fitting.every(fitting.acting("restore"), fitting.records_with("created")),
    through="read",
)
async def restored_dated_anew(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    restored = world.memory.setdefault("restored", set())
    if acting(request) == "restore" and answer.ok:
        restored.add(request.path.rpartition("/")[0])
    if request.path not in restored or acting(request) != "read" or not answer.ok:
        return answer
    record = item(request, answer)
    later = str(record["created"]).replace("20", "21", 1)
    return with_item(request, answer, {**record, "created": later})


@breaks(
    "list-touches-its-first",
    "reading a list changes the description of its first record",
    "list_reports list_feeds",
    "PAGE-09",
    also="LIFE-05 SHAPE-03 PAGE-03 PAGE-06 STRUCT-04 LIFE-01 LIFE-02 LIFE-03",
    fits=fitting.every(
        fitting.lists, fitting.at_the_top, fitting.records_with("id"), fitting.records_with("description")
    ),
    least=1,
)
async def list_touches_its_first(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok and (found := records_of(request, answer)) and found[0].get("description") is not None:
        place = f"{request.path.rstrip('/')}/{found[0]['id']}"
        change = {"description": f"{found[0]['description']}."}
        await world.forward(changing(world.as_admin(request), place, change))
    return answer


# --- EVENT: batches -------------------------------------------------------------------------------------------------


def each(**changes: Callable[[Any], Any]) -> Callable[[Rows], Rows]:
    """A change to some fields of every event."""
    return lambda found: [{n: changes[n](v) if n in changes else v for n, v in row.items()} for row in found]


def of_the_first(*names: str) -> Callable[[Rows], Rows]:
    """Every event of a batch with some fields of the first."""
    return lambda found: [{**row, **{n: found[0][n] for n in names if n in found[0]}} for row in found]


def by_start(found: Rows) -> Rows:
    """Events of who has a longer name go to him whose name it begins with."""
    names = sorted({str(row.get("user_identifier")) for row in found}, key=len)

    def owner(name: Any) -> Any:
        return next((short for short in names if str(name).startswith(short)), name)

    return each(user_identifier=owner)(found)


event(
    "identifiers-in-lower-case",
    "identifiers of customers are stored in lower case",
    each(user_identifier=lambda v: v.lower() if isinstance(v, str) else v),
)
event("identifiers-by-their-start", "events of a customer go to him whose identifier his own begins with", by_start)
event(
    "identifiers-cut-at-32",
    "identifiers are cut after 32 characters",
    each(user_identifier=lambda v: v[:32] if isinstance(v, str) else v),
)
event(
    "empty-payloads-lost",
    "events with an empty payload are not stored",
    lambda found: [r for r in found if r.get("payload") not in ({}, "{}")] or found,
)
event("payloads-of-the-first", "all events of a batch get the payload of the first", of_the_first("payload"))
event("times-of-the-first", "all events of a batch get the time of the first", of_the_first("event_time"))
event("lists-in-payloads-sorted", "lists in a payload are sorted", lambda found: [sorted_lists(r) for r in found])
event(
    "texts-in-payloads-trimmed",
    "blanks around texts of a payload are cut off",
    in_payload(lambda v: v.strip() if isinstance(v, str) else v),
)
event(
    "border-of-fifty-doubled",
    "the fiftieth event of a batch is stored twice",
    lambda found: [*found[:50], *found[49:]] if len(found) > 50 else found,
    "release",
)


def sorted_lists(row: Any) -> Any:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {n: walk(v) for n, v in value.items()}
        return sorted((walk(v) for v in value), key=orjson.dumps) if isinstance(value, list) else value

    return {**row, "payload": walk(row.get("payload"))}


broken(
    "count-is-of-customers",
    "count tells how many customers the events are of",
    BATCH,
    "EVENT-01",
    answering(lambda b: {**b, "count": len({str(r["user_identifier"]) for r in b["customer_events"]})}),
    fits=fitting.only(BATCH),
)


@breaks(
    "only-the-first-event-is-checked",
    "of a batch the first event is checked, and what is invalid behind it is left out",
    BATCH,
    "EVENT-03",
    also="CODE-05 MEDIA-03",
    fits=fitting.only(BATCH),
)
async def only_the_first_is_checked(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    found = rows(request)
    if answer.status not in (400, 422) or len(found) < 2 or not await taken(request, world, found[0]):
        return answer
    for row in found[1:]:
        await taken(request, world, row)
    return json_answer(201, {"count": len(found), "customer_events": []})


@breaks(
    "odd-times-are-now",
    "an event whose time cannot be read is stored with another",
    BATCH,
    "EVENT-03",
    also="CODE-05",
    fits=fitting.only(BATCH),
)
async def odd_times_are_now(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    found = rows(request)
    if answer.status not in (400, 422) or not found or not all(isinstance(row, dict) for row in found):
        return answer
    changed = each(event_time=lambda v: "2024-05-01 10:00:00")(found)
    return await world.forward(request.with_body({**request.json, "customer_events": changed}))


# --- EVENT: uploads -------------------------------------------------------------------------------------------------


def upload(name: str, what: str, by: str, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    broken(name, what, UPLOAD, by, rewriting(change), "EVENT-02 EVENT-04 EVENT-05", fits=fitting.only(UPLOAD))


upload(
    "bad-rows-skipped",
    "rows of an upload that have too few or too many columns are left out",
    "EVENT-05",
    lambda table: [row for row in table if len(row) == SIX] or table,
)
upload(
    "extra-columns-ignored",
    "columns of an upload behind the sixth are ignored",
    "EVENT-05",
    lambda table: [row[:SIX] for row in table],
)
upload(
    "first-row-is-a-header",
    "the first row of an upload is taken for a header",
    "EVENT-04",
    lambda table: table[1:] if len(table) > 1 else table,
)
broken(
    "upload-never-ends",
    "an upload is told as running for ever",
    UPLOAD,
    "EVENT-04",
    state_told(lambda record: {**record, "status": "running"}),
    through=STATE,
    also="EVENT-02 EVENT-05",
    fits=fitting.only(UPLOAD),
)
