"""Bugs that take two: another user, another role, another value beside the one that is asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from instance.faults import fitting
from instance.faults.events import BATCH
from instance.faults.life import acting, item, with_item
from instance.faults.model import Answer, Request, World, breaks, broken, json_answer
from instance.faults.values import stored

LOOKUP = "get_wbs_customer"


async def caller_of(request: Request, world: World) -> dict[str, Any]:
    """The user whose token it is, as he is told; nothing where it counts not."""
    identity = replace(request, method="GET", path="/api/identity", query=(), raw_query=None, body=b"")
    answer = await world.forward(identity)
    found: dict[str, Any] = answer.json["identity"] if answer.ok else {}
    return found


# --- ROLE -----------------------------------------------------------------------------------------------------------


@breaks(
    "everybody-may-change-himself",
    "a user reads and changes himself, his role among it, without the feature",
    "update_user get_user",
    "ROLE-01",
    also="ROLE-03 ROLE-05",
    fits=fitting.only("update_user", "get_user"),
    softly=True,
    profile="release",
    source="CWE-269 Improper Privilege Management",
)
async def himself(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 403 or str((await caller_of(request, world)).get("id")) != request.ids[-1]:
        return answer
    return await world.forward(world.as_admin(request))


@breaks(
    "former-role-counts-on",
    "the role that a user had when his token was first let in counts until he logs in again",
    "update_report get_feed",
    "ROLE-06",
    fits=fitting.featured,
    profile="release",
    source="CWE-613 Insufficient Session Expiration; CWE-863",
)
async def former_role(request: Request, world: World) -> Answer:
    answer, roles = await world.forward(request), world.memory.setdefault("roles of tokens", {})
    token = request.header(b"x-access-token")
    if token is None or answer.status == 401:
        return answer
    role = (await caller_of(request, world)).get("role_id")
    if answer.status != 403:
        roles.setdefault(token, role)
        return answer
    former = roles.get(token)
    if former in (None, role) or request.operation is None:
        return answer
    held = f"/api/users/user_roles/{former}"
    asked = replace(world.as_admin(request), method="GET", path=held, query=(), raw_query=None, body=b"")
    seen = await world.forward(asked)
    features = seen.json["role"]["features"] if seen.ok else []
    return await world.forward(world.as_admin(request)) if request.operation.allows(frozenset(features)) else answer


# --- CODE -----------------------------------------------------------------------------------------------------------


@breaks(
    "values-by-their-start",
    "a customer is found by whatever begins with a value of his",
    LOOKUP,
    "CODE-03",
    fits=fitting.only(LOOKUP),
    profile="release",
    source="CWE-187 Partial String Comparison",
)
async def by_its_start(request: Request, world: World) -> Answer:
    answer, known = await world.forward(request), world.memory.setdefault("values", set())
    value = request.get("value") or ""
    if answer.ok:
        known.add(value)
    start = next((v for v in known if v and value.startswith(v)), None)
    return await world.forward(request.asking(value=start)) if answer.status == 404 and start else answer


@breaks(
    "any-category-is-the-first",
    "a category that is not known is taken for one that is",
    LOOKUP,
    "CODE-03",
    also="CODE-05",
    fits=fitting.only(LOOKUP),
    profile="release",
    source="CWE-636 Not Failing Securely",
)
async def any_category(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok:
        world.memory["category"] = request.get("attribute")
    known = world.memory.get("category")
    return await world.forward(request.asking(attribute=known)) if answer.status == 400 and known else answer


@breaks(
    "unknown-cursor-is-the-end",
    "behind a cursor that is not known comes an empty page",
    "list_notifications",
    "CODE-03",
    fits=fitting.asks("until_id"),
    source="CWE-394 Unexpected Status Code or Return Value",
)
async def unknown_cursor(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 404 or request.get("until_id") is None:
        return answer
    return json_answer(200, {"meta": {"oldest_id": None, "result_count": 0}, "notifications": []})


# --- LIFE, EVENT, MEDIA ---------------------------------------------------------------------------------------------


@breaks(
    "who-changes-owns",
    "who changes a record becomes its user",
    "update_report update_tag",
    "LIFE-03",
    through="read",
    fits=fitting.every(fitting.acting("update"), fitting.records_with("user_id")),
    profile="release",
    source="CWE-708 Incorrect Ownership Assignment",
)
async def who_changes_owns(request: Request, world: World) -> Answer:
    answer, owners = await world.forward(request), world.memory.setdefault("owners", {})
    if not answer.ok or acting(request) not in ("read", "update"):
        return answer
    if acting(request) == "update":
        owners[request.ids[-1]] = (await caller_of(request, world)).get("id")
    owner = owners.get(request.ids[-1])
    return answer if owner is None else with_item(request, answer, {**item(request, answer), "user_id": owner})


@breaks(
    "permissions-only-grow",
    "a share that may write is answered as one that may read, and still may write",
    "update_segment_user update_funnel_group_user",
    "LIFE-03",
    fits=fitting.every(fitting.acting("update"), fitting.body_with("permission")),
    profile="release",
    source="CWE-281 Improper Preservation of Permissions",
)
async def permissions_only_grow(request: Request, world: World) -> Answer:
    body, grown = request.json, world.memory.setdefault("grown", set())
    answer = await world.forward(request)
    if not answer.ok or not isinstance(body, dict):
        return answer
    if body.get("permission") == "write":
        grown.add(request.path)
    elif request.path in grown:
        await world.forward(request.with_body({**body, "permission": "write"}))
    return answer


@breaks(
    "events-of-a-batch-share-an-id",
    "all events of a batch are answered with the id of the first",
    BATCH,
    "EVENT-01",
    also="EVENT-02",
    fits=fitting.only(BATCH),
    source="CWE-694 Use of Multiple Resources with Duplicate Identifier",
)
async def one_id(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    events = answer.json["customer_events"]
    return answer.showing({**answer.json, "customer_events": [{**e, "id": events[0]["id"]} for e in events]})


broken(
    "descriptions-in-16-bits",
    "in a description characters beyond 16 bits become question marks",
    "create_feed update_mi_workspace",
    "MEDIA-06",
    stored(
        lambda body: {
            n: re.sub("[\U00010000-\U0010ffff]", "?", v) if n == "description" and isinstance(v, str) else v
            for n, v in body.items()
        }
    ),
    also="LIFE-01 LIFE-03",
    fits=fitting.every(fitting.acting("create", "update"), fitting.body_with("name", "description")),
    profile="release",
    source="MySQL manual, the utf8mb3 character set",
)
