"""Bugs of lists at their borders: what a page holds, how it is sorted, what is embedded, in some of the cases only."""

from __future__ import annotations

from typing import Any

from instance.faults import fitting
from instance.faults.fitting import FILTERS
from instance.faults.listing import arranging, given, limit, misreading, offset, settling_by, valid
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, records_of, with_records
from instance.faults.ordering import by_default, embedding, full
from instance.faults.paging import default_limit
from instance.faults.refactored import STRUCTURED
from instance.faults.search import SEARCH, matching, searching
from instance.faults.side_ways import LISTING, NOBODY

LISTS = "list_tags list_feeds"
FULL = "list_segment_notes list_segment_exports"


# --- PAGE -----------------------------------------------------------------------------------------------------------

for number in (19, 21):
    broken(
        f"default-limit-{number}",
        f"without limit {number} records come",
        LISTS,
        "PAGE-01",
        default_limit(number),
        LISTING + " PAGE-08",
        fits=fitting.paged,
        least=22,
    )
broken(
    "filtered-default-ten",
    "beside a filter ten records come by default",
    "list_tags list_attributes",
    "PAGE-10",
    misreading(lambda r: r.asking(limit=10) if given(r, *FILTERS) and not given(r, "limit") else r),
    LISTING + " PAGE-01",
    fits=fitting.every(fitting.paged, fitting.filtered),
    least=25,
    profile="release",
)
broken(
    "offset-ends-at-forty",
    "an offset over forty counts as forty",
    "list_debugger_events list_customer_attribute_values",
    "PAGE-03",
    misreading(lambda r: r.asking(offset=min(40, offset(r)))),
    LISTING,
    fits=fitting.paged,
    least=62,
)
broken(
    "offset-lost-beside-limit",
    "beside a limit the offset does not count",
    LISTS,
    "PAGE-03",
    misreading(lambda r: r.asking(offset=None) if given(r, "limit") else r),
    LISTING,
    fits=fitting.paged,
    least=5,
)
broken(
    "limit-told-as-found",
    "selection_settings tells as limit how many records came",
    LISTS,
    "PAGE-08",
    settling_by(lambda r, a: {"limit": max(1, len(records_of(r, a)))} if valid(r) else {}),
    fits=fitting.every(fitting.paged, fitting.with_settings),
    least=5,
)
broken(
    "offset-told-in-pages",
    "selection_settings tells the number of the page for the offset",
    LISTS,
    "PAGE-08",
    settling_by(lambda r, a: {"offset": offset(r) // limit(r)} if valid(r) else {}),
    fits=fitting.every(fitting.paged, fitting.with_settings),
    least=5,
)


def mended(name: str, what: str, repair: Any) -> None:
    """An invalid limit or offset is read in a way that makes it a valid one."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not 400 <= answer.status < 500:
            return answer
        changed = repair(request)
        return await world.forward(changed) if changed != request else answer

    broken(name, what, LISTS, "PAGE-07", alter, LISTING + " CODE-05", fits=fitting.paged, profile="release")


def cut(request: Request) -> Request:
    """Limit and offset without their fractions."""
    sent = {n: request.get(n) or "" for n in ("limit", "offset")}
    parts = {n: v.partition(".")[0] for n, v in sent.items() if v.partition(".")[0].isdigit() and "." in v}
    return request.asking(**parts) if parts else request


def last_of_two(request: Request) -> Request:
    """Of parameters that were sent twice the last."""
    names = [n for n, _ in request.query]
    twice = {n: request.get(n) for n in ("limit", "offset") if names.count(n) > 1}
    return request.asking(**twice) if twice else request


mended("fractions-of-limits-cut", "a limit of 2.5 is one of 2", cut)
mended("repeated-limit-taken", "of a limit that is sent twice the last counts", last_of_two)


def smaller(request: Request) -> Request:
    value = request.get("limit") or ""
    return request.asking(limit=1000) if value.isdecimal() and int(value) > 1000 else request


mended("huge-limit-is-the-largest", "a limit beyond the largest counts as the largest", smaller)


# --- ORDER ----------------------------------------------------------------------------------------------------------


broken(
    "filtered-oldest-first",
    "beside a filter the oldest records come first",
    "list_tags list_attributes",
    "PAGE-10",
    arranging(lambda f, r: f[::-1] if by_default(r) and given(r, *FILTERS) else f),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.filtered, fitting.records_with("created")),
    least=22,
    profile="release",
)
broken(
    "sorted-on-first-page-only",
    "order_by counts on the first page only",
    "list_tags list_reports",
    "ORDER-04",
    misreading(lambda r: r.asking(order_by=None, order_dir=None) if offset(r) else r),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.ordered),
    least=5,
    profile="release",
)


@breaks(
    "order-by-sorts-the-page",
    "the page is cut from the newest records, and order_by sorts what it holds",
    "list_tags list_reports",
    "ORDER-04",
    also=LISTING,
    fits=fitting.every(fitting.paged, fitting.ordered),
    least=25,
)
async def order_by_sorts_the_page(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or by_default(request) or not valid(request):
        return answer
    page = await world.forward(request.asking(order_by=None, order_dir=None))
    held = records_of(request, page)
    return with_records(request, answer, [x for x in await world.whole(request) if x in held])


# --- STRUCT ---------------------------------------------------------------------------------------------------------


def parts(request: Request) -> dict[str, str]:
    """Fields with ids, and the keys under which their records are embedded beside them."""
    found = request.operation.sub_entities.items() if request.operation else ()
    return {field: str(part["key"]) for field, part in found if part.get("key") and part["key"] != field}


def embedded(change: Any) -> Alteration:
    """What is embedded in full records is changed."""

    async def alter(request: Request, world: World) -> Answer:
        keys = parts(request).values()

        def changed(record: Any) -> Any:
            return {n: change(v) if n in keys and isinstance(v, dict) else v for n, v in record.items()}

        return await embedding(lambda found: [changed(x) for x in found])(request, world)

    return alter


def struct(name: str, what: str, by: str, alter: Alteration) -> None:
    also = "STRUCT-01 STRUCT-02 STRUCT-03 STRUCT-04 SHAPE-01 SHAPE-03"
    broken(
        name, what, FULL, by, alter, also, fits=fitting.every(STRUCTURED, lambda o, c: bool(o.sub_entities)), least=3
    )


struct(
    "embedded-holds-id-only",
    "full answers embed records with nothing but their ids",
    "STRUCT-02",
    embedded(lambda x: {"id": x.get("id")}),
)
struct(
    "embedded-times-empty",
    "the times of an embedded record are null",
    "STRUCT-04",
    embedded(lambda x: {n: None if n in ("created", "modified") else v for n, v in x.items()}),
)


async def without_ids(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or full(request):
        return answer
    found = [{n: None if n in parts(request) else v for n, v in x.items()} for x in records_of(request, answer)]
    return with_records(request, answer, found)


struct("plain-hides-ids", "plain answers tell null for the ids of sub-entities", "SHAPE-01", without_ids)


# --- SEARCH ---------------------------------------------------------------------------------------------------------


def search(name: str, what: str, by: str, alter: Alteration) -> None:
    also = "SEARCH-01 SEARCH-02 SEARCH-03 SEARCH-04 PAGE-10"
    broken(name, what, SEARCH, by, alter, also=also, fits=fitting.only(SEARCH))


search(
    "digits-find-nobody",
    "a text with digits finds nobody",
    "SEARCH-01",
    searching(lambda t: NOBODY if any(c.isdigit() for c in t) else t),
)
search(
    "blanks-cut-from-text", "blanks inside a text are taken out", "SEARCH-03", searching(lambda t: t.replace(" ", ""))
)
search("slash-cuts", "a slash ends the text", "SEARCH-03", searching(lambda t: t.partition("/")[0] or t))
search(
    "similar-is-found",
    "when nobody has the text, who has its first half is found",
    "SEARCH-03",
    matching(lambda t, value: t[: max(3, len(t) // 2)].lower() in value.lower()),
)
