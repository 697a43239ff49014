"""Bugs of what comes when nothing is said, and at the very number that is the default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance.faults import fitting
from instance.faults.life import acting, alone, item, with_item
from instance.faults.listing import arranging, given, limit, misreading, offset
from instance.faults.model import Answer, Request, World, breaks, broken, records_of, with_records
from instance.faults.ordering import by_default, full
from instance.faults.paging import past_the_end
from instance.faults.side_ways import LISTING

DEFAULT = 20


def default_beside(name: str, what: str, on: str, default: int, when: Callable[[Request], bool], asked: str) -> None:
    """Another default limit where something else is asked for."""

    def read(request: Request) -> Request:
        return request.asking(limit=default) if when(request) and not given(request, "limit") else request

    fits = fitting.every(fitting.paged, fitting.asks(asked))
    broken(
        name,
        what,
        on,
        "PAGE-01",
        misreading(read),
        LISTING + " PAGE-08 STRUCT-01",
        fits=fits,
        least=22,
        profile="release",
    )


default_beside(
    "full-default-ten", "with the full structure ten come", "list_segments list_events", 10, full, "load_full_structure"
)
default_beside(
    "sorted-default-ten",
    "beside order_by ten come by default",
    "list_tags list_attributes",
    10,
    lambda r: not by_default(r),
    "order_by",
)
broken(
    "twenty-is-nineteen",
    "a limit of just twenty brings nineteen",
    "list_tags list_feeds",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=DEFAULT - 1) if given(r, "limit") and limit(r) == DEFAULT else r),
    LISTING + " PAGE-01",
    fits=fitting.paged,
    least=22,
    profile="release",
)
broken(
    "end-is-last-page",
    "an offset past the end brings the last page",
    "list_tags list_feeds",
    "PAGE-05",
    past_the_end(lambda r, a: r.asking(offset=max(0, (offset(r) // max(1, limit(r)) - 1) * limit(r)))),
    LISTING,
    fits=fitting.paged,
)
broken(
    "large-pages-oldest-first",
    "a page of more than fifty comes oldest first",
    "list_tags list_feeds",
    "ORDER-01",
    arranging(lambda found, r: found[::-1] if by_default(r) and given(r, "limit") and limit(r) > 50 else found),
    LISTING,
    fits=fitting.paged,
    least=22,
)


@breaks(
    "change-answers-before",
    "a change is stored, and its answer shows the record as it was",
    "update_tag update_report",
    "LIFE-03",
    also="MEDIA-06 CODE-02 CODE-01",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone),
)
async def change_answers_before(request: Request, world: World) -> Answer:
    seen = await world.forward(replace(alone(request), query=request.query))
    answer = await world.forward(request)
    if acting(request) != "update" or not seen.ok or not answer.ok:
        return answer
    return with_item(request, answer, item(request, seen))


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def in_camel_case(record: Any) -> Any:
    return {camel(name): value for name, value in record.items()} if isinstance(record, dict) else record


@breaks(
    "full-in-camel-case",
    "with the full structure names come in camel case",
    "list_segments list_events",
    "SHAPE-01",
    also="STRUCT-02 STRUCT-03 STRUCT-04 STRUCT-05 ORDER-01 SHAPE-02 SHAPE-03 PAGE-10",
    fits=fitting.every(fitting.lists, fitting.asks("load_full_structure"), fitting.records_with("created")),
)
async def full_in_camel_case(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or not full(request):
        return answer
    return with_records(request, answer, [in_camel_case(record) for record in records_of(request, answer)])


PARTS = ("show_my", "show_shared_with_me", "show_foreign")
broken(
    "foreign-always-shown",
    "show_foreign=0 counts for nothing",
    "list_segments",
    "PAGE-10",
    misreading(lambda r: r.asking(show_foreign=None)),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.asks("show_my")),
    profile="release",
)
broken(
    "parts-never-hidden",
    "show_my, show_shared_with_me and show_foreign count for nothing",
    "list_segments",
    "PAGE-10",
    misreading(lambda r: r.asking(**dict.fromkeys(PARTS))),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.asks("show_my")),
    profile="release",
)
