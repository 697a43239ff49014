"""Bugs that show after a while, for a moment, or by chance."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

from instance import records
from instance.faults import fitting
from instance.faults.fitting import FILTERS
from instance.faults.life import acting as act
from instance.faults.life import alone, item, own, with_item
from instance.faults.listing import misreading, offset, valid
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
from instance.faults.ordering import full
from instance.faults.subtle import LISTS, WALKS

# --- the life of a record -------------------------------------------------------------------------------------------


@breaks(
    "stored-twice",
    "a create stores two records and answers one",
    "create_tag create_report",
    "LIFE-02",
    also="LIFE-01 LIFE-04 EVENT-01 EVENT-02",
    shows="list",
    fits=fitting.acting("create"),
)
async def stored_twice(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok and act(request) == "create":
        await world.forward(request)
    return answer


@breaks(
    "change-moves-created",
    "a change sets the time of creation anew",
    "update_tag update_report",
    "LIFE-03",
    also="ORDER-02 SHAPE-03 MEDIA-06",
    through="read list",
    fits=fitting.every(fitting.acting("update"), fitting.records_with("created", fitting.of_kind("string"))),
)
async def change_moves_created(request: Request, world: World) -> Answer:
    """The time is shown as it would be stored: that of the last change."""
    answer = await world.forward(request)
    if not answer.ok or not answer.body:
        return answer
    changed = world.memory.setdefault("changed", {})
    if act(request) == "update":
        record = item(request, answer)
        changed[str(record.get("id"))] = (
            record["created"][:-1] + str((int(record["created"][-1]) + 1) % 10)
            if record["created"][-1].isdigit()
            else "2001-02-03 04:05:06"
        )

    def shown(record: Any) -> Any:
        moved = changed.get(str(record.get("id"))) if isinstance(record, dict) else None
        return {**record, "created": moved} if moved else record

    if request.operation is not None and request.operation.collection is not None:
        return with_records(request, answer, [shown(r) for r in records_of(request, answer)])
    return with_item(request, answer, shown(item(request, answer)))


@breaks(
    "read-lags",
    "for half a second after a change the record is read as it was",
    "update_tag update_report",
    "LIFE-03",
    also="MEDIA-06 AUTH-05 ROLE-05 SHAPE-03",
    through="read",
    fits=fitting.acting("update"),
)
async def read_lags(request: Request, world: World) -> Answer:
    old = world.memory.setdefault("old", {})
    if act(request) == "update":
        before = await world.forward(alone(request))
        answer = await world.forward(request)
        if answer.ok and before.ok:
            old[request.path] = time.monotonic(), before
        return answer
    since, before = old.get(request.path, (0.0, None))
    answer = await world.forward(request)
    return before if before is not None and answer.ok and time.monotonic() - since < 0.5 else answer


@breaks(
    "change-hits-newest",
    "a change is made to the newest record, whatever its id",
    "update_tag update_report",
    "LIFE-03",
    also="MEDIA-06 CODE-02 SHAPE-01",
    fits=fitting.every(fitting.acting("update"), fitting.numbered),
)
async def change_hits_newest(request: Request, world: World) -> Answer:
    answer = await world.forward(alone(request))
    entity = request.operation.entity if request.operation else None
    row = world.store.connection.execute(
        "SELECT id FROM record WHERE entity=? AND deleted=0 ORDER BY pk DESC LIMIT 1", (entity,)
    ).fetchone()
    if not answer.ok or row is None or row[0] == request.ids[-1] or not own(item(request, answer)):
        return await world.forward(request)
    return await world.forward(request.at_id(str(row[0])))


# --- by chance ------------------------------------------------------------------------------------------------------


def by_chance(rate: float, otherwise: Alteration) -> Alteration:
    """The bug shows in this share of the requests, always the same ones."""

    async def alter(request: Request, world: World) -> Answer:
        chance = world.memory.setdefault("chance", random.Random(7))
        return await (otherwise(request, world) if chance.random() < rate else world.forward(request))

    return alter


async def overloaded(request: Request, world: World) -> Answer:
    return refusal(500, "Try again.")


async def short_page(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    found = records_of(request, answer) if answer.ok else []
    return with_records(request, answer, found[1:]) if found else answer


broken(
    "one-in-50-is-500",
    "one request in fifty is 500",
    "list_tags create_tag get_report",
    "CODE-01",
    by_chance(0.02, overloaded),
    "CODE-02 PAGE-01 PAGE-02 PAGE-03 PAGE-04 PAGE-09 MEDIA-06 SHAPE-01 LIFE-01 LIFE-05 ROLE-01 ROLE-03 AUTH-01 AUTH-03",
    profile="nightly",
    rate=0.02,
)
broken(
    "one-in-10-is-500",
    "one request in ten is 500",
    "list_tags create_tag get_report",
    "CODE-01",
    by_chance(0.1, overloaded),
    profile="release",
    rate=0.1,
)
broken(
    "one-page-in-ten-is-short",
    "one page in ten lacks its first record",
    LISTS,
    "PAGE-09",
    by_chance(0.1, short_page),
    WALKS + "PAGE-10 ORDER-01 ORDER-02 ORDER-03 ORDER-04 STRUCT-01 STRUCT-03 STRUCT-04",
    fits=fitting.paged,
    profile="release",
    rate=0.1,
)


@breaks(
    "stale-after-write",
    "the first list after a write comes as it was before",
    LISTS,
    "LIFE-02",
    also="ORDER-02 LIFE-03 LIFE-04 LIFE-06 AUTH-05 ROLE-05",
    through="create update delete",
    fits=fitting.paged,
    profile="release",
)
async def stale_after_write(request: Request, world: World) -> Answer:
    kept = world.memory.setdefault("kept", {})
    answer = await world.forward(request)
    if request.method != "GET":
        world.memory["written"] = answer.ok or world.memory.get("written", False)
        return answer
    key = request.path, request.query
    before = kept.get(key)
    kept[key] = answer
    if world.memory.pop("written", False) and before is not None and answer.ok:
        return replace(before)
    return answer


# --- lists that lag, ties, filters, the deleted -----------------------------------------------------------------------

LAG_S = 0.5


@breaks(
    "list-lags",
    "a new record is in the list half a second after it was created",
    LISTS,
    "LIFE-02",
    also="ORDER-02 " + WALKS,
    through="create",
    fits=fitting.every(fitting.paged, fitting.records_with("id")),
)
async def list_lags(request: Request, world: World) -> Answer:
    made = world.memory.setdefault("made", {})
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    if act(request) == "create":
        made[str(item(request, answer).get("id"))] = time.monotonic()
        return answer
    late = {name for name, at in made.items() if time.monotonic() - at < LAG_S}
    return with_records(request, answer, [r for r in records_of(request, answer) if str(r["id"]) not in late])


@breaks(
    "deleted-lingers",
    "a deleted record is listed for half a second more",
    "delete_report delete_tag",
    "LIFE-04",
    also="LIFE-06 AUTH-05 ROLE-05 " + WALKS,
    through="list",
    fits=fitting.every(fitting.acting("delete"), fitting.numbered, fitting.seen_alone),
)
async def deleted_lingers(request: Request, world: World) -> Answer:
    gone, known = world.memory.setdefault("gone", {}), world.memory.setdefault("known", {})
    answer = await world.forward(request)
    if act(request) == "delete":
        if answer.ok:
            gone[request.ids[-1]] = time.monotonic()
        return answer
    if not answer.ok or offset(request):
        return answer
    found = records_of(request, answer)
    known.update({str(r["id"]): r for r in found if "id" in r})
    there = {str(r.get("id")) for r in found}
    lingering = [
        known[name]
        for name, at in gone.items()
        if name in known and name not in there and time.monotonic() - at < LAG_S
    ]
    return with_records(request, answer, [*lingering, *found])


@breaks(
    "ties-shuffled",
    "records with the same timestamp come in another order on each call",
    LISTS,
    "PAGE-09",
    also=WALKS + "ORDER-01 ORDER-03 ORDER-04 STRUCT-03 STRUCT-04",
    fits=fitting.every(fitting.paged, fitting.records_with("created")),
    profile="nightly",
)
async def ties_shuffled(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or not valid(request):
        return answer
    world.memory["calls"] = call = world.memory.get("calls", 0) + 1
    found = records_of(request, answer)
    groups: dict[str, list[Any]] = {}
    for record in found:
        groups.setdefault(str(record.get("created")), []).append(record)
    return with_records(request, answer, [r for g in groups.values() for r in g[call % len(g) :] + g[: call % len(g)]])


broken(
    "filter-ignored",
    "a filter is ignored altogether",
    "list_tags list_emails",
    "PAGE-10",
    misreading(lambda r: r.asking(**dict.fromkeys(n for n in FILTERS if n != "search_text"))),
    fits=lambda o, c: any(n in o.query_parameters for n in FILTERS if n != "search_text"),
    profile="release",
)


@breaks(
    "deleted-embedded",
    "a full answer embeds the data of a user who was deleted",
    "list_tags list_segment_exports",
    "STRUCT-04",
    fits=fitting.embeds("user"),
    profile="nightly",
    softly=True,
)
async def deleted_embedded(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or not full(request):
        return answer

    def filled(record: Any) -> Any:
        user = None if record.get("user") else records.get(world.store, "user", record.get("user_id"), deleted=None)
        return record if user is None else {**record, "user": {n: user[n] for n in ("id", "name", "email")}}

    return with_records(request, answer, [filled(r) for r in records_of(request, answer)])
