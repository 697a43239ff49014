"""LIFE: what refers to other records. A change of it is made like any other, and what is referred to is deleted like
anything, or kept in an orderly way."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cdp.contract import Operation
from contracts.arrangement import OwnRecord
from contracts.conventions.breakdown import broken_down
from contracts.conventions.life.model import same
from contracts.finding import Unavailable
from contracts.subject import Subject, require

_REFERRING = 2  # kinds of records at most that are made to refer to one that is deleted
_OTHERWISE = {"x-value-from", "x-credential"}  # what is referred to is no record of the run's own


def changed_references(s: Subject) -> None:
    """LIFE-03: a record that is changed to refer to others does so. What a target refuses is no finding: which records
    may be referred to may depend on more than their kind."""
    contract, arrangement = s.session.contract, s.bench.arrangement
    read = contract.by_action(s.operation.entity, "read")
    schema = contract.resolved(s.operation.body_schema or {})
    fields = {name: contract.resolved(raw) for name, raw in schema.get("properties", {}).items()}
    referring = {name: f for name, f in fields.items() if "x-entity" in f and not _OTHERWISE & set(f)}
    if read is None or not referring or contract.by_action(s.operation.entity, "create") is None:
        return
    others: dict[str, list[OwnRecord]] = {}
    with suppress(Unavailable):
        own = arrangement.own(str(s.operation.entity))
        for name, field in referring.items():
            kind = field["x-entity"]
            if contract.by_action(kind, "create") is None:
                continue
            others.setdefault(kind, []).extend(arrangement.own(kind) for _ in range(2 - len(others.get(kind, ()))))
            _change(s, own, read, name, field, others[kind])


def _change(
    s: Subject, own: OwnRecord, read: Operation, name: str, field: Mapping[str, Any], others: list[OwnRecord]
) -> None:
    """Let a field refer to others, to several of them where it takes several, and look at it."""
    told = as_told(s, field, [str(other.record.get(field.get("x-field", "id"), "")) for other in others])
    if told is None or not s.bench.execute(own.call(s.operation).sending({name: told})).ok:
        return
    record, exchange = s.bench.read_back(own, read)
    got = record.get(name)
    if name not in record or isinstance(got, dict):
        return
    shown = got if isinstance(got, list) else [got]
    if any(isinstance(value, dict) for value in shown):
        return
    several = isinstance(told, list)
    kept = all(any(same(value, each) for each in shown) for value in told) if several else same(told, got)
    sentence = f"{name} was changed to {told!r:.60}, and the record is read with {got!r:.60}"
    require(kept, sentence, exchange, f"create; update ({name}); read")
    s.exercised()
    if several and not field.get("minItems") and s.bench.execute(own.call(s.operation).sending({name: []})).ok:
        record, exchange = s.bench.read_back(own, read)
        sentence = f"{name} was emptied, and the record is read with {record.get(name)!r:.60}"
        require(not record.get(name), sentence, exchange, f"create; update ({name}); empty it; read")


def _referring(s: Subject, entity: str) -> list[tuple[Operation, str, Mapping[str, Any]]]:
    """The operations that create records which refer to one of this kind, with the field that does so."""
    contract, found = s.session.contract, []
    for operation in contract.operations.values():
        if operation.action == "create" and operation.safety == "write" and operation.entity not in (None, entity):
            properties = contract.resolved(operation.body_schema or {}).get("properties", {})
            fields = {name: contract.resolved(raw) for name, raw in properties.items()}
            name = next((n for n, f in fields.items() if f.get("x-entity") == entity and "x-value-from" not in f), None)
            if name is not None:
                found.append((operation, name, fields[name]))
    return found


def deleted_while_referred_to(s: Subject) -> None:
    """LIFE-04: a record that others refer to is deleted, or refused in an orderly way (CWE-755: what a database holds
    to does not let it go). What refers to it can be read, or is gone with it."""
    contract, arrangement = s.session.contract, s.bench.arrangement
    for maker, name, field in _referring(s, s.operation.entity or "")[:_REFERRING]:
        try:
            own = arrangement.own(str(s.operation.entity))
            told = as_told(s, field, [str(own.record[field.get("x-field", "id")])])
            other = arrangement.create(str(maker.entity), {name: told})
        except (Unavailable, KeyError):
            continue
        words = f"the deletion of a record that another one ({maker.entity}) refers to"
        exchange = s.bench.execute(own.call(s.operation), judged=False)
        how = broken_down(exchange)
        require(not how, f"{words} got {how}", exchange, f"{maker.id} ({name}); {s.operation.id}")
        read = contract.by_action(maker.entity, "read")
        if exchange.ok and read is not None and all(p.name in other.path for p in read.path_parameters):
            seen = s.session.send(other.call(read), s.session.admin, judged=False)
            how = broken_down(seen)
            require(not how, f"after {words} reading that one got {how}", seen, f"{s.operation.id}; {read.id}")
        s.exercised()


def as_told(s: Subject, field: Mapping[str, Any], ids: list[str]) -> Any:
    """Ids in the form that a field takes: all of them where it takes several, else the first; None where it takes
    numbers, and one of them is none."""
    several = field.get("type") == "array"
    texts = (s.session.contract.resolved(field.get("items", {})) if several else field).get("type") == "string"
    if not all(ids if texts else map(str.isdecimal, ids)):
        return None
    found: list[Any] = ids if texts else [int(id) for id in ids]
    return found if several else found[0]
