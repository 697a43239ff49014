"""What is known, kept and shown of records and callers: caches, sessions and rows that are not quite the right ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from instance import access, records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.fitting import FILTERS
from instance.faults.life import item, with_item
from instance.faults.listing import arranging, given, misreading, valid
from instance.faults.model import Answer, Request, World, breaks, broken, json_answer, records_of, refusal, with_records
from instance.faults.roles import role

Record = dict[str, Any]
FORM = "%Y-%m-%d %H:%M:%S"
MAKERS = ("user_id", "author_id", "created_by", "modified_by")


def caller(request: Request, world: World) -> Any:
    """Who asks, None without a token that counts."""
    try:
        return access.authenticate(world.store, list(request.headers))
    except Exception:
        return None


def records_in(request: Request, answer: Answer, change: Callable[[Record], Any]) -> Answer:
    """The same answer with every record of it changed."""
    operation = request.operation
    if operation is None or not answer.ok or not answer.body:
        return answer
    if operation.collection is not None:
        found = records_of(request, answer)
        return with_records(request, answer, [change(r) if isinstance(r, dict) else r for r in found])
    return with_item(request, answer, change(item(request, answer))) if operation.has_item else answer


# --- AUTH, ROLE -----------------------------------------------------------------------------------------------------


@breaks(
    "logout-ends-all-of-the-user",
    "a logout ends every token of the user, not only the one that was sent",
    "logout_user",
    "AUTH-06",
    also="AUTH-08 AUTH-11 CODE-02",
    shows="login_to_metabase",
    fits=fitting.only("logout_user"),
    profile="release",
    source="CWE-613 Insufficient Session Expiration (the other way round)",
)
async def logout_ends_all(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    token = request.json.get("token") if answer.ok and isinstance(request.json, dict) else None
    if isinstance(token, str):
        digest = hashlib.sha256(token.encode()).digest()
        with world.store.transaction() as connection:
            same = "SELECT user_id FROM token WHERE hash=?"
            connection.execute(f"UPDATE token SET ended=1 WHERE user_id=({same}) AND ended=0", (digest,))
        world.acted = True
    return answer


@breaks(
    "renewed-outlives-logout",
    "the logout of a token that came of a renewal ends nothing: only those of logins are kept in the table of sessions",
    "logout_user",
    "AUTH-06",
    also="CODE-02",
    shows="login_to_metabase",
    through="refresh_token",
    fits=fitting.only("logout_user"),
    profile="release",
    source="CWE-613 Insufficient Session Expiration",
)
async def renewed_outlives_logout(request: Request, world: World) -> Answer:
    renewed: set[str] = world.memory.setdefault("renewed", set())
    token = request.json.get("token") if isinstance(request.json, dict) else None
    if request.operation is not None and request.operation.id == "logout_user" and str(token) in renewed:
        return json_answer(200, {"message": "OK"})
    answer = await world.forward(request)
    if request.operation is not None and request.operation.id == "refresh_token" and answer.ok:
        renewed.add(answer.json["token"])
    return answer


def touch(request: Request, world: World, **more: Any) -> None:
    """The record that a request is about was changed just now, it seems."""
    entity = request.operation.entity if request.operation else None
    found = records.get(world.store, str(entity), request.ids[-1]) if request.ids else None
    if found is not None and found.get("modified"):
        now = world.store.clock().strftime(FORM)
        known = {n: v for n, v in more.items() if n in found}
        records.update(world.store, str(entity), request.ids[-1], {**found, "modified": now, **known})
        world.acted = True


touchable = fitting.every(fitting.acting("update"), fitting.seen_alone, fitting.records_with("modified"))


@breaks(
    "refused-write-sets-modified",
    "a change without a valid token is refused, and its record counts as modified since",
    "update_report update_feed",
    "AUTH-05",
    fits=touchable,
    profile="release",
    source="CWE-696 Incorrect Behavior Order",
)
async def refused_write_sets_modified(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status == 401:
        touch(request, world)
    return answer


@breaks(
    "forbidden-write-names-its-writer",
    "a change that the role forbids is refused, and its record tells as modified_by who tried",
    "update_feed",
    "ROLE-05",
    fits=fitting.every(touchable, fitting.featured, fitting.records_with("modified_by")),
    source="CWE-696 Incorrect Behavior Order",
)
async def forbidden_write_names_its_writer(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status == 403:
        touch(request, world, modified_by=caller(request, world).user_id)
    return answer


@breaks(
    "swap-of-features-counts-late",
    "features are kept by role and number: one that takes the place of another does not count",
    "list_reports update_report",
    "ROLE-06",
    also="ROLE-01 ROLE-02 ROLE-03",
    fits=fitting.featured,
    profile="release",
    source="CWE-613; CWE-524 Use of Cache Containing Sensitive Information",
)
async def swap_counts_late(request: Request, world: World) -> Answer:
    who, operation = caller(request, world), request.operation
    if who is None or operation is None:
        return await world.forward(request)
    kept = world.memory.setdefault((who.role_id, len(who.features)), who.features)
    if operation.allows(kept) == operation.allows(who.features):
        return await world.forward(request)
    return await world.forward(world.as_admin(request)) if operation.allows(kept) else refusal(403)


def last(name: str) -> str:
    return name.rpartition("/")[2]


broken(
    "same-action-opens",
    "any feature with the same action (view, edit) opens, whatever its area is",
    "list_events get_custom_email_block update_email_template",
    "ROLE-03",
    role(lambda held, needed, right: right or not {last(n) for n in held}.isdisjoint({last(n) for n in needed})),
    "ROLE-01 ROLE-04 ROLE-05 ROLE-06",
    fits=fitting.in_areas,
    source="CWE-863 Incorrect Authorization; CWE-187",
)


def reading(o: Operation, c: Contract) -> frozenset[str]:
    """The features that open reading what an operation writes."""
    found = [other for action in ("read", "list") for other in c.of_entity(str(o.entity), action)]
    return frozenset().union(*(other.features for other in found)) - o.features


@breaks(
    "who-reads-may-write",
    "the feature that opens reading a record opens writing it, too",
    "delete_journey create_custom_email_block",
    "ROLE-03",
    also="ROLE-01 ROLE-04 ROLE-05 ROLE-06",
    fits=fitting.every(
        fitting.acting("create", "update", "delete"), fitting.featured, lambda o, c: bool(reading(o, c))
    ),
    source="CWE-863 Incorrect Authorization; API5:2023",
)
async def who_reads_may_write(request: Request, world: World) -> Answer:
    held, operation = world.features(request) or frozenset(), request.operation
    if operation is not None and not held.isdisjoint(reading(operation, world.store.contract)):
        return await world.forward(world.as_admin(request))
    return await world.forward(request)


# --- PAGE, ORDER ----------------------------------------------------------------------------------------------------


@breaks(
    "smaller-roles-get-ten",
    "callers whose role lacks any feature get ten records by default",
    "list_tags list_reports",
    "PAGE-01",
    fits=fitting.every(fitting.paged, fitting.at_the_top),
    least=21,
    profile="release",
    source="CWE-1188 Initialization of a Resource with an Insecure Default",
)
async def smaller_roles_get_ten(request: Request, world: World) -> Answer:
    held = world.features(request)
    small = held is not None and not held >= world.store.contract.features and request.get("limit") is None
    asked = await world.forward(request)
    if not small or not asked.ok or not valid(request):
        return asked
    return with_records(request, asked, records_of(request, asked)[:10])


@breaks(
    "filter-sticks",
    "a filter stays for the next call that has none: a default in the code is filled and never emptied",
    "list_tags list_segments",
    "PAGE-09",
    also="PAGE-01 PAGE-02 PAGE-03 PAGE-04 PAGE-06 PAGE-10 LIFE-02 ORDER-02",
    fits=fitting.every(fitting.paged, fitting.filtered),
    profile="release",
    source="Python manual, Default Argument Values; CWE-488 Exposure of Data Element to Wrong Session",
)
async def filter_sticks(request: Request, world: World) -> Answer:
    asked = await world.forward(request)
    sent = {n: v for n, v in request.query if n in FILTERS and v}
    if sent or not asked.ok:
        if asked.ok:
            world.memory["filter"] = sent
        return asked
    kept = world.memory.pop("filter", None)
    got = await world.forward(request.asking(**kept)) if kept else asked
    return with_records(request, asked, records_of(request, got)) if got.ok else asked


def timestamp(request: Request) -> str:
    collection = request.operation.collection if request.operation else None
    return (collection.timestamp if collection else None) or "created"


def own(record: Record, user: Any) -> bool:
    return next((record[n] for n in MAKERS if n in record), None) == user


@breaks(
    "own-records-first",
    "by default the caller's own records come before those of others",
    "list_tags list_segment_notes",
    "ORDER-01",
    also="ORDER-02 PAGE-03",
    fits=fitting.every(fitting.dated, lambda o, c: any(fitting.records_with(n, required=False)(o, c) for n in MAKERS)),
    least=3,
    profile="release",
    source="CWE-684 Incorrect Provision of Specified Functionality",
)
async def own_records_first(request: Request, world: World) -> Answer:
    who = caller(request, world)
    if who is None or given(request, "order_by"):
        return await world.forward(request)
    return await arranging(lambda found, r: sorted(found, key=lambda x: not own(x, who.user_id)))(request, world)


def by_minutes(found: list[Any], request: Request) -> list[Any]:
    name = timestamp(request)
    if given(request, "order_by") or not all(isinstance(r, dict) and r.get(name) for r in found):
        return found
    oldest_first = found[::-1]
    return sorted(oldest_first, key=lambda r: str(r[name])[:16], reverse=True)


broken(
    "same-minute-oldest-first",
    "records are sorted by the minute of their creation, those of a minute come oldest first",
    "list_tags",
    "ORDER-02",
    arranging(by_minutes),
    also="ORDER-01 LIFE-02",
    fits=fitting.every(fitting.paged, fitting.dated),
    least=1,
    profile="release",
    source="CWE-197 Numeric Truncation Error",
)


def of_twelve_hours(text: Any) -> Any:
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:.*", text):
        return text
    return f"{text[:11]}{(int(text[11:13]) + 11) % 12 + 1:02}{text[13:]}"


async def in_twelve_hours(request: Request, world: World) -> Answer:
    name = timestamp(request)
    answer = await world.forward(request)
    return records_in(request, answer, lambda r: {**r, name: of_twelve_hours(r[name])} if name in r else r)


broken(
    "hours-of-twelve",
    "times are written with the hours of a clock of twelve, and without AM or PM",
    "list_tags list_events",
    "ORDER-01",
    in_twelve_hours,
    also="SHAPE-03 STRUCT-04 LIFE-02 ORDER-02",
    fits=fitting.every(fitting.lists, fitting.dated),
    least=5,
    source="Python manual, strftime: %I and %H",
)
broken(
    "order-by-lost-beside-filter",
    "beside a filter order_by and order_dir do not count",
    "list_tags list_segments",
    "PAGE-10",
    misreading(lambda r: r.asking(order_by=None, order_dir=None) if given(r, *FILTERS) else r),
    also="ORDER-04 ORDER-03",
    fits=fitting.every(fitting.paged, fitting.ordered, fitting.filtered),
    least=3,
    profile="release",
    source="CWE-684 Incorrect Provision of Specified Functionality",
)
