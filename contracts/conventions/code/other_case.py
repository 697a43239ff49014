"""Ids and paths in other case than their own name nothing (CODE-03, CODE-04): but for scheme and host all of an address
is compared with its case (RFC 9110 section 4.2.3; CWE-178)."""

from __future__ import annotations

import string
from dataclasses import replace

from cdp.contract import Operation
from contracts.calls import Call
from contracts.conventions.front_end import by_the_host
from contracts.finding import Unavailable
from contracts.observing import record_of
from contracts.subject import Subject, require


def same_route(one: str, other: str) -> bool:
    """Whether a router could take a URL of one template for the other."""
    parts, others = one.strip("/").split("/"), other.strip("/").split("/")
    return len(parts) == len(others) and all(
        a == b or a.startswith("{") or b.startswith("{") for a, b in zip(parts, others, strict=True)
    )


def id_in_other_case(s: Subject, call: Call) -> None:
    """A record is not read by its id in other case. Numbers in hexadecimal, UUIDs among them, have no case of their
    own: where clients choose ids, one of the run's is tried instead. The id in other case may be another record's."""
    parameter = s.operation.path_parameters[-1]
    if s.operation.action != "read":
        return
    if _without_case(call.path[parameter.name]):
        call = _with_own_id(s, call)
    known = call.path[parameter.name]
    other = known.swapcase()
    if _without_case(known) or other == known:
        return
    exchange = s.session.send(call.at(**{parameter.name: other}), s.session.admin)
    record = record_of(s.operation, exchange)
    found = exchange.ok and isinstance(record, dict) and record.get(parameter.field) == known
    if found and _one_id_in_any_case(s, other):
        return
    require(not found, f"the id of a record in other case got {exchange.outcome()} instead of 404", exchange, other)
    s.exercised()


def _one_id_in_any_case(s: Subject, other: str) -> bool:
    """Whether case counts for nothing wherever ids are compared, as in databases that fold it: no record can be made
    whose id is that of another one in other case, but one with another id in such letters can."""
    entity, create = s.operation.entity, s.session.contract.by_action(s.operation.entity, "create")
    if entity is None or create is None or not _chosen_by_clients(s, create):
        return False
    known: dict[str, bool] = s.bench.memory.setdefault("ids in other case", {})
    if other not in known:
        known[other] = _taken(s, entity, f"{other}X") and not _taken(s, entity, other)
    return known[other]


def _taken(s: Subject, entity: str, id: str) -> bool:
    """Whether a record can be made that has this id."""
    try:
        s.bench.arrangement.create(entity, {"id": id})
    except Unavailable:
        return False
    return True


def _chosen_by_clients(s: Subject, create: Operation) -> bool:
    return "id" in s.session.contract.resolved(create.body_schema or {}).get("required", ())


def _without_case(id: str) -> bool:
    return set(id) <= {*string.hexdigits, "-"}


def _with_own_id(s: Subject, call: Call) -> Call:
    """The call about a new record whose id the run has chosen; about the same one where it cannot."""
    entity, create = s.operation.entity, s.session.contract.by_action(s.operation.entity, "create")
    if entity is None or create is None or not _chosen_by_clients(s, create):
        return call
    try:
        return s.bench.arrangement.own(entity).call(s.operation)
    except (Unavailable, KeyError):
        return call


def path_in_other_case(s: Subject, call: Call) -> None:
    """A path in other case is an unknown one, unless some route might take it."""
    path = s.operation.path.upper()
    routes = [o.path for o in s.session.contract.operations.values()]
    if s.operation.safety != "read" or s.operation.path_parameters or any(same_route(each, path) for each in routes):
        return
    asked = replace(call, operation=replace(call.operation, path=path))
    exchange = s.session.send(asked, s.session.admin, judged=False)
    if not by_the_host(s, exchange):
        require(not exchange.ok, f"the path in other case got {exchange.outcome()} instead of 404", exchange, path)
        s.exercised()
