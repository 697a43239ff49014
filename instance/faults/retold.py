"""Records that are told otherwise than they are, or hit by what was done to others: bugs of mappers and serializers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.life import acting, alone, item, with_item
from instance.faults.listing import offset
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken
from instance.faults.remembered import Record, records_in, touch
from instance.faults.side_ways import embedding
from instance.faults.storing import nullable_text
from instance.faults.values import several_texts, written


def showing(change: Callable[[Record], Any]) -> Alteration:
    async def alter(request: Request, world: World) -> Answer:
        return records_in(request, await world.forward(request), change)

    return alter


# --- STRUCT ---------------------------------------------------------------------------------------------------------

full_lists = fitting.every(fitting.paged, fitting.asks("load_full_structure"), embedding)


def full(request: Request) -> bool:
    return request.get("load_full_structure") == "1"


@breaks(
    "embedded-once-an-answer",
    "the data of a sub-entity come with the first record that refers to it; the others have its id alone",
    "list_tags list_segment_notes",
    "STRUCT-02",
    also="STRUCT-04 SHAPE-01",
    fits=full_lists,
    least=3,
    source="Jackson manual, JsonIdentityInfo",
)
async def embedded_once(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not full(request) or request.operation is None:
        return answer
    parts, seen = request.operation.sub_entities, set()

    def once(record: Record) -> Record:
        shown = dict(record)
        for name, part in parts.items():
            embedded = record.get(part["key"])
            if isinstance(embedded, dict) and (part["entity"], embedded.get("id")) in seen:
                shown[part["key"]] = embedded.get("id")
                if part["key"] != name:
                    del shown[part["key"]]
            elif isinstance(embedded, dict):
                seen.add((part["entity"], embedded.get("id")))
        return shown

    return records_in(request, answer, once)


@breaks(
    "plain-after-full-is-full",
    "the first plain answer after a full one is full, too: the records of the session are loaded already",
    "list_tags list_segment_notes",
    "STRUCT-01",
    also="STRUCT-03 STRUCT-04",
    fits=full_lists,
    least=1,
    profile="release",
    source="SQLAlchemy manual, Session: identity map; CWE-488",
)
async def plain_after_full(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if full(request):
        world.memory["loaded"] = answer.ok
    elif answer.ok and world.memory.pop("loaded", False):
        return await world.forward(request.asking(load_full_structure=1))
    return answer


# --- LIFE -----------------------------------------------------------------------------------------------------------


def namesakes(request: Request, world: World, name: Any) -> list[Record]:
    entity = request.operation.entity if request.operation else None
    parent = request.ids[0] if len(request.ids) > (acting(request) != "create") else ""
    return [r for r in records.all_of(world.store, str(entity), parent) if isinstance(name, str) and r["name"] == name]


def readable(o: Operation, c: Contract) -> bool:
    """What it creates is read one step below its path."""
    return o.entity is not None and any(
        other.path.rpartition("/")[0] == o.path.rstrip("/") for other in c.of_entity(o.entity, "read")
    )


named = fitting.every(fitting.records_with("name"), fitting.body_with("name"))


@breaks(
    "same-name-is-the-same-record",
    "who creates a record with a name that another one has gets that one, and nothing is stored (get_or_create)",
    "create_tag create_report create_feed",
    "LIFE-01",
    also="LIFE-02 LIFE-04 CODE-02",
    fits=fitting.every(fitting.acting("create"), named, readable),
    profile="release",
    source="Django manual, get_or_create; CWE-694 Use of Multiple Resources with Duplicate Identifier",
)
async def same_name_is_the_same(request: Request, world: World) -> Answer:
    body, operation = request.json, request.operation
    found = namesakes(request, world, body.get("name")) if isinstance(body, dict) else []
    if not found or operation is None or "id" not in found[0]:
        return await world.forward(request)
    answer = await world.forward(request)
    if answer.status != operation.status:
        return answer
    entity, made = str(operation.entity), item(request, answer)
    records.delete(world.store, entity, made["id"])
    return with_item(request, answer, {n: found[0].get(n, v) for n, v in made.items()})


@breaks(
    "changes-start-from-the-first-version",
    "each change is made to the record as it was at first: what another change set before is lost",
    "update_report update_feed",
    "LIFE-03",
    also="MEDIA-06",
    fits=several_texts,
    source="SQLAlchemy manual, Session: refresh and expire; CWE-362",
)
async def from_the_first_version(request: Request, world: World) -> Answer:
    body = request.json
    if acting(request) != "update" or not isinstance(body, dict):
        return await world.forward(request)
    seen = await world.forward(alone(request))
    first = world.memory.setdefault(request.path, {})
    answer = await written(request, world, {**{n: v for n, v in first.items() if n not in body}, **body})
    if answer.ok and seen.ok:
        before = item(request, seen)
        first.update({n: before[n] for n in body if n in before and n not in first})
    return answer


@breaks(
    "reading-sets-modified",
    "reading a record sets the time of its last change",
    "get_report get_feed",
    "LIFE-05",
    also="SHAPE-03 PAGE-09 LIFE-03",
    fits=fitting.every(fitting.acting("read"), fitting.ends_in_id, fitting.records_with("modified")),
    source="RFC 9110 section 9.2.1; Django manual, DateField.auto_now",
)
async def reading_sets_modified(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok:
        touch(request, world)
    return answer


@breaks(
    "deletion-takes-namesakes",
    "a deletion takes all records of the same name with it",
    "delete_tag delete_report delete_feed",
    "LIFE-04",
    fits=fitting.every(fitting.acting("delete"), fitting.ends_in_id, fitting.changeable("name")),
    profile="release",
    source="CWE-694 Use of Multiple Resources with Duplicate Identifier",
)
async def deletion_takes_namesakes(request: Request, world: World) -> Answer:
    entity = str(request.operation.entity) if request.operation else ""
    gone = records.get(world.store, entity, request.ids[-1])
    answer = await world.forward(request)
    if answer.ok and gone is not None:
        for other in namesakes(request, world, gone.get("name")):
            world.acted = records.delete(world.store, entity, other["id"]) or world.acted
    return answer


# --- SHAPE ----------------------------------------------------------------------------------------------------------


def unwrapped(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


broken(
    "lists-of-one-unwrapped",
    "a list with one value comes as that value",
    "get_user_role list_segments get_attribute",
    "SHAPE-01",
    showing(lambda r: {n: unwrapped(v) for n, v in r.items()}),
    also="LIFE-01 LIFE-03 MEDIA-06 STRUCT-02 STRUCT-04",
    fits=fitting.every(fitting.acting("read", "list"), fitting.with_arrays),
    profile="release",
    source="CWE-704 Incorrect Type Conversion or Cast (XML turned into JSON)",
)


def flags(o: Operation, c: Contract) -> set[str]:
    """Fields of its records that are 0 or 1."""
    found = c.book.properties(o.item_schema).items() if o.item_schema else ()
    return {n for n, s in found if c.book.enum(s) == [0, 1]}


async def flags_are_booleans(request: Request, world: World) -> Answer:
    names = flags(request.operation, world.store.contract) if request.operation else set()
    answer = await world.forward(request)
    return records_in(
        request, answer, lambda r: {n: bool(v) if n in names and v in (0, 1) else v for n, v in r.items()}
    )


broken(
    "flags-are-booleans",
    "flags that are 0 or 1 come as false or true",
    "list_segments get_user list_attributes",
    "SHAPE-01",
    flags_are_booleans,
    fits=fitting.every(fitting.acting("read", "list"), lambda o, c: bool(flags(o, c))),
    least=1,
    source="CWE-704 Incorrect Type Conversion or Cast",
)


def read_alone(o: Operation, c: Contract) -> bool:
    """Its records are read by their id, too."""
    return bool(c.of_entity(str(o.entity), "read"))


def nullable_texts(o: Operation, c: Contract) -> set[str]:
    """Fields of its records that are texts without a form, or null."""
    found = c.book.properties(o.item_schema).items() if o.item_schema else ()
    return {n for n, s in found if nullable_text(s, c) and "x-entity" not in s}


async def nulls_are_empty(request: Request, world: World) -> Answer:
    names = nullable_texts(request.operation, world.store.contract) if request.operation else set()
    answer = await world.forward(request)
    return records_in(request, answer, lambda r: {n: "" if n in names and v is None else v for n, v in r.items()})


broken(
    "nulls-are-empty-in-lists",
    "in lists a text that is null comes as an empty one",
    "list_tags list_emails",
    "SHAPE-03",
    nulls_are_empty,
    also="STRUCT-04 LIFE-02 LIFE-03",
    shows="read",
    fits=fitting.every(fitting.acting("list"), read_alone, lambda o, c: bool(nullable_texts(o, c))),
    least=1,
    profile="release",
    source="CWE-704; Go: a column that is scanned into a string",
)


@breaks(
    "settings-on-the-first-page-only",
    "from the second page on no selection_settings stand beside the list",
    "list_tags list_reports list_feeds",
    "SHAPE-02",
    also="SHAPE-01 PAGE-08 ORDER-06",
    fits=fitting.every(fitting.paged, fitting.with_settings),
    source="CWE-684 Incorrect Provision of Specified Functionality",
)
async def settings_on_the_first_page(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or not offset(request) or not isinstance(answer.json, dict):
        return answer
    return answer.showing({n: v for n, v in answer.json.items() if n != "selection_settings"})


@breaks(
    "empty-list-has-no-key",
    "a list without records is left out of the answer, as with omitempty in Go",
    "list_tags list_reports",
    "PAGE-05 SHAPE-02",
    also="SHAPE-01 SEARCH-02 CODE-01 PAGE-10",
    fits=fitting.every(fitting.paged, fitting.keyed),
    source="Go manual, encoding/json: omitempty",
)
async def empty_list_has_no_key(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    key = request.operation.collection.key if request.operation and request.operation.collection else None
    if not answer.ok or key is None or answer.json[key]:
        return answer
    return answer.showing({n: v for n, v in answer.json.items() if n != key})
