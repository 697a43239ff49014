"""Bugs of what was not thought of: a key of a cache that lacks something, a check that stands too late or too early, a
join that forgets its condition, a parent that nobody compares."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.callers import known_token
from instance.faults.fitting import FILTERS
from instance.faults.listing import arranging, given, limit, misreading, offset, settling_by, valid
from instance.faults.model import (
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    records_of,
    with_records,
)
from instance.faults.roles import role
from instance.faults.shortcuts import KEPT_S, LISTS
from instance.faults.side_ways import LISTING

Records = list[Any]


# --- lists out of a cache -------------------------------------------------------------------------------------------


def kept_without(*names: str) -> Alteration:
    """Successes are kept for two seconds by caller, path and query; these parameters were forgotten in the key."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or request.method != "GET" or not valid(request):
            return answer
        kept = world.memory.setdefault("kept", {})
        query = tuple(sorted((n, v) for n, v in request.query if n not in names))
        key = (request.path, query, world.features(request))
        until, generation, told = kept.get(key, (0.0, 0, answer))
        if time.monotonic() < until and generation == world.store.generation:
            assert isinstance(told, Answer)
            return told
        kept[key] = time.monotonic() + KEPT_S, world.store.generation, answer
        return answer

    return alter


def cached(name: str, what: str, on: str, by: str, *names: str) -> None:
    also = LISTING + " PAGE-01 PAGE-08 ORDER-06 STRUCT-01 STRUCT-02 STRUCT-03 SHAPE-01 SHAPE-03 SEARCH-04"
    fits = fitting.every(fitting.paged, fitting.asks(names[0]))
    broken(name, what, on, by, kept_without(*names), also, fits=fits, least=3)


cached(
    "cache-forgets-the-limit",
    "pages are kept for two seconds by all parameters but the limit",
    LISTS,
    "PAGE-02",
    "limit",
)
cached(
    "cache-forgets-the-structure",
    "pages are kept for two seconds by all parameters but load_full_structure",
    "list_tags list_segments",
    "STRUCT-02",
    "load_full_structure",
)
cached(
    "cache-forgets-the-order",
    "pages are kept for two seconds by all parameters but order_by and order_dir",
    "list_reports list_attributes",
    "ORDER-04",
    "order_by",
    "order_dir",
)


# --- tokens and roles -----------------------------------------------------------------------------------------------


@breaks(
    "roles-add-up",
    "a user who was moved to another role keeps what the one before allowed, too",
    "update_report list_feeds",
    "ROLE-06",
    also="ROLE-01 ROLE-03 ROLE-05",
    fits=fitting.featured,
    profile="release",
)
async def roles_add_up(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    found, operation = known_token(request, world), request.operation
    user = records.get(world.store, "user", found[0]) if found and not found[1] else None
    if user is None or operation is None:
        return answer
    had = world.memory.setdefault("had", {}).setdefault(user["id"], set())
    had.add(user["role_id"])
    roles = [records.get(world.store, "user_role", id) for id in had - {user["role_id"]}]
    opened = any(operation.allows(frozenset(held["features"])) for held in roles if held)
    return await world.forward(world.as_admin(request)) if answer.status == 403 and opened else answer


@breaks(
    "head-needs-no-token",
    "HEAD is answered like GET, and no token is asked for",
    "get_tag list_feeds",
    "AUTH-01",
    also="CODE-04 AUTH-02 AUTH-03",
    beyond=True,
    fits=lambda o, c: o.auth == "token" and o.method == "GET",
    softly=True,
    profile="release",
)
async def head_needs_no_token(request: Request, world: World) -> Answer:
    if request.method != "HEAD":
        return await world.forward(request)
    await world.forward(request)
    answer = await world.forward(replace(world.as_admin(request), method="GET"))
    return replace(answer, body=b"")


@breaks(
    "slash-needs-no-token",
    "with a slash behind the path no token is needed",
    "get_tag list_feeds",
    "AUTH-01",
    also="CODE-04 AUTH-02 AUTH-03",
    beyond=True,
    fits=lambda o, c: o.auth == "token" and o.method == "GET" and not o.path.endswith("/"),
    profile="release",
)
async def slash_needs_no_token(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if request.method != "GET" or not request.path.endswith("/") or answer.status not in (401, 404):
        return answer
    return await world.forward(replace(world.as_admin(request), path=request.path.rstrip("/")))


async def paging_too_early(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 403 or valid(request):
        return answer
    told = await world.forward(world.as_admin(request))
    return told if told.status == 400 else answer


broken(
    "bad-paging-before-role",
    "a limit that is none is refused before the role is looked at",
    "list_reports list_events",
    "ROLE-04",
    paging_too_early,
    "ROLE-01 ROLE-05",
    fits=fitting.every(fitting.featured, fitting.paged),
    profile="release",
)


async def by_type(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    kind = request.header(b"content-type") or b""
    if answer.status != 403 or not request.body or kind.startswith(b"application/json"):
        return answer
    return await world.forward(world.as_admin(request).with_header(b"content-type", b"application/json"))


broken(
    "other-type-needs-no-role",
    "a body of another media type is taken without a look at the role",
    "create_custom_email_block update_email_template",
    "ROLE-04",
    by_type,
    "ROLE-01 ROLE-05",
    fits=fitting.every(fitting.featured, fitting.writes),
    profile="release",
)


def opened_by_exports(o: Operation, c: Contract) -> bool:
    """A feature that names one export destination opens it."""
    return any("EXPORT_DESTINATION_ID" in name for name in o.features)


broken(
    "destination-feature-forgotten",
    "the feature of one export destination does not open what it should",
    "list_segment_exports",
    "ROLE-03",
    role(lambda held, needed, right: right and bool(held & needed)),
    "ROLE-02 ROLE-06",
    fits=opened_by_exports,
    profile="release",
)


@breaks(
    "old-password-logs-in",
    "after a password was changed the one before it counts, too",
    "login_user",
    "AUTH-10",
    through="update_user",
    fits=fitting.only("login_user"),
    profile="release",
)
async def old_password_logs_in(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    known = world.memory.setdefault("passwords", {})
    sent = request.json if isinstance(request.json, dict) else {}
    email, password = sent.get("email"), sent.get("password")
    if request.operation is None or request.operation.id != "login_user":
        return answer
    if answer.ok:
        known.setdefault(email, []).append(password)
    elif isinstance(email, str) and password in known.get(email, ()):
        return await world.forward(request.with_body({"email": email, "password": known[email][-1]}))
    return answer


# --- pages, filters, order ------------------------------------------------------------------------------------------


@breaks(
    "filter-after-paging",
    "a page is cut first, and the filter is applied to what it holds",
    "list_tags list_attributes",
    "PAGE-10",
    also=LISTING + " SEARCH-04",
    fits=fitting.every(fitting.paged, fitting.filtered),
    least=22,
    profile="release",
)
async def filter_after_paging(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or not valid(request) or not given(request, *FILTERS):
        return answer
    found = await world.whole(request)
    page = await world.forward(request.asking(**dict.fromkeys(FILTERS)))
    return with_records(request, answer, [x for x in records_of(request, page) if x in found]) if page.ok else answer


broken(
    "hidden-lost-on-later-pages",
    "show_hidden counts on the first page only",
    "list_events list_attributes",
    "PAGE-10",
    misreading(lambda r: r.asking(show_hidden=None) if offset(r) else r),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.asks("show_hidden")),
    least=3,
    profile="release",
)
broken(
    "nulls-left-out-when-sorted",
    "sorted by a field, the list lacks the records in which it is empty",
    "list_attributes list_reports",
    "ORDER-04",
    arranging(
        lambda found, r: [x for x in found if x.get(r.get("order_by") or "", "") is not None] if r.query else found
    ),
    "ORDER-03 PAGE-04",
    fits=fitting.ordered,
    profile="release",
)
broken(
    "order-by-alone-ascends",
    "order_by without order_dir sorts from the smallest on, and the settings tell DESC",
    "list_reports list_attributes",
    "ORDER-06",
    misreading(lambda r: r.asking(order_dir="ASC") if given(r, "order_by") and not given(r, "order_dir") else r),
    "ORDER-03 ORDER-04",
    fits=fitting.every(fitting.ordered, fitting.with_settings),
    least=3,
    profile="release",
)
broken(
    "limit-told-capped",
    "selection_settings tells a limit of a hundred at most, although more come",
    "list_debugger_events",
    "PAGE-08",
    settling_by(lambda r, a: {"limit": min(100, limit(r))} if paged_settings(a) else {}),
    "PAGE-02",
    fits=fitting.every(fitting.paged, fitting.with_settings),
    least=105,
    profile="release",
)


def paged_settings(answer: Answer) -> bool:
    return "limit" in answer.json["selection_settings"]
