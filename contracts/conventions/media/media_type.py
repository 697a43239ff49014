"""MEDIA: application/json in both directions (overview page, Media Types)."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cdp.http import JSON
from cdp.strict_json import strictness
from contracts.belongings import foreign
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.front_end import by_the_host, needing_the_api
from contracts.conventions.harmless import invalid_body
from contracts.conventions.listing import ACCEPTS, ANY_BUT_JSON, asked_again
from contracts.conventions.media.browsers import errors_for_browsers
from contracts.conventions.media.encoding import names_its_encoding
from contracts.conventions.media.ordinary_clients import ordinary_clients
from contracts.exploration import heed
from contracts.subject import Subject, require

MALFORMED = (
    b"{",
    b'{"name":}',
    b"nul",
    b'{"name": NaN}',
    b'{"name": -Infinity}',
    b'{"name": 01}',
    b"\xff\xfe\x00",
    b'{"name": "x"',
    b"[1, 2",
)
DEEP = b"[" * 5000  # deeper than parsers that call themselves may go
VALUELESS = (b"{", b'{"name":}', b"nul", b"\xff\xfe\x00", b"[1, 2")  # of those, what has no value for any parser
OTHER_TYPES = ("text/plain", "application/xml", "application/x-www-form-urlencoded")
# Types of their own, however much they look like JSON (RFC 6839 section 3.1): in the first a null takes a field away.
JSON_INSIDE = (
    "application/merge-patch+json",
    "application/vnd.api+json",
    "application/problem+json",
    "application/json-seq",  # begins like it (RFC 7464)
)
JSON_BY_OTHER_NAMES = ("application/json; charset=utf-8", "Application/JSON")
SELDOM_TYPES = ("application/octet-stream", "multipart/form-data; boundary=cdp")


@check("MEDIA-01")
def answers_are_json(s: Subject) -> None:
    needing_the_api(s, s.bench.control(s.operation)[1])
    heed(s, counted=False)
    for exchange in s.session.seen(s.operation):
        if exchange.body and not by_the_host(s, exchange):
            shown = exchange.headers.get("Content-Type") or "no media type"
            require(exchange.media_type == JSON, f"a body with status {exchange.status} came as {shown}", exchange)
            s.exercised()
    _needing_evidence(s, "no answer with a body was seen")


@check("MEDIA-02")
def bodies_are_strict_json(s: Subject) -> None:
    s.bench.control(s.operation)
    for exchange in s.session.seen(s.operation):
        if exchange.body and exchange.media_type in (JSON, ""):
            problem = "more values than can be decoded" if exchange.overfull else strictness(exchange.body)
            require(not problem, f"the body with status {exchange.status} is no strict JSON: {problem}", exchange)
            s.exercised()
    names_its_encoding(s)
    _needing_evidence(s, "no answer with a JSON body was seen")


def _needing_evidence(s: Subject, reason: str) -> None:
    if not s.evidence:
        raise NotExercised(reason)


def malformed_bodies(call: Call) -> list[bytes]:
    """Bodies that are no JSON: texts of every kind, and what a parser that takes more than JSON reads as the valid
    body of the call."""
    body = call.body or b""
    found = list(MALFORMED)
    if isinstance(call.sent, dict) and call.sent:
        found += [body[:-1] + b",}", body[:-1], body + b" trailing", b"/* none */" + body]
        if b"'" not in body and b"\\" not in body:
            found.append(body.replace(b'"', b"'"))
        # A name takes any text, where other fields have forms or choices.
        if (text := re.search(rb'"name":\s*"', body) or re.search(rb':\s*"', body)) is not None:
            inside = text.end()
            found.append(body[:inside] + b"\n" + body[inside:])  # a line does not end within a text
            found.append(body[:inside] + b"\xff" + body[inside:])  # no text of UTF-8 has such a byte
        if (spoilt := _without_a_number(call.sent)) is not None:
            found.append(json.dumps(spoilt).encode())
        found.append(re.sub(rb'"(\w+)"(?=\s*:)', rb"\1", body))
    return found


def _without_a_number(value: Any) -> Any:
    """The value with NaN, which Python and JavaScript write and JSON has not, in place of its first number, else in the
    first object that stands in it; None where it has neither."""
    return _with_nan(value, lambda inner: math.nan if _is_number(inner) else None) or _with_nan(
        value, lambda inner: {**inner, "cdp": math.nan} if isinstance(inner, dict) else None
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with_nan(value: Any, spoilt: Callable[[Any], Any]) -> Any:
    """The value with the first part of it spoilt that can be; None where none can."""
    places = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for place in places:
        row = isinstance(value, list) and isinstance(value[place], dict)  # its form is the contract's
        inner = (None if row else spoilt(value[place])) or _with_nan(value[place], spoilt)
        if inner is not None:
            changed = copy.copy(value)
            changed[place] = inner
            return changed
    return None


@check("MEDIA-03")
def malformed_body(s: Subject) -> None:
    s.control()
    call = s.bench.untouched_call(s.operation)
    before = s.bench.state(call, now=True) if s.operation.observe else None
    # What a lax parser makes of a spoilt body must not be written over what was there before the run.
    ours = s.session.target.disposable or not foreign(s.session.contract, s.operation)
    for body in [*s.forms(malformed_bodies(call) if ours else VALUELESS), *(() if s.quick else (DEEP,))]:
        exchange = s.session.send(call.sending_raw(body, JSON), s.session.admin)
        example = body.decode("latin-1") if body is not DEEP else f"{len(DEEP)} brackets"
        require(
            exchange.client_error, f"a malformed JSON body got {exchange.outcome()} instead of a 4xx", exchange, example
        )
        s.exercised()
    if ours and not s.quick:
        _not_in_utf_16(s, call)
    if before is not None:
        require(s.bench.unchanged(call, before), "a malformed JSON body changed what is stored", exchange, example)


def _not_in_utf_16(s: Subject, call: Call) -> None:
    """JSON between systems is UTF-8 (RFC 8259 section 8.1). The overview page says nothing of it, so a body that is
    taken in another encoding is worth a WARN."""
    try:
        body = (call.body or b"").decode().encode("utf-16")
    except UnicodeDecodeError:
        return
    what = "the body in UTF-16"
    exchange = s.session.send(call.sending_raw(body, JSON), s.session.admin)
    sentence = f"a JSON body in UTF-16 got {exchange.outcome()} instead of a 4xx"
    require(exchange.client_error, sentence, exchange, what, softly=exchange.ok)
    s.exercised()


@check("MEDIA-04")
def other_media_type(s: Subject) -> None:
    s.control()
    call = s.bench.untouched_call(s.operation)
    before = s.bench.state(call, now=True) if s.operation.observe else None
    # What takes files may well take them as bytes or as parts.
    takes_json = s.operation.body_media_type == JSON
    seldom = (*SELDOM_TYPES, *JSON_INSIDE) if takes_json and not s.quick else ()
    for media_type in s.forms((*OTHER_TYPES, *seldom)):
        exchange = s.session.send(replace(call, media_type=media_type), s.session.admin)
        require(
            exchange.status in (400, 415),
            f"a body of {media_type} got {exchange.outcome()} instead of 415 or 400",
            exchange,
            f"Content-Type: {media_type}",
        )
        s.exercised()
    if before is not None:
        require(s.bench.unchanged(call, before), f"a body of {media_type} changed what is stored", exchange)
    if takes_json and not s.quick:
        _json_by_other_names(s, call)


def _json_by_other_names(s: Subject, call: Call) -> None:
    """Parameters and capitals make no other media type (RFC 9110, section 8.3.1). Asked with a body that cannot be
    taken, which changes nothing."""
    wrong = invalid_body(call)
    for name in JSON_BY_OTHER_NAMES:
        exchange = s.session.send(replace(wrong, media_type=name), s.session.admin)
        if exchange.status == 415 and s.session.send(wrong, s.session.admin).status != 415:
            raise Broken(f"a body of {name} got 415, one of {JSON} does not", exchange, f"Content-Type: {name}")
        s.exercised()


@check("MEDIA-05")
def accept_headers(s: Subject) -> None:
    s.control()
    shared = s.operation.collection is not None and s.session.profile.list_forms == 1
    for accept in [ANY_BUT_JSON] if shared else s.forms(ACCEPTS):
        exchange = asked_again(s) if shared else s.session.send(s.call(), s.session.admin, {"Accept": accept})
        fine = exchange.status == 406 or ((exchange.media_type == JSON or not exchange.body) and exchange.status < 500)
        shown = exchange.headers.get("Content-Type") or "no media type"
        if not fine:
            needing_the_api(s, exchange)
        require(fine, f"Accept: {accept} got {exchange.outcome()} with {shown}", exchange, f"Accept: {accept}")
        s.exercised()
    ordinary_clients(s)
    if not s.quick:
        errors_for_browsers(s)
