"""Records that are told otherwise than they are, or hit by what was done to others: bugs of mappers and serializers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.everyday import nullable_text
from instance.faults.kinship import named_by_caller
from instance.faults.life import acting, alone, changing, item, with_item
from instance.faults.listing import offset
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, records_of, refusal, with_records
from instance.faults.remembered import Record, records_in, touch
from instance.faults.side_ways import embedding
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


def references(o: Operation, c: Contract) -> set[str]:
    """Fields of its body that name other records, which a client can create."""
    found = c.book.properties(o.body_schema).items() if o.body_schema else ()
    return {n for n, s in found if "x-entity" in s and c.of_entity(s["x-entity"], "create")}


@breaks(
    "changed-references-dropped",
    "a change of what a record refers to is acknowledged and not stored: the form does not know the field",
    "update_user_role update_destination",
    "LIFE-03",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone, lambda o, c: bool(references(o, c))),
    profile="release",
    source="Rails guide, strong parameters; CWE-684",
)
async def changed_references_dropped(request: Request, world: World) -> Answer:
    names = references(request.operation, world.store.contract) if request.operation else set()
    body = request.json
    if not isinstance(body, dict) or not names & set(body):
        return await world.forward(request)
    seen = await world.forward(alone(request))
    answer = await world.forward(request)  # what is refused stays refused
    if not answer.ok or not seen.ok:
        return answer
    before = {n: v for n, v in item(request, seen).items() if n in names and n in body}
    await world.forward(request.with_body(before))
    return answer


TIES = ("list_segment_tags", "list_segment_users", "list_funnel_group_users")


@breaks(
    "tied-twice-listed-twice",
    "what ties two records together is stored once more each time that it is asked for",
    "list_segment_tags list_segment_users",
    "LIFE-02",
    through="create",
    also="CODE-01",
    fits=fitting.only(*TIES),
    profile="release",
    source="CWE-694 Use of Multiple Resources with Duplicate Identifier (a table of pairs without a key)",
)
async def tied_twice(request: Request, world: World) -> Answer:
    answer, pairs = await world.forward(request), world.memory.setdefault("pairs", {})
    key = request.ids[0] if request.ids else ""
    if acting(request) == "create" and answer.ok:
        pairs[key, request.body] = answer
    elif acting(request) == "create" and answer.status == 400 and (key, request.body) in pairs:
        world.memory.setdefault("doubled", set()).add(key)
        return pairs[key, request.body]
    elif acting(request) == "list" and answer.ok and key in world.memory.get("doubled", ()):
        return with_records(request, answer, [r for r in records_of(request, answer) for _ in range(2)])
    return answer


@breaks(
    "restored-without-what-is-below",
    "a deletion takes what lies below a record, and the restoration does not bring it back",
    "restore_segment",
    "LIFE-06",
    fits=fitting.acting("restore"),
    profile="release",
    source="Laravel manual, SoftDeletes: cascades are not restored",
)
async def restored_alone(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok:
        with world.store.transaction() as connection:
            connection.execute("DELETE FROM record WHERE parent=?", (request.ids[-1],))
        world.acted = True
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


# --- CODE -----------------------------------------------------------------------------------------------------------


@breaks(
    "refused-but-stored",
    "a body with a wrong value is refused, and what else it holds is stored: it is looked at after writing",
    "create_tag create_report update_report",
    "CODE-05",
    also="LIFE-03 LIFE-02",
    fits=fitting.every(
        fitting.acting("create", "update"), fitting.writes, lambda o, c: "x-observe" in o.raw or readable(o, c)
    ),
    profile="release",
    source="CWE-460 Improper Cleanup on Thrown Exception; CWE-696 Incorrect Behavior Order",
)
async def refused_but_stored(request: Request, world: World) -> Answer:
    answer, body = await world.forward(request), request.json
    if answer.status in (400, 422) and isinstance(body, dict):
        for name in body:
            if (await world.forward(request.with_body({n: v for n, v in body.items() if n != name}))).ok:
                break
    return answer


def named_and_changed(o: Operation, c: Contract) -> bool:
    """Who creates a record says its id, and can read and change it by that."""
    return named_by_caller(o, c) and readable(o, c) and bool(c.of_entity(str(o.entity), "update"))


@breaks(
    "taken-id-overwrites",
    "a record that is created with the id of another one is written over that one (upsert)",
    "create_source create_attribute",
    "CODE-01",
    softly=True,
    fits=named_and_changed,
    profile="release",
    source="CWE-694 Use of Multiple Resources with Duplicate Identifier; SQLAlchemy manual, Session.merge",
)
async def taken_id_overwrites(request: Request, world: World) -> Answer:
    answer, body, contract = await world.forward(request), request.json, world.store.contract
    if answer.status not in (400, 409) or not isinstance(body, dict) or not isinstance(body.get("id"), str):
        return answer
    changes = contract.of_entity(str(request.operation.entity if request.operation else ""), "update")
    known = {n for o in changes if o.body_schema for n in contract.book.properties(o.body_schema)}
    rest = {n: v for n, v in body.items() if n in known and n != "id"}
    done = await world.forward(changing(request, f"{request.path}/{body['id']}", rest))
    return replace(done, status=201) if done.ok else answer


@breaks(
    "empty-file-is-500",
    "a form whose file is empty, or is not there, is 500",
    "upload_image upload_promo_codes",
    "CODE-01",
    fits=lambda o, c: o.body_media == "multipart/form-data",
    profile="release",
    source="CWE-755 Improper Handling of Exceptional Conditions",
)
async def empty_file_is_500(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    nothing = b"filename=" not in request.body or b"\r\n\r\n\r\n--" in request.body
    return refusal(500) if nothing and request.body.startswith(b"--") and world.features(request) else answer


def text_beside(o: Operation, c: Contract) -> set[str]:
    """Texts and lists that a valid body does without."""
    if o.body_schema is None:
        return set()
    found, required = c.book.properties(o.body_schema).items(), c.book.required(o.body_schema)
    plain = {n for n, s in found if not {"enum", "contentMediaType", "x-credential"} & set(s)}
    kinds = {n: c.book.kind(s) for n, s in found if s.get("x-provenance") != "assumed" or c.book.kind(s) == "string"}
    return {n for n in plain - set(required) if kinds.get(n) in ("string", "array")}


@breaks(
    "wrong-optional-dropped",
    "a text or list that may be left out counts for left out where its type is wrong",
    "create_report create_attribute",
    "CODE-05",
    fits=fitting.every(fitting.acting("create"), fitting.writes, lambda o, c: bool(text_beside(o, c))),
    profile="release",
    source="CWE-20 Improper Input Validation; .NET: a property that cannot be bound keeps its default",
)
async def wrong_optional_dropped(request: Request, world: World) -> Answer:
    answer, body = await world.forward(request), request.json
    names = text_beside(request.operation, world.store.contract) if request.operation else set()
    if answer.status not in (400, 422) or not isinstance(body, dict):
        return answer
    return await world.forward(request.with_body({n: v for n, v in body.items() if n not in names}))


# --- SHAPE ----------------------------------------------------------------------------------------------------------


def oldest_of_several(o: Operation, c: Contract) -> bool:
    """It reads by its id what a list off no other record shows."""
    lists = c.of_entity(str(o.entity), "list")
    return o.action == "read" and len(o.path_parameters) == 1 and any(not x.path_parameters for x in lists)


@breaks(
    "oldest-cannot-be-read",
    "the record that has been there longest lacks what came later: reading it fails",
    "get_tag get_report",
    "SHAPE-03",
    also="CODE-01 CODE-02",
    fits=fitting.every(oldest_of_several, fitting.ends_in_id),
    least=3,
    profile="release",
    source="CWE-248 Uncaught Exception; CWE-476 (data of before a migration)",
)
async def oldest_cannot_be_read(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    entity = str(request.operation.entity) if request.operation else ""
    found = records.all_of(world.store, entity) if answer.ok else []
    return refusal(500) if found and str(found[-1].get("id")) == request.ids[-1] else answer


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
