"""Bugs that show only while several requests are in work at the same moment (CWE-362, CWE-488)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance.faults import fitting
from instance.faults.life import alone, changing, item
from instance.faults.model import TOKEN, Alteration, Answer, Request, World, breaks, broken, refusal

TURN_S = 0.01  # how long a request is in work
SHARED = "CWE-488 Exposure of Data Element to Wrong Session"
RACE = "CWE-362 Concurrent Execution using Shared Resource with Improper Synchronization"
READS = "get_tag get_report get_segment"


def shared(of_the_last: Callable[[Request, Request], Request]) -> Alteration:
    """Something of a request stands where all requests in work see it: each goes on with what the last one brought."""

    async def alter(request: Request, world: World) -> Answer:
        place = "in work", request.operation.id if request.operation else ""
        world.memory[place] = request
        await asyncio.sleep(TURN_S)
        return await world.forward(of_the_last(request, world.memory[place]))

    return alter


broken(
    "caller-of-the-last",
    "who calls is kept in one place for all requests: of two at the same moment both are the second's",
    "list_tags get_report list_segments",
    "ROLE-01",
    shared(lambda request, last: request.with_header(TOKEN, last.header(TOKEN))),
    fits=fitting.every(fitting.featured, fitting.acting("list", "read")),
    source=SHARED,
    profile="release",
)
broken(
    "record-of-the-last",
    "the id is kept in one place for all requests: of two reads at the same moment both show the second's record",
    READS,
    "SHAPE-03",
    shared(lambda request, last: replace(request, path=last.path, ids=last.ids)),
    fits=fitting.every(fitting.acting("read"), fitting.ends_in_id),
    source=SHARED,
    profile="release",
)
broken(
    "page-of-the-last",
    "the limit is kept in one place for all requests: of two pages at the same moment both have the second's",
    "list_tags list_reports",
    "PAGE-03",
    shared(lambda request, last: request.asking(limit=last.get("limit"))),
    fits=fitting.paged,
    source=SHARED,
    profile="release",
)


@breaks(
    "second-at-once-is-500",
    "a connection of the database serves one request: a second one meanwhile is a 500",
    f"{READS} list_tags",
    "CODE-01",
    fits=fitting.acting("list", "read"),
    source=RACE,
    profile="release",
)
async def second_at_once_is_500(request: Request, world: World) -> Answer:
    place = "in work", request.operation.id if request.operation else ""
    if world.memory.get(place):
        return refusal(500, "database is locked")
    world.memory[place] = True
    try:
        await asyncio.sleep(TURN_S)
        return await world.forward(request)
    finally:
        world.memory[place] = False


@breaks(
    "last-change-wins-all",
    "a change reads the record, sets its fields and writes all of it: of two at the same moment one is lost",
    "update_tag update_report",
    "LIFE-03",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone),
    source=RACE,
    profile="release",
)
async def last_change_wins_all(request: Request, world: World) -> Answer:
    sent = request.json if isinstance(request.json, dict) else {}
    if request.method != "PATCH":
        return await world.forward(request)
    changes: list[dict[str, Any]] = world.memory.setdefault(("changes", request.path), [])
    changes.append(sent)
    world.memory["in work", request.path] = world.memory.get(("in work", request.path), 0) + 1
    try:
        read = await world.forward(alone(request))
        await asyncio.sleep(TURN_S)
        answer = await world.forward(request)
        record = item(request, read) if read.ok else None
        others = {name for each in changes if each is not sent for name in each} - sent.keys()
        old = {name: record[name] for name in others & record.keys()} if isinstance(record, dict) else {}
        if answer.ok and old:
            await world.forward(changing(request, request.path, old))
        return answer
    finally:
        world.memory["in work", request.path] -= 1
        if not world.memory["in work", request.path]:
            changes.clear()
