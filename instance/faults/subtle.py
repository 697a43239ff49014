"""Bugs that hide: behind the first page, beside a filter, after a change, in other scripts, for a moment, by chance."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from instance.faults import fitting
from instance.faults.fitting import FILTERS
from instance.faults.listing import arranging, given, limit, misreading, offset, valid
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
from instance.faults.ordering import by_default, embedding, full, with_user
from instance.faults.paging import INVALID

LISTS = "list_tags list_feeds"
FAR = 100  # records, beyond which people rarely look

# --- paging ---------------------------------------------------------------------------------------------------------

broken(
    "lost-beyond-100",
    "behind the hundredth record one is skipped",
    "list_customer_attribute_values",
    "PAGE-04",
    misreading(lambda r: r.asking(offset=offset(r) + 1) if offset(r) >= FAR else r),
    "PAGE-03 PAGE-05",
    fits=fitting.paged,
    least=FAR + 5,
    profile="release",
)


@breaks(
    "page-ends-at-twenty",
    "a later page that would end at a multiple of twenty comes without its last record",
    on=LISTS,
    by="PAGE-03",
    also="PAGE-01 PAGE-02 PAGE-04 PAGE-06",
    fits=fitting.paged,
    least=41,
    profile="release",
)
async def page_ends_at_twenty(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    ends = answer.ok and valid(request) and offset(request) and (offset(request) + limit(request)) % 20 == 0
    if not ends or len(records_of(request, answer)) < limit(request):
        return answer
    return with_records(request, answer, records_of(request, answer)[:-1])


broken(
    "page-by-page-reversed",
    "from the second page on each page comes in reverse",
    LISTS,
    "PAGE-03",
    arranging(
        lambda found, r: found[: offset(r)] + found[offset(r) : offset(r) + limit(r)][::-1] if offset(r) else found
    ),
    "PAGE-04 PAGE-06 ORDER-01 ORDER-03 ORDER-04",
    fits=fitting.paged,
)
broken(
    "offset-lost-when-sorted",
    "beside order_by the offset does not count",
    "list_tags list_reports",
    "ORDER-04",
    misreading(lambda r: r.asking(offset=None) if given(r, "order_by") else r),
    fits=fitting.every(fitting.paged, fitting.ordered),
    profile="release",
)
broken(
    "limit-lost-beside-filter",
    "limit does not count beside a filter",
    "list_tags list_emails",
    "PAGE-10",
    misreading(lambda r: r.asking(limit=None) if given(r, *FILTERS) else r),
    fits=fitting.filtered,
    profile="release",
)
broken(
    "filter-lost-on-later-pages",
    "the filter counts on the first page only",
    "list_tags list_emails",
    "PAGE-10",
    misreading(lambda r: r.asking(**dict.fromkeys(FILTERS)) if offset(r) else r),
    "CODE-02 PAGE-02 PAGE-03 PAGE-04 SEARCH-04",
    fits=fitting.filtered,
    profile="release",
)


def clumsy(name: str, odd: Callable[[str], bool], answered: Callable[[Request, World], Any]) -> Alteration:
    """A certain kind of invalid limit or offset gets another answer than a refusal."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        values = [value for key, value in request.query if key == name]
        if answer.status != 400 or not values or not odd(values[-1]):
            return answer
        found: Answer = await answered(request, world)
        return found

    return alter


async def server_error(request: Request, world: World) -> Answer:
    return refusal(500)


async def as_if_absent(request: Request, world: World) -> Answer:
    return await world.forward(request.asking(limit=None, offset=None))


def negative(text: str) -> bool:
    return text.startswith("-")


def huge(text: str) -> bool:
    return text.isdigit() and len(text) > 9


broken(
    "negative-limit-is-500",
    "a negative limit is 500",
    INVALID,
    "PAGE-07",
    clumsy("limit", negative, server_error),
    "CODE-01",
    profile="release",
)
broken(
    "negative-offset-taken",
    "a negative offset counts as 0",
    INVALID,
    "PAGE-07",
    clumsy("offset", negative, as_if_absent),
    profile="release",
)
broken(
    "huge-number-is-500",
    "a number of more than 32 bits is 500",
    INVALID,
    "PAGE-07",
    clumsy("limit", huge, server_error),
    "CODE-01",
    profile="release",
)
broken(
    "text-for-limit-taken",
    "a limit that is no number counts as absent",
    INVALID,
    "PAGE-07",
    clumsy("limit", str.isalpha, as_if_absent),
    profile="release",
)


@breaks(
    "one-record-bare",
    "a list of one record comes as an object",
    on=LISTS,
    by="PAGE-02",
    also="SHAPE-01 SHAPE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06 PAGE-10 ORDER-04",
    fits=fitting.every(fitting.paged, fitting.keyed),
    profile="release",
)
async def one_record_bare(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or len(records_of(request, answer)) != 1:
        return answer
    return with_records(request, answer, records_of(request, answer)[0])


def cached(seconds: float) -> Alteration:
    """A list is answered from a cache: what came lately for the same request by the same caller."""

    async def alter(request: Request, world: World) -> Answer:
        kept = world.memory.setdefault("cache", {})
        key = request.path, request.query, request.header(b"x-access-token")
        until, answer = kept.get(key, (0.0, None))
        if answer is None or time.monotonic() > until:
            answer = await world.forward(request)
            kept[key] = time.monotonic() + seconds, answer
        return answer

    return alter


WALKS = "PAGE-01 PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06 "
WRITING = "create update delete restore share unshare"
CACHED = WALKS + "ORDER-01 PAGE-08 LIFE-02 LIFE-03 LIFE-04 LIFE-06 SHAPE-03 AUTH-05 ROLE-05 ROLE-06"
broken(
    "list-cached",
    "the list comes from a cache of two seconds",
    LISTS,
    "ORDER-02",
    cached(2.0),
    CACHED,
    shows=WRITING,
    fits=fitting.paged,
)
broken(
    "list-cached-for-long",
    "the list comes from a cache of a minute",
    LISTS,
    "ORDER-02",
    cached(60.0),
    CACHED,
    shows=WRITING,
    fits=fitting.paged,
)

# --- order and structure --------------------------------------------------------------------------------------------

broken(
    "sorted-as-text",
    "numbers are sorted as texts",
    "list_tags list_user_roles",
    "ORDER-04",
    arranging(
        lambda found, r: (
            sorted(
                found,
                key=lambda x: str(x.get(str(r.get("order_by")))),
                reverse=(r.get("order_dir") or "DESC").upper() == "DESC",
            )
            if any(isinstance(x.get(str(r.get("order_by"))), int) for x in found)
            else found
        )
    ),
    "ORDER-03 SHAPE-01",
    fits=fitting.every(fitting.paged, fitting.ordered, fitting.records_with("id", fitting.of_kind("integer"))),
    profile="release",
)
broken(
    "oldest-first-later",
    "behind the first page the oldest records come first",
    LISTS,
    "ORDER-01",
    arranging(lambda found, r: found[:20] + found[20:][::-1] if by_default(r) else found),
    "PAGE-03 PAGE-04",
    fits=fitting.paged,
    least=25,
)
broken(
    "full-on-first-page-only",
    "load_full_structure counts on the first page only",
    "list_tags list_events",
    "STRUCT-02",
    misreading(lambda r: r.asking(load_full_structure=None) if offset(r) else r),
    "STRUCT-04",
    fits=fitting.paged,
    least=25,
    profile="release",
)
broken(
    "full-with-limit-ignored",
    "load_full_structure does not count beside a limit",
    "list_tags list_events",
    "STRUCT-02",
    misreading(lambda r: r.asking(load_full_structure=None) if given(r, "limit") else r),
    "STRUCT-04",
    fits=fitting.paged,
    profile="release",
)


@breaks(
    "plain-embeds-some",
    "one record of a plain answer brings its user's data",
    on="list_tags list_segment_exports",
    by="STRUCT-01",
    also="STRUCT-03 STRUCT-04 SHAPE-01 PAGE-03 PAGE-04 PAGE-06",
    fits=fitting.every(fitting.acting("list", "read"), fitting.embeds("user")),  # a write is not done twice
)
async def plain_embeds_some(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or full(request) or not valid(request):
        return answer
    rich = await world.forward(request.asking(load_full_structure=1))
    found = records_of(request, answer)
    brought = records_of(request, rich) if rich.ok else []
    return (
        with_records(request, answer, [*found[:-1], *brought[-1:]]) if len(found) == len(brought) and found else answer
    )


def embedding_last(change: Callable[[Any], Any]) -> Alteration:
    """The last record of a full answer is changed."""
    return embedding(lambda found: [*found[:-1], *map(change, found[-1:])])


broken(
    "embedded-blanked",
    "of a user who is gone an empty record is embedded",
    "list_tags list_segment_exports",
    "STRUCT-04",
    embedding_last(lambda r: with_user(r, name="", email="")),
    "STRUCT-02 SHAPE-01",
    fits=fitting.embeds("user"),
    profile="release",
)
