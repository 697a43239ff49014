"""Bugs in the life of a record (LIFE): creating, listing, changing, deleting, restoring, and reads that change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance.faults import fitting
from instance.faults.model import (
    JSON_TYPE,
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    json_answer,
    records_of,
    refusal,
    with_records,
)

Change = Callable[[dict[str, Any]], dict[str, Any]]
MADE = "cdp-"


def own(record: Any) -> bool:
    """Whether the record is one of the run's own."""
    return any(isinstance(value, str) and value.startswith(MADE) for value in record.values())


def item(request: Request, answer: Answer) -> dict[str, Any]:
    """The record in an answer."""
    assert request.operation is not None
    found = answer.json if request.operation.item_key is None else answer.json[request.operation.item_key]
    assert isinstance(found, dict)
    return found


def with_item(request: Request, answer: Answer, record: Any) -> Answer:
    """An answer with another record."""
    key = request.operation.item_key if request.operation else None
    return answer.showing(record if key is None else {**answer.json, key: record})


def acting(request: Request) -> str:
    return (request.operation.action or "") if request.operation else ""


def alone(request: Request) -> Request:
    """A read of the record that a request is about."""
    return replace(request, method="GET", query=(), raw_query=None, body=b"")


def changing(request: Request, path: str, body: dict[str, Any]) -> Request:
    """The change of a record, by the same caller."""
    typed = request.with_header(b"content-type", JSON_TYPE.encode()).with_body(body)
    return replace(typed, method="PATCH", path=path, query=(), raw_query=None)


def storing(change: Change) -> Alteration:
    """The answer to a write shows what was sent; something else is stored."""

    async def alter(request: Request, world: World) -> Answer:
        body = request.json
        if not isinstance(body, dict) or acting(request) not in ("create", "update"):
            return await world.forward(request)
        answer = await world.forward(request.with_body(change(body)))
        if not answer.ok:
            return answer
        told = {n: v for n, v in body.items() if n in item(request, answer)}
        shown = {**item(request, answer), **told}
        key = request.operation.item_key if request.operation else None
        return answer.showing(shown if key is None else {key: shown})

    return alter


broken(
    "name-stored-otherwise",
    "another name is stored than was sent",
    "create_tag create_report create_feed",
    "LIFE-01",
    storing(lambda body: {**body, "name": f"{body['name']}."} if isinstance(body.get("name"), str) else body),
    also="MEDIA-06",
    fits=fitting.every(fitting.acting("create"), fitting.body_with("name"), fitting.records_with("name")),
)


@breaks(
    "first-record-answered",
    "a create answers with the id of the newest older record",
    "create_tag",
    "LIFE-01",
    also="LIFE-04 CODE-02 SHAPE-01",
    fits=fitting.every(fitting.acting("create"), fitting.deletable),
)
async def first_record_answered(request: Request, world: World) -> Answer:
    """Two records are made where one is asked for, and the answer shows the id of the one that is gone at once."""
    answer = await world.forward(request)
    if answer.status != 201:
        return answer
    record = item(request, answer)
    gone = replace(world.as_admin(request), method="DELETE", path=f"{request.path}/{record['id']}", body=b"")
    await world.forward(gone)
    return answer


def listing(arranged: Callable[[list[Any]], list[Any]]) -> Alteration:
    """Lists show records of the run's own otherwise."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return with_records(request, answer, arranged(records_of(request, answer))) if answer.ok else answer

    return alter


NEW = "list_reports list_feeds"
broken(
    "new-record-unlisted",
    "what was created is not in the list",
    NEW,
    "LIFE-02",
    listing(lambda found: [r for r in found if not own(r)]),
    also="ORDER-02 PAGE-01 PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06",
    fits=fitting.every(fitting.lists, fitting.records_with("name")),
)
broken(
    "new-record-listed-twice",
    "what was created stands in the list twice",
    NEW,
    "LIFE-02",
    listing(lambda found: [r for r in found for _ in range(1 + own(r))]),
    also="PAGE-01 PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06",
    fits=fitting.every(fitting.lists, fitting.records_with("name")),
)


# --- PATCH ----------------------------------------------------------------------------------------------------------

CHANGED = "update_tag update_report update_funnel_group"


@breaks(
    "change-ignored",
    "a change is acknowledged and not stored",
    CHANGED,
    "LIFE-03",
    also="AUTH-05 ROLE-05 MEDIA-06",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone),
)
async def change_ignored(request: Request, world: World) -> Answer:
    seen = await world.forward(alone(request))
    body = request.json
    if acting(request) != "update" or not seen.ok or not isinstance(body, dict):
        return await world.forward(request)
    before = item(request, seen)
    answer = await world.forward(request)
    if answer.ok:
        await world.forward(request.with_body({n: before[n] for n in body if n in before}))
    return answer


@breaks(
    "change-resets-others",
    "a change empties the fields that it does not name",
    "update_report update_feed",
    "LIFE-03",
    fits=fitting.body_with("description", "name"),
)
async def change_resets_others(request: Request, world: World) -> Answer:
    body = request.json
    answer = await world.forward(request)
    operation = request.operation
    if answer.ok and isinstance(body, dict) and operation is not None and operation.body_schema is not None:
        known = world.store.contract.book.properties(operation.body_schema)
        others = {n: "" for n in ("description", "url", "name") if n in known and n not in body}
        emptied = await world.forward(request.with_body({**body, **others}))
        return emptied if emptied.ok else answer
    return answer


@breaks(
    "change-hits-all",
    "a change is made to every record of the run",
    "update_report update_mi_workspace",
    "LIFE-03",
    fits=fitting.acting("update"),
)
async def change_hits_all(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok and isinstance(request.json, dict):
        base = request.path.rpartition("/")[0]
        assert request.operation is not None and request.operation.entity is not None
        connection = world.store.connection
        rows = connection.execute("SELECT id, body FROM record WHERE entity=?", (request.operation.entity,)).fetchall()
        for other, text in rows:
            if f'"{MADE}' in text:
                await world.forward(replace(request, path=f"{base}/{other}", ids=(*request.ids[:-1], other)))
    return answer


# --- deleting and restoring -----------------------------------------------------------------------------------------

DELETED = "delete_tag delete_report delete_feed"


@breaks(
    "deletion-ignored",
    "a deletion is acknowledged and not made",
    DELETED,
    "LIFE-04 LIFE-06",
    also="AUTH-05 ROLE-05",
    fits=fitting.every(fitting.acting("delete"), fitting.seen_alone),
)
async def deletion_ignored(request: Request, world: World) -> Answer:
    seen = await world.forward(alone(request))
    if not seen.ok or world.features(request) is None or len(world.features(request) or ()) < 10:
        return await world.forward(request)
    return json_answer(200, {"message": "OK"})


@breaks(
    "deleted-still-read",
    "a deleted record can still be read",
    DELETED,
    "LIFE-04",
    through="read",
    also="AUTH-05 ROLE-05 MEDIA-03 MEDIA-04",
    fits=fitting.every(fitting.acting("delete"), fitting.seen_alone),
)
async def deleted_still_read(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    kept = world.memory.setdefault("read", {})
    if acting(request) == "read":
        if answer.ok:
            kept[request.path] = answer
        return kept.get(request.path, answer) if answer.status == 404 else answer
    return answer


@breaks(
    "deleted-still-listed",
    "a deleted record stays in the list",
    "delete_report delete_feed",
    "LIFE-04",
    through="list",
    fits=fitting.acting("delete"),
)
async def deleted_still_listed(request: Request, world: World) -> Answer:
    kept = world.memory.setdefault("listed", {})
    answer = await world.forward(request)
    if acting(request) != "list" or not answer.ok:
        return answer
    found = records_of(request, answer)
    mine = kept.setdefault(request.path, {})
    mine.update({r["id"]: r for r in found if own(r)})
    return with_records(request, answer, [*found, *(r for i, r in mine.items() if i not in {f["id"] for f in found})])


@breaks(
    "deletion-takes-neighbours",
    "a deletion takes the next record with it",
    "delete_tag delete_report",
    "LIFE-04",
    fits=fitting.every(fitting.acting("delete"), fitting.seen_alone, fitting.numbered),
)
async def deletion_takes_neighbours(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok and acting(request) == "delete" and request.ids[-1].isdigit():
        for near in (int(request.ids[-1]) + 1, int(request.ids[-1]) - 1):
            seen = await world.forward(alone(request.at_id(str(near))))
            if seen.ok and f'"{MADE}'.encode() in seen.body:
                await world.forward(request.at_id(str(near)))
    return answer


@breaks(
    "deleted-not-in-trash",
    "what was deleted is not in the trash",
    "delete_segment delete_email",
    "LIFE-04",
    through="trash",
    fits=fitting.every(fitting.acting("delete"), fitting.trashed),
)
async def deleted_not_in_trash(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if acting(request) != "trash" or not answer.ok:
        return answer
    return with_records(request, answer, [r for r in records_of(request, answer) if not own(r)])


@breaks(
    "deleting-again-is-fine",
    "deleting what is gone is acknowledged",
    DELETED,
    "LIFE-06",
    also="CODE-03 CODE-01",
    fits=fitting.every(fitting.acting("delete"), fitting.seen_alone),
)
async def deleting_again_is_fine(request: Request, world: World) -> Answer:
    gone = world.memory.setdefault("gone", set())
    answer = await world.forward(request)
    if answer.ok:
        gone.add(request.path)
    return json_answer(200, {"message": "OK"}) if answer.status == 404 and request.path in gone else answer


@breaks(
    "deleting-again-breaks",
    "deleting what is gone is a 500",
    "delete_tag delete_journey",
    "LIFE-06",
    also="CODE-01",
    fits=fitting.every(fitting.acting("delete"), fitting.seen_alone),
)
async def deleting_again_breaks(request: Request, world: World) -> Answer:
    gone = world.memory.setdefault("gone", set())
    answer = await world.forward(request)
    if answer.ok:
        gone.add(request.path)
    return refusal(500) if answer.status == 404 and request.path in gone else answer


@breaks(
    "restored-renamed",
    "a restored record has another name",
    "restore_segment",
    "LIFE-06",
    fits=fitting.every(fitting.acting("restore"), fitting.records_with("name")),
)
async def restored_renamed(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    name = item(request, answer)["name"] + " (restored)"
    await world.forward(changing(request, request.path.rpartition("/")[0], {"name": name}))
    return answer


@breaks(
    "restored-stays-away",
    "a restoration is acknowledged and not made",
    "restore_segment",
    "LIFE-06",
    also="AUTH-05 ROLE-05",
    fits=fitting.acting("restore"),
)
async def restored_stays_away(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok:
        path = request.path.rpartition("/")[0]
        await world.forward(replace(request, method="DELETE", path=path, body=b""))
    return answer


# --- reading --------------------------------------------------------------------------------------------------------


def touching(change: Change) -> Alteration:
    """A read writes into the record that it reads."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.ok and world.features(request) is not None:
            body = change(item(request, answer))
            await world.forward(changing(world.as_admin(request), request.path, body))
        return answer

    return alter


broken(
    "read-renames",
    "reading a record changes its description",
    "get_report get_feed",
    "LIFE-05",
    touching(lambda record: {"description": f"{record['description']}."}),
    also="SHAPE-03 PAGE-09",
    fits=fitting.every(fitting.acting("read"), fitting.changeable("description")),
)


@breaks(
    "full-read-publishes",
    "a full read of a record brings it back under another name",
    "get_report",
    "LIFE-05",
    also="SHAPE-03 PAGE-09",
    fits=fitting.every(fitting.acting("read"), fitting.records_with("name", fitting.of_kind("string"))),
)
async def full_read_publishes(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    known = world.memory.setdefault("known", {})
    reads = known[request.path] = known.get(request.path, 0) + 1
    record = item(request, answer)
    name = next(n for n in ("name", "type") if n in record)
    shown = {**record, name: f"{record[name]} read" if reads > 1 else record[name]}
    assert request.operation is not None
    return answer.showing({request.operation.item_key: shown})
