"""CODE: the common HTTP status codes (overview page, Error States; RFC 9110 section 15)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from cdp.http import DROPPED, JSON, Exchange
from contracts.arrangement import is_step
from contracts.belongings import foreign
from contracts.calls import Call
from contracts.checks import NotExercised, Unconfirmed, check
from contracts.conventions.at_once import never_too_many
from contracts.conventions.code.lookups import nobody_found
from contracts.conventions.code.numeric_ids import beyond_columns
from contracts.conventions.code.odd_forms import odd_forms
from contracts.conventions.code.other_case import id_in_other_case, path_in_other_case, same_route
from contracts.conventions.code.overdone import overdone
from contracts.conventions.code.raw_queries import raw_queries
from contracts.conventions.code.repeated import same_again
from contracts.conventions.code.taken_ids import taken_twice
from contracts.conventions.front_end import by_the_host, needing_the_api
from contracts.conventions.harmless import NO_SUCH, touching_call, unknown_id
from contracts.conventions.life.model import MARK
from contracts.conventions.life.parents import below_another_that_is_there, below_the_deleted
from contracts.exploration import heed, judge_method
from contracts.finding import Unavailable
from contracts.subject import Subject, require

# {id} is the id of the call's own record. Nothing here reaches another one on a server that takes an id apart.
MALFORMED_IDS = ("not-an-id", "{id}.5", "-{id}", "%", "{id} OR 1=0")
NEARLY_IDS = (" {id}", "+{id}")  # what parsers of numbers read as the id all the same
# With fewer examples Hypothesis hardly gets beyond the simplest one.
_FEWEST = 4
_STUMBLING: Mapping[str, Any] = {"string": "\0", "integer": 0, "number": 0, "array": [], "object": {}}
NOWHERE = "/cdp/no/such/path"
STEP = "/cdp-no-such-path"
_METHODS = ("PUT", "PATCH", "DELETE", "POST")
NO_METHOD = "PROPFIND"  # registered, and of no use to an API of JSON
_OUT_OF_PATHS = "/\\\0"  # servers in front take or refuse these for themselves, however they are encoded


@check("CODE-01")
def never_a_server_error(s: Subject) -> None:
    heed(s, counted=False)
    for exchange in s.session.seen(s.operation):
        _alive(exchange)
    s.bench.control(s.operation)
    if s.operation.collection is None or not s.quick:
        call = touching_call(s)
        examples = max(_FEWEST, s.session.profile.examples)
        s.for_all(_strange_calls(s, call), lambda strange: _alive(s.session.send(strange, s.session.admin)), examples)
    if s.operation.method == "PATCH" and s.operation.body_media_type == JSON:
        # A change of nothing: no draw meets it, and it leaves everything as it is.
        _alive(s.session.send(touching_call(s).sending({}), s.session.admin))
    if s.operation.action in ("create", "update") and not s.quick:
        _odd_values(s)
    taken_twice(s)
    if not s.quick:
        raw_queries(s)
        overdone(s)
        odd_forms(s)
        never_too_many(s)
    for exchange in s.session.seen(s.operation):
        _alive(exchange)
        s.exercised()


def _odd_values(s: Subject) -> None:
    """Valid bodies but for one value that databases and arithmetic stumble over: U+0000 in a text, 0, a list and an
    object without anything. Whether it is taken is open."""
    contract = s.session.contract
    if s.operation.body_media_type != JSON or contract.by_action(s.operation.entity, "create") is None:
        return
    call = touching_call(s)
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
        ids = odd.filter(
            lambda v: (
                v not in ("", ".", "..")
                and not any(c in v for c in _OUT_OF_PATHS)
                and (reading or not _may_be_an_id(v))
            )
        )
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
    call, exchange = s.bench.control(s.operation)
    if exchange.status == 403:
        raise NotExercised(
            "the role of the run's own token may not call it; a token with its features would make it checkable"
        )
    needing_the_api(s, exchange)
    wanted = sorted(status for status in s.operation.responses if 200 <= status < 300)
    if exchange.status not in wanted:
        _open_what_it_is(s, call, exchange, wanted)
    require(
        exchange.status in wanted,
        f"a valid request got {exchange.outcome()} instead of {' or '.join(map(str, wanted))}",
        exchange,
    )
    s.exercised()
    same_again(s)
    heed(s)


def _open_what_it_is(s: Subject, call: Call, exchange: Exchange, wanted: list[int]) -> None:
    """Raise Unconfirmed or NotExercised where no page says that a valid call gets another status than it got."""
    operation = s.operation
    statuses = " or ".join(map(str, wanted))
    assumed = [operation.responses[status].get("x-provenance", operation.provenance) for status in wanted]
    if exchange.ok and set(assumed) == {"assumed"}:
        raise Unconfirmed(f"that it answers {statuses} is assumed; the target answers {exchange.status}")
    if exchange.refused_as_invalid and operation.provenance == "assumed" and _shadowing(s):
        raise Unconfirmed(f"assumed operation; {_shadowing(s)} seems to take its path, and answers {exchange.status}")
    if exchange.refused_as_invalid and _body_is_assumed(s):
        raise NotExercised(
            f"the call answers {exchange.outcome()}: what its body has to hold is assumed; an overlay that describes "
            "it would make it checkable"
        )
    if exchange.status == 409:
        _open_conflict(s, wanted)
    if exchange.status in (400, 404) and any(_told_elsewhere(s, name) for name, _ in call.query):
        raise NotExercised(
            f"the call answers {exchange.outcome()}: its values are another operation's, and whether this one takes "
            "them is set for each instance"
        )
    if exchange.refused_as_invalid and operation.ingestion is not None and _taken_as_text(s, call):
        raise NotExercised(
            f"the call answers {exchange.outcome()}, and is taken with the {operation.ingestion.payload} as a text of "
            "JSON: which of the two is right no page says, and an overlay that says so would make it checkable"
        )


def _open_conflict(s: Subject, wanted: list[int]) -> None:
    """Raise NotExercised where no page says that what is there does not stand in the way of a valid call (409)."""
    operation = s.operation
    if foreign(s.session.contract, operation):
        raise NotExercised(
            "the call answers 409: what it is about is not the run's, and whether that may be changed is the target's"
            " to say"
        )
    if is_step(operation):
        raise NotExercised(
            "the call answers 409 to a new record, and behind the other steps of its life that the run may take: which"
            " state it needs no page says"
        )
    taken = sum(other.status in wanted for other in s.session.seen(operation)) if operation.action == "create" else 0
    if taken:
        raise NotExercised(f"{taken} records were taken in this run and another gets 409, as if there were no room")


def _body_is_assumed(s: Subject) -> bool:
    """Whether no page shows what the operation's body has to hold: neither where it stands nor that structure."""
    contract = s.session.contract
    body = contract.raw(s.operation).get("requestBody", {})
    structure = contract.resolved(s.operation.body_schema or {})
    return bool(body) and "assumed" in (
        s.operation.provenance,
        body.get("x-provenance"),
        structure.get("x-provenance"),
    )


def _shadowing(s: Subject) -> str:
    """The operation whose route takes the path of this one, with the last part of it for an id; empty if none does."""
    mine = s.operation
    for other in s.session.contract.operations.values():
        if other.id != mine.id and other.method == mine.method and same_route(other.path, mine.path):
            return other.id
    return ""


def _told_elsewhere(s: Subject, name: str) -> bool:
    """Whether a query parameter's value is one that another operation tells."""
    return "x-value-from" in s.bench.arrangement.finder.raw_parameter(s.operation, name)


def _taken_as_text(s: Subject, call: Call) -> bool:
    """Whether events are taken whose payload is a text of JSON, not an object."""
    ingestion = s.operation.ingestion
    rows = call.sent.get(ingestion.key) if ingestion and isinstance(call.sent, dict) else None
    if ingestion is None or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return False
    name = ingestion.payload
    texts = [{**row, name: json.dumps(row[name])} if isinstance(row.get(name), dict) else row for row in rows]
    return texts != rows and s.bench.execute(call.sending({**call.sent, ingestion.key: texts}), judged=False).ok


@check("CODE-03")
def unknown_ids(s: Subject) -> None:
    needing_the_api(s, s.control())
    nobody_found(s)
    if not s.operation.path_parameters:
        return
    call = touching_call(s)
    wrong = unknown_id(s, call)
    exchange = s.session.send(wrong, s.session.admin)
    by_its_form = exchange.status == 400 and _of_another_form(s, call, wrong)
    require(exchange.status == 404 or by_its_form, f"an unknown id got {exchange.outcome()} instead of 404", exchange)
    s.exercised()
    if s.operation.action in ("read", "update", "delete"):
        _below_another(s, call)
    if not s.quick:
        below_the_deleted(s, call)
    short_list = s.operation.collection is not None and s.session.profile.list_forms == 1
    numbered = s.session.contract.resolved(s.operation.path_parameters[-1].schema).get("type") == "integer"
    if not s.quick:
        _long_id(s, call, "9" * 70 if numbered else "x" * 300)
    if numbered and not short_list:
        _malformed_ids(s, call)
    if not s.quick:
        beyond_columns(s, call)
        id_in_other_case(s, call)
    heed(s)


def _of_another_form(s: Subject, call: Call, wrong: Call) -> bool:
    """Whether an unknown id may have a form that ids do not have there: a word, where a known one is none and no page
    says what they look like."""
    parameter = s.operation.path_parameters[-1]
    described = s.session.contract.resolved(parameter.schema).keys() & {"pattern", "format", "enum"}
    word = call.path[parameter.name].replace("_", "").replace("-", "").isalpha()
    return wrong.path[parameter.name] == NO_SUCH and not word and not described


def _below_another(s: Subject, call: Call) -> None:
    """A record is not there below another record than its own: a new one, which has nothing below it (CWE-639). Where
    none can be made, one that is not there."""
    *above, own = s.operation.path_parameters
    if not above or own.entity is None or above[-1].entity is None:
        return
    kind = above[-1].entity.replace("_", " ")
    try:
        beside = call.at(**{above[-1].name: s.bench.arrangement.own(above[-1].entity).path[above[-1].name]})
        other = f"another {kind} than its own"
    except Unavailable:
        if (elsewhere := below_another_that_is_there(s, call)) is not None:
            beside, other = elsewhere, f"another {kind} than its own"
        else:
            beside, other = unknown_id(s, call, -2), f"an unknown {kind}"
    exchange = s.session.send(beside, s.session.admin)
    what = f"a {own.entity.replace('_', ' ')} below {other}"
    require(exchange.status == 404, f"{what} got {exchange.outcome()} instead of 404", exchange, what)
    s.exercised()


def _malformed_ids(s: Subject, call: Call) -> None:
    """What is no number leads to no record where ids are numbers."""
    name = s.operation.path_parameters[-1].name
    for form in (*s.forms(MALFORMED_IDS), *(NEARLY_IDS if not s.quick else ())):
        value = form.format(id=call.path[name])
        exchange = s.session.send(call.at(**{name: value}), s.session.admin)
        sentence = f"an id of the wrong form got {exchange.outcome()} instead of 404 or 400"
        require(exchange.status in (400, 404), sentence, exchange, value)
        s.exercised()


def _long_id(s: Subject, call: Call, value: str) -> None:
    """An id that is longer than any, beyond every integer and every column, is refused like any other."""
    exchange = s.session.send(call.at(**{s.operation.path_parameters[-1].name: value}), s.session.admin)
    require(exchange.client_error, f"an id of {len(value)} characters got {exchange.outcome()}", exchange, value[:20])
    s.exercised()


@check("CODE-04")
def unknown_routes(s: Subject) -> None:
    needing_the_api(s, s.control())
    call = touching_call(s)
    beyond = replace(call.operation, path=call.operation.path.rstrip("/") + NOWHERE)
    exchange = s.session.send(
        replace(call, operation=beyond, body=None, media_type=None, query=()), s.session.admin, method="GET"
    )
    if not by_the_host(s, exchange):
        _json_refusal(exchange, 404, "an unknown path")
        s.exercised()
    if not s.quick:
        _one_step_further(s, call)
        path_in_other_case(s, call)
    if s.operation.safety != "read" or s.session.target.allows("write"):
        _unknown_methods(s, call)


def _unknown_methods(s: Subject, call: Call) -> None:
    """Methods that the contract does not know at the path are refused with 405."""
    supported = {o.method for o in s.session.contract.operations.values() if same_route(o.path, s.operation.path)}
    method = next(m for m in (*_METHODS, "OPTIONS") if m not in supported)
    exchange = _by_method(s, call, method)
    if exchange.status != 405 and not _read_in_full(s) and _by_method(s, call, NO_METHOD).status == 405:
        raise NotExercised(
            f"{method} gets {exchange.outcome()}, other methods 405: the section's page is not known to its end, and "
            f"may go on with this one"
        )
    _json_refusal(exchange, 405, f"the unsupported method {method}")
    s.exercised()
    if s.session.profile.drawn:
        judge_method(s, exchange)
    for other in [m for m in _METHODS if m not in (*supported, method, "DELETE")] if not s.quick else ():
        exchange = _by_method(s, call, other)
        if exchange.status == 405 or exchange.status >= 500 or _read_in_full(s):
            _json_refusal(exchange, 405, f"the unsupported method {other}")
            s.exercised()


def _by_method(s: Subject, call: Call, method: str) -> Exchange:
    """The answer to a method that the contract does not know there. It may be known to the target all the same: then it
    must not meet a record that is not the run's."""
    own = s.operation.safety != "read" and not foreign(s.session.contract, s.operation)
    asked = call if own else unknown_id(s, call)
    return s.session.send(replace(asked, body=None, media_type=None), s.session.admin, method=method)


def _read_in_full(s: Subject) -> bool:
    """Whether all operations of the section's page are known."""
    section = s.session.contract.section(s.operation.section)
    return section is not None and section.documentation == "full"


def _one_step_further(s: Subject, call: Call) -> None:
    """A path that goes on behind a record's by one step leads nowhere, unless some route might take it."""
    further = call.operation.path.rstrip("/") + STEP
    if any(same_route(o.path, further) for o in s.session.contract.operations.values()):
        return
    asked = replace(call, operation=replace(call.operation, path=further), body=None, media_type=None, query=())
    exchange = s.session.send(asked, s.session.admin, method="GET")
    if not by_the_host(s, exchange):
        _json_refusal(exchange, 404, "a path one step further")
        s.exercised()


def _json_refusal(exchange: Exchange, status: int, what: str) -> None:
    require(exchange.status == status, f"{what} got {exchange.outcome()} instead of {status}", exchange, what)
    require(
        exchange.media_type == JSON and isinstance(exchange.json, dict),
        f"{what} got {status} without a JSON object",
        exchange,
        what,
    )
