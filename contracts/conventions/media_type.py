"""MEDIA: application/json in both directions (overview page, Media Types)."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import strategies as st

from cdp.http import JSON, Exchange
from cdp.strict_json import strictness
from contracts.applicability import text_fields
from contracts.belongings import foreign
from contracts.books import recognise_path
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.browsers import errors_for_browsers
from contracts.conventions.encoding import names_its_encoding
from contracts.conventions.front_end import by_the_host, needing_the_api
from contracts.conventions.harmless import invalid_body
from contracts.conventions.listing import ACCEPTS, ANY_BUT_JSON, asked_again
from contracts.conventions.marked_up import marked_up
from contracts.conventions.ordinary_clients import ordinary_clients
from contracts.exploration import heed
from contracts.finding import Unavailable
from contracts.observing import record_of
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
VALUELESS = (b"{", b'{"name":}', b"nul", b"\xff\xfe\x00", b"[1, 2")  # of those, what has no value for any parser
OTHER_TYPES = ("text/plain", "application/xml", "application/x-www-form-urlencoded")
# Types of their own, however much they look like JSON (RFC 6839 section 3.1): in the first a null takes a field away.
JSON_INSIDE = ("application/merge-patch+json", "application/vnd.api+json", "application/problem+json")
JSON_BY_OTHER_NAMES = ("application/json; charset=utf-8", "Application/JSON")
SELDOM_TYPES = ("application/octet-stream", "multipart/form-data; boundary=cdp")
# Any three in a row hold quotes, markup, a decomposed letter, a character beyond 16 bits and one that is written to the
# left: a short profile sends no more than three.
# Dense, so that every operation is asked with all of them in every profile: what has a meaning somewhere, other scripts
# and forms of Unicode with blanks at the end, and white space.
TRICKY = (
    "Robert'); DROP TABLE x;-- <b>\"q\"</b> & 'it''s' \\ back\\slash 100% _u_ *s* ?q=1&r=2#f {c} ${7*7} &amp; \\n",
    "שלום \u202eعربي 👩‍👩‍👧 e\u0301 ≠ é, ﬃ, ẞ  ",
    "<i>tab</i>\tline\nreturn\r\u2028end  of  it",
)

# What programs take for something else than a text when it is all that there is.
WORDS = ("null", "007", "false")
LONG = "0123456789" * 30  # 255 characters are the usual length of a short text in a database


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
        found += [body[:-1] + b",}", body + b" trailing", b"/* none */" + body]
        if b"'" not in body and b"\\" not in body:
            found.append(body.replace(b'"', b"'"))
        if (text := body.find(b':"')) > 0 or (text := body.find(b': "')) > 0:
            inside = body.index(b'"', text) + 1
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
    for body in s.forms(malformed_bodies(call) if ours else VALUELESS):
        exchange = s.session.send(call.sending_raw(body, JSON), s.session.admin)
        example = body.decode("latin-1")
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


@check("MEDIA-06")
def text_survives(s: Subject) -> None:
    s.control()
    fields = text_fields(s.session.contract, s.operation)
    field = "name" if "name" in fields else fields[0]
    try:
        call = s.bench.arrangement.call(s.operation)
    except Unavailable as error:
        raise NotExercised(str(error)) from None
    own = s.operation.action == "create" or s.session.contract.by_action(s.operation.entity, "create") is not None
    if not own:
        raise NotExercised(
            "the API cannot create a record of this kind, and texts of other people's records stay as they are"
        )

    def written(values: dict[str, str]) -> Exchange:
        return s.bench.execute(call.sending({**(call.sent or {}), **_unique(s, call), **values}))

    def rule(text: str) -> None:
        sent = f"{s.session.prefix} {text}"
        exchange = written({field: sent})
        example = ascii(text)
        if exchange.client_error and not text.isprintable():
            return  # control characters may be refused; what is taken must come back
        require(exchange.ok, f"a text in {field} got {exchange.outcome()}", exchange, example)
        _came_back(s, call, exchange, field, sent, example)

    def others() -> None:
        """The other texts of the record, all at once: one of them may have a form that its schema does not tell."""
        more = [name for name in fields if name != field]
        texts = (TRICKY[0],) if s.quick else (TRICKY[0], "", *WORDS)
        for text in texts if more else ():
            sent = text if text in ("", *WORDS) else f"{s.session.prefix} {text}"
            exchange = written(dict.fromkeys(more, sent))
            for name in more if exchange.ok else ():
                _came_back(s, call, exchange, name, sent, ascii(text))

    def long_ones() -> None:
        """More than fits where databases keep short texts. It may be refused; what is taken must come back whole."""
        sent = f"{s.session.prefix} {LONG}"
        for names in (fields, [field]):
            exchange = written(dict.fromkeys(names, sent))
            if exchange.ok:
                for name in names:
                    _came_back(s, call, exchange, name, sent, f"{len(sent)} characters")
                return

    trimmed: Broken | None = None
    attempts: list[Callable[[], None]] = [*(partial(rule, text) for text in s.forms(TRICKY)), others, long_ones]
    attempts.append(partial(marked_up, s, fields, written, partial(_came_back, s, call)))
    for attempt in attempts:
        try:
            attempt()
        except Broken as broken:
            if not broken.softly:
                raise
            trimmed = broken  # kept back: something worse may follow
    if not s.evidence and trimmed is None:
        raise NotExercised(f"no answer and no other operation shows the {field} that was written")
    characters = st.characters(codec="utf-8", exclude_characters="\x00")
    texts = st.text(characters, min_size=1, max_size=40).map(str.strip).filter(bool)
    # The first example that Hypothesis tries is always the simplest, a single 0.
    s.for_all(texts, rule, max(3, s.session.profile.examples))
    if trimmed is not None:
        raise trimmed


def _unique(s: Subject, call: Call) -> dict[str, Any]:
    """Fresh values for what must not be sent twice, such as ids chosen by the caller and e-mail addresses."""
    if s.operation.action != "create":
        return {}
    fresh = s.bench.arrangement.body_of(s.operation)
    return {name: value for name, value in fresh.items() if name in ("id", "email")}


def _came_back(s: Subject, call: Call, exchange: Exchange, field: str, sent: str, example: str) -> None:
    """The text stands in the answer, and in the record when it is read again; each of the two is a case."""
    body = exchange.json if isinstance(exchange.json, dict) else {}
    record = body.get(s.operation.item_key) if s.operation.item_key else body
    if not isinstance(record, dict):
        raise Broken("the answer holds no record", exchange, example)
    if field in record:
        _unchanged(s, field, sent, record[field], "came back", exchange, example)
    read = s.session.contract.by_action(s.operation.entity, "read")
    own = recognise_path(call, exchange) if read else None
    if read is None or own is None or not all(p.name in own for p in read.path_parameters):
        return
    again = s.session.send(
        Call(read, {p.name: own[p.name] for p in read.path_parameters}), s.session.admin, judged=False
    )
    stored = record_of(read, again)
    if again.ok and isinstance(stored, dict) and field in stored:
        _unchanged(s, field, sent, stored[field], "was stored", again, example)


def _unchanged(s: Subject, field: str, sent: str, got: Any, how: str, exchange: Exchange, example: str) -> None:
    """Blanks cut off at the ends are worth a WARN: many forms do that on purpose. So is null for an empty text."""
    trimmed = isinstance(got, str | None) and (got or "").strip() == sent.strip()
    require(got == sent, f"{field} {how} as {got!r:.160}", exchange, example, softly=trimmed)
    s.exercised()
