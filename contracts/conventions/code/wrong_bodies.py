"""CODE-05: bodies that are wrong in one way each (overview page, Error States; RFC 9110 section 15.5)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cdp.contract import Contract
from contracts.belongings import foreign
from contracts.calls import Call
from contracts.checks import check
from contracts.conventions.harmless import touching_call
from contracts.conventions.life.ties import untied
from contracts.exploration import heed
from contracts.finding import Unavailable
from contracts.observing import record_of
from contracts.subject import Subject, require

# A value of another type than a field of each kind takes.
_WRONG: Mapping[str, Any] = {
    "string": {"cdp": 1},
    "integer": "cdp not a number",
    "number": "cdp not a number",
    "boolean": "cdp not a number",
    "array": "cdp not a list",
    "object": "cdp not an object",
}
_WRONG_INSIDE = ("array", "object")


def invalid_bodies(s: Subject, call: Call) -> Iterator[tuple[str, str, Any]]:
    """Bodies that are wrong in one way each: the kind of fault, the words that describe it, the body."""
    contract = s.session.contract
    assert s.operation.body_schema is not None
    schema = contract.resolved(s.operation.body_schema)
    valid: dict[str, Any] = call.sent if isinstance(call.sent, dict) else {}
    for name in schema.get("required", ()):
        # Who takes a message for nobody in particular may send it to everybody.
        if s.operation.safety != "sends" or s.session.target.disposable:
            yield "missing", f"without {name}", {k: v for k, v in valid.items() if k != name}
    for name, value in valid.items():
        field = contract.resolved(schema["properties"].get(name, {}))
        wrong = _wrong_value(contract.resolved(field), value)
        if wrong is not None:
            yield "type", f"{name} of the wrong type", {**copy.deepcopy(valid), name: wrong[0]}
        if field.get("type") == "string" and isinstance(value, str):
            yield "number", f"{name} as a number", {**copy.deepcopy(valid), name: 7}
    if not s.quick:
        yield from _optional_of_another_type(s, schema, valid)
    for name, raw in schema.get("properties", {}).items():
        field = contract.resolved(raw)
        if "enum" in field:
            yield (
                "value",
                f"{name} outside its values",
                {**valid, name: 7 if field.get("type") == "integer" else "cdp no such value"},
            )
    if schema.get("additionalProperties") is False:
        yield "extra", "with a field that does not exist", {**valid, "cdp_no_such_field": 1}
        for name, value in _kept_by_the_server(s):
            if name not in schema.get("properties", {}):
                yield "kept by the server", f"with {name}, which nobody can set", {**valid, name: value}
        # What lists its complaints may have another form for one than for several.
        yield (
            "several",
            "with several mistakes",
            {**valid, **_all_wrong(contract, schema, valid), "cdp_no_such_field": 1},
        )
    yield "array", "an array instead of an object", []


def _all_wrong(contract: Contract, schema: Mapping[str, Any], valid: Mapping[str, Any]) -> dict[str, Any]:
    """A value of another type for each field of a valid body."""
    fields = {name: contract.resolved(schema["properties"].get(name, {})) for name in valid}
    wrong = {name: _wrong_value(field, valid[name]) for name, field in fields.items()}
    return {name: value[0] for name, value in wrong.items() if value is not None}


def _optional_of_another_type(
    s: Subject, schema: Mapping[str, Any], valid: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Wrong values of fields that a valid body does without. A text that holds JSON may be sent as what it holds, and
    what a form is assumed of may have another one."""
    for name, raw in schema.get("properties", {}).items():
        field = s.session.contract.resolved(raw)
        kinds = field.get("type")
        kind = str(kinds[0] if isinstance(kinds, list) else kinds)
        bound = {"enum", "contentMediaType", "x-credential"} & set(field)
        inside = kind in _WRONG_INSIDE and field.get("x-provenance") == "assumed"
        if name not in valid and kind in _WRONG and not bound and not inside:
            yield "optional", f"{name} of the wrong type", {**valid, name: _WRONG[kind]}


def _kept_by_the_server(s: Subject) -> Iterator[tuple[str, Any]]:
    """Fields of the records that tell who made them and when, with values that a caller might like to set (CWE-915)."""
    record = record_of(s.operation, s.bench.control(s.operation)[1])
    for name, value in (("created", "2001-02-03 04:05:06"), ("user_id", 1), ("modified", "2001-02-03 04:05:06")):
        if isinstance(record, dict) and name in record:
            yield name, value


def _one_of_each(s: Subject, found: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    """For a short profile: one body of every kind, another one on other operations."""
    kinds: dict[str, list[tuple[str, str, Any]]] = {}
    for body in found:
        kinds.setdefault(body[0], []).append(body)
    return [bodies[s.operation.order % len(bodies)] for bodies in kinds.values()]


def _wrong_value(field: Mapping[str, Any], value: Any) -> tuple[Any] | None:
    """A value of another type than the field takes; None where any type is taken."""
    if isinstance(value, str) and field.get("type") == "string":
        return ({"cdp": 1},)
    if isinstance(value, bool | int | float) and field.get("type") in ("integer", "number", "boolean"):
        return ("cdp not a number",)
    if isinstance(value, list) and field.get("type") == "array":
        return ("cdp not a list",)
    if isinstance(value, dict) and field.get("type") == "object":
        return ("cdp not an object",)
    return None


def _afresh(s: Subject, call: Call) -> Call:
    """The same call with ids and texts that were never sent: whether they are stored can be seen each time."""
    sent, sampler = call.sent, s.bench.arrangement.sampler
    if not isinstance(sent, dict) or s.operation.action not in ("create", "update"):
        return call
    if s.operation.action == "create":
        ends: dict[str, Any] = {}
        with suppress(Unavailable, KeyError):
            ends = untied(s, s.operation)  # what is tied already shows nothing when it is tied once more
        return call.sending({**sent, **s.bench.arrangement.body_of(s.operation), **ends})
    own = {n for n, v in sent.items() if isinstance(v, str) and v.startswith(f"{s.session.prefix} ")}
    return call.sending({**sent, **{name: sampler.text(name) for name in own}})


@check("CODE-05")
def invalid_body(s: Subject) -> None:
    s.control()
    call = touching_call(s) if s.quick else _afresh(s, touching_call(s))
    found = list(invalid_bodies(s, call))
    if foreign(s.session.contract, s.operation) and not s.session.target.disposable:
        # Whoever takes a wrong value keeps it: what was there before the run is asked with what has no value at all.
        found = [body for body in found if body[0] == "array"]
    before = s.bench.state(call, now=True) if s.operation.observe and not s.quick else None
    for _, what, body in found if s.session.profile.list_forms > 1 else _one_of_each(s, found):
        exchange = s.bench.execute(replace(call.sending(body), sent=body if isinstance(body, dict) else None))
        require(
            exchange.refused_as_invalid,
            f"a body {what} got {exchange.outcome()} instead of 400 or 422",
            exchange,
            what,
        )
        s.exercised()
    if before is not None:
        sentence = "bodies with a mistake in them were refused, and something of them is stored"
        require(s.bench.unchanged(call, before), sentence, exchange, "; ".join(each[1] for each in found))
    heed(s)
