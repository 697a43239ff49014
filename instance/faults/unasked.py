"""Cases beside the usual one that nobody asks for at first: another parameter, another record, a longer text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance.faults import fitting
from instance.faults.life import acting, alone, changing, item, with_item
from instance.faults.listing import misreading, settling
from instance.faults.model import Answer, Request, World, breaks, broken, records_of, refusal, with_records
from instance.faults.overlooked import HIDDEN
from instance.faults.remembered import records_in

_SHOWN = 100  # characters of a text in a list


@breaks(
    "filter-needs-a-token",
    "an open operation answers without a token as long as nothing is asked for that may be left out",
    "get_wbs_segments get_wbs_customer",
    "AUTH-09",
    fits=fitting.every(fitting.open_by_its_page, lambda o, c: o.method == "GET" and bool(o.query_parameters)),
    source="CWE-696 Incorrect Behavior Order; CWE-306 (the other way round)",
)
async def filter_needs_a_token(request: Request, world: World) -> Answer:
    operation = request.operation
    required = {p.name for p in operation.query_parameters.values() if p.required} if operation else set()
    more = {name for name, _ in request.query} - required
    return refusal(401) if more and world.features(request) is None else await world.forward(request)


@breaks(
    "any-share-opens-all",
    "whoever has one record shared with him is let in to every record of the kind",
    "list_segment_notes list_segment_tags",
    "ROLE-06",
    also="ROLE-01 ROLE-03",
    through="share_segment_with_user",
    fits=lambda o, c: o.extra_access == "segment_acl" and o.method == "GET",
    profile="release",
    source="CWE-639 Authorization Bypass Through User-Controlled Key",
)
async def any_share_opens_all(request: Request, world: World) -> Answer:
    answer, having = await world.forward(request), world.memory.setdefault("having a share", set())
    body = request.json
    if request.operation is not None and request.operation.id == "share_segment_with_user":
        if answer.ok and isinstance(body, dict):
            having.add(str(body.get("user_id")))
        return answer
    if answer.status != 403:
        return answer
    identity = replace(request, method="GET", path="/api/identity", query=(), raw_query=None, body=b"")
    caller = await world.forward(identity)
    mine = caller.ok and str(caller.json["identity"]["id"]) in having
    return await world.forward(world.as_admin(request)) if mine else answer


broken(
    "hidden-never-shown",
    "show_hidden has no effect: hidden records never come",
    "list_sources list_attributes",
    "PAGE-10",
    misreading(lambda r: r.asking(show_hidden=None)),
    "LIFE-02",
    fits=HIDDEN,
    profile="release",
    source="CWE-628 Function Call with Incorrectly Specified Arguments",
)


@breaks(
    "event-of-any-customer",
    "an event is read below whatever customer stands in the path",
    "get_customer_event",
    "CODE-03",
    fits=fitting.only("get_customer_event"),
    through="list_customer_events",
    source="CWE-639 Authorization Bypass Through User-Controlled Key",
)
async def event_of_any_customer(request: Request, world: World) -> Answer:
    answer, owners = await world.forward(request), world.memory.setdefault("owners", {})
    if request.operation is not None and request.operation.collection is not None:
        if answer.ok:
            owners.update({record["id"]: request.ids[0] for record in records_of(request, answer)})
        return answer
    owner = owners.get(request.ids[-1]) if request.ids else None
    if answer.status != 404 or owner in (None, request.ids[0]):
        return answer
    return await world.forward(replace(request, path=request.path.replace(request.ids[0], owner)))


@breaks(
    "long-texts-cut-in-lists",
    "a list shows the first hundred characters of each text",
    "get_context_query get_report",
    "SHAPE-03",
    also="LIFE-02 LIFE-03 MEDIA-06",
    through="list",
    fits=lambda o, c: o.action == "read" and o.entity is not None and bool(c.of_entity(o.entity, "create")),
    profile="release",
    source="CWE-222 Truncation of Security-relevant Information; MySQL manual, GROUP_CONCAT: max length",
)
async def long_texts_cut(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or acting(request) != "list":
        return answer

    def cut(record: dict[str, Any]) -> dict[str, Any]:
        return {n: v[:_SHOWN] if isinstance(v, str) and "://" not in v else v for n, v in record.items()}

    return records_in(request, answer, cut)


@breaks(
    "restored-not-listed",
    "what was restored can be read again, but is not in the list",
    "restore_segment",
    "LIFE-06",
    also="LIFE-02",
    through="list",
    fits=fitting.acting("restore"),
    profile="release",
    source="CWE-459 Incomplete Cleanup",
)
async def restored_not_listed(request: Request, world: World) -> Answer:
    answer, restored = await world.forward(request), world.memory.setdefault("restored", set())
    if answer.ok and acting(request) == "restore":
        restored.add(item(request, answer)["id"])
    if not answer.ok or acting(request) != "list":
        return answer
    return with_records(request, answer, [r for r in records_of(request, answer) if r["id"] not in restored])


@breaks(
    "new-password-is-lost",
    "a change of a password is answered and not stored",
    "update_user",
    "LIFE-03",
    also="AUTH-10",
    through="create",
    fits=fitting.every(fitting.acting("update"), fitting.body_with("password")),
    profile="release",
    source="CWE-684 Incorrect Provision of Specified Functionality; CWE-620",
)
async def new_password_is_lost(request: Request, world: World) -> Answer:
    body, former = request.json, world.memory.setdefault("former passwords", {})
    answer = await world.forward(request)
    if not answer.ok or not isinstance(body, dict) or not isinstance(body.get("password"), str):
        return answer
    if acting(request) == "create":
        former[str(item(request, answer)["id"])] = body["password"]
    elif acting(request) == "update" and request.ids[-1] in former:
        await world.forward(request.with_body({"password": former[request.ids[-1]]}))
    return answer


def kept_from_the_first(records: list[Any], key: str, kept: dict[Any, Any]) -> list[Any]:
    return [{**r, key: kept.setdefault(r[key]["id"], r[key])} if isinstance(r.get(key), dict) else r for r in records]


def first_look(key: str) -> Callable[[Request, World], Any]:
    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or request.get("load_full_structure") != "1" or acting(request) != "list":
            return answer
        found = kept_from_the_first(records_of(request, answer), key, world.memory.setdefault(key, {}))
        return with_records(request, answer, found)

    return alter


broken(
    "embedded-as-first-seen",
    "the data of a sub-entity are kept from the first look: what is changed in it later does not show",
    "list_segment_tags",
    "STRUCT-04",
    first_look("tag"),
    fits=fitting.every(fitting.lists, fitting.embeds("tag")),
    profile="release",
    source="CWE-672 Operation on a Resource after Expiration; Hibernate manual, second-level cache",
)


@breaks(
    "renewed-is-of-the-last-login",
    "a renewal hands out the token of the last login, whoever's token was sent",
    "refresh_token",
    "AUTH-11",
    also="AUTH-06 ROLE-03",
    through="login_user",
    shows="login_to_metabase get_identity",
    fits=fitting.only("refresh_token"),
    profile="release",
    source="CWE-488 Exposure of Data Element to Wrong Session",
)
async def renewed_is_of_the_last_login(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.ok and request.operation is not None and request.operation.id == "login_user":
        world.memory["last login"] = answer.json["token"]
    elif answer.ok and "last login" in world.memory:
        return answer.showing({**answer.json, "token": world.memory["last login"]})
    return answer


@breaks(
    "steps-are-not-kept",
    "a step of a record is answered as done, and the record is what it was",
    "stop_journey deactivate_journey",
    "LIFE-03",
    also="LIFE-01",
    through="read",
    fits=lambda o, c: o.action in ("activate", "deactivate", "stop"),
    source="CWE-684 Incorrect Provision of Specified Functionality",
)
async def steps_are_not_kept(request: Request, world: World) -> Answer:
    former = world.memory.setdefault("former status", {})
    if acting(request) == "read":
        answer = await world.forward(request)
        status = former.get(request.ids[-1])
        changed = answer.ok and status is not None
        return with_item(request, answer, {**item(request, answer), "status": status}) if changed else answer
    path = request.path.rpartition("/")[0]
    seen = await world.forward(world.as_admin(replace(alone(request), path=path)))
    answer = await world.forward(request)
    if answer.ok and seen.ok:
        former[request.ids[-1]] = item(request, seen)["status"]
    return answer


broken(
    "switch-told-as-on",
    "selection_settings tell that hidden records come, whatever was asked",
    "list_customer_attributes",
    "PAGE-11",
    settling(show_hidden=True),
    fits=fitting.every(fitting.asks("attribute_values_max_count"), fitting.asks("show_hidden")),
    source="CWE-1188 Initialization of a Resource with an Insecure Default",
)


@breaks(
    "created-is-the-last-change",
    "created is the time of the last change (a column that a database sets on every update)",
    "update_destination update_report",
    "LIFE-03",
    also="ORDER-01 SHAPE-03",
    through="read",
    fits=fitting.every(fitting.acting("update"), fitting.records_with("created"), fitting.records_with("modified")),
    profile="release",
    source="MySQL manual, automatic initialization and updating for TIMESTAMP",
)
async def created_is_the_last_change(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or acting(request) not in ("read", "update"):
        return answer
    return records_in(request, answer, lambda record: {**record, "created": record.get("modified")})


@breaks(
    "restored-in-part",
    "of a restored record the settings are those of a new one",
    "restore_segment",
    "LIFE-06",
    also="LIFE-01 LIFE-03",
    fits=fitting.every(fitting.acting("restore"), fitting.records_with("settings")),
    profile="release",
    source="CWE-459 Incomplete Cleanup",
)
async def restored_in_part(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    path = request.path.rpartition("/")[0]
    await world.forward(changing(world.as_admin(request), path, {"settings": {"conditions_operation": {}}}))
    return answer


@breaks(
    "empty-list-of-ids-is-nothing",
    "an empty list of ids is taken for none that was sent: what a record refers to cannot be taken from it",
    "update_destination update_segment_export_destination",
    "LIFE-03",
    fits=fitting.every(fitting.acting("update"), fitting.body_with("mandatory_attribute_ids")),
    profile="release",
    source="CWE-1025 Comparison Using Wrong Factors: an empty list is false",
)
async def empty_list_is_nothing(request: Request, world: World) -> Answer:
    body = request.json
    if not isinstance(body, dict) or not any(v == [] for n, v in body.items() if n.endswith("_ids")):
        return await world.forward(request)
    return await world.forward(request.with_body({n: v for n, v in body.items() if v != []}))
