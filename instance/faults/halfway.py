"""Writes that are done by half, and records that were there before: what is refused and stored all the same, written
over another, left behind when it should have come along."""

from __future__ import annotations

from dataclasses import replace

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.kinship import named_by_caller
from instance.faults.life import acting, alone, changing, item
from instance.faults.model import Answer, Request, World, breaks, records_of, refusal, with_records
from instance.faults.retold import readable

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


# --- LIFE -----------------------------------------------------------------------------------------------------------


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


@breaks(
    "marked-in-vain",
    "a change that marks a record as deleted answers so, and the record stays as it is",
    "update_push_notification update_user",
    "LIFE-03",
    fits=fitting.every(fitting.acting("update"), fitting.body_with("deleted"), fitting.seen_alone),
    profile="release",
    source="Laravel manual, mass assignment (the mark is kept from being set, and no error is raised); CWE-684",
)
async def marked_in_vain(request: Request, world: World) -> Answer:
    answer, body = await world.forward(request), request.json
    if answer.ok and isinstance(body, dict) and body.get("deleted") in (1, True):
        await world.forward(request.with_body({"deleted": False if body["deleted"] is True else 0}))
    return answer


TIES = ("list_segment_tags", "list_segment_users", "list_funnel_group_users")


def referring(entity: str, c: Contract) -> dict[str, set[str]]:
    """Kinds of records that a client can make and that refer to one of this kind, and the fields that do."""
    found: dict[str, set[str]] = {}
    for o in c.operations.values():
        made = o.action == "create" and o.raw["x-safety"] == "write" and o.entity not in (None, entity)
        if made and o.body_schema is not None:
            fields = {n for n, s in c.book.properties(o.body_schema).items() if s.get("x-entity") == entity}
            if fields:
                found[str(o.entity)] = fields
    return found


@breaks(
    "deletion-of-the-referred-to-is-500",
    "the deletion of a record that others refer to is 500: the database does not let it go",
    "delete_user_role delete_source",
    "LIFE-04",
    also="CODE-01",
    fits=fitting.every(fitting.acting("delete"), fitting.ends_in_id, lambda o, c: bool(referring(str(o.entity), c))),
    profile="release",
    source="PostgreSQL manual, foreign keys; CWE-755 Improper Handling of Exceptional Conditions",
)
async def referred_to_is_500(request: Request, world: World) -> Answer:
    entity = str(request.operation.entity) if request.operation else ""
    known = records.get(world.store, entity, request.ids[-1])
    for kind, fields in referring(entity, world.store.contract).items() if known else ():
        for record in records.all_of(world.store, kind):
            held = [record.get(n) for n in fields]
            ids = [str(v) for value in held for v in (value if isinstance(value, list) else [value])]
            if request.ids[-1] in ids:
                return refusal(500) if world.features(request) else await world.forward(request)
    return await world.forward(request)


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
