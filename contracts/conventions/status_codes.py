"""CODE: the common HTTP status codes (overview page, Error States; RFC 9110 section 15)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from cdp.http import DROPPED, Exchange
from contracts.calls import Call
from contracts.checks import NotExercised, check
from contracts.conventions.disclosure import internals
from contracts.conventions.harmless import unknown_id
from contracts.conventions.life_model import MARK
from contracts.conventions.numeric_ids import beyond_columns
from contracts.conventions.raw_queries import raw_queries
from contracts.conventions.repeated import same_again
from contracts.exploration import heed, judge_method
from contracts.finding import Unavailable
from contracts.observing import record_of
from contracts.subject import Subject, require

# {id} is the id of the call's own record. Nothing here reaches another one on a server that takes an id apart.
MALFORMED_IDS = ("not-an-id", "{id}.5", "-{id}", "%", "{id} OR 1=0")
NEARLY_IDS = (" {id}", "+{id}")  # what parsers of numbers read as the id all the same
# With fewer examples Hypothesis hardly gets beyond the simplest one.
_FEWEST = 4
JSON = "application/json"
_STUMBLING: Mapping[str, Any] = {"string": "\0", "integer": 0, "number": 0, "array": [], "object": {}}
NOWHERE = "/cdp/no/such/path"
STEP = "/cdp-no-such-path"
_METHODS = ("PUT", "PATCH", "DELETE", "POST")


def _touching_call(s: Subject) -> Call:
    """The call that variations are made of: about a record of the run's own where it changes something."""
    return s.call() if s.operation.safety == "read" else s.bench.untouched_call(s.operation)


@check("CODE-01")
def never_a_server_error(s: Subject) -> None:
    heed(s, counted=False)
    for exchange in s.session.seen(s.operation):
        _alive(exchange)
    s.bench.control(s.operation)
    if s.operation.collection is None or not s.quick:
        call = _touching_call(s)
        examples = max(_FEWEST, s.session.profile.examples)
        s.for_all(_strange_calls(s, call), lambda strange: _alive(s.session.send(strange, s.session.admin)), examples)
    if s.operation.method == "PATCH" and s.operation.body_media_type == JSON:
        # A change of nothing: no draw meets it, and it leaves everything as it is.
        _alive(s.session.send(_touching_call(s).sending({}), s.session.admin))
    if s.operation.action in ("create", "update") and not s.quick:
        _odd_values(s)
    if not s.quick:
        raw_queries(s)
    for exchange in s.session.seen(s.operation):
        _alive(exchange)
        s.exercised()


def _odd_values(s: Subject) -> None:
    """Valid bodies but for one value that databases and arithmetic stumble over: U+0000 in a text, 0, a list and an
    object without anything. Whether it is taken is open."""
    contract = s.session.contract
    if s.operation.body_media_type != JSON or contract.by_action(s.operation.entity, "create") is None:
        return
    call = _touching_call(s)
    properties = contract.resolved(s.operation.body_schema or {}).get("properties", {})
    fields = {name: contract.resolved(raw) for name, raw in properties.items()}
    creates = s.operation.action == "create"
    for name, field in fields.items():
        kinds = field.get("type")
        kind = str(kinds[0] if isinstance(kinds, list) else kinds)
        bound = {"enum", "format", "pattern", "contentMediaType", "x-entity", "x-credential"} & set(field)
        if kind == "array":
            bound.discard("x-entity")  # a list without anything refers to nothing
        if name == MARK or bound or kind not in _STUMBLING:
            continue
        sent = s.bench.arrangement.body_of(s.operation) if creates else call.sent
        odd = f"{s.session.prefix} \0" if kind == "string" else _STUMBLING[kind]
        _alive(s.bench.execute(call.sending({**(sent or {}), name: odd})))


def _alive(exchange: Exchange) -> None:
    require(exchange.failure != DROPPED, f"the connection was dropped: {exchange.detail}", exchange)
    require(exchange.status < 500, f"a request got {exchange.status}", exchange)
    require(bool(exchange.status), f"the answer could not be read: {exchange.failure} ({exchange.detail})", exchange)


def _strange_calls(s: Subject, call: Call) -> st.SearchStrategy[Call]:
    """Calls with odd ids, odd query values and odd bodies; none of them is a valid write."""
    text = st.text(st.characters(codec="utf-8"), max_size=30)
    odd = st.one_of(st.sampled_from(["", "0", "-1", "1e99", "null", "[]", "' OR 1=0 --", "%00", "\u202e"]), text)
    options = []
    if s.operation.path_parameters:
        name = s.operation.path_parameters[-1].name
        reading = s.operation.safety == "read"
        ids = odd.filter(lambda v: v not in ("", ".", "..") and (reading or not _may_be_an_id(v)))
        options.append(ids.map(lambda value: call.at(**{name: value})))
    if s.operation.query_parameters and s.operation.safety == "read":
        names = st.sampled_from([p.name for p in s.operation.query_parameters])
        options.append(st.tuples(names, odd).map(lambda pair: call.asking(pair)))
    if s.operation.body_media_type == JSON:
        bad = st.recursive(
            st.none() | st.booleans() | st.integers() | text, lambda inner: st.lists(inner, max_size=3), max_leaves=5
        )
        options.append(bad.map(lambda body: replace(call.sending_raw(_encoded(body), JSON), sent=None)))
    elif s.operation.body_media_type:
        options.append(st.binary(max_size=60).map(lambda body: call.sending_raw(body, call.media_type)))
    if not options:
        options.append(odd.map(lambda value: call.asking(("cdp_unknown_parameter", value))))
    return st.one_of(options)


def _may_be_an_id(text: str) -> bool:
    """Whether a lenient server could read a number in the text, and change a record that is not the run's."""
    return any(c.isdigit() and c != "0" for c in text)


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


@check("CODE-02")
def documented_success(s: Subject) -> None:
    exchange = s.bench.control(s.operation)[1]
    if exchange.status == 403:
        raise NotExercised(
            "the role of the run's own token may not call it; a token with its features would make it checkable"
        )
    wanted = sorted(status for status in s.operation.responses if 200 <= status < 300)
    require(
        exchange.status in wanted,
        f"a valid request got {exchange.outcome()} instead of {' or '.join(map(str, wanted))}",
        exchange,
    )
    s.exercised()
    same_again(s)
    heed(s)


@check("CODE-03")
def unknown_ids(s: Subject) -> None:
    s.control()
    call = _touching_call(s)
    exchange = s.session.send(unknown_id(s, call), s.session.admin)
    require(exchange.status == 404, f"an unknown id got {exchange.outcome()} instead of 404", exchange)
    s.exercised()
    if s.operation.action in ("read", "update", "delete"):
        _below_another(s, call)
    if s.operation.collection is not None and not s.quick:
        _below_the_deleted(s, call)
    parameter = s.operation.path_parameters[-1]
    short_list = s.operation.collection is not None and s.session.profile.list_forms == 1
    numbered = s.session.contract.resolved(parameter.schema).get("type") == "integer"
    if not s.quick:
        _long_id(s, call, "9" * 60 if numbered else "x" * 300)
    if numbered and not short_list:
        for form in (*s.forms(MALFORMED_IDS), *(NEARLY_IDS if not s.quick else ())):
            value = form.format(id=call.path[parameter.name])
            exchange = s.session.send(call.at(**{parameter.name: value}), s.session.admin)
            require(
                exchange.status in (400, 404),
                f"an id of the wrong form got {exchange.outcome()} instead of 404 or 400",
                exchange,
                value,
            )
            s.exercised()
    if not s.quick:
        beyond_columns(s, call)
    heed(s)


def _below_another(s: Subject, call: Call) -> None:
    """A record is not there below another record than its own: a new one, which has nothing below it (CWE-639)."""
    *above, own = s.operation.path_parameters
    if not above or own.entity is None or above[-1].entity is None:
        return
    try:
        other = s.bench.arrangement.own(above[-1].entity)
    except Unavailable:
        return
    exchange = s.session.send(call.at(**{above[-1].name: other.path[above[-1].name]}), s.session.admin)
    what = f"a {own.entity.replace('_', ' ')} below another {above[-1].entity.replace('_', ' ')} than its own"
    require(exchange.status == 404, f"{what} got {exchange.outcome()} instead of 404", exchange, what)
    s.exercised()


def _below_the_deleted(s: Subject, call: Call) -> None:
    """What lies below a record that was deleted is not there any more. A trash may keep more than the record."""
    contract, parameter = s.session.contract, s.operation.path_parameters[-1]
    delete = contract.by_action(parameter.entity, "delete")
    update = contract.by_action(parameter.entity, "update")
    marked = update is not None and MARK in contract.resolved(update.body_schema or {}).get("properties", {})
    if parameter.entity is None or delete is None or marked or contract.by_action(parameter.entity, "trash"):
        return
    try:
        above = s.bench.arrangement.own(parameter.entity)
    except Unavailable:
        return
    asked = call.at(**{parameter.name: above.path[parameter.name]})
    if not s.session.send(asked, s.session.admin).ok or not s.bench.execute(above.call(delete)).ok:
        return
    exchange = s.session.send(asked, s.session.admin)
    what = f"a list below a {parameter.entity.replace('_', ' ')} that was deleted"
    require(exchange.status == 404, f"{what} got {exchange.outcome()} instead of 404", exchange, what)
    s.exercised()


def _long_id(s: Subject, call: Call, value: str) -> None:
    """An id that is longer than any, beyond every integer and every column, is refused like any other."""
    exchange = s.session.send(call.at(**{s.operation.path_parameters[-1].name: value}), s.session.admin)
    require(exchange.client_error, f"an id of {len(value)} characters got {exchange.outcome()}", exchange, value[:20])
    s.exercised()


@check("CODE-04")
def unknown_routes(s: Subject) -> None:
    s.control()
    call = _touching_call(s)
    beyond = replace(call.operation, path=call.operation.path.rstrip("/") + NOWHERE)
    exchange = s.session.send(
        replace(call, operation=beyond, body=None, media_type=None, query=()), s.session.admin, method="GET"
    )
    _json_refusal(exchange, 404, "an unknown path")
    s.exercised()
    if not s.quick:
        _one_step_further(s, call)
    if s.operation.safety == "read" and not s.session.target.allows("write"):
        return
    supported = {o.method for o in s.session.contract.operations.values() if _same_route(o.path, s.operation.path)}
    method = next(m for m in (*_METHODS, "OPTIONS") if m not in supported)
    exchange = s.session.send(replace(call, body=None, media_type=None), s.session.admin, method=method)
    _json_refusal(exchange, 405, f"the unsupported method {method}")
    s.exercised()
    if s.session.profile.drawn:
        judge_method(s, exchange)


def _one_step_further(s: Subject, call: Call) -> None:
    """A path that goes on behind a record's by one step leads nowhere, unless some route might take it."""
    further = call.operation.path.rstrip("/") + STEP
    if any(_same_route(o.path, further) for o in s.session.contract.operations.values()):
        return
    asked = replace(call, operation=replace(call.operation, path=further), body=None, media_type=None, query=())
    _json_refusal(s.session.send(asked, s.session.admin, method="GET"), 404, "a path one step further")
    s.exercised()


def _same_route(one: str, other: str) -> bool:
    """Whether a router could take a URL of one template for the other."""
    parts, others = one.strip("/").split("/"), other.strip("/").split("/")
    return len(parts) == len(others) and all(
        a == b or a.startswith("{") or b.startswith("{") for a, b in zip(parts, others, strict=True)
    )


def _json_refusal(exchange: Exchange, status: int, what: str) -> None:
    require(exchange.status == status, f"{what} got {exchange.outcome()} instead of {status}", exchange, what)
    require(
        exchange.media_type == JSON and isinstance(exchange.json, dict),
        f"{what} got {status} without a JSON object",
        exchange,
        what,
    )


def invalid_bodies(s: Subject, call: Call) -> Iterator[tuple[str, str, Any]]:
    """Bodies that are wrong in one way each: the kind of fault, the words that describe it, the body."""
    contract = s.session.contract
    assert s.operation.body_schema is not None
    schema = contract.resolved(s.operation.body_schema)
    valid: dict[str, Any] = call.sent if isinstance(call.sent, dict) else {}
    for name in schema.get("required", ()):
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
    yield "array", "an array instead of an object", []


def _optional_of_another_type(
    s: Subject, schema: Mapping[str, Any], valid: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Wrong values of fields that a valid body does without, where a text can be none of theirs."""
    for name, raw in schema.get("properties", {}).items():
        field = s.session.contract.resolved(raw)
        if name not in valid and "enum" not in field and field.get("type") in ("integer", "number", "boolean"):
            yield "optional", f"{name} of the wrong type", {**valid, name: "cdp not a number"}


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


@check("CODE-05")
def invalid_body(s: Subject) -> None:
    s.control()
    call = _touching_call(s)
    found = list(invalid_bodies(s, call))
    for _, what, body in found if s.session.profile.list_forms > 1 else _one_of_each(s, found):
        exchange = s.bench.execute(replace(call.sending(body), sent=body if isinstance(body, dict) else None))
        require(
            exchange.status in (400, 422),
            f"a body {what} got {exchange.outcome()} instead of 400 or 422",
            exchange,
            what,
        )
        s.exercised()
    heed(s)


@check("CODE-06")
def errors_have_one_form(s: Subject) -> None:
    s.bench.control(s.operation)
    heed(s, counted=False)
    for exchange in s.session.seen(s.operation):
        if exchange.status >= 400:
            message = exchange.json.get("message") if isinstance(exchange.json, dict) else None
            require(
                isinstance(message, str) and bool(message),
                f"the error {exchange.status} is no JSON object with a text under message",
                exchange,
            )
            s.exercised()
    if not s.evidence:
        raise NotExercised("no error was seen on this operation; its other requirements bring some about")


@check("CODE-07")
def errors_show_no_internals(s: Subject) -> None:
    s.bench.control(s.operation)
    for exchange in s.session.seen(s.operation):
        if exchange.status >= 400:
            found = internals(exchange)
            require(not found, f"the error {exchange.status} shows internals: {found}", exchange)
            s.exercised()
    if not s.evidence:
        raise NotExercised("no error was seen on this operation; its other requirements bring some about")
