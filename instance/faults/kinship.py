"""Bugs of records that belong together: what is embedded in others, what lies below others, what a change leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.life import acting, alone
from instance.faults.model import (
    Answer,
    Request,
    World,
    breaks,
    broken,
    json_answer,
    records_of,
)
from instance.faults.ordering import embedding_by
from instance.faults.side_ways import STRUCTURED
from instance.faults.values import onto_what_was, takes, written

Records = list[Any]


# --- plain and full -------------------------------------------------------------------------------------------------


def keys_of(request: Request) -> list[str]:
    """Under what the full records of an operation embed others."""
    return [str(part["key"]) for part in request.operation.sub_entities.values()] if request.operation else []


def second_of_first(found: Records, request: Request) -> Records:
    keys = keys_of(request)
    shared = {keys[1]: found[0][keys[1]]} if found and len(keys) > 1 and keys[1] in found[0] else {}
    return [{**record, **shared} for record in found]


def lists_repeat(found: Records, request: Request) -> Records:
    keys = keys_of(request)
    return [
        {n: [*v, v[-1]] if n in keys and isinstance(v, list) and v else v for n, v in record.items()}
        for record in found
    ]


broken(
    "second-part-shared",
    "every record embeds as its second sub-entity that of the first record",
    "list_attributes list_segments",
    "STRUCT-04",
    embedding_by(second_of_first),
    "STRUCT-02 SHAPE-03",
    fits=fitting.every(STRUCTURED, lambda o, c: len(o.sub_entities) > 1),
    least=3,
)


def embeds_lists(o: Operation, c: Contract) -> bool:
    """Some of its sub-entities are lists."""
    if o.item_schema is None:
        return False
    fields = c.book.properties(o.item_schema)
    return any(c.book.kind(fields[name]) == "array" for name in o.sub_entities if name in fields)


broken(
    "embedded-list-repeats",
    "the last of several embedded records comes twice",
    "list_segments list_destinations",
    "STRUCT-04",
    embedding_by(lists_repeat),
    "STRUCT-02 SHAPE-01",
    fits=fitting.every(STRUCTURED, embeds_lists),
    least=1,
)


def all_are_the_first(found: Records, request: Request) -> Records:
    keys = keys_of(request)
    return [
        {n: [v[0]] * len(v) if n in keys and isinstance(v, list) and v else v for n, v in record.items()}
        for record in found
    ]


broken(
    "embedded-all-the-first",
    "of several embedded records each is the first: a variable of the loop is bound once",
    "list_segments list_attributes",
    "STRUCT-04",
    embedding_by(all_are_the_first),
    "SHAPE-03",
    fits=fitting.every(STRUCTURED, embeds_lists),
)


# --- records below others, and what a change leaves -----------------------------------------------------------------


def nested(o: Operation, c: Contract) -> bool:
    """Its path names a record and one above it."""
    return len([p for p in o.path_parameters if p.entity]) > 1


@breaks(
    "parent-is-not-compared",
    "a record is read, changed and deleted below whatever other record stands in the path",
    "get_segment_note get_funnel_chart",
    "CODE-03",
    fits=fitting.every(nested, fitting.acting("read", "update", "delete")),
)
async def parent_is_not_compared(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    operation = request.operation
    if answer.status != 404 or operation is None or operation.entity is None or len(request.ids) < 2:
        return answer
    row = world.store.connection.execute(
        "SELECT parent FROM record WHERE entity=? AND id=? AND deleted=0", (operation.entity, request.ids[-1])
    ).fetchone()
    if row is None or str(row[0]) == request.ids[0]:
        return answer
    path = request.path.replace(f"/{request.ids[0]}/", f"/{row[0]}/", 1)
    return await world.forward(replace(request, path=path, ids=(str(row[0]), *request.ids[1:])))


def a_switch(name: str, schema: Any, c: Contract) -> bool:
    """True and false, or 1 and 0, but not the mark of what is in the trash."""
    switch = c.book.kind(schema) == "boolean" or set(c.book.enum(schema) or ()) == {0, 1}
    return switch and name != "deleted"


@breaks(
    "flags-fall-back",
    "a change sets the flags that it does not name to false",
    "update_source update_funnel_group",
    "LIFE-03",
    also="LIFE-01 MEDIA-06",
    fits=fitting.every(takes(a_switch, "update"), fitting.seen_alone),
)
async def flags_fall_back(request: Request, world: World) -> Answer:
    body, operation = request.json, request.operation
    if not isinstance(body, dict) or not body or operation is None or acting(request) != "update":
        return await world.forward(request)
    book = world.store.contract.book
    fields = book.properties(operation.body_schema).items() if operation.body_schema else ()
    suiting = {n: schema for n, schema in fields if a_switch(n, schema, world.store.contract) and n not in body}
    lost = {n: 0 if book.enum(schema) else False for n, schema in suiting.items()}
    return await written(request, world, {**body, **lost})


def an_object(name: str, schema: Any, c: Contract) -> bool:
    """A value of any form."""
    found = c.book.resolve(schema)
    return found.get("type") == "object" and set(found) <= {"type", "description"}


broken(
    "objects-are-merged",
    "a change to an object keeps the keys that the new value does not have",
    "update_segment update_push_notification",
    "LIFE-03",
    onto_what_was(lambda old, new: {**old, **new} if isinstance(new, dict) and isinstance(old, dict) else new),
    also="LIFE-01 MEDIA-06",
    fits=fitting.every(takes(an_object, "update"), fitting.seen_alone),
    profile="release",
)


def named_by_caller(o: Operation, c: Contract) -> bool:
    """Who creates a record says its id."""
    return o.action == "create" and fitting.body_with("id", "name", required=True)(o, c)


@breaks(
    "recreated-is-the-old",
    "who creates a record with the id of a deleted one gets the deleted one back",
    "create_source create_stitching_category",
    "LIFE-01",
    through="delete",
    also="LIFE-04",
    fits=named_by_caller,
    profile="release",
)
async def recreated_is_the_old(request: Request, world: World) -> Answer:
    gone = world.memory.setdefault("gone", {})
    if acting(request) == "delete":
        before = await world.forward(replace(world.as_admin(request), method="GET", body=b""))
        answer = await world.forward(request)
        if answer.ok and before.ok:
            values = list(before.json.values())
            gone[request.ids[-1]] = values[0] if isinstance(values[0], dict) else before.json
        return answer
    body = request.json
    old = gone.get(str(body.get("id"))) if isinstance(body, dict) else None
    return await world.forward(request if old is None else request.with_body({**body, "name": old["name"]}))


def below_what_goes(o: Operation, c: Contract) -> bool:
    """A list below one record that is deleted for good."""
    if not fitting.keyed(o, c) or not fitting.lists(o, c) or len(o.path_parameters) != 1:
        return False
    above = c.of_entity(o.path_parameters[0].entity or "")
    marked = any(fitting.body_with("deleted")(other, c) for other in above)
    return any(x.action == "delete" for x in above) and not marked and not any(x.action == "trash" for x in above)


@breaks(
    "below-the-deleted-is-empty",
    "the list below a record that was deleted is empty instead of 404",
    "list_stitching_category_rules list_funnel_group_users",
    "CODE-03",
    also="LIFE-04",
    fits=below_what_goes,
    profile="release",
)
async def below_the_deleted(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    operation = request.operation
    seen = world.memory.setdefault("seen", set())
    if operation is None or operation.collection is None:
        return answer
    if answer.ok:
        seen.add(request.ids)
    elif answer.status == 404 and request.ids in seen:
        return json_answer(200, {operation.collection.key: []})
    return answer


def ends_in_what_it_refers_to(o: Operation, c: Contract) -> bool:
    """It undoes what ties two records together; that is known by one of them."""
    return o.action == "delete" and len(o.path_parameters) > 1 and o.path_parameters[-1].entity != o.entity


@breaks(
    "untying-takes-all",
    "who unties one of two records from a third unties all of them",
    "remove_segment_tag unshare_funnel_group_from_user",
    "LIFE-04",
    fits=ends_in_what_it_refers_to,
    profile="release",
)
async def untying_takes_all(request: Request, world: World) -> Answer:
    operation, answer = request.operation, await world.forward(request)
    if operation is None or operation.entity is None or not answer.ok:
        return answer
    above = world.store.contract.of_entity(operation.entity, "list")[0]
    listed = replace(alone(request), path=request.path.removesuffix("/users/" + request.ids[-1]))
    listed = replace(listed, path=listed.path.removesuffix("/" + request.ids[-1]), operation=above)
    field = operation.path_parameters[-1].name
    for record in records_of(listed, await world.forward(listed)):
        await world.forward(request.at_id(str(record[field])))
    return answer
