"""Bugs of lists where few look: behind the first page, beside a filter, at an id that is a part of another, without a
limit."""

from __future__ import annotations

import re
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.habits import unpacked, upload
from instance.faults.life import acting, alone, item
from instance.faults.listing import arranging, given, limit, misreading, offset, paged, valid
from instance.faults.model import Answer, Request, World, breaks, broken, records_of, refusal, with_records
from instance.faults.ordering import embedding
from instance.faults.search import SEARCH
from instance.faults.side_ways import LISTING, STRUCTURED

Records = list[Any]
NAMES = ("name_filter", "name_search")
IDS = {"tag_ids": "tags", "source_ids": "source_id", "event_ids": "event_id"}
BATCH = 20  # records that a loader takes at once

# --- STRUCT, PAGE-02, PAGE-03, PAGE-04 ------------------------------------------------------------------------------

broken(
    "embedded-up-to-the-twentieth",
    "records behind the twentieth bring no data of their users: the loader takes twenty ids",
    "list_tags list_segment_exports",
    "STRUCT-04",
    embedding(lambda found: [*found[:BATCH], *({**r, "user": None} if "user" in r else r for r in found[BATCH:])]),
    fits=fitting.every(STRUCTURED, fitting.embeds("user")),
    least=40,
    profile="release",
)
broken(
    "offset-ends-at-four-hundred",
    "an offset over four hundred counts as four hundred",
    "list_debugger_events",
    "PAGE-03",
    misreading(lambda r: r.asking(offset=min(400, offset(r)))),
    "PAGE-05",
    fits=fitting.paged,
    least=510,
    profile="release",
)
broken(
    "limit-cut-at-350",
    "limit is silently cut at 350",
    "list_debugger_events",
    "PAGE-02",
    misreading(lambda r: r.asking(limit=min(350, limit(r)))),
    fits=fitting.paged,
    least=510,
    profile="release",
)


def with_cursor(o: Operation, c: Contract) -> bool:
    """Its pages go by the last record that was seen."""
    return o.collection is not None and "until_id" in o.query_parameters


broken(
    "cursor-ignored",
    "until_id counts for nothing: each page is the first",
    "list_notifications",
    "PAGE-04",
    misreading(lambda r: r.asking(until_id=None)),
    fits=with_cursor,
)


@breaks(
    "cursor-inclusive",
    "a page begins with the record that until_id names",
    "list_notifications",
    "PAGE-04",
    fits=with_cursor,
)
async def cursor_inclusive(request: Request, world: World) -> Answer:
    answer, until = await world.forward(request), request.get("until_id")
    if not answer.ok or until is None:
        return answer
    whole = await world.forward(request.asking(until_id=None, limit=100))
    named = [r for r in records_of(request, whole) if r["id"] == until]
    return with_records(request, answer, [*named, *records_of(request, answer)][: limit(request)])


# --- PAGE-10 --------------------------------------------------------------------------------------------------------


def by_ids(o: Operation, c: Contract) -> bool:
    """It has a filter that takes ids."""
    return any(name in o.query_parameters for name in IDS)


def asked_ids(request: Request) -> tuple[str, str]:
    """The field that a filter goes by, and what is asked for; empty where there is none."""
    return next(((field, request.get(name) or "") for name, field in IDS.items() if given(request, name)), ("", ""))


def held(record: Any, field: str) -> list[str]:
    value = record.get(field)
    return [str(v.get("id") if isinstance(v, dict) else v) for v in (value if isinstance(value, list) else [value])]


@breaks(
    "ids-filtered-by-their-text",
    "a filter that takes ids looks for them in a text: 1 finds 10 and 21, too",
    "list_segments list_attributes",
    "PAGE-10",
    also="STRUCT-04",
    fits=fitting.every(fitting.paged, fitting.asks("tag_ids")),
    profile="release",
    source="MySQL manual, LIKE on a column of JSON; CWE-697",
)
async def filtered_by_text(request: Request, world: World) -> Answer:
    field, wanted = asked_ids(request)
    answer = await world.forward(request)
    if not wanted or "," in wanted or not answer.ok or not valid(request):
        return answer
    every = await world.whole(request.asking(**dict.fromkeys(IDS)))
    found = [r for r in every if any(wanted in text for text in held(r, field))]
    return with_records(request, answer, found[offset(request) : offset(request) + limit(request)])


broken(
    "filter-joins-away",
    "a filter that takes ids joins by an old table: every third record is not found",
    "list_segments list_attributes",
    "PAGE-10",
    arranging(lambda found, r: [x for n, x in enumerate(found) if n % 3 != 1] if asked_ids(r)[1] else found),
    "STRUCT-04",
    fits=fitting.every(fitting.paged, by_ids),
    profile="release",
)


def name_filtered(o: Operation, c: Contract) -> bool:
    return any(name in o.query_parameters for name in NAMES)


async def empty_finds_named(request: Request, world: World) -> Answer:
    """An empty text finds every other record: the query is built for texts."""
    answer = await world.forward(request)
    if not answer.ok or not valid(request) or all(request.get(name) != "" for name in NAMES):
        return answer
    found = (await world.whole(request))[::2]
    return with_records(request, answer, found[offset(request) : offset(request) + limit(request)])


broken(
    "empty-filter-finds-half",
    "an empty name_filter leaves out who has no description",
    "list_segments list_tags",
    "PAGE-10",
    empty_finds_named,
    fits=fitting.every(fitting.paged, name_filtered),
    least=3,
    profile="release",
)
broken(
    "filtered-is-not-sorted",
    "beside a filter order_by does not count",
    "list_tags list_attributes",
    "PAGE-10",
    misreading(lambda r: r.asking(order_by=None, order_dir=None) if given(r, *NAMES, *IDS) else r),
    fits=fitting.every(
        fitting.paged, fitting.ordered, fitting.asks("order_dir"), lambda o, c: name_filtered(o, c) or by_ids(o, c)
    ),
    least=5,
    profile="release",
)
HIDDEN = fitting.every(fitting.paged, fitting.asks("show_hidden"))
broken(
    "hidden-always-shown",
    "hidden records come without show_hidden, too",
    "list_events list_attributes",
    "PAGE-10",
    misreading(lambda r: r.asking(show_hidden=1)),
    LISTING,
    fits=HIDDEN,
)
broken(
    "shown-are-hidden-instead",
    "show_hidden=1 brings the hidden records alone",
    "list_events list_attributes",
    "PAGE-10",
    arranging(lambda found, r: [x for x in found if x["is_hidden"]] if r.get("show_hidden") == "1" else found),
    fits=HIDDEN,
    profile="release",
)


@breaks(
    "names-indexed-at-creation",
    "a filter finds records by the names that they were created with",
    "list_tags list_segments",
    "PAGE-10",
    also="LIFE-02 LIFE-03 LIFE-04",
    through="update",
    fits=fitting.every(fitting.paged, name_filtered, fitting.acting("list")),
    profile="release",
)
async def indexed_at_creation(request: Request, world: World) -> Answer:
    names = world.memory.setdefault("first names", {})
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    if acting(request) == "update" and request.ids:
        names.setdefault(request.ids[-1], None)  # its entry is not refreshed any more
    wanted = next((request.get(name) for name in NAMES if request.get(name)), None)
    if acting(request) != "list" or wanted is None:
        return answer
    return with_records(request, answer, [r for r in records_of(request, answer) if str(r.get("id")) not in names])


# --- SHAPE ----------------------------------------------------------------------------------------------------------


def below_what_is_made(o: Operation, c: Contract) -> bool:
    """A list below a record that a client can create."""
    return (
        fitting.lists(o, c)
        and len(o.path_parameters) == 1
        and bool(c.of_entity(str(o.path_parameters[0].entity), "create"))
    )


@breaks(
    "nothing-below-is-404",
    "the list below a record that nothing lies below is 404",
    "list_segment_notes list_funnel_charts",
    "SHAPE-04",
    also="CODE-02 LIFE-02 LIFE-04 PAGE-05",
    fits=below_what_is_made,
    profile="release",
    source="RFC 9110, 15.5.5: there is a current representation, an empty one",
)
async def nothing_below_is_404(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return answer if not answer.ok or await world.whole(request) else refusal(404)


# --- ORDER, SEARCH, EVENT -------------------------------------------------------------------------------------------

broken(
    "sorted-beside-a-limit-only",
    "order_by counts only where a limit is sent",
    "list_tags list_reports",
    "ORDER-04",
    misreading(lambda r: r if given(r, "limit") else r.asking(order_by=None, order_dir=None)),
    fits=fitting.every(fitting.paged, fitting.ordered),
    least=5,
    profile="release",
)


def by_last_change(o: Operation, c: Contract) -> bool:
    """Its order is by the last change, and there is an operation that changes a record."""
    goes_by = o.collection is not None and o.collection.timestamp == "modified"
    return goes_by and o.action == "list" and bool(c.of_entity(str(o.entity), "update"))


@breaks(
    "changed-stays-where-it-was",
    "a list that goes by the last change has an index that changes do not refresh",
    "list_emails list_email_templates",
    "ORDER-02",
    also="ORDER-01 LIFE-03",
    through="update",
    fits=by_last_change,
    profile="release",
)
async def changed_stays(request: Request, world: World) -> Answer:
    first = world.memory.setdefault("first moments", {})
    if acting(request) == "update":
        seen = await world.forward(alone(world.as_admin(request)))
        if seen.ok:
            first.setdefault(request.ids[-1], item(request, seen)["modified"])
        return await world.forward(request)
    answer = await world.forward(request)
    if not answer.ok or not valid(request):
        return answer
    whole = sorted(await world.whole(request), key=lambda r: str(first.get(str(r["id"]), r["modified"])), reverse=True)
    end = offset(request) + limit(request) if paged(request) else None
    return with_records(request, answer, whole[offset(request) : end])


def one_of_each(found: Records, request: Request) -> Records:
    """Of rows with the same value the first."""
    kept: dict[str, Any] = {}
    for record in found:
        kept.setdefault(record["value"], record)
    return list(kept.values())


broken(
    "one-of-each-value-found",
    "of customers who share a value one is found: the query groups by the value",
    SEARCH,
    "SEARCH-01",
    arranging(one_of_each),
    "SEARCH-03 PAGE-10",
    fits=fitting.only(SEARCH),
    profile="release",
)
upload(
    "line-feeds-end-no-row",
    "of an upload whose rows end in line feeds alone the first row is stored",
    "EVENT-04",
    unpacked(lambda table: table if "\r\n" in table else table.partition("\n")[0] + "\r\n"),
)
upload(
    "needless-quotes-are-kept",
    "of an upload the quotes around a cell that needs none are a part of it",
    "EVENT-04",
    unpacked(lambda table: re.sub(r'^"([^"\r\n]*)"', r'"""\1"""', table, flags=re.MULTILINE)),
)
