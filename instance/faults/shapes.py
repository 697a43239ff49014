"""Bugs of the shape of answers (SHAPE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.codes import instead, success
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, records_of, with_records


def recording(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Alteration:
    """The records of successes come otherwise, in lists and alone."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        operation = request.operation
        if not answer.ok or operation is None or not answer.body:
            return answer
        if operation.collection:
            return with_records(request, answer, [change(dict(r)) for r in records_of(request, answer)])
        if operation.item_key:
            return answer.showing({**answer.json, operation.item_key: change(dict(answer.json[operation.item_key]))})
        return answer.showing(change(answer.json))

    return alter


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {n: v for n, v in record.items() if n != name}


RECORDS = "get_tag list_tags create_tag get_promo_codes_list list_feeds"
broken(
    "field-missing",
    "the records lack a field",
    RECORDS,
    "SHAPE-01",
    recording(without("name")),
    fits=fitting.records_with("name"),
)
broken(
    "timestamp-missing",
    "the records lack created",
    "get_tag list_tags get_promo_codes_list list_feeds",
    "SHAPE-01",
    recording(without("created")),
    fits=fitting.records_with("created"),
)
broken(
    "id-as-text",
    "the id is a text",
    "get_tag list_tags create_tag",
    "SHAPE-01",
    recording(lambda r: {**r, "id": str(r["id"])}),
    fits=fitting.records_with("id", fitting.of_kind("integer")),
)


def always_named(o: Operation, c: Contract) -> bool:
    """Its records cannot be created without a name."""
    bodies = [x.body_schema for x in c.of_entity(o.entity or "") if x.action == "create" and x.body_schema is not None]
    named = [c.book.resolve(body) for body in bodies if "name" in c.book.properties(body)]
    return all("name" in body.get("required", ()) for body in named)


broken(
    "name-null",
    "the name is null",
    RECORDS,
    "SHAPE-01",
    recording(lambda r: {**r, "name": None}),
    "MEDIA-06 SHAPE-03 LIFE-01",
    fits=fitting.every(fitting.records_with("name", fitting.of_kind("string")), always_named),
)
broken(
    "timestamp-as-number",
    "created is a number",
    "get_tag list_tags",
    "SHAPE-01",
    recording(lambda r: {**r, "created": 1700000000}),
    fits=fitting.records_with("created", fitting.of_kind("string")),
)


@breaks(
    "full-lacks-field",
    "the records of full answers lack a field",
    "list_tags list_events",
    "SHAPE-01",
    also="STRUCT-04",
    fits=fitting.every(fitting.lists, fitting.asks("load_full_structure"), fitting.records_with("created")),
)
async def full_lacks_field(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or request.get("load_full_structure") != "1":
        return answer
    return with_records(request, answer, [without("created")(r) for r in records_of(request, answer)])


def wrapped(change: Callable[[Any], Any]) -> Alteration:
    return instead(success, lambda a: a.showing(change(a.json)) if a.body else a)


UNLISTED = (
    "ORDER-01 ORDER-02 ORDER-03 ORDER-04 ORDER-06 PAGE-01 PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06 PAGE-08 PAGE-10 "
)
UNLISTED += "SHAPE-01 STRUCT-01 STRUCT-02 STRUCT-03 STRUCT-04"
broken(
    "item-renamed",
    "the record stands under data",
    "get_tag update_report create_feed",
    "SHAPE-02",
    wrapped(lambda b: {"data": next(iter(b.values()))}),
    "MEDIA-06 SHAPE-01 SHAPE-03",
    fits=fitting.every(fitting.item, fitting.keyed),
)
broken(
    "item-bare",
    "the record comes without its key",
    "get_tag update_report",
    "SHAPE-02",
    wrapped(lambda b: next(iter(b.values()))),
    "MEDIA-06 SHAPE-01 SHAPE-03",
    fits=fitting.every(fitting.item, fitting.keyed),
)
broken(
    "list-renamed",
    "the list stands under items",
    "list_tags list_feeds",
    "SHAPE-02",
    wrapped(lambda b: {"items" if isinstance(v, list) else n: v for n, v in b.items()}),
    UNLISTED,
    fits=fitting.every(fitting.lists, fitting.keyed),
)
broken(
    "list-bare",
    "the list comes without its key",
    "list_tags list_journeys",
    "SHAPE-02",
    wrapped(lambda b: next(v for v in b.values() if isinstance(v, list))),
    UNLISTED,
    fits=fitting.every(fitting.lists, fitting.keyed),
)
broken(
    "settings-missing",
    "no selection_settings stand beside the list",
    "list_tags list_feeds",
    "SHAPE-02",
    wrapped(lambda b: {n: v for n, v in b.items() if n != "selection_settings"}),
    "SHAPE-01 PAGE-08 ORDER-06",
    fits=fitting.every(fitting.lists, fitting.with_settings),
)
READ = "get_tag get_report get_feed get_segment_note"
broken(
    "read-is-stale",
    "a record that is read is older than the list",
    READ,
    "SHAPE-03",
    recording(lambda r: {**r, "modified": "2001-02-03 04:05:06", "created": "2001-02-03 04:05:06"}),
    fits=fitting.every(fitting.acting("read"), fitting.records_with("created")),
)
broken(
    "read-brings-another",
    "another record than the one asked for is read",
    "get_tag get_report",
    "SHAPE-03",
    recording(lambda r: {**r, "id": r["id"] + 1}),
    fits=fitting.every(fitting.acting("read"), fitting.records_with("id", fitting.of_kind("integer"))),
)
broken(
    "id-differs-in-kind",
    "the id is a number in the list and a text alone",
    "get_tag get_report",
    "SHAPE-03",
    recording(lambda r: {**r, "id": str(r["id"])}),
    "SHAPE-01",
    fits=fitting.every(fitting.acting("read"), fitting.records_with("id", fitting.of_kind("integer"))),
)
broken(
    "time-differs-in-form",
    "times have another form when a record is read alone",
    "get_tag get_report",
    "SHAPE-03",
    recording(lambda r: {**r, "created": r["created"].replace(" ", "T") + "Z"}),
    "SHAPE-01",
    fits=fitting.every(fitting.acting("read"), fitting.records_with("created", fitting.of_kind("string"))),
)
