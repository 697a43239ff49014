"""SHAPE: what lies below a record is that record's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdp.http import Exchange
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, Unconfirmed, check
from contracts.conventions.listing import as_page, list_call
from contracts.finding import Unavailable
from contracts.observing import canonical, rows_of
from contracts.patience import last_look
from contracts.subject import Subject, require

_OTHERS, _FEW = 5, 2  # records of the same kind below which is looked until something is found; in a short run
_PATIENCE_S = 3.0  # until a replica knows of a new record


@dataclass(frozen=True)
class Below:
    """What stands in the list below one record."""

    asked: str
    rows: Sequence[Mapping[str, Any]]
    exchange: Exchange

    @property
    def ids(self) -> set[str]:
        return {canonical(row["id"]) for row in self.rows if row.get("id") is not None}


@check("SHAPE-04")
def of_one_record_alone(s: Subject) -> None:
    s.control()
    own = _below(s, s.call().path[s.operation.path_parameters[-1].name])
    _tells(s, own)
    other = None if s.quick and s.evidence else _below_another(s, own.asked)
    if other is not None:
        _tells(s, other)
        shared = own.ids & other.ids
        twice = f"the record {min(shared, default='')} stands below {own.asked} and below {other.asked}"
        require(not shared, twice, other.exchange)
        s.exercised(1 if own.ids and other.ids else 0)
    if not s.quick:
        _nothing_below(s)
    if not s.evidence:
        raise NotExercised("nothing lies below a second record, and no record of the list tells what it lies below")


def _nothing_below(s: Subject) -> None:
    """Below a record that was made just now there is a list, too, though nothing may stand in it."""
    parameter = s.operation.path_parameters[-1]
    if len(s.operation.path_parameters) > 1:
        return
    try:
        new = s.bench.arrangement.own(parameter.entity)
    except (Unavailable, NotExercised, Unconfirmed):
        return
    if parameter.name not in new.path:
        return
    call = Call(s.operation, {parameter.name: new.path[parameter.name]}, list_call(s).query)
    listed, exchange = last_look(
        lambda: s.session.read_again(call, s.session.admin),
        lambda answer: rows_of(s.operation, answer) is not None,
        _PATIENCE_S,
    )
    if not listed:
        sentence = f"the list below a record that was made just now got {exchange.outcome()}"
        raise Broken(sentence, exchange, softly=s.operation.provenance == "assumed")
    s.exercised()


def _tells(s: Subject, found: Below) -> None:
    """Where a record names what it lies below, it is what was asked for."""
    name = s.operation.path_parameters[-1].name
    for row in [r for r in found.rows if isinstance(r.get(name), int | str)]:
        strange = f"below {found.asked} stands a record whose {name} is {row[name]!r:.60}"
        require(str(row[name]) == found.asked, strange, found.exchange)
        s.exercised()


def _below(s: Subject, asked: str) -> Below:
    """The list below a record, as it was read when a record was sought that has anything below it."""
    path = {**s.call().path, s.operation.path_parameters[-1].name: asked}
    exchange = s.session.read(s.bench.arrangement.finder.listing(s.operation, path), s.session.admin)
    rows = as_page(s, exchange, "").records if exchange.ok else []
    return Below(asked, [r for r in rows if isinstance(r, dict)], exchange)


def _below_another(s: Subject, asked: str) -> Below | None:
    """What lies below another record of the same kind; None where no other is found that has anything there."""
    finder, parameter = s.bench.arrangement.finder, s.operation.path_parameters[-1]
    listing = s.session.contract.by_action(parameter.entity, "list")
    above = {name: value for name, value in s.call().path.items() if name != parameter.name}
    try:
        known = finder.known_values(listing, parameter, above) if listing is not None else []
    except Unavailable:
        return None
    most = _FEW if s.quick else _OTHERS
    others = (_below(s, other) for other in [each for each in known if each != asked][:most])
    return next((found for found in others if found.rows), None)
