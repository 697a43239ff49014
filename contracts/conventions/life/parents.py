"""Records with others below them: what becomes of both when the one above is deleted, or is not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cdp.contract import Operation, Parameter
from cdp.http import Exchange
from contracts.answers import fields as fields_of
from contracts.answers import marked
from contracts.arrangement import OwnRecord
from contracts.calls import Call
from contracts.conventions.breakdown import broken_down
from contracts.conventions.life.model import MARK
from contracts.finding import Unavailable
from contracts.observing import record_of, rows_of
from contracts.subject import Subject, require

_OTHERS, _PAGE = 5, 100  # other records above that are looked at, and of what lies below one
_BY_ITS_ID = ("read", "update", "delete")  # actions on a record that is named itself


def _makers(s: Subject, entity: str) -> list[Operation]:
    """The operations that create records below one of this kind, of those that send nothing. What goes to a trash keeps
    what is below it, and with that other records of the run: there what refers to none is made alone."""
    contract, found = s.session.contract, []
    for operation in contract.operations.values():
        below = operation.action == "create" and operation.path_parameters and operation.entity
        if below and operation.path_parameters[-1].entity == entity and operation.safety != "sends":
            body = contract.resolved(operation.body_schema or {})
            fields = [body["properties"][name] for name in body.get("required", ())]
            refers = any("x-entity" in contract.resolved(field) for field in fields)
            if not (refers and _to_a_trash(s, entity)):
                found.append(operation)
    return found


def _to_a_trash(s: Subject, entity: str) -> bool:
    """Whether a deleted record may be kept, and marked."""
    return MARK in fields_of(s.session.contract, entity) or s.session.contract.by_action(entity, "trash") is not None


def _family(s: Subject, entity: str, kind: str = "") -> tuple[OwnRecord, dict[str, OwnRecord]]:
    """A new record and one of each kind below it, or of this kind, as far as the target takes them. Raises Unavailable
    when there is none at all."""
    makers = [maker for maker in _makers(s, entity) if kind in ("", maker.entity)]
    if not makers:
        raise Unavailable(f"nothing is created below a {entity.replace('_', ' ')}")
    above, below = s.bench.arrangement.own(entity), {}
    for maker in makers:
        with suppress(Unavailable, KeyError):
            path = {p.name: above.path[p.name] for p in maker.path_parameters}
            below[maker.entity] = s.bench.arrangement.create(maker.entity, {}, path)
    if not below:
        raise Unavailable(f"nothing could be created below a {entity.replace('_', ' ')}")
    return above, below


def _is_there(operation: Operation, exchange: Exchange) -> bool:
    """Whether a record is shown, and not as a deleted one."""
    record: Any = record_of(operation, exchange) if exchange.ok and operation.answers_item else None
    return exchange.ok and not marked(record if isinstance(record, dict) else {})


def deleted_with_what_is_below(s: Subject) -> None:
    """LIFE-04: a record with others below it is deleted, or refused in an orderly way; what is deleted is gone."""
    entity, read = s.operation.entity, s.session.contract.by_action(s.operation.entity, "read")
    try:
        above, below = _family(s, entity)
    except Unavailable:
        return
    words = f"a {entity.replace('_', ' ')} with {len(below)} records of other kinds below it"
    exchange = s.bench.execute(above.call(s.operation), judged=False)
    how = broken_down(exchange)
    require(not how, f"the deletion of {words} got {how}", exchange, words)
    if exchange.ok and read is not None:
        seen = s.session.read_again(above.call(read), s.session.admin)
        require(not _is_there(read, seen), f"{words} was deleted and is read with {seen.outcome()}", seen, words)
    s.exercised()


def restored_with_what_is_below(s: Subject) -> None:
    """LIFE-06: what lies below a record that was deleted is there again with it."""
    delete = s.session.contract.by_action(s.operation.entity, "delete")
    if s.operation.action != "restore" or delete is None:
        return
    try:
        above, below = _family(s, str(s.operation.entity))
    except Unavailable:
        return
    before = {kind: _shown(s, kind, own) for kind, own in below.items()}
    if not s.bench.execute(above.call(delete)).ok:
        return
    exchange = s.bench.execute(above.call(s.operation))
    if not exchange.ok:
        return  # the matter of the machine
    for kind, own in below.items():
        words = f"the {kind.replace('_', ' ')} below it"
        lost = before[kind] > _shown(s, kind, own)
        require(not lost, f"a record was restored, and {words} is gone", exchange, "create; delete; restore; read")
    s.exercised()


def below_another_that_is_there(s: Subject, call: Call) -> Call | None:
    """The call below another record that the target has, whose own list does not hold what the call is about; None
    where there is none that can be told so."""
    contract, (*above, own) = s.session.contract, s.operation.path_parameters
    over, below = (contract.by_action(kind, "list") for kind in (above[-1].entity, own.entity))
    if over is None or below is None or over.path_parameters or own.name in {p.name for p in below.path_parameters}:
        return None
    try:
        values = s.bench.arrangement.finder.known_values(over, above[-1], call.path)
    except Unavailable:
        return None
    for value in [v for v in values if v != call.path[above[-1].name]][:_OTHERS]:
        path = {**call.path, above[-1].name: value}
        listing = Call(below, {p.name: path[p.name] for p in below.path_parameters})
        paged = below.collection is not None and below.collection.paging
        exchange = s.session.read(listing.asking(("limit", _PAGE)) if paged else listing, s.session.admin)
        rows = rows_of(below, exchange)
        ids = {str(r.get(own.field)) for r in rows or () if isinstance(r, dict)}
        if rows and len(rows) < _PAGE and call.path[own.name] not in ids:
            return call.at(**{above[-1].name: value})
    return None


def below_the_deleted(s: Subject, call: Call) -> None:
    """CODE-03: what lies below a record that was deleted is not there any more, where that record is not there."""
    operation = s.operation
    parameter = _parent_of(operation)
    if parameter is None or operation.safety == "sends":
        return
    read, delete = (s.session.contract.by_action(parameter.entity, action) for action in ("read", "delete"))
    if not parameter.entity or delete is None:
        return
    try:
        above, asked = _asked_below(s, call, parameter)
    except Unavailable:
        return
    admin = s.session.admin
    if operation.safety == "read" and not s.session.send(asked, admin).ok:
        return
    if not s.bench.execute(above.call(delete)).ok:
        return
    if read is None and _to_a_trash(s, parameter.entity):
        return
    if read is not None and not s.session.send(above.call(read), admin, judged=False).gone:
        return  # a trash that can be read may show more than the record
    exchange = s.session.send(asked, admin)
    which = "a list" if operation.collection is not None else f"to {operation.action} a record"
    what = f"{which} below a {parameter.entity.replace('_', ' ')} that was deleted"
    refused = exchange.client_error if operation.action == "create" else exchange.gone
    require(refused, f"{what} got {exchange.outcome()} instead of 404", exchange, what)
    s.exercised()


def _parent_of(operation: Operation) -> Parameter | None:
    """The path parameter that takes the record above those that an operation is about; None where it has none."""
    place = -2 if operation.action in _BY_ITS_ID else -1
    asks = operation.collection is not None or operation.action in (*_BY_ITS_ID, "create")
    return operation.path_parameters[place] if asks and len(operation.path_parameters) >= -place else None


def _asked_below(s: Subject, call: Call, parameter: Parameter) -> tuple[OwnRecord, Call]:
    """A record of the run's own, and the call about what lies below it. Raises Unavailable."""
    if s.operation.action in _BY_ITS_ID:
        above, below = _family(s, parameter.entity, s.operation.entity)
        asked = below[s.operation.entity].call(s.operation)
        return above, asked.sending(call.sent) if call.sent is not None else asked
    above = s.bench.arrangement.own(parameter.entity)
    return above, call.at(**{parameter.name: above.path[parameter.name]})


def refused_in_whole(s: Subject, attempt: Callable[[Call], Exchange]) -> None:
    """ROLE-05: a deletion that is refused takes nothing of what lies below the record."""
    try:
        above, below = _family(s, s.operation.entity)
    except Unavailable:
        return
    before = {kind: _shown(s, kind, own) for kind, own in below.items()}
    exchange = attempt(above.call(s.operation))
    if not exchange.refused_access:
        return  # whether it is refused is judged by another requirement
    for kind, own in below.items():
        lost = before[kind] > _shown(s, kind, own)
        words = f"a {kind.replace('_', ' ')} below the record"
        require(not lost, f"a deletion that was refused with {exchange.outcome()} took {words}", exchange, words)
    s.exercised()


def _shown(s: Subject, kind: str, own: OwnRecord) -> int:
    """How many records of a kind are shown below the one that another lies below: itself, or those of the list."""
    read, listing = (s.session.contract.by_action(kind, action) for action in ("read", "list"))
    operation = read or listing
    if operation is None:
        return 0
    exchange = s.session.read_again(own.call(operation), s.session.admin)
    return len(rows_of(listing, exchange) or ()) if operation is listing else int(exchange.ok)
