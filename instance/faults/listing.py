"""What bugs of lists are made of: requests understood wrongly, records put in another way, settings told wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.faults.model import Alteration, Answer, Request, World, records_of, with_records

Change = Callable[[Request], Request]
Arrange = Callable[[list[Any], Request], list[Any]]
LEFT_OUT = object()


def given(request: Request, *names: str) -> bool:
    """Whether one of the query parameters was sent."""
    return any(request.get(name) is not None for name in names)


def limit(request: Request) -> int:
    return request.number("limit", 20)


def offset(request: Request) -> int:
    return request.number("offset", 0)


def direction(request: Request) -> str:
    """Of the order that is asked for, in capital letters; empty where none is. Some lists have small ones."""
    return (request.get("order_dir") or "").upper()


def paged(request: Request) -> bool:
    return bool(request.operation and request.operation.collection and request.operation.collection.paging)


def valid(request: Request) -> bool:
    """Whether limit and offset are numbers of a usual size."""
    paging = [v for n, v in request.query if n in ("limit", "offset")]
    return all(v.isdigit() and len(v) < 10 for v in paging) and limit(request) > 0


def misreading(change: Change) -> Alteration:
    """The request is understood wrongly, but the answer tells the settings that were asked for."""

    async def alter(request: Request, world: World) -> Answer:
        asked = await world.forward(request)
        if not asked.ok or not valid(request):
            return asked
        got = await world.forward(change(request))
        return with_records(request, asked, records_of(request, got)) if got.ok else got

    return alter


def arranging(arrange: Arrange) -> Alteration:
    """The whole list, as `arrange` puts it, is what pages are cut from."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or not valid(request):
            return answer
        records = arrange(await world.whole(request), request)
        end = offset(request) + limit(request) if paged(request) else None
        return with_records(request, answer, records[offset(request) : end])

    return alter


def settling(**settings: Any) -> Alteration:
    """selection_settings tells something else, or leaves a setting out."""
    return settling_by(lambda request, answer: settings)


def settling_by(told_of: Callable[[Request, Answer], dict[str, Any]]) -> Alteration:
    """selection_settings tells something that depends on the request and the answer."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok:
            return answer
        told = {**answer.json["selection_settings"], **told_of(request, answer)}
        return answer.showing(
            {**answer.json, "selection_settings": {n: v for n, v in told.items() if v is not LEFT_OUT}}
        )

    return alter
