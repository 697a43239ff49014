"""CODE-03 of operations that are about whom a query parameter names: who is not there is a 404."""

from __future__ import annotations

from cdp.contract import Parameter
from contracts.calls import Call
from contracts.conventions.harmless import NO_SUCH, like
from contracts.finding import Unavailable
from contracts.subject import Subject, require

_NOBODYS = "cdpnobody"


def nobody_found(s: Subject) -> None:
    """A value that nobody has, and a record that holds nobody, each beside what is in order."""
    call, known = s.call(), dict(s.call().query)
    for parameter in s.operation.query_parameters:
        raw = s.bench.arrangement.finder.raw_parameter(s.operation, parameter.name)
        if not raw.get("x-finds"):
            continue
        if "x-entity" in raw and s.session.contract.by_action(raw["x-entity"], "create") is not None:
            try:
                held = s.bench.arrangement.holding_nobody(raw["x-entity"])
            except Unavailable:
                continue  # nothing may be made there
            value, what = str(held.record[raw.get("x-field", "id")]), f"a {raw['x-entity']} that holds nobody"
        else:
            value, what = _nobodys(s, parameter, known.get(parameter.name, "")), "a value that nobody has"
        exchange = s.session.send(call.asking((parameter.name, value)), s.session.admin)
        require(exchange.status == 404, f"{what} got {exchange.outcome()} instead of 404", exchange, parameter.name)
        s.exercised()
        if not s.quick and "x-entity" not in raw and s.control().ok:
            _of_no_known_kind(s, call)
            _nearly(s, call, parameter.name, known.get(parameter.name, ""))


def _nobodys(s: Subject, parameter: Parameter, known: str) -> str:
    """A value of the form of a known one, or of the form that the contract tells."""
    uuid = s.session.contract.resolved(parameter.schema).get("format") == "uuid"
    made_up = str(s.bench.arrangement.sampler.value(parameter.schema, parameter.name)) if uuid else ""
    return like(known, s.random) or made_up or NO_SUCH


def _of_no_known_kind(s: Subject, call: Call) -> None:
    """What a value is looked up in may be told by another parameter: what there is not cannot be looked up."""
    for parameter in s.operation.query_parameters:
        raw = s.bench.arrangement.finder.raw_parameter(s.operation, parameter.name)
        if parameter.required and "x-value-from" in raw and not raw.get("x-finds"):
            exchange = s.session.send(call.asking((parameter.name, NO_SUCH)), s.session.admin)
            sentence = f"{parameter.name} {NO_SUCH} got {exchange.outcome()} instead of 400 or 404"
            require(exchange.status in (400, 404), sentence, exchange, parameter.name)
            s.exercised()


def _nearly(s: Subject, call: Call, name: str, value: str) -> None:
    """What goes on behind a known value, and an address with a tag in it (RFC 5233), is another one. Where there is
    somebody who has it nothing is told, so each is tried with words that nobody has."""
    before, at, host = value.partition("@")
    others = [f"{value}{_NOBODYS}", f"{before}+{_NOBODYS}@{host}" if at else ""]
    for other in filter(None, others if value else ()):
        exchange = s.session.send(call.asking((name, other)), s.session.admin)
        refused = exchange.status in (400, 404)
        require(refused, f"what goes on behind a known value got {exchange.outcome()} instead of 404", exchange, name)
        s.exercised()
