"""AUTH: a token in the header X-Access-Token, on every request (overview page, Authentication)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.request import getproxies

from hypothesis import strategies as st

from cdp.http import TOKEN_HEADER, Exchange
from cdp.texts import timestamp
from contracts.applicability import text_fields
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, Unconfirmed, check
from contracts.conventions.auth.forged import RESPELLED, decoded_alike, is_web_token, respelled, unsigned
from contracts.conventions.auth.named_users import names_a_user
from contracts.conventions.auth.renewals import as_good_as_another, ends_one_alone
from contracts.conventions.auth.shown_inside import shown_inside
from contracts.conventions.disclosure import internals, record_within
from contracts.conventions.front_end import needing_the_api
from contracts.conventions.harmless import about_nobody, harmless, invalid_body, unknown_id
from contracts.conventions.listing import asked_otherwise, describe
from contracts.conventions.other_ways import refused_by_every_way
from contracts.observing import State
from contracts.session import ANONYMOUS
from contracts.subject import Subject, require

UNKNOWN_TOKEN = "cdp-no-such-token-0123456789abcdef"
OVERLONG = "a token of 8,000 characters"
OTHER_BYTES = "a token of non-ASCII bytes"
# Where a token does not count, several of a kind in one request.
PLACES = (
    "query",
    "cookie",
    "another header",
    "Authorization",
    "Authorization: Bearer",
    "Authorization: Token",
    "Authorization: Basic",
    "body",
)
QUERY_NAMES = ("token", "access_token", "auth_token", "api_key", "key", "jwt", "sid", TOKEN_HEADER)
COOKIES = ("access_token", "token", "auth_token", "session", "sid", "jwt", TOKEN_HEADER)
OTHER_HEADERS = (
    "X-Api-Key",
    "X-Auth-Token",
    "X-Token",
    "Token",
    "Api-Key",
    "Access-Token",
    "Proxy-Authorization",
    "X_Access_Token",
)
FIELDS = ("token", "access_token", "api_key")


Attempt = Callable[[Call], Exchange]


def _refused(
    exchange: Exchange, what: str, example: str = "", others: tuple[int, ...] = (), *, softly: bool = False
) -> None:
    """A refusal is 401, or one of `others`; a 403 is a WARN; anything else lets the caller through or breaks. `softly`:
    to let him through is a WARN, too, but not to break."""
    if exchange.status in others:
        return
    if exchange.status == 403:
        raise Broken(f"{what} got 403 instead of 401", exchange, example, softly=True)
    sentence = f"{what} got {exchange.outcome()} instead of 401"
    require(exchange.status == 401, sentence, exchange, example, softly and exchange.ok)


def _try(
    s: Subject, headers: dict[str, Any] | None = None, call: Call | None = None, *, judged: bool = True
) -> Exchange:
    return s.session.send(call or s.bench.untouched_call(s.operation), ANONYMOUS, headers, judged=judged)


def _refused_first(exchange: Exchange, said: str, what: str) -> None:
    """A refusal of who asks for what cannot be given: that it comes before the other one is worth a WARN."""
    if exchange.status in (400, 404, 415, 422):  # refused, but it tells which ids there are, and what is valid
        raise Broken(f"{said} got {exchange.outcome()} instead of 401", exchange, what, softly=True)
    _refused(exchange, said, what)


@check("AUTH-01")
def no_token(s: Subject) -> None:
    if (nobodys := about_nobody(s)) is not None:
        _refused_first(_try(s, call=nobodys), "a request without a token with an unknown id", "an unknown id")
        return s.exercised()
    s.control()
    _refused(_try(s), "a request without a token")
    call = s.bench.untouched_call(s.operation)
    if (asked := asked_otherwise(s, call, filtered=True)) != call:
        _refused(_try(s, call=asked), f"a request without a token for {describe(*asked.query)}")
    for what, wrong in (("an unknown id", unknown_id(s, call)), ("an invalid body", invalid_body(call))):
        if wrong == call:
            continue
        exchange = _try(s, call=wrong)
        _refused_first(exchange, f"a request without a token with {what}", what)
    s.exercised()
    if not s.quick:
        refused_by_every_way(s, call, ANONYMOUS, "a request without a token")


@check("AUTH-02")
def unknown_token(s: Subject) -> None:
    if (nobodys := about_nobody(s)) is not None:
        exchange = _try(s, {TOKEN_HEADER: UNKNOWN_TOKEN}, nobodys)
        _refused_first(exchange, "an unknown token with an unknown id", UNKNOWN_TOKEN)
        return s.exercised()
    s.control()
    _refused(_try(s, {TOKEN_HEADER: UNKNOWN_TOKEN}), "an unknown token", UNKNOWN_TOKEN)
    s.exercised()


def _spelled(s: Subject, token: str) -> Exchange:
    """The answer to a token that is hardly another than the valid one, and as secret."""
    return _try(s, {TOKEN_HEADER: s.session.secrets.add(token)})


# What cannot be read as a header may be refused before a token is looked at (RFC 9110 sections 5.4, 5.5; RFC 6585
# section 5): by the server that the API runs in, whose answer need not have the API's form.
NO_HEADER = {OVERLONG: (400, 431), OTHER_BYTES: (400,)}
LONG_HEADER = 4096  # characters; tokens may be long themselves, and are sent twice


def _no_header(what: str, value: Any) -> tuple[int, ...]:
    """The statuses that may refuse a token in place of 401."""
    return NO_HEADER[OVERLONG] if len(value) > LONG_HEADER else NO_HEADER.get(what, ())


def _spoilt(token: str) -> list[tuple[str, Any]]:
    """Malformed relatives of a valid token, each with the words that describe it; the token itself is never shown."""
    middle = len(token) // 2
    other = "A" if token[middle] != "A" else "B"
    return [
        ("an empty token", ""),
        ("a valid token with one character changed", token[:middle] + other + token[middle + 1 :]),
        ("a valid token without its last character", token[:-1]),
        ("a valid token with one character added", token + "x"),
        ("a blank token", "   "),
        ("a valid token in other case", token.swapcase()),
        ("a valid token in quotes", f'"{token}"'),
        (OVERLONG, "x" * 8000),
        (OTHER_BYTES, "žluťoučký-kůň".encode()),
        ("a valid token with a blank inside", token[:middle] + " " + token[middle:]),
        ("a valid token twice", f"{token}, {token}"),
        ("a valid token after Bearer", f"Bearer {token}"),
        ("a valid token with its first character percent-encoded", f"%{ord(token[0]):02X}{token[1:]}"),
        *unsigned(token),
    ]


@check("AUTH-03")
def malformed_token(s: Subject) -> None:
    s.control()
    token = s.session.admin.token
    forms = [(what, value) for what, value in _spoilt(token) if value != token]
    start = s.operation.order % len(forms)
    for number in range(min(s.session.profile.tokens, len(forms)) if s.quick else len(forms)):
        what, value = forms[(start + number) % len(forms)]
        if isinstance(value, str) and token[:6] in value:
            s.session.secrets.add(value)
        unread = _no_header(what, value)
        exchange = _try(s, {TOKEN_HEADER: value}, judged=not unread)
        if unread and exchange.status not in (401, *unread):
            exchange = _try(s, {TOKEN_HEADER: value})  # it was read, so that the answer is the API's
        _refused(exchange, what, what, unread)
        s.exercised()
    if s.quick:
        return
    for value in respelled(token):
        _refused(_spelled(s, value), RESPELLED, RESPELLED, softly=True)
        s.exercised()

    def rule(edit: tuple[int, str, str]) -> None:
        position, kind, character = edit
        at = position % len(token)
        spoilt = {
            "change": token[:at] + character + token[at + 1 :],
            "cut": token[:at] + token[at + 1 :],
            "add": token[:at] + character + token[at:],
        }[kind]
        alike = decoded_alike(token, spoilt)
        if spoilt == token or (alike and is_web_token(token)):
            return  # to whoever compares signatures as bytes it may be the same one
        _refused(_spelled(s, spoilt), f"a valid token with one character {kind}ed", f"{kind} at {at}", softly=alike)
        s.exercised()

    alphabet = st.sampled_from("abcXYZ019-_.=+/~")
    edits = st.tuples(st.integers(0, len(token) - 1), st.sampled_from(["change", "cut", "add"]), alphabet)
    s.for_all(edits, rule, max(1, s.session.profile.tokens // 3))


def _needed_headers(s: Subject) -> dict[str, str]:
    """Headers that let a request through to the API at all; what stands under their names is not the API's to take."""
    target = s.session.target
    needed = {name.lower(): value for name, value in target.headers}
    if target.proxy or (getproxies() and not target.loopback):
        needed["proxy-authorization"] = ""  # it is for the proxy, which would get the token
    return needed


def _elsewhere(s: Subject, place: str, token: str, call: Call) -> tuple[dict[str, Any], Call]:
    """Headers and call with the token in another place than its header."""
    needed = _needed_headers(s)
    if place == "query":
        return {}, call.asking(*((name, token) for name in QUERY_NAMES))
    if place == "cookie":
        own = [needed["cookie"]] if "cookie" in needed else []
        return {"Cookie": "; ".join((*own, *(f"{name}={token}" for name in COOKIES)))}, call
    if place == "another header":
        return {name: token for name in OTHER_HEADERS if name.lower() not in needed}, call
    if place == "body":
        return {}, call.sending({**call.sent, **dict.fromkeys(FIELDS, token)})
    told = {
        "Bearer": token,
        "Token": token,
        "Basic": s.session.secrets.add(base64.b64encode(f"token:{token}".encode()).decode()),
    }
    kind = place.partition(": ")[2]
    return {"Authorization": f"{kind} {told[kind]}" if kind else token}, call


@check("AUTH-04")
def token_elsewhere(s: Subject) -> None:
    s.control()
    token = s.session.admin.token
    call = s.bench.untouched_call(s.operation)
    places = [p for p in PLACES if p != "body" or isinstance(call.sent, dict)]
    if "authorization" in _needed_headers(s):
        places = [p for p in places if not p.startswith("Authorization")]
    if s.quick:  # of those that are seldom taken, one
        seldom = ("Authorization", "Authorization: Basic", "Authorization: Token")
        places = [p for p in places if p not in seldom or p == seldom[s.operation.order % 3]]
    for place in places:
        headers, asked = _elsewhere(s, place, token, call)
        exchange = _try(s, headers, asked)
        require(
            exchange.refused_access,
            f"a valid token in {place} instead of its header got {exchange.outcome()}",
            exchange,
            place,
        )
        s.exercised()


def refused_call(s: Subject) -> Call:
    """A valid write that no refused caller has tried yet: had an earlier one been done all the same, the next would
    change nothing more and show nothing. Values of a fixed set are other ones than a new record has, and one text is
    new."""
    call = s.bench.valid_call(s.operation, "refused call")
    if s.operation.action != "update" or not isinstance(call.sent, dict) or s.operation.body_schema is None:
        return call
    contract = s.session.contract
    if contract.by_action(s.operation.entity, "create") is None:
        return call  # the record is not the run's
    fields = contract.resolved(s.operation.body_schema).get("properties", {})
    choices = {name: contract.resolved(fields.get(name, {})).get("enum", ()) for name in call.sent}
    others = {name: values[-1] for name, values in choices.items() if len(values) > 1}
    texts = [name for name in text_fields(contract, s.operation) if name not in others][:1]
    fresh = {name: s.bench.arrangement.sampler.text("refused") for name in texts}  # names may be told apart
    return call.sending({**call.sent, **others, **fresh})


def needing_change(s: Subject, call: Call, before: State) -> None:
    """Raise NotExercised unless the same write, once it is allowed, changes what was looked at: else nothing was
    proved. What creates always does; what sends is not sent again."""
    if s.operation.action == "create" or s.operation.safety == "sends":
        return
    done = s.bench.execute(call)
    if not done.ok or _timeless(s.bench.state(call, now=True)) == _timeless(before):
        raise NotExercised(
            f"the write answers {done.outcome()} when it is allowed, and changes nothing that {s.operation.observe} "
            "shows; records on which it has something to change would make it checkable"
        )


def _timeless(value: Any) -> Any:
    """What was seen without its moments: whether one of them has changed depends on when the clock ticks."""
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if timestamp(each) is None}
    if isinstance(value, list | tuple):
        return [_timeless(each) for each in value]
    return value


def refused_in_vain(s: Subject, *tries: Attempt, further: Attempt | None = None) -> None:
    """Let callers who have to be refused try a write, and require that it changed nothing that can be seen. `further`:
    one who is refused for another reason; whether he is refused at all is judged by another requirement."""
    s.control()
    call = refused_call(s)
    before = s.bench.state(call, now=True)
    s.bench.needing_state(call, before)
    tried = [attempt(call) for attempt in tries]
    if further is not None:
        tried.append(further(call))
        if not tried[-1].refused_access:
            raise NotExercised(f"a caller who has to be refused got {tried[-1].outcome()}")
    require(
        s.bench.unchanged(call, before),
        f"a request that was refused with {tried[-1].outcome()} changed what {s.operation.observe} shows",
        tried[-1],
    )
    needing_change(s, call, before)
    s.exercised()


@check("AUTH-05")
def refusal_changes_nothing(s: Subject) -> None:
    unknown = {TOKEN_HEADER: UNKNOWN_TOKEN}
    refused_in_vain(
        s, lambda call: _try(s, call=call), lambda call: _try(s, unknown, call), further=_with_ended_token(s)
    )


def _with_ended_token(s: Subject) -> Attempt | None:
    """What a caller tries after his logout; None where no caller can be made."""
    try:
        ended = s.bench.identities.logged_out()
    except NotExercised:
        return None
    return lambda call: _try(s, {TOKEN_HEADER: ended.token}, call)


@check("AUTH-06")
def ended_token(s: Subject) -> None:
    s.control()
    identities = s.bench.identities
    ended, renewed = identities.logged_out(), identities.renewed()
    _refused(_try(s, {TOKEN_HEADER: ended.token}), "a token ended by logout")
    s.exercised()
    call = harmless(s)
    spares = s.operation.safety == "read" or call != s.bench.untouched_call(s.operation)
    # What takes neither an id nor a body can be asked as it is alone, and was done before.
    bare = not s.quick and not call.path and s.operation.body_schema is None
    if renewed is not None and (spares or bare):
        exchange = s.session.send(call, renewed)
        require(exchange.status != 401, "a renewed token is refused with 401", exchange)
        as_good_as_another(s, call, renewed, exchange)
        s.exercised()
    elif renewed is not None and s.session.health is not None:  # some read of the target stands in for it
        exchange = s.session.ping(renewed.token)
        require(exchange.status != 401, "a renewed token is refused with 401", exchange)
        s.exercised()
    if not s.quick:
        ends_one_alone(s)


@check("AUTH-07")
def refusal_tells_nothing(s: Subject) -> None:
    s.control()
    refusals = [e for e in s.session.seen(s.operation) if e.status == 401]
    if not refusals:  # the requirements that bring some about are not part of this run
        ended = None if s.quick else _with_ended_token(s)
        refusals = [_try(s), *([ended(s.bench.untouched_call(s.operation))] if ended else [])]
    for exchange in refusals:
        if exchange.status != 401:
            raise NotExercised(f"the call without a token got {exchange.outcome()} instead of 401")
        tells_nothing(s, exchange)
        told = names_a_user(s, exchange)
        require(not told, f"the refusal with 401 {told}", exchange)


def tells_nothing(s: Subject, exchange: Exchange) -> None:
    """A refusal is a JSON object without records and without anything of the server's inside."""
    body = exchange.json
    require(isinstance(body, dict), f"the refusal with {exchange.status} is no JSON object", exchange)
    keys = (s.operation.item_key, s.operation.collection.key if s.operation.collection else None, "selection_settings")
    data = sorted(key for key in keys if key is not None and body.get(key) is not None)
    require(not data, f"the refusal with {exchange.status} brings {', '.join(data)}", exchange)
    records = record_within(s.session.contract, s.operation, body)
    require(records is None, f"the refusal with {exchange.status} brings a record under {records!r:.60}", exchange)
    told = shown_inside(s, exchange)
    require(not told, f"the refusal with {exchange.status} {told}", exchange)
    found = internals(exchange)
    require(not found, f"the refusal with {exchange.status} shows internals: {found}", exchange)
    s.exercised()


@check("AUTH-08")
def valid_token(s: Subject) -> None:
    exchange = s.bench.control(s.operation)[1]
    if exchange.status == 403:
        raise NotExercised(
            "the role of the run's own token may not call it; a token with its features would make it checkable"
        )
    require(exchange.status != 401, "the run's own valid token is refused with 401", exchange)
    if not exchange.ok:
        raise NotExercised(f"the valid call answers {exchange.outcome()}")
    s.exercised()


@check("AUTH-09")
def open_operation(s: Subject) -> None:
    with_token: Exchange | None = None
    if s.operation.safety == "read":
        call, with_token = s.bench.control(s.operation)
        needing_the_api(s, with_token)
    else:
        call = s.bench.valid_call(s.operation, "open call")
    exchange = s.session.send(call, ANONYMOUS)
    needing_the_api(s, exchange)
    if exchange.status in (404, 405) and s.operation.provenance == "assumed":
        raise Unconfirmed(f"assumed operation; the target answers {exchange.status}")
    if exchange.refused_access and s.operation.auth == "unknown":
        raise Unconfirmed(f"no page says that it is open without a token; the target answers {exchange.status}")
    if with_token is not None and with_token.client_error and with_token.status == exchange.status:
        raise NotExercised(
            f"the call gets {exchange.outcome()} with and without a token, which tells nothing of tokens"
        )
    require(not exchange.refused_access, f"an open operation without a token got {exchange.status}", exchange)
    require(exchange.ok, f"an open operation without a token got {exchange.outcome()}", exchange)
    s.exercised()
    if s.operation.safety == "read":
        _open_whatever_is_asked(s, call)


def _open_whatever_is_asked(s: Subject, call: Call) -> None:
    """No parameter that may be left out closes it. What the value finds is no matter here."""
    for parameter in s.operation.query_parameters:
        if parameter.required or parameter.name in dict(call.query):
            continue
        asked = call.asking((parameter.name, s.bench.arrangement.sampler.value(parameter.schema, parameter.name)))
        exchange = s.session.send(asked, ANONYMOUS)
        sentence = f"an open operation with {parameter.name} and without a token got {exchange.status}"
        require(not exchange.refused_access, sentence, exchange, parameter.name)
        s.exercised()
