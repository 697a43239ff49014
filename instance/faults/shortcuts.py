"""Bugs of shortcuts: checks left out on a side path, answers and permissions that are remembered for others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.life import acting, with_item
from instance.faults.listing import arranging, given, limit, misreading, offset
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, json_answer
from instance.faults.ordering import by_default
from instance.faults.roles import FEATURED

LISTS = "list_tags list_feeds"
KEPT_S = 2.0


def reading(o: Operation, c: Contract) -> bool:
    """It is read with GET and needs a feature."""
    return fitting.featured(o, c) and o.method == "GET"


@breaks(
    "cache-forgets-the-caller",
    "answers are kept for two seconds by their address, whoever asks",
    "list_feeds list_reports",
    "AUTH-01 AUTH-02 ROLE-01",
    also="AUTH-03 AUTH-06 ROLE-03 ROLE-04 ROLE-06 ROLE-07 LIFE-02 LIFE-03 LIFE-04 ORDER-02 AUTH-04",
    fits=reading,
)
async def cache_forgets_the_caller(request: Request, world: World) -> Answer:
    kept = world.memory.setdefault("kept", {})
    key = (request.path, request.query)
    answer = await world.forward(request)
    until, told = kept.get(key, (0.0, answer))
    if time.monotonic() < until:
        assert isinstance(told, Answer)
        return told
    if answer.ok and request.method == "GET":
        kept[key] = time.monotonic() + KEPT_S, answer
    return answer


@breaks(
    "permission-kept-by-address",
    "who may ask is remembered for two seconds by address, not by caller",
    FEATURED,
    "ROLE-01",
    also="ROLE-03 ROLE-04 ROLE-05 ROLE-06 ROLE-07",
    fits=fitting.featured,
)
async def permission_kept_by_address(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    allowed = world.memory.setdefault("allowed", {})
    key = (request.method, request.operation.id if request.operation else request.path)
    if answer.ok:
        allowed[key] = time.monotonic() + KEPT_S
    elif answer.status == 403 and time.monotonic() < allowed.get(key, 0.0):
        return await world.forward(world.as_admin(request))
    return answer


def unchecked(when: Callable[[Request], bool]) -> Alteration:
    """The role is not checked where a request has something."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return await world.forward(world.as_admin(request)) if answer.status == 403 and when(request) else answer

    return alter


broken(
    "role-checked-on-first-page",
    "from the second page on the role is not checked",
    "list_feeds",
    "ROLE-01",
    unchecked(lambda r: offset(r) > 0),
    "ROLE-03 ROLE-04 ROLE-06",
    fits=fitting.every(fitting.paged, fitting.featured),
)
broken(
    "full-needs-no-role",
    "with the full structure the role is not checked",
    "list_segment_notes",
    "ROLE-01",
    unchecked(lambda r: r.get("load_full_structure") == "1"),
    "ROLE-03 ROLE-04 ROLE-06",
    fits=fitting.every(fitting.featured, fitting.asks("load_full_structure")),
)
broken(
    "sorted-by-change",
    "records come by their last change, not by their creation",
    "list_tags list_sources",
    "ORDER-02",
    arranging(
        lambda found, r: sorted(found, key=lambda x: str(x.get("modified")), reverse=True) if by_default(r) else found
    ),
    "ORDER-01 ORDER-03 PAGE-03 PAGE-04 PAGE-06 LIFE-02",
    # Where creation is only assumed to be what a list goes by, it may as well be the last change.
    fits=fitting.every(fitting.paged, fitting.dated, fitting.records_with("modified"), fitting.records_with("created")),
    least=21,
    profile="release",  # a change has to come a second after the newest record was made
)


def by_day(found: list[Any]) -> list[Any]:
    """Records by the day of their creation, newest first, those of a day oldest first."""
    days: dict[str, list[Any]] = {}
    for record in found:
        days.setdefault(str(record.get("created"))[:10], []).insert(0, record)
    return [record for day in sorted(days, reverse=True) for record in days[day]]


broken(
    "sorted-by-day",
    "records come by the day of their creation, those of a day oldest first",
    LISTS,
    "ORDER-01",
    arranging(lambda found, r: by_day(found) if by_default(r) else found),
    "ORDER-02 ORDER-03 PAGE-03 PAGE-04 PAGE-06 LIFE-02",
    fits=fitting.every(fitting.paged, fitting.records_with("created"), fitting.at_the_top),
    least=5,
)
broken(
    "limit-cut-at-100",
    "a limit over a hundred is cut to a hundred without a word",
    "list_customer_attribute_values",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=min(100, limit(r)))),
    "PAGE-01 PAGE-03 PAGE-04 PAGE-05 PAGE-06 ORDER-03 ORDER-04",
    fits=fitting.paged,
    least=105,
    profile="release",
)
broken(
    "limit-over-200-is-the-default",
    "a limit that the validator finds too large counts as none was sent",
    "list_tags list_feeds",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=None) if limit(r) > 200 else r),
    "PAGE-01 PAGE-03 PAGE-04",
    fits=fitting.paged,
    least=25,
    profile="release",
)


def by_creation(o: Operation, c: Contract) -> bool:
    """It can be sorted by the time of creation."""
    return "created" in (c.book.enum(o.query_parameters["order_by"].schema) or ())


broken(
    "order-by-created-ignored",
    "order_by=created is the default order, whatever direction is asked for",
    "list_users list_segments",
    "ORDER-04",
    misreading(lambda r: r.asking(order_by=None, order_dir=None) if r.get("order_by") == "created" else r),
    "ORDER-03 ORDER-06",
    fits=fitting.every(fitting.ordered, by_creation),
    least=3,
    profile="release",
)
broken(
    "offset-alone-brings-ten",
    "with an offset and no limit a page holds ten records",
    LISTS,
    "PAGE-06",
    misreading(lambda r: r.asking(limit=10) if given(r, "offset") and not given(r, "limit") else r),
    "PAGE-01 PAGE-02 PAGE-03 PAGE-04 PAGE-10",
    fits=fitting.paged,
    least=15,
)


@breaks(
    "unknown-is-made",
    "a change of an unknown record is answered as if it had been made",
    "update_tag",
    "CODE-03",
    also="LIFE-04 LIFE-06 CODE-02 SHAPE-01",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone, fitting.item),
)
async def unknown_is_made(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 404 or acting(request) != "update" or not isinstance(request.json, dict):
        return answer
    record = {"id": request.ids[-1] if request.ids else None, **request.json}
    return with_item(request, json_answer(200, {}), record)
