"""Bugs of who may do what: tokens that are compared by what they decode to, sessions that come back, owners, patterns
in roles, rights that are kept for a moment, what is looked at or done before the role, and whose a record is."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from fnmatch import fnmatchcase
from typing import Any

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.callers import known_token
from instance.faults.life import acting, item
from instance.faults.model import TOKEN, Answer, Request, World, breaks, broken, refusal
from instance.faults.relations import above, forget_children, with_children
from instance.faults.roles import FEATURED, role
from instance.faults.tokens import OPERATIONS, lenient
from instance.users import ADMINISTRATOR_ID

# --- tokens ---------------------------------------------------------------------------------------------------------


def decoded_alike(sent: bytes, known: bytes) -> bool:
    """Whether two tokens are the same bytes after decoding: the last letter has two bits that nobody reads."""
    if sent.rstrip(b"=")[:-1] != known[:-1] or len(sent.rstrip(b"=")) != len(known):
        return False
    try:
        return urlsafe_b64decode(sent.rstrip(b"=") + b"==") == urlsafe_b64decode(known + b"==")
    except ValueError:
        return False


broken(
    "token-last-bits-ignored",
    "tokens are compared after decoding, which leaves out the last two bits and the padding",
    OPERATIONS,
    "AUTH-03",
    lenient(decoded_alike),
    softly=True,
    profile="release",
    source="RFC 4648 section 3.5 (pad bits); CWE-187 Partial String Comparison",
)


@breaks(
    "ended-token-names-its-user",
    "the refusal of a token that was ended tells the e-mail of its user",
    OPERATIONS,
    "AUTH-07",
    fits=lambda o, c: o.auth == "token",
    profile="release",
)
async def ended_names_its_user(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    row = known_token(request, world) if answer.status == 401 else None
    user = records.get(world.store, "user", row[0], deleted=None) if row else None
    if user is None:
        return answer
    return answer.showing({**answer.json, "detail": f"The session of {user['email']} has ended."})


# --- roles: who is let through --------------------------------------------------------------------------------------


def owned(o: Operation, c: Contract) -> bool:
    """It is about one stored record, which has an owner, and no access is given along beside the role."""
    if o.entity is None or o.entity not in c.entities or o.extra_access or not fitting.ends_in_id(o, c):
        return False
    return o.path_parameters[-1].entity == o.entity and "user_id" in c.entities[o.entity].fields


@breaks(
    "owner-needs-no-role",
    "who made a record may do everything with it, whatever his role allows now",
    "update_report delete_report",
    "ROLE-01",
    also="ROLE-02 ROLE-03 ROLE-04 ROLE-05 ROLE-06",
    fits=fitting.every(fitting.featured, fitting.acting("read", "update", "delete"), owned),
    profile="release",
    source="CWE-863 Incorrect Authorization; API5:2023 Broken Function Level Authorization",
)
async def owner_needs_no_role(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    operation, caller = request.operation, known_token(request, world)
    if answer.status != 403 or operation is None or operation.entity is None or caller is None:
        return answer
    record = records.get(world.store, operation.entity, request.ids[-1])
    mine = record is not None and record["user_id"] == caller[0]
    return await world.forward(world.as_admin(request)) if mine else answer


broken(
    "star-opens",
    "a star in the name of a feature stands for anything",
    FEATURED,
    "ROLE-03",
    role(lambda held, needed, right: right or any("*" in h and fnmatchcase(n, h) for h in held for n in needed)),
    "ROLE-01 ROLE-04 ROLE-06",
    fits=fitting.featured,
    profile="release",
    source="CWE-155 Improper Neutralization of Wildcards or Matching Symbols; Casbin manual, keyMatch",
)


@breaks(
    "permissions-kept-for-a-second",
    "the features of a caller are kept for a second",
    "get_report list_reports update_report",
    "ROLE-06",
    also="ROLE-01 ROLE-02 ROLE-03 ROLE-04 ROLE-05",
    fits=fitting.featured,
)
async def permissions_kept(request: Request, world: World) -> Answer:
    held, operation = world.features(request), request.operation
    if held is None or operation is None:
        return await world.forward(request)
    kept = world.memory.setdefault("kept", {})
    key = request.header(TOKEN)
    until, remembered = kept.get(key, (0.0, held))
    if time.monotonic() > until:
        remembered = held
        kept[key] = time.monotonic() + 1.0, held
    if remembered == held:
        return await world.forward(request)
    return await world.forward(world.as_admin(request)) if operation.allows(remembered) else refusal(403)


@breaks(
    "empty-change-needs-no-role",
    "a change that names no field is acknowledged before the role is looked at",
    "update_report update_custom_email_block",
    "ROLE-01",
    also="ROLE-03 ROLE-04 ROLE-05",
    fits=fitting.every(fitting.featured, fitting.acting("update"), fitting.writes),
    profile="release",
)
async def empty_change_needs_no_role(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return await world.forward(world.as_admin(request)) if answer.status == 403 and request.json == {} else answer


# --- roles: what comes before them ----------------------------------------------------------------------------------


@breaks(
    "unknown-parent-before-role",
    "the record above is looked for before the role is looked at",
    "list_segment_notes create_funnel_chart",
    "ROLE-04",
    also="ROLE-01 ROLE-05",
    fits=fitting.every(fitting.featured, above),
)
async def unknown_parent_before_role(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 403 or request.operation is None or world.features(request) is None:
        return answer
    entity = request.operation.path_parameters[0].entity
    missing = entity is not None and records.get(world.store, entity, request.ids[0]) is None
    return refusal(404) if missing else answer


@breaks(
    "odd-id-before-role",
    "an id that is no number is refused before the role is looked at, as FastAPI does with typed paths",
    "get_report update_report delete_report",
    "ROLE-04",
    also="ROLE-01 ROLE-05",
    fits=fitting.every(fitting.featured, fitting.numbered),
    profile="release",
    source="FastAPI manual, Path Parameters: data validation comes before dependencies",
)
async def odd_id_before_role(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    refused = answer.status == 403 and world.features(request) is not None
    return refusal(422) if refused and not request.ids[-1].isdigit() else answer


def deletes_more(o: Operation, c: Contract) -> bool:
    return fitting.featured(o, c) and fitting.acting("delete")(o, c) and with_children(o, c)


@breaks(
    "forbidden-deletion-empties",
    "a deletion that the role forbids deletes what lies below the record before it is refused",
    "delete_segment delete_stitching_category",
    "ROLE-05",
    also="LIFE-04",
    fits=deletes_more,
    profile="release",
    source="CWE-696 Incorrect Behavior Order; Rails guide, Active Record Callbacks: before_destroy",
)
async def forbidden_deletion_empties(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status == 403 and acting(request) == "delete":
        await forget(request, world)
    return answer


async def forget(request: Request, world: World) -> Any:
    """What lies below the record that a request is about is gone."""
    world.acted = bool(forget_children(request, world)) or world.acted


@breaks(
    "features-beyond-five-lost",
    "a role is stored with its first five features",
    "create_user_role",
    "LIFE-01",
    also="ROLE-02 ROLE-03",
    fits=fitting.only("create_user_role"),
    source="CWE-222 Truncation of Security-relevant Information",
)
async def features_beyond_five_lost(request: Request, world: World) -> Answer:
    body = request.json
    features = body.get("features") if isinstance(body, dict) else None
    if request.method != "POST" or not isinstance(features, list):
        return await world.forward(request)
    return await world.forward(request.with_body({**body, "features": features[:5]}))


# --- records of others, and records that are shared ------------------------------------------------------------------

SHARES = ("list_segment_users", "list_funnel_group_users")


def of_another(request: Request, world: World) -> bool:
    """Whether a request is a user's who is not the administrator."""
    found = known_token(request, world)
    return bool(found and not found[1] and found[0] != ADMINISTRATOR_ID)


def owned_creation(o: Operation, c: Contract) -> bool:
    """It creates what belongs to a user, for who has a feature."""
    free = o.action == "create" and fitting.featured(o, c) and not o.path_parameters
    return free and fitting.records_with("user_id", required=False)(o, c) and not fitting.body_with("user_id")(o, c)


def with_reading(o: Operation, c: Contract) -> bool:
    """What it creates is read alone."""
    return bool(c.of_entity(str(o.entity), "read"))


@breaks(
    "created-as-the-administrator",
    "what anybody creates belongs to the administrator",
    "create_tag create_report",
    "ROLE-02",
    fits=owned_creation,
    softly=True,
    profile="release",
)
async def created_as_the_administrator(request: Request, world: World) -> Answer:
    answer = await world.forward(request.with_body({})) if of_another(request, world) else None
    if answer is None or answer.status not in (400, 422):
        return await world.forward(request)
    return await world.forward(world.as_admin(request))


@breaks(
    "creations-of-others-lost",
    "what anybody but the administrator creates is acknowledged and not stored",
    "create_tag create_report",
    "ROLE-02",
    fits=fitting.every(fitting.featured, fitting.acting("create"), fitting.deletable, fitting.at_the_top, with_reading),
    profile="release",
)
async def creations_lost(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok and of_another(request, world) and request.operation is not None:
        key = request.operation.entity, str(item(request, answer).get("id"))
        with world.store.transaction() as connection:
            connection.execute("DELETE FROM record WHERE entity=? AND id=?", key)
        world.acted = True
    return answer


@breaks(
    "ended-shares-count-on",
    "whom a record was shared with sees it for good",
    "list_segment_users list_funnel_group_users",
    "ROLE-06",
    also="ROLE-01 ROLE-03",
    fits=fitting.only(*SHARES),
    profile="release",
)
async def ended_shares_count_on(request: Request, world: World) -> Answer:
    seen = world.memory.setdefault("shared with", set())
    answer, held = await world.forward(request), world.features(request)
    key = request.path, known_token(request, world)
    if answer.ok and held is not None and request.operation and not request.operation.allows(held):
        seen.add(key)
    return await world.forward(world.as_admin(request)) if answer.status == 403 and key in seen else answer


broken(
    "shares-open-nothing",
    "whom a record was shared with does not see it",
    "list_segment_users list_funnel_group_users",
    "ROLE-06",
    role(lambda held, needed, right: bool(held & needed)),
    fits=fitting.only(*SHARES),
    profile="release",
)
