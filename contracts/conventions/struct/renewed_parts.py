"""STRUCT-04: the data of a sub-entity are those that it has, not those that it had when somebody looked first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdp.contract import Operation, SubEntity
from cdp.http import Exchange
from contracts.answers import data_of
from contracts.applicability import body_fields, text_fields
from contracts.arrangement import OwnRecord
from contracts.calls import Call
from contracts.checks import Broken
from contracts.conventions.life.references import as_told
from contracts.conventions.listing import REFERENCE_PAGE
from contracts.finding import Unavailable
from contracts.observing import identity, record_of, rows_of
from contracts.patience import PATIENCE_S, last_look
from contracts.subject import Subject

_MOST = 2  # kinds of sub-entities that are changed


def parts_are_as_they_are(s: Subject) -> None:
    """A record of the run's own that refers to others of its own, which are changed once it was read in full."""
    for sub, update in list(_changeable(s))[:_MOST]:
        found = _made(s, sub)
        if found is not None:
            _changed(s, sub, update, *found)


def _changeable(s: Subject) -> Iterator[tuple[SubEntity, Operation]]:
    """The sub-entities that can be made and given another text, and named where the record is made."""
    contract, operation = s.session.contract, s.operation
    create = contract.by_action(operation.entity, "create")
    fields = body_fields(contract, create) if create is not None else {}
    for sub in operation.sub_entities:
        update = contract.by_action(sub.entity, "update")
        named = fields.get(sub.field, {}).get("x-entity") == sub.entity
        if named and update is not None and text_fields(contract, update) and contract.by_action(sub.entity, "create"):
            yield sub, update


def _made(s: Subject, sub: SubEntity) -> tuple[OwnRecord, OwnRecord] | None:
    arrangement = s.bench.arrangement
    create = s.session.contract.by_action(s.operation.entity, "create")
    try:
        part = arrangement.own(sub.entity)
        field: Mapping[str, Any] = body_fields(s.session.contract, create)[sub.field] if create else {}
        told = as_told(s, field, [str(part.record["id"])])
        return (part, arrangement.create(str(s.operation.entity), {sub.field: told})) if told is not None else None
    except (Unavailable, KeyError):
        return None


def _changed(s: Subject, sub: SubEntity, update: Operation, part: OwnRecord, own: OwnRecord) -> None:
    before, _ = _embedded(s, sub, part, own)
    name = next((n for n in text_fields(s.session.contract, update) if isinstance((before or {}).get(n), str)), None)
    if before is None or name is None:
        return
    text = s.bench.arrangement.sampler.text(name)
    if not s.bench.execute(part.call(update).sending({name: text})).ok:
        return
    shows, (_, exchange) = last_look(
        lambda: _embedded(s, sub, part, own), lambda now: now[0] is None or now[0].get(name) != before[name]
    )
    if not shows:
        sentence = f"{name} of the embedded {sub.key} is what it was before it was changed {PATIENCE_S:g} s ago"
        raise Broken(sentence, exchange, "load_full_structure=1", softly=True)
    s.exercised()


def _embedded(s: Subject, sub: SubEntity, part: OwnRecord, own: OwnRecord) -> tuple[Mapping[str, Any] | None, Exchange]:
    """The data of the part in the full record, or in the full list; None where they do not stand there."""
    operation = s.operation
    call = Call(operation, {p.name: own.path[p.name] for p in operation.path_parameters if p.name in own.path})
    paged = operation.query("limit") is not None
    asked = call.asking(("load_full_structure", 1), *((("limit", REFERENCE_PAGE),) if paged else ()))
    exchange = s.session.read_again(asked, s.session.admin)
    rows = rows_of(operation, exchange) if operation.collection else [record_of(operation, exchange)]
    mine = str(identity(own.record))
    row = next((r for r in rows or () if isinstance(r, dict) and str(identity(r)) == mine), None)
    found = data_of(row, sub) if row is not None else []
    return next((e for e in found if str(e.get("id")) == str(part.record["id"])), None), exchange
