"""Bugs of paging (PAGE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.faults import fitting
from instance.faults.fitting import FILTERS
from instance.faults.listing import LEFT_OUT, arranging, given, limit, misreading, offset, settling, valid
from instance.faults.model import (
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    html,
    records_of,
    refusal,
    with_records,
)

# --- PAGE: the default, and limit -----------------------------------------------------------------------------------


def default_limit(number: int) -> Alteration:
    async def alter(request: Request, world: World) -> Answer:
        return await world.forward(request if given(request, "limit") else request.asking(limit=number))

    return alter


def at_most(number: int) -> Alteration:
    return misreading(lambda r: r.asking(limit=min(number, limit(r))))


broken(
    "default-limit-25",
    "without limit 25 records come",
    "list_tags",
    "PAGE-01",
    default_limit(25),
    "PAGE-04 PAGE-06 PAGE-08",
)
broken(
    "default-limit-10",
    "without limit 10 come",
    "list_web_banners",
    "PAGE-01",
    default_limit(10),
    "PAGE-04 PAGE-06 PAGE-08",
)
broken(
    "default-limit-all",
    "without limit everything comes",
    "list_feeds",
    "PAGE-01",
    default_limit(999),
    "PAGE-04 PAGE-06 PAGE-08",
)
broken("limit-cut-at-30", "limit is silently cut at 30", "list_tags list_segment_notes", "PAGE-02", at_most(30))
broken("limit-cut-at-20", "limit is silently cut at 20", "list_tags list_images", "PAGE-02", at_most(20))
broken(
    "limit-ignored",
    "20 records come whatever the limit is",
    "list_sources",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=None)),
    "PAGE-03",
)
broken(
    "limit-brings-all",
    "everything comes when a limit is sent",
    "list_sources",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=1000) if given(r, "limit") else r),
    "PAGE-03 PAGE-06",
)
broken(
    "limit-one-more",
    "a limit brings one record more",
    "list_reports",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=limit(r) + 1) if given(r, "limit") else r),
    "PAGE-03 PAGE-06",
)
broken(
    "limit-one-less",
    "a limit brings one record less",
    "list_reports",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=max(1, limit(r) - 1)) if given(r, "limit") else r),
    "PAGE-03 PAGE-06",
)
broken(
    "limit-rounded-up",
    "the limit is rounded up to a multiple of ten",
    "list_events",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=-(-limit(r) // 10) * 10)),
    "PAGE-03",
)

# --- PAGE: offset ---------------------------------------------------------------------------------------------------

broken(
    "offset-from-one",
    "offset counts from one",
    "list_tags",
    "PAGE-03",
    misreading(lambda r: r.asking(offset=max(0, offset(r) - 1))),
    "PAGE-04 PAGE-05 PAGE-06",
)
broken(
    "offset-ignored",
    "offset is ignored",
    "list_tags list_users",
    "PAGE-03",
    misreading(lambda r: r.asking(offset=None)),
    "PAGE-04 PAGE-05 PAGE-06",
)
broken(
    "offset-in-pages",
    "offset counts pages instead of records",
    "list_feeds",
    "PAGE-03",
    misreading(lambda r: r.asking(offset=offset(r) * limit(r))),
    "PAGE-02 PAGE-04 PAGE-06",
)
broken(
    "offset-rounded-down",
    "offset is rounded down to a multiple of the limit",
    "list_feeds",
    "PAGE-03",
    misreading(lambda r: r.asking(offset=offset(r) // limit(r) * limit(r))),
    "PAGE-05",
)
broken(
    "order-depends-on-limit",
    "small pages come in another order than large ones",
    "list_customer_attribute_values list_feeds",
    "PAGE-03",
    arranging(lambda found, r: found if limit(r) >= 20 else found[1::2] + found[::2]),
)
broken(
    "page-two-repeats",
    "page two begins with the last record of page one",
    "list_tags list_push_notifications",
    "PAGE-04",
    misreading(lambda r: r.asking(offset=offset(r) - 1) if offset(r) and offset(r) % 20 == 0 else r),
    "PAGE-06",
    least=21,
)
broken(
    "record-lost-between-pages",
    "behind an offset one record is skipped",
    "list_tags",
    "PAGE-04",
    misreading(lambda r: r.asking(offset=offset(r) + 1) if offset(r) else r),
    "PAGE-03 PAGE-06",
)
broken(
    "record-never-shown",
    "one record comes in large pages only",
    "list_events",
    "PAGE-04",
    arranging(lambda found, r: found if limit(r) > 20 else found[:25] + found[26:]),
    "PAGE-03 PAGE-06",
)


@breaks(
    "hidden-after-paging",
    "what the caller may not see is taken out of the page after it was cut",
    on="list_tags",
    by="PAGE-01",
    also="PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06",
    fits=fitting.records_with("id", fitting.of_kind("integer")),
)
async def hidden_after_paging(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    return with_records(request, answer, [r for r in records_of(request, answer) if r["id"] % 7])


def past_the_end(end: Callable[[Request, Answer], Answer | Request]) -> Alteration:
    """Only an empty page behind an offset is answered in another way."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or records_of(request, answer) or not offset(request):
            return answer
        found = end(request, answer)
        return found if isinstance(found, Answer) else await world.forward(found)

    return alter


ON_END = "list_tags list_feeds"
broken("end-is-404", "an offset past the end is 404", ON_END, "PAGE-05", past_the_end(lambda r, a: refusal(404)))
broken(
    "end-is-first-page",
    "an offset past the end brings the first page",
    ON_END,
    "PAGE-05",
    past_the_end(lambda r, a: r.asking(offset=0)),
)
broken(
    "end-is-null",
    "an offset past the end brings null instead of an empty list",
    ON_END,
    "PAGE-05",
    past_the_end(lambda r, a: a.showing({n: None if isinstance(v, list) else v for n, v in a.json.items()})),
    "SHAPE-01 SHAPE-02",
    fits=fitting.lists,
)
broken(
    "offset-needs-limit",
    "offset counts only beside a limit",
    "list_tags list_debugger_events",
    "PAGE-06",
    misreading(lambda r: r if given(r, "limit") else r.asking(offset=None)),
    "PAGE-04",
)
broken(
    "default-page-is-another",
    "the call without parameters starts at the second record",
    "list_tags list_feeds",
    "PAGE-06",
    misreading(lambda r: r if given(r, "limit", "offset") else r.asking(offset=1)),
    "ORDER-02 PAGE-04",
)


def invalid_paging(answered: Callable[[], Answer] | None) -> Alteration:
    """An invalid limit or offset gets a made-up answer, or the default page."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 400 or valid(request):
            return answer
        return answered() if answered else await world.forward(request.asking(limit=None, offset=None))

    return alter


INVALID = "list_users list_tags list_feeds list_events"
broken("bad-paging-is-500", "an invalid limit is 500", INVALID, "PAGE-07 CODE-01", invalid_paging(lambda: refusal(500)))
broken("bad-paging-is-taken", "an invalid limit is taken for the default", INVALID, "PAGE-07", invalid_paging(None))
broken(
    "bad-paging-is-html",
    "an invalid limit gets an error page",
    INVALID,
    "PAGE-07 MEDIA-01 CODE-06",
    invalid_paging(lambda: html(400)),
)

SETTINGS = "list_tags list_feeds"
broken(
    "limit-told-wrong",
    "selection_settings tells always limit 20",
    SETTINGS,
    "PAGE-08",
    settling(limit=20),
    fits=fitting.lists,
)
broken("offset-told-wrong", "selection_settings tells always offset 0", SETTINGS, "PAGE-08", settling(offset=0))
broken(
    "limit-told-as-text",
    "selection_settings tells limit as text",
    SETTINGS,
    "PAGE-08",
    settling(limit="20"),
    "SHAPE-01",
)
broken(
    "offset-not-told",
    "selection_settings tells no offset",
    SETTINGS,
    "PAGE-08",
    settling(offset=LEFT_OUT),
    "SHAPE-01",
)


def unsteady(nth: Callable[[list[Any], int], list[Any]]) -> Alteration:
    """A call without parameters brings other records or another order each time."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or request.query:
            return answer
        call = world.memory["calls"] = world.memory.get("calls", 0) + 1
        return with_records(request, answer, nth(records_of(request, answer), call))

    return alter


# Which call meets which other one is a matter of chance.
UNSTEADY = "PAGE-01 PAGE-04 PAGE-06 ORDER-01 ORDER-02 STRUCT-01 STRUCT-03 STRUCT-04"
broken(
    "order-unsteady",
    "the order of the list changes from call to call",
    "list_tags list_funnel_charts",
    "PAGE-09",
    unsteady(lambda found, call: found[call % 5 :] + found[: call % 5]),
    UNSTEADY,
)
broken(
    "record-unsteady",
    "every replica lacks another record",
    "list_journeys list_tags",
    "PAGE-09",
    unsteady(lambda found, call: found[: call % 5] + found[call % 5 + 1 :]),
    UNSTEADY,
)


@breaks(
    "counter-in-record",
    "a field of the records grows with every read",
    on="list_channels list_email_templates",
    by="PAGE-09",
    fits=fitting.records_with("name", fitting.of_kind("string")),
)
async def counter_in_record(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    world.memory["reads"] = reads = world.memory.get("reads", 0) + 1
    return with_records(request, answer, [{**r, "name": f"read {reads} times"} for r in records_of(request, answer)])


LISTS_IN_BRACKETS = tuple(f"{name}[]" for name in FILTERS if name.endswith("_ids"))  # the instance takes these, too
FILTERED = "list_tags list_emails list_customer_events"


def filtering(answered: Callable[[list[Any], Request], list[Any]], ignoring: bool = False) -> Alteration:
    """Filtered reads bring something else; `ignoring`: other query parameters do not count beside a filter."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or not given(request, *FILTERS, *LISTS_IN_BRACKETS):
            return answer
        found = await world.whole(request) if ignoring else records_of(request, answer)
        return with_records(request, answer, answered(found, request))

    return alter


broken(
    "filter-finds-nothing",
    "a filter never finds anything",
    FILTERED,
    "PAGE-10",
    filtering(lambda f, r: []),
    "SEARCH-01",  # where the filter is the text of a search
    fits=fitting.filtered,
)
broken(
    "filter-brings-strangers",
    "a filter brings records that the list does not hold",
    "list_tags list_emails",
    "PAGE-10",
    filtering(lambda f, r: [*f, {**f[0], "id": 987654}] if f else f),
    "SHAPE-01",
    fits=fitting.every(fitting.filtered, fitting.records_with("id")),
)
broken(
    "filter-loses-paging",
    "beside a filter limit and offset do not count",
    "list_customer_events list_segments list_attributes",
    "PAGE-10",
    filtering(lambda f, r: f, ignoring=True),
    "PAGE-01 PAGE-02 PAGE-03 PAGE-04 SEARCH-04",
    fits=fitting.filtered,
)
