"""Bugs that hide in a single call: in its token, its role, its body, its status, the empty places of its answer."""

from __future__ import annotations

import time
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.callers import known_token
from instance.faults.codes import instead, status
from instance.faults.model import (
    TOKEN,
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    json_answer,
    refusal,
)
from instance.faults.roles import role

# --- tokens and roles -----------------------------------------------------------------------------------------------


def done_later(refused: int) -> Alteration:
    """What was refused is in a queue, and done before the next request is answered."""

    async def alter(request: Request, world: World) -> Answer:
        waiting = world.memory.pop("waiting", None)
        if waiting is not None:
            await world.forward(world.as_admin(waiting))
        answer = await world.forward(request)
        if answer.status == refused and request.method != "GET":
            world.memory["waiting"] = request
        return answer

    return alter


WRITES = "create_report update_report delete_report"
AROUND = "list read trash"
broken(
    "refused-done-later",
    "a write without a valid token is refused, and done a moment later",
    WRITES,
    "AUTH-05",
    done_later(401),
    "LIFE-01 LIFE-03 LIFE-04",
    AROUND,
)
broken(
    "forbidden-done-later",
    "a write of too small a role is refused, and done a moment later",
    WRITES,
    "ROLE-05",
    done_later(403),
    "LIFE-01 LIFE-03 LIFE-04",
    AROUND,
)


@breaks(
    "token-wanted-elsewhere",
    "the token is wanted after Authorization: Bearer and counts in no other header",
    "get_report list_feeds update_email",
    "AUTH-08",
    also="AUTH-04 CODE-02",
)
async def token_wanted_elsewhere(request: Request, world: World) -> Answer:
    bearer = (request.header(b"authorization") or b"").removeprefix(b"Bearer ")
    return await world.forward(request.with_header(TOKEN, bearer or None))


@breaks(
    "logout-counts-late", "a token counts on for a second after its logout", "get_tag list_tags get_report", "AUTH-06"
)
async def logout_counts_late(request: Request, world: World) -> Answer:
    row = known_token(request, world)
    if row and row[1]:
        ended = world.memory.setdefault(request.header(b"x-access-token"), time.monotonic())
        if time.monotonic() - ended < 1.0:
            return await world.forward(world.as_admin(request))
    return await world.forward(request)


broken(
    "one-feature-of-the-list-forgotten",
    "one feature of a one-of list does not open the operation",
    "get_custom_email_block list_events",
    "ROLE-02",
    role(lambda held, needed, right: bool(held & set(sorted(needed)[1:]))),
    "ROLE-03 ROLE-06",
    fits=fitting.one_of,
)
broken(
    "two-features-needed",
    "a role with nothing but the required feature is refused",
    "get_custom_email_block list_events",
    "ROLE-02",
    role(lambda held, needed, right: right and len(held) > 1),
    "ROLE-03 ROLE-06",
    fits=fitting.featured,
)

# --- bodies, statuses, shapes ---------------------------------------------------------------------------------------


def exotic(request: Request) -> bool:
    return any(byte > 127 for byte in request.body) or b"\\u" in request.body


broken(
    "non-ascii-is-500",
    "a body with letters beyond ASCII is 500",
    "create_tag update_report",
    "MEDIA-06",
    instead(lambda r, a: a.ok and exotic(r), lambda a: refusal(500)),
    "CODE-01 CODE-02",
)
broken(
    "not-found-in-200",
    "an unknown id is 200 with an error in the body",
    "get_tag update_report delete_report",
    "CODE-03",
    instead(status(404), lambda a: json_answer(200, a.json)),
    "SHAPE-01 CODE-06",
    fits=fitting.stored,
)
broken(
    "long-id-is-500",
    "an id of more than 60 characters is 500",
    "get_tag get_report",
    "CODE-01",
    instead(lambda r, a: a.status in (400, 404) and bool(r.ids) and len(r.ids[-1]) > 60, lambda a: refusal(500)),
    "CODE-03",
    fits=fitting.ends_in_id,
    profile="release",
)


@breaks(
    "arrays-null-when-empty",
    "an empty list in a record is null",
    on="get_segment list_segments",
    by="SHAPE-01",
    also="STRUCT-01 STRUCT-04 SHAPE-03 LIFE-01 LIFE-03",
    fits=fitting.with_arrays,
    profile="release",
)
async def arrays_null_when_empty(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or not answer.body:
        return answer
    return answer.showing(_without_empty(answer.json))


def _without_empty(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict):
        return {n: _without_empty(v, depth + 1) for n, v in value.items()}
    if isinstance(value, list):
        return None if not value and depth > 1 else [_without_empty(v, depth + 1) for v in value]
    return value


TEXT_FILTERS = ("name_filter", "name_search", "searched_text")

# --- CODE, MEDIA ----------------------------------------------------------------------------------------------------


@breaks(
    "long-filter-is-500",
    "a text of more than 2,000 characters breaks the query of a filter",
    "list_tags list_emails",
    "CODE-01",
    fits=fitting.every(fitting.paged, lambda o, c: any(n in o.query_parameters for n in TEXT_FILTERS)),
    profile="release",
)
async def long_filter_is_500(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    long = any(len(value) > 2000 for name, value in request.query if name in TEXT_FILTERS)
    return refusal(500) if long and answer.ok else answer


@breaks(
    "deep-body-is-500",
    "a body of more than a thousand levels ends the parser, which calls itself",
    "create_tag update_report",
    "MEDIA-03 CODE-01",
    fits=fitting.writes,
    profile="release",
    source="CWE-674 Uncontrolled Recursion",
)
async def deep_body_is_500(request: Request, world: World) -> Answer:
    return refusal(500) if request.body.startswith(b"[" * 1000) else await world.forward(request)


@breaks(
    "post-to-a-record-is-500",
    "who posts to the path of a record meets a router that looks for a body before the method",
    "get_tag update_report",
    "CODE-04",
    also="CODE-01 CODE-06",
    beyond=True,
    fits=lambda o, c: fitting.ends_in_id(o, c) and fitting.acting("read", "update", "delete")(o, c) and no_post(o, c),
    profile="release",
)
async def post_to_a_record_is_500(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return refusal(500) if answer.status == 405 and request.method == "POST" else answer


def no_post(o: Operation, c: Contract) -> bool:
    """Nothing is posted to its path."""
    return all(other.method != "POST" for other in c.operations.values() if other.path == o.path)
