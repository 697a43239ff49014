"""Bugs of databases: foreign keys and unique columns that nobody expects to object, letters compared without case,
rows that are marked as deleted, writes that are put off, replicas that bring rows back."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.life import acting, alone, item
from instance.faults.model import (
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    records_of,
    refusal,
    with_records,
)
from instance.faults.values import takes, written
from instance.schemas import Schema

Fields = dict[str, Any]
INVALID = (400, 422)


def made_at_will(entity: str, c: Contract) -> bool:
    """A client can make such records, and nothing is sent for it."""
    return any(o.safety != "sends" for o in c.of_entity(entity, "create"))


def with_children(o: Operation, c: Contract) -> bool:
    """Records of other kinds lie below its own, and a client can put some there."""
    kinds = c.entities.entities.values()
    return o.entity is not None and any(k.parent == o.entity and made_at_will(k.name, c) for k in kinds)


def above(o: Operation, c: Contract) -> bool:
    """A stored record of another kind stands in its path, above what it is about."""
    return bool(o.path_parameters) and o.path_parameters[0].entity in c.entities and below(o, c)


def below(o: Operation, c: Contract) -> bool:
    return o.entity in c.entities and c.entities[str(o.entity)].parent == o.path_parameters[0].entity


def children_of(request: Request, world: World) -> list[str]:
    """The kinds of records below the one that a request is about."""
    entity = request.operation.entity if request.operation else None
    return [other.name for other in world.store.entities.entities.values() if other.parent == entity]


def counted_children(request: Request, world: World) -> int:
    sql = "SELECT count(*) FROM record WHERE entity=? AND parent=? AND deleted=0"
    run = world.store.connection.execute
    return sum(run(sql, (name, request.ids[-1])).fetchone()[0] for name in children_of(request, world))


def forget_children(request: Request, world: World) -> int:
    """Delete what lies below; answers how many there were."""
    sql = "DELETE FROM record WHERE entity=? AND parent=?"
    with world.store.transaction() as connection:
        return sum(connection.execute(sql, (n, request.ids[-1])).rowcount for n in children_of(request, world))


def allowed(request: Request, world: World) -> bool:
    """Whether the caller's role allows what he asks."""
    held = world.features(request)
    return held is not None and request.operation is not None and request.operation.allows(held)


# --- CODE-01: what the database objects to --------------------------------------------------------------------------


@breaks(
    "deletion-with-children-is-500",
    "a record with others below it cannot be deleted: a foreign key objects, and that is a 500",
    "delete_segment delete_stitching_category",
    "CODE-01",
    also="CODE-02 LIFE-04 LIFE-06",
    fits=fitting.every(fitting.acting("delete"), with_children),
    profile="release",
    source="PostgreSQL manual, Constraints: Foreign Keys; CWE-755",
)
async def deletion_with_children_is_500(request: Request, world: World) -> Answer:
    objects = allowed(request, world) and counted_children(request, world)
    return refusal(500) if objects else await world.forward(request)


def references(o: Operation, c: Contract) -> dict[str, str]:
    """Fields of its body that refer to stored records, and to which kind."""
    fields = c.book.properties(o.body_schema).items() if o.body_schema else ()
    return {n: s["x-entity"] for n, s in fields if s.get("x-entity") in c.entities}


@breaks(
    "unknown-reference-is-500",
    "a body that refers to a record that is not there is a 500: a foreign key objects",
    "assign_segment_tag create_destination",
    "CODE-01",
    also="CODE-02 CODE-03 CODE-05",
    fits=fitting.every(fitting.acting("create", "update"), lambda o, c: bool(references(o, c))),
    source="PostgreSQL manual, Constraints: Foreign Keys; CWE-755",
)
async def unknown_reference_is_500(request: Request, world: World) -> Answer:
    body, operation = request.json, request.operation
    if not isinstance(body, dict) or operation is None or not allowed(request, world):
        return await world.forward(request)
    for name, entity in references(operation, world.store.contract).items():
        sent = body.get(name)
        ids = [
            id
            for id in (sent if isinstance(sent, list) else [sent])
            if isinstance(id, (str, int)) and not isinstance(id, bool)
        ]
        if any(records.get(world.store, entity, id) is None for id in ids):
            answer = await world.forward(replace(request, body=b"[]"))  # refused for its body alone
            return refusal(500) if answer.status in INVALID else answer
    return await world.forward(request)


@breaks(
    "taken-id-is-500",
    "a record that is created with an id that is taken is a 500: a unique column objects",
    "create_source create_stitching_category",
    "CODE-01",
    also="CODE-05",
    fits=fitting.every(fitting.acting("create"), fitting.body_with("id", required=True)),
    source="PostgreSQL manual, Constraints: Unique Constraints; CWE-755",
)
async def taken_id_is_500(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    body, entity = request.json, request.operation.entity if request.operation else None
    if answer.status not in INVALID or not isinstance(body, dict) or not isinstance(body.get("id"), str) or not entity:
        return answer
    return answer if records.get(world.store, entity, body["id"]) is None else refusal(500)


# --- CODE-03: which record is found ---------------------------------------------------------------------------------


def named_by_text(o: Operation, c: Contract) -> bool:
    """The last id of its path is a text that who creates a record has chosen. (A UUID has no case of its own.)"""
    for other in c.of_entity(str(o.entity), "create") if fitting.ends_in_id(o, c) else ():
        if fitting.body_with("id", required=True)(other, c) and other.body_schema is not None:
            return c.book.resolve(c.book.properties(other.body_schema)["id"]).get("format") != "uuid"
    return False


@breaks(
    "text-ids-without-case",
    "ids that are texts are compared without case, as MySQL does by default",
    "get_source get_attribute",
    "CODE-03",
    also="CODE-01",
    fits=fitting.every(fitting.acting("read"), named_by_text),
    profile="release",
    source="MySQL manual, Case Sensitivity in String Searches; CWE-178",
)
async def text_ids_without_case(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    entity = request.operation.entity if request.operation else None
    if answer.status != 404 or not request.ids:
        return answer
    sql = "SELECT id FROM record WHERE entity=? AND lower(id)=lower(?) AND deleted=0"
    row = world.store.connection.execute(sql, (entity, request.ids[-1])).fetchone()
    return await world.forward(request.at_id(row[0])) if row and row[0] != request.ids[-1] else answer


def below_what_is_marked(o: Operation, c: Contract) -> bool:
    """The record above is only marked when it is deleted, and a client can do that; he can make what lies below it,
    too, where more than a list is asked."""
    if not above(o, c) or not (o.action == "list" or made_at_will(str(o.entity), c)):
        return False
    entity = str(o.path_parameters[0].entity)
    return c.entities[entity].soft and bool(c.of_entity(entity, "delete"))


@breaks(
    "below-the-trashed-goes-on",
    "what lies below a record in the trash is read, listed, made and changed as if it were not there",
    "list_segment_notes get_segment_note",
    "CODE-03",
    also="LIFE-04",
    fits=fitting.every(fitting.acting("list", "read", "create", "update", "delete"), below_what_is_marked),
    profile="release",
    source="CWE-672 Operation on a Resource after Expiration or Release",
)
async def below_the_trashed(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 404 or request.operation is None or not request.ids:
        return answer
    key = request.operation.path_parameters[0].entity, request.ids[0]
    with world.store.transaction() as connection:
        sql = "UPDATE record SET deleted=0 WHERE entity=? AND id=? AND parent='' AND deleted=1"
        if not connection.execute(sql, key).rowcount:
            return answer
    try:
        return await world.forward(request)
    finally:
        with world.store.transaction() as connection:
            connection.execute("UPDATE record SET deleted=1 WHERE entity=? AND id=? AND parent=''", key)


# --- LIFE -----------------------------------------------------------------------------------------------------------


def row_of(request: Request, world: World) -> tuple[Any, ...] | None:
    """The stored row that a request is about."""
    entity = request.operation.entity if request.operation else None
    parent = request.ids[0] if len(request.ids) > 1 else ""
    sql = "SELECT entity, parent, id, ts, deleted, body FROM record WHERE entity=? AND parent=? AND id=?"
    found: tuple[Any, ...] | None = world.store.connection.execute(sql, (entity, parent, request.ids[-1])).fetchone()
    return found


def put_back(row: tuple[Any, ...], world: World) -> None:
    """The row is again as it was."""
    with world.store.transaction() as connection:
        change = "UPDATE record SET ts=?, deleted=?, body=? WHERE entity=? AND parent=? AND id=?"
        if not connection.execute(change, (*row[3:], *row[:3])).rowcount:
            connection.execute("INSERT INTO record (entity, parent, id, ts, deleted, body) VALUES (?,?,?,?,?,?)", row)
    world.acted = True


@breaks(
    "second-change-in-a-second-lost",
    "of two changes of a record within a second the second is acknowledged and not stored",
    "update_report update_tag",
    "LIFE-03",
    also="LIFE-01 MEDIA-06 CODE-05",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone),
    profile="release",
    source="CWE-362 Race Condition; write-behind caches that put writes off",
)
async def second_change_lost(request: Request, world: World) -> Answer:
    changed = world.memory.setdefault("changed", {})
    before = row_of(request, world)
    answer = await world.forward(request)
    if not answer.ok or before is None:
        return answer
    if time.monotonic() - changed.get(request.path, -9.0) < 1.0:
        put_back(before, world)
    else:
        changed[request.path] = time.monotonic()
    return answer


@breaks(
    "new-is-404-at-first",
    "for half a second a new record is 404: it is read from a replica",
    "create_tag create_report",
    "LIFE-01",
    also="MEDIA-06 STRUCT-02 STRUCT-04 LIFE-03 SHAPE-03",
    through="read",
    shows="read update",
    fits=fitting.every(fitting.acting("create"), fitting.deletable, fitting.records_with("id")),
)
async def new_is_404_at_first(request: Request, world: World) -> Answer:
    made = world.memory.setdefault("made", {})
    answer = await world.forward(request)
    if not answer.ok or acting(request) not in ("create", "read"):
        return answer
    if acting(request) == "create":
        made[str(item(request, answer).get("id"))] = time.monotonic()
        return answer
    return refusal(404) if time.monotonic() - made.get(request.ids[-1], -9.0) < 0.5 else answer


@breaks(
    "deleted-comes-back",
    "a second after its deletion a record is there again: a replica that missed it has won",
    "delete_tag delete_report",
    "LIFE-04",
    also="LIFE-06",
    through="read list",
    fits=fitting.every(fitting.acting("delete"), fitting.changed_alone),
    profile="release",
    source="Apache Cassandra manual, Compaction: tombstones and zombies",
)
async def deleted_comes_back(request: Request, world: World) -> Answer:
    gone = world.memory.setdefault("gone", {})
    for key in [key for key, (at, _) in gone.items() if time.monotonic() - at > 1.0]:
        put_back(gone.pop(key)[1], world)
    if acting(request) != "delete":
        return await world.forward(request)
    before = row_of(request, world)
    answer = await world.forward(request)
    if answer.ok and before is not None:
        gone[request.path] = time.monotonic(), before
    return answer


def creating(change: Any) -> Alteration:
    """What is stored of a new record is something else; the answer shows what was stored."""

    async def alter(request: Request, world: World) -> Answer:
        body, operation = request.json, request.operation
        if acting(request) != "create" or not isinstance(body, dict) or operation is None:
            return await world.forward(request)
        return await written(request, world, change(body, operation, world.store.contract))

    return alter


def required_alone(body: Fields, o: Operation, c: Contract) -> Fields:
    if o.body_schema is None:
        return body
    optional = set(c.book.properties(o.body_schema)) - c.book.required(o.body_schema)
    return {name: value for name, value in body.items() if name not in optional}


def shown_and_optional(o: Operation, c: Contract) -> bool:
    """Some text or flag of its body may be left out and comes back in its answer."""
    if o.item_schema is None or o.body_schema is None:
        return False
    wanted, comes = c.book.required(o.body_schema), c.book.properties(o.item_schema)

    def suits(name: str, schema: Schema, contract: Contract) -> bool:
        return name not in wanted and name in comes and contract.book.kind(schema) in ("string", "integer")

    return takes(suits, "create")(o, c)


broken(
    "optional-fields-lost-on-creation",
    "of a new record only the fields that are required are stored",
    "create_report create_feed",
    "LIFE-01",
    creating(required_alone),
    also="LIFE-03 MEDIA-06 CODE-05",
    fits=shown_and_optional,
    source="CWE-684; Rails guide, Strong Parameters: what is not permitted is left out",
)


# --- SHAPE ----------------------------------------------------------------------------------------------------------


@breaks(
    "list-misses-changes",
    "lists come from an index that is filled at creation: they show records as they were before any change",
    "get_report get_feed",
    "SHAPE-03",
    also="LIFE-02 LIFE-03 MEDIA-06 ORDER-04 AUTH-05 ROLE-05",
    through="update list",
    fits=lambda o, c: index_apart(o, c) and o.action == "read",
    profile="release",
)
async def list_misses_changes(request: Request, world: World) -> Answer:
    before = world.memory.setdefault("before", {})
    if acting(request) == "update":
        seen = await world.forward(alone(world.as_admin(request)))
        answer = await world.forward(request)
        if answer.ok and seen.ok:
            before.setdefault(request.ids[-1], item(request, seen))
        return answer
    answer = await world.forward(request)
    if not answer.ok or acting(request) != "list":
        return answer

    def as_it_was(record: Fields) -> Fields:
        old = before.get(str(record.get("id")), {})
        return {**record, **{name: value for name, value in old.items() if name in record}}

    return with_records(request, answer, [as_it_was(record) for record in records_of(request, answer)])


def index_apart(o: Operation, c: Contract) -> bool:
    """Records of its kind are changed at its own path, and listed."""
    changed = o.entity is not None and any(other.path == o.path for other in c.of_entity(o.entity, "update"))
    return changed and bool(c.of_entity(str(o.entity), "list"))
