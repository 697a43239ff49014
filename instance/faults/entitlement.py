"""Bugs of a role that is checked in two places: at the door, where harmless calls end, and at the work (ROLE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.life import item
from instance.faults.model import Alteration, Answer, Request, World, broken, records_of, refusal, with_records
from instance.faults.oversights import opened_by_exports
from instance.faults.roles import missing

WRITES = "update_email_template create_custom_email_block create_report update_report"
READS = "list_attributes list_sources list_events"


# --- writes ---------------------------------------------------------------------------------------------------------


async def valid_is_done(request: Request, world: World) -> Answer:
    """What the real server refuses is done for whoever holds any feature, if it is valid."""
    answer = await world.forward(request)
    if answer.status != 403 or not world.features(request):
        return answer
    done = await world.forward(world.as_admin(request))
    return done if done.ok else answer


async def looked_for_first(request: Request, world: World) -> Answer:
    """The record and the body are looked at before the role, and any feature opens."""
    answer = await world.forward(request)
    if answer.status != 403:
        return answer
    if world.features(request):
        return await world.forward(world.as_admin(request))
    if request.ids and await missing(request, world):
        return refusal(404)
    return answer


broken(
    "valid-write-needs-no-feature",
    "the role is checked where a request is refused for something else, and not where it is done",
    WRITES,
    "ROLE-05",
    valid_is_done,
    fits=fitting.every(fitting.featured, fitting.writes, fitting.acting("create", "update")),
)
broken(
    "loaded-first-any-feature-opens",
    "a record is looked for before the role is, and any feature opens the write",
    "update_email_template update_report",
    "ROLE-05",
    looked_for_first,
    "ROLE-04",
    fits=fitting.every(fitting.featured, fitting.stored, fitting.acting("update")),
)


def deep_feature(name: str) -> Alteration:
    """A valid write is refused where its work begins, to roles without another feature."""

    async def alter(request: Request, world: World) -> Answer:
        held, operation = world.features(request), request.operation
        if held is None or operation is None or name in held or not operation.allows(held):
            return await world.forward(request)
        tried = await world.forward(request)
        return refusal(403) if tried.ok else tried

    return alter


def lone_creation(o: Operation, c: Contract) -> bool:
    """It creates what lies below no other record, and nothing else gives access to it."""
    return o.action == "create" and not o.path_parameters and not o.extra_access and o.safety == "write"


broken(
    "deep-feature-needed",
    "another feature is wanted where a record is really created",
    "create_report create_custom_email_block",
    "ROLE-02",
    deep_feature("settings/users"),
    fits=fitting.every(fitting.without_feature("settings/users"), lone_creation),
    profile="release",
)


# --- reads ----------------------------------------------------------------------------------------------------------


def looking_with(answered: Callable[[Request, Answer], Answer]) -> Alteration:
    """The work looks at another feature than the door: at the last one that opens, where several do."""

    async def alter(request: Request, world: World) -> Answer:
        held, operation = world.features(request), request.operation
        answer = await world.forward(request)
        if held is None or operation is None or not answer.ok or sorted(operation.features)[-1] in held:
            return answer
        return answered(request, answer)

    return alter


def not_of_settings(o: Operation, c: Contract) -> bool:
    """What it answers is not for few callers by itself."""
    return o.extra_access != "settings_global"


broken(
    "entitled-sees-an-empty-list",
    "of several features that open a list, all but one show it empty",
    READS,
    "ROLE-02",
    looking_with(lambda request, answer: with_records(request, answer, [])),
    "ROLE-03",
    softly=True,
    fits=fitting.every(fitting.one_of, fitting.lists, not_of_settings),
)
broken(
    "entitled-finds-nothing",
    "of several features that open a read, all but one get 404",
    "get_custom_email_block get_attribute",
    "ROLE-02",
    looking_with(lambda request, answer: refusal(404)),
    "ROLE-03",
    fits=fitting.every(fitting.one_of, fitting.acting("read"), not_of_settings),
)


async def kept_behind_the_door(request: Request, world: World) -> Answer:
    """Answers are kept by their address, behind the check of token and role: the first caller's are everybody's."""
    answer = await world.forward(request)
    if not answer.ok or request.method != "GET":
        return answer
    kept = world.memory.setdefault("kept", {})
    told = kept.setdefault((request.path, request.query), answer)
    assert isinstance(told, Answer)
    return told


broken(
    "identity-kept-by-address",
    "who one is, is kept by the address and told to whoever asks next",
    "get_identity",
    "ROLE-03",
    kept_behind_the_door,
    "SHAPE-03 LIFE-03 ROLE-06",
    softly=True,
    fits=fitting.only("get_identity"),
    source="CWE-524 Use of Cache Containing Sensitive Information",
)


async def any_destination(request: Request, world: World) -> Answer:
    """A feature that names one destination opens what goes to any."""
    held = world.features(request) or frozenset()
    named = any(name.startswith("segments/export/") for name in held)
    return await world.forward(world.as_admin(request) if named else request)


broken(
    "destination-feature-opens-all",
    "the feature of one export destination opens what goes to the others",
    "list_segment_exports",
    "ROLE-03",
    any_destination,
    softly=True,
    fits=fitting.every(opened_by_exports, fitting.acting("read", "list")),
    profile="release",
)


# --- what a refusal gives away --------------------------------------------------------------------------------------


def giving_away(told: Callable[[dict[str, Any]], dict[str, Any]]) -> Alteration:
    """A refusal of too small a role says something of the record that was asked for."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 403 or request.operation is None:
            return answer
        there = await world.forward(world.as_admin(request))
        if not there.ok:
            return answer
        record = next(iter(records_of(request, there)), None) if request.operation.collection else item(request, there)
        return answer.showing({**answer.json, **told(record)}) if isinstance(record, dict) else answer

    return alter


SEEN = fitting.every(fitting.featured, fitting.acting("read", "list"))
broken(
    "forbidden-holds-record",
    "the details of a 403 hold the record",
    "get_report list_events",
    "ROLE-08",
    giving_away(lambda record: {"detail": {"resource": record}}),
    "CODE-06 CODE-07",
    fits=fitting.every(SEEN, fitting.records_with("id"), fitting.records_with("name"), fitting.records_with("created")),
)
broken(
    "forbidden-names-record",
    "a 403 names the record that was asked for",
    "get_report list_segment_export_destinations",
    "ROLE-08",
    giving_away(lambda record: {"message": f"You may not see '{record['name']}'."}),
    fits=fitting.every(SEEN, fitting.records_with("name", fitting.of_kind("string"))),
)
