"""Bugs that show under load, or in what becomes of thousands of events: a load run or its audit has to name them.

`by` tells how: `audit:lost` is a finding of the audit, `objective:p99` a latency objective that is missed,
`error:503` a kind of error, `SEARCH-01` a violation of the contract.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from instance.faults import fitting
from instance.faults.events import BATCH, rows, storing
from instance.faults.model import Alteration, Answer, Request, World, broken, records_of, refusal, with_records
from instance.faults.search import SEARCH

READ_BACK = "list_customer_events"
EVERY = 50  # events, of which one is done wrong by
Event = dict[str, Any]


def one_in(number: int, change: Callable[[Event], list[Event]]) -> Alteration:
    """One event in so many is stored otherwise, counted over all batches."""
    counted = "events"

    def changed(found: list[Any], world: World) -> list[Any]:
        stored: list[Any] = []
        for row in found:
            world.memory[counted] = seen = world.memory.get(counted, 0) + 1
            stored += change(row) if seen % number == 0 else [row]
        return stored

    async def alter(request: Request, world: World) -> Answer:
        sent = rows(request)
        if not sent or not all(isinstance(row, dict) for row in sent):
            return await world.forward(request)
        kept = changed(sent, world)
        if not kept:  # a batch of one event, and that one is lost
            answer = await world.forward(request.with_body({**request.json, "customer_events": sent[:1]}))
            return answer
        return await storing(lambda _: kept)(request, world)

    return alter


def cut(event: Event) -> list[Event]:
    """The payload without its last field that is no mark."""
    payload = event["payload"]
    fields = orjson.loads(payload) if isinstance(payload, str) else dict(payload)
    last = next((name for name in reversed(fields) if "mark" not in name and "cdp" not in name), None)
    return [{**event, "payload": {n: v for n, v in fields.items() if n != last}}]


def of_another(event: Event) -> list[Event]:
    return [{**event, "user_identifier": f"{event['user_identifier']}0"}]


broken(
    "events-lost",
    "one acknowledged event in fifty is not stored",
    BATCH,
    "audit:lost",
    one_in(EVERY, lambda e: []),
    profile="load",
    fits=fitting.only(BATCH),
)
broken(
    "events-doubled",
    "one event in fifty is stored twice",
    BATCH,
    "audit:duplicated",
    one_in(EVERY, lambda e: [e, e]),
    profile="load",
    fits=fitting.only(BATCH),
)
broken(
    "payloads-cut",
    "one payload in fifty lacks a field",
    BATCH,
    "audit:corrupted",
    one_in(EVERY, cut),
    profile="load",
    fits=fitting.only(BATCH),
)
broken(
    "events-of-another",
    "one event in fifty is given to another customer",
    BATCH,
    "audit:misattributed audit:lost",
    one_in(EVERY, of_another),
    profile="load",
    fits=fitting.only(BATCH),
)


async def stored_and_500(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    world.memory["batches"] = batches = world.memory.get("batches", 0) + 1
    return refusal(500) if answer.ok and batches % 20 == 0 else answer


broken(
    "stored-and-500",
    "one batch in twenty is stored and answered with 500",
    BATCH,
    "error:500",
    stored_and_500,
    profile="load",
    fits=fitting.only(BATCH),
)


def late(delay_s: Callable[[int], float]) -> Alteration:
    """An answer that takes longer; `delay_s`: of the n-th request."""

    async def alter(request: Request, world: World) -> Answer:
        world.memory["requests"] = number = world.memory.get("requests", 0) + 1
        await asyncio.sleep(delay_s(number))
        return await world.forward(request)

    return alter


def standing_still(number: int) -> float:
    """For a second out of every three nothing is answered."""
    into_s = time.monotonic() % 3.0
    return max(0.0, 1.0 - into_s)


broken(
    "stall",
    "every three seconds nothing is answered for a second",
    SEARCH,
    "objective:p99",
    late(standing_still),
    profile="load",
    fits=fitting.only(SEARCH),
)
broken(
    "slow-tail",
    "one search in twenty takes a second",
    SEARCH,
    "objective:p99",
    late(lambda n: 1.0 if n % 20 == 0 else 0.0),
    profile="load",
    fits=fitting.only(SEARCH),
)


async def bursts_of_503(request: Request, world: World) -> Answer:
    return refusal(503, "Too busy.") if time.monotonic() % 3.0 < 0.6 else await world.forward(request)


async def resets(request: Request, world: World) -> Answer:
    world.memory["requests"] = number = world.memory.get("requests", 0) + 1
    return Answer(0) if number % 30 == 0 else await world.forward(request)


broken(
    "bursts-of-503",
    "every three seconds all is 503 for a while",
    SEARCH,
    "error:503",
    bursts_of_503,
    profile="load",
    fits=fitting.only(SEARCH),
)
broken(
    "connections-reset",
    "one connection in thirty is cut",
    SEARCH,
    "error:closed CODE-01",
    resets,
    profile="load",
    fits=fitting.only(SEARCH),
)


async def mixed_up(request: Request, world: World) -> Answer:
    """Two who ask at the same time get each other's answers."""
    waiting: list[tuple[Request, asyncio.Future[Answer]]] = world.memory.setdefault("waiting", [])
    if waiting:
        other, future = waiting.pop()
        future.set_result(await world.forward(replace(request, headers=other.headers)))
        return await world.forward(other)
    future = asyncio.get_running_loop().create_future()
    waiting.append((request, future))
    try:
        return await asyncio.wait_for(asyncio.shield(future), 0.05)
    except TimeoutError:
        if (request, future) in waiting:
            waiting.remove((request, future))
        return await world.forward(request)


broken(
    "answers-mixed-up",
    "two who search at the same time get each other's answers",
    SEARCH,
    "SEARCH-01 SEARCH-02 SEARCH-03 PAGE-08 PAGE-02",
    mixed_up,
    profile="load",
    fits=fitting.only(SEARCH),
)


async def visible_later(request: Request, world: World) -> Answer:
    """An event is shown after a time that grows while the run goes on."""
    answer = await world.forward(request)
    if request.operation is None or not answer.ok:
        return answer
    if request.operation.id == BATCH:
        born = world.memory.setdefault("born", {})
        world.memory.setdefault("began", time.monotonic())
        for row in answer.json["customer_events"]:
            born[row["id"]] = time.monotonic()
        return answer
    born, began = world.memory.get("born", {}), world.memory.get("began", time.monotonic())

    def shown(row: Any) -> bool:
        at = born.get(row["id"])
        return at is None or time.monotonic() - at > (at - began) / 2

    return with_records(request, answer, [row for row in records_of(request, answer) if shown(row)])


broken(
    "visible-later-and-later",
    "the time until an event can be read grows",
    BATCH,
    "objective:visible",
    visible_later,
    through=READ_BACK,
    profile="load",
    fits=fitting.only(BATCH),
)
