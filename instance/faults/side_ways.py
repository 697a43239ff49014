"""Bugs on side ways: what holds for the usual request and not for its neighbour, which a change of the code forgot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.callers import known_token
from instance.faults.events import BATCH, Rows, event, rows, storing
from instance.faults.fitting import FILTERS
from instance.faults.listing import arranging, direction, given, limit, misreading, offset, valid
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, records_of, refusal, with_records
from instance.faults.ordering import full
from instance.faults.search import SEARCH, searching
from instance.faults.shortcuts import unchecked

Records = list[Any]
LISTING = "PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06 PAGE-10 ORDER-01 ORDER-02 ORDER-03 ORDER-04 STRUCT-04"
NOBODY = "x" * 40


# --- EVENT ----------------------------------------------------------------------------------------------------------


def given_to_the_first(found: Rows) -> Rows:
    """Events of the second customer of a batch, put down to the first."""
    customers = list(dict.fromkeys(str(row.get("user_identifier")) for row in found))
    second = customers[1] if len(customers) > 1 else None
    first = found[0].get("user_identifier")
    return [{**row, "user_identifier": first} if str(row.get("user_identifier")) == second else row for row in found]


def one_a_moment(found: Rows) -> Rows:
    """Of a customer's events in one batch that have the same time, the first."""
    return list({(str(r.get("user_identifier")), str(r.get("event_time"))): r for r in reversed(found)}.values())[::-1]


event("second-customer-is-first", "events of a batch's second customer go to the first", given_to_the_first)
event("one-event-a-moment", "a unique index keeps one event of a customer and a moment", one_a_moment)
event(
    "leap-day-is-lost",
    "an event of a 29 February is put down to 1 March",
    lambda found: [{**r, "event_time": str(r.get("event_time")).replace("-02-29", "-03-01")} for r in found],
)
event(
    "long-payload-cut",
    "texts of a payload are cut after 255 characters",
    lambda found: [
        {**r, "payload": {n: v[:255] if isinstance(v, str) else v for n, v in r["payload"].items()}}
        if isinstance(r.get("payload"), dict)
        else r
        for r in found
    ],
)


@breaks(
    "known-customers-miss-events",
    "of a later batch the first event of a customer who is known already is not stored",
    BATCH,
    "EVENT-02",
    also="EVENT-01 EVENT-03",
    fits=fitting.only(BATCH),
)
async def known_customers_miss_events(request: Request, world: World) -> Answer:
    known = world.memory.setdefault("known customers", set())
    names = {str(row.get("user_identifier")) for row in rows(request) if isinstance(row, dict)}
    lost = names & known

    def change(found: Rows) -> Rows:
        kept = []
        for row in found:
            if row.get("user_identifier") in lost:
                lost.discard(row["user_identifier"])
            else:
                kept.append(row)
        return kept or found[:0]

    answer = await storing(change)(request, world) if not lost or len(rows(request)) > 1 else await lose(request, world)
    if answer.ok:
        known |= names
    return answer


async def lose(request: Request, world: World) -> Answer:
    """The batch is acknowledged and given to nobody's identifier."""
    row = rows(request)[0]
    return await storing(lambda found: [{**row, "user_identifier": f"{row['user_identifier']}-lost"}])(request, world)


# --- SEARCH ---------------------------------------------------------------------------------------------------------


def search(name: str, what: str, change: Callable[[str], str]) -> None:
    also = "SEARCH-01 SEARCH-02 SEARCH-03"
    broken(name, what, SEARCH, "SEARCH-03", searching(change), also=also, fits=fitting.only(SEARCH))


search("searched-text-unquoted", "percent signs in a text are decoded twice", unquote)
search(
    "emoji-find-nobody",
    "characters beyond 16 bits find nobody",
    lambda t: NOBODY if max(t, default="") > "\uffff" else t,
)
search("markup-stripped", "angle brackets are taken out of a text", lambda t: t.replace("<", "").replace(">", ""))
search("over-80-find-nobody", "a text of more than 80 characters finds nobody", lambda t: t if len(t) <= 80 else NOBODY)
search("braces-find-nobody", "a text with braces breaks the query", lambda t: NOBODY if "{" in t or "[" in t else t)
broken(
    "join-repeats-found",
    "who is found by one value is in the answer twice",
    SEARCH,
    "SEARCH-04",
    arranging(lambda found, r: [found[0], *found] if found else found),
    also="SEARCH-01 SEARCH-03 PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06 PAGE-10 ORDER-03 ORDER-04",
    softly=True,
    fits=fitting.only(SEARCH),
)


# --- STRUCT ---------------------------------------------------------------------------------------------------------


def embedding(o: Operation, c: Contract) -> bool:
    """Its records refer to others."""
    return bool(o.sub_entities)


STRUCTURED = fitting.every(fitting.paged, fitting.asks("load_full_structure"), embedding)


def struct(name: str, what: str, on: str, change: Callable[[Request], Request], *more: Any, least: int = 3) -> None:
    fits = fitting.every(STRUCTURED, *more)
    broken(name, what, on, "STRUCT-04", misreading(change), "STRUCT-02", fits=fits, least=least, profile="release")


struct(
    "full-is-not-sorted",
    "beside load_full_structure order_by does not count",
    "list_tags",
    lambda r: r.asking(order_by=None, order_dir=None) if full(r) else r,
    fitting.asks("order_by"),
)
struct(
    "full-is-not-filtered",
    "beside load_full_structure filters do not count",
    "list_tags",
    lambda r: r.asking(**dict.fromkeys(FILTERS)) if full(r) else r,
    fitting.filtered,
)
struct(
    "full-pages-of-twenty",
    "with the full structure a page holds twenty records at most",
    "list_segment_notes",
    lambda r: r.asking(limit=min(20, limit(r))) if full(r) else r,
    least=22,
)


# --- ROLE, AUTH -----------------------------------------------------------------------------------------------------


def role_left_out(name: str, what: str, on: str, asked: str) -> None:
    fits = fitting.every(fitting.paged, fitting.featured, fitting.asks(asked))
    alter = unchecked(lambda r: r.get(asked) is not None)
    broken(name, what, on, "ROLE-01", alter, "ROLE-03 ROLE-04 ROLE-06", fits=fits)


role_left_out(
    "sorted-needs-no-role", "beside order_by the role is not checked", "list_attributes list_reports", "order_by"
)
broken(
    "filtered-needs-no-role",
    "beside a filter the role is not checked",
    "list_attributes",
    "ROLE-01",
    unchecked(lambda r: given(r, *FILTERS)),
    "ROLE-03 ROLE-04 ROLE-06",
    fits=fitting.every(fitting.paged, fitting.featured, fitting.filtered),
)


@breaks(
    "role-kept-in-token",
    "a token goes on with the role that its user had, although he has got another one",
    "list_feeds update_report",
    "ROLE-06",
    also="ROLE-01 ROLE-03",
    fits=fitting.featured,
    profile="release",
)
async def role_kept_in_token(request: Request, world: World) -> Answer:
    found, operation = known_token(request, world), request.operation
    user = records.get(world.store, "user", found[0]) if found and not found[1] else None
    if user is None or operation is None or world.features(request) is None:
        return await world.forward(request)
    kept = world.memory.setdefault("roles", {}).setdefault(user["id"], user["role_id"])
    role = records.get(world.store, "user_role", kept)
    if kept == user["role_id"] or role is None:
        return await world.forward(request)
    return await world.forward(world.as_admin(request)) if operation.allows(role["features"]) else refusal(403)


def token_left_out(name: str, what: str, status: int) -> None:
    """A refusal of another kind comes before the one for want of a token."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 401:
            return answer
        told = await world.forward(world.as_admin(request)) if request.method == "GET" else answer
        return told if told.status == status else answer

    broken(
        name,
        what,
        "get_tag",
        "AUTH-01",
        alter,
        "AUTH-02 AUTH-03 AUTH-07",
        fits=fitting.every(fitting.seen_alone, fitting.acting("read")),
        softly=True,
    )


token_left_out("unknown-id-before-token", "an unknown id is 404 before the token is looked at", 404)


# --- PAGE, ORDER, SHAPE ---------------------------------------------------------------------------------------------


def page(change: Callable[[Request, Records], Records]) -> Alteration:
    """The records of a page are others."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or not valid(request):
            return answer
        return with_records(request, answer, change(request, records_of(request, answer)))

    return alter


def last_page_reversed(request: Request, found: Records) -> Records:
    return found[::-1] if len(found) < limit(request) and offset(request) else found


broken(
    "last-page-reversed",
    "the last page comes in reverse",
    "list_feeds",
    "PAGE-03",
    page(last_page_reversed),
    LISTING,
    fits=fitting.paged,
    least=5,
    profile="release",
)
broken(
    "last-page-needs-all",
    "a page that would not be full is empty",
    "list_feeds",
    "PAGE-02",
    page(lambda r, found: [] if offset(r) and len(found) < limit(r) else found),
    LISTING,
    fits=fitting.paged,
    least=5,
    profile="release",
)


async def filled_up(request: Request, world: World) -> Answer:
    """A page that would not be full is the last full one."""
    answer = await world.forward(request)
    if not answer.ok or not valid(request) or not offset(request):
        return answer
    found = records_of(request, answer)
    return with_records(request, answer, (await world.whole(request))[-limit(request) :] if found else found)


broken(
    "last-page-filled-up",
    "the last page is filled up with records of the page before",
    "list_feeds",
    "PAGE-02",
    filled_up,
    LISTING,
    fits=fitting.paged,
    least=5,
    profile="release",
)
broken(
    "join-repeats-in-list",
    "a join repeats a record in the middle of the list, on every page alike",
    "list_feeds list_tags",
    "PAGE-04",
    arranging(lambda f, r: [*f[:3], *f[2:]]),
    LISTING + " LIFE-02 LIFE-04 SHAPE-03",
    fits=fitting.paged,
    least=25,
)


@breaks(
    "limit-zero-is-all",
    "limit=0 brings everything",
    "list_feeds list_tags",
    "PAGE-02",
    also="CODE-05 PAGE-07",
    softly=True,
    fits=fitting.paged,
    profile="release",
)
async def limit_zero_is_all(request: Request, world: World) -> Answer:
    return await world.forward(request.asking(limit=1000) if request.get("limit") == "0" else request)


broken(
    "ascending-offset-ignored",
    "ascending, the offset does not count",
    "list_tags list_attributes",
    "ORDER-04",
    misreading(lambda r: r.asking(offset=None) if direction(r) == "ASC" else r),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.ordered),
    least=5,
    profile="release",
)


@breaks(
    "texts-cut-in-lists",
    "in lists texts of more than forty characters are cut",
    "get_report get_attribute",
    "SHAPE-03",
    also=LISTING + " MEDIA-06 LIFE-01 LIFE-02 LIFE-03",
    through="list",
    fits=fitting.every(fitting.acting("read"), fitting.records_with("description")),  # what is long enough
    profile="release",
)
async def texts_cut_in_lists(request: Request, world: World) -> Answer:
    if request.operation is None or request.operation.collection is None:
        return await world.forward(request)
    cut = page(lambda r, found: [{n: v[:40] if isinstance(v, str) else v for n, v in x.items()} for x in found])
    return await cut(request, world)
