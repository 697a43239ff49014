"""AUTH: a token in the header X-Access-Token, on every request (overview page, Authentication)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cdp.http import TOKEN_HEADER, Exchange
from contracts.calls import Call
from contracts.checks import NotExercised, Unconfirmed, check
from contracts.conventions.auth.attempts import UNKNOWN_TOKEN, require_refusal, require_refusal_first, try_call
from contracts.conventions.auth.forged import RESPELLED, decoded_alike, is_web_token, respelled, unsigned
from contracts.conventions.auth.renewals import as_good_as_another, ends_one_alone
from contracts.conventions.front_end import needing_the_api
from contracts.conventions.harmless import about_nobody, harmless, invalid_body, unknown_id
from contracts.conventions.listing import asked_otherwise, describe
from contracts.conventions.other_ways import refused_by_every_way
from contracts.session import ANONYMOUS, Identity
from contracts.subject import Subject, require

OVERLONG = "a token of 8,000 characters"
OTHER_BYTES = "a token of non-ASCII bytes"


@check("AUTH-01")
def no_token(s: Subject) -> None:
    if (nobodys := about_nobody(s)) is not None:
        require_refusal_first(
            try_call(s, call=nobodys), "a request without a token with an unknown id", "an unknown id"
        )
        return s.exercised()
    s.control()
    require_refusal(try_call(s), "a request without a token")
    call = s.bench.untouched_call(s.operation)
    if (asked := asked_otherwise(s, call, filtered=True)) != call:
        require_refusal(try_call(s, call=asked), f"a request without a token for {describe(*asked.query)}")
    for what, wrong in (("an unknown id", unknown_id(s, call)), ("an invalid body", invalid_body(call))):
        if wrong == call:
            continue
        exchange = try_call(s, call=wrong)
        require_refusal_first(exchange, f"a request without a token with {what}", what)
    s.exercised()
    if not s.quick:
        refused_by_every_way(s, call, ANONYMOUS, "a request without a token")


@check("AUTH-02")
def unknown_token(s: Subject) -> None:
    if (nobodys := about_nobody(s)) is not None:
        exchange = try_call(s, {TOKEN_HEADER: UNKNOWN_TOKEN}, nobodys)
        require_refusal_first(exchange, "an unknown token with an unknown id", UNKNOWN_TOKEN)
        return s.exercised()
    s.control()
    require_refusal(try_call(s, {TOKEN_HEADER: UNKNOWN_TOKEN}), "an unknown token", UNKNOWN_TOKEN)
    s.exercised()


def _spelled(s: Subject, token: str) -> Exchange:
    """The answer to a token that is hardly another than the valid one, and as secret."""
    return try_call(s, {TOKEN_HEADER: s.session.secrets.add(token)})


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
        exchange = try_call(s, {TOKEN_HEADER: value}, judged=not unread)
        if unread and exchange.status not in (401, *unread):
            exchange = try_call(s, {TOKEN_HEADER: value})  # it was read, so that the answer is the API's
        require_refusal(exchange, what, what, unread)
        s.exercised()
    if not s.quick:
        _hardly_another(s, token)


def _hardly_another(s: Subject, token: str) -> None:
    """Tokens that differ from the valid one in a single character, or in how it is spelled alone."""
    for value in respelled(token):
        require_refusal(_spelled(s, value), RESPELLED, RESPELLED, softly=True)
        s.exercised()

    def rule(edit: tuple[int, str, str]) -> None:
        position, kind, character = edit
        at = position % len(token)
        spoilt = {
            "changed": token[:at] + character + token[at + 1 :],
            "left out": token[:at] + token[at + 1 :],
            "added": token[:at] + character + token[at:],
        }[kind]
        alike = decoded_alike(token, spoilt)
        if spoilt == token or (alike and is_web_token(token)):
            return  # to whoever compares signatures as bytes it may be the same one
        what = f"a valid token with one character {kind}"
        require_refusal(_spelled(s, spoilt), what, f"{kind} at {at}", softly=alike)
        s.exercised()

    alphabet = st.sampled_from("abcXYZ019-_.=+/~")
    edits = st.tuples(st.integers(0, len(token) - 1), st.sampled_from(["changed", "left out", "added"]), alphabet)
    s.for_all(edits, rule, max(1, s.session.profile.tokens // 3))


@check("AUTH-06")
def ended_token(s: Subject) -> None:
    s.control()
    identities = s.bench.identities
    ended, renewed = identities.logged_out(), identities.renewed()
    require_refusal(try_call(s, {TOKEN_HEADER: ended.token}), "a token ended by logout")
    s.exercised()
    if renewed is not None:
        _is_taken(s, renewed)
    if not s.quick:
        ends_one_alone(s)


def _is_taken(s: Subject, renewed: Identity) -> None:
    """A renewed token is as good as another one."""
    call = harmless(s)
    spares = s.operation.safety == "read" or call != s.bench.untouched_call(s.operation)
    # What takes neither an id nor a body can be asked as it is alone, and was done before.
    bare = not s.quick and not call.path and s.operation.body_schema is None
    asked = spares or bare
    if not asked and s.session.health is None:
        return
    # Where the operation itself is not asked some read of the target stands in for it.
    exchange = s.session.send(call, renewed) if asked else s.session.ping(renewed.token)
    require(exchange.status != 401, "a renewed token is refused with 401", exchange)
    if asked:
        as_good_as_another(s, call, renewed, exchange)
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
