"""A feature that ends in the id of a record opens for that record alone (ROLE-03)."""

from __future__ import annotations

from cdp.contract import Operation
from contracts.calls import Call
from contracts.checks import Broken, NotExercised
from contracts.observing import rows_of
from contracts.session import Identity
from contracts.subject import Subject


def opens_for_it_alone(s: Subject, call: Call, area: str, listing: Operation, own: list[str]) -> None:
    """A role with the feature of one record does not read what refers to another one. What the feature of one record
    shows is not documented in words, so this is never more than a WARN. `own`: the record that an operation's own one
    refers to; a list has to leave out all but that."""
    if s.operation.safety != "read":
        return
    try:
        if s.operation.collection is not None:
            _lists_nothing_else(s, call, area, f"{listing.entity}_id")
        else:
            _not_another_one(s, call, area, listing, own)
    except NotExercised:  # no caller can be made: what was tried before counts all the same
        return


def _not_another_one(s: Subject, call: Call, area: str, listing: Operation, own: list[str]) -> None:
    records = rows_of(listing, s.bench.control(listing)[1]) or []
    other = next((str(r["id"]) for r in records if isinstance(r, dict) and str(r.get("id")) not in own), None)
    if other is None or not own:
        return
    exchange = s.session.send(call, _holder(s, area, other))
    if exchange.ok:
        sentence = f"a role with {area} and the id of another {listing.entity} got {exchange.outcome()}"
        raise Broken(sentence, exchange, f"{area}/{other}", softly=True)
    s.exercised()


def _lists_nothing_else(s: Subject, call: Call, area: str, field: str) -> None:
    """Of a list that holds records of several, one of those is asked for."""
    found = rows_of(s.operation, s.bench.control(s.operation)[1]) or []
    ids = {str(r[field]) for r in found if isinstance(r, dict) and r.get(field) is not None}
    if len(ids) < 2:
        return
    wanted = min(ids)
    exchange = s.session.send(call, _holder(s, area, wanted))
    rows = [r for r in rows_of(s.operation, exchange) or [] if isinstance(r, dict)]
    stranger = next((r for r in rows if str(r.get(field, wanted)) != wanted), None)
    if stranger is not None:
        sentence = f"a role with {area} and the id {wanted} is shown a record with {field} {stranger[field]}"
        raise Broken(sentence, exchange, f"{area}/{wanted}", softly=True)
    s.exercised()


def _holder(s: Subject, area: str, id: str) -> Identity:
    return s.bench.identities.holding(frozenset({f"{area}/{id}"}), s.cell.role)
