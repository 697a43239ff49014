"""Bugs of media types and JSON (MEDIA)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance.faults import fitting
from instance.faults.model import JSON_TYPE, Alteration, Answer, Request, World, breaks, broken, html, refusal

# A read, a list, and three writes.
OPERATIONS = "get_tag list_tags create_tag update_report delete_report"
READS = "get_tag list_tags get_report list_feeds"


def answering(change: Callable[[Answer], Answer], where: Callable[[Answer], bool] = lambda answer: True) -> Alteration:
    """Answers with a body come otherwise, those that `where` takes."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return change(answer) if answer.body and where(answer) else answer

    return alter


def is_error(answer: Answer) -> bool:
    return answer.status >= 400


def ok(answer: Answer) -> bool:
    return answer.ok


def spoilt(change: Callable[[bytes], bytes]) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, body=change(answer.body))


broken(
    "errors-in-html",
    "errors come as text/html",
    OPERATIONS,
    "MEDIA-01",
    answering(lambda a: a.typed("text/html"), is_error),
)
broken(
    "json-as-text",
    "successes come as text/plain",
    "get_tag list_tags create_tag get_promo_codes_list",
    "MEDIA-01",
    answering(lambda a: a.typed("text/plain"), ok),
    "MEDIA-05",
)
broken(
    "json-without-type",
    "answers come without a media type",
    OPERATIONS,
    "MEDIA-01",
    answering(lambda a: replace(a, headers=())),
    "MEDIA-05",
)
broken(
    "json-as-text-json",
    "answers come as text/json",
    OPERATIONS,
    "MEDIA-01",
    answering(lambda a: a.typed("text/json")),
    "MEDIA-05",
)
broken(
    "one-error-in-html",
    "only a 404 comes in HTML",
    "get_tag update_report delete_report",
    "MEDIA-01 CODE-06",
    answering(lambda a: html(404), lambda a: a.status == 404),
    fits=fitting.stored,
)

broken(
    "nan-in-body",
    "a number is NaN",
    "get_tag list_tags get_report",
    "MEDIA-02",
    answering(spoilt(lambda b: b[:-1] + b',"score":NaN}'), ok),
    fits=fitting.enveloped,
)
broken(
    "infinity-in-body",
    "a number is Infinity",
    "get_tag list_feeds",
    "MEDIA-02",
    answering(spoilt(lambda b: b[:-1] + b',"score":-Infinity}'), ok),
    fits=fitting.enveloped,
)
broken(
    "duplicate-key",
    "a key stands twice",
    "get_tag list_tags get_report",
    "MEDIA-02",
    answering(spoilt(lambda b: b.replace(b'"name":', b'"name":"","name":')), ok),
    fits=fitting.records_with("name"),
)
broken(
    "duplicate-key-in-errors",
    "a key of the errors stands twice",
    OPERATIONS,
    "MEDIA-02",
    answering(spoilt(lambda b: b[:-1] + b',"detail":""}'), is_error),
)
broken(
    "trailing-garbage",
    "a warning follows the body",
    "get_report",
    "MEDIA-02",
    answering(spoilt(lambda b: b + b"\nWarning: deprecated"), ok),
    "SHAPE-01 SHAPE-02 SHAPE-03 MEDIA-05",
    fits=fitting.enveloped,
)
broken(
    "trailing-in-errors",
    "a warning follows the errors",
    OPERATIONS,
    "MEDIA-02 CODE-06",
    answering(spoilt(lambda b: b + b"\nWarning: deprecated"), is_error),
    "AUTH-07 PAGE-07 ROLE-08",
)
broken(
    "latin-1",
    "bodies are Latin-1",
    "create_tag update_report",
    "MEDIA-02",
    answering(lambda a: replace(a, body=a.body.replace(b'"name":"', b'"name":"\xe9')), ok),
    "MEDIA-06 SHAPE-01 SHAPE-02",
    fits=fitting.records_with("name", fitting.of_kind("string")),
)
broken(
    "byte-order-mark",
    "errors begin with a byte order mark",
    OPERATIONS,
    "MEDIA-02",
    answering(spoilt(lambda b: b"\xef\xbb\xbf" + b), is_error),
)
broken(
    "single-quotes",
    "errors are written with single quotes",
    OPERATIONS,
    "MEDIA-02 CODE-06",
    answering(spoilt(lambda b: b.replace(b'"', b"'")), is_error),
    "AUTH-07 PAGE-07 ROLE-08",
)


def malformed(answered: Callable[[Request, World], Any]) -> Alteration:
    """A malformed JSON body gets another answer; None leaves it as it is."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 400 or not request.body or request.json is not None:
            return answer
        found = await answered(request, world)
        return answer if found is None else found

    return alter


async def server_error(request: Request, world: World) -> Answer:
    return refusal(500)


async def as_if_empty(request: Request, world: World) -> Answer:
    return await world.forward(request.with_body({"name": "unnamed"}))


async def stored_and_refused(request: Request, world: World) -> None:
    await world.forward(request.with_body({"name": "half a record"}))


JSON_WRITES = "create_tag update_tag update_report create_context_query"
broken(
    "malformed-is-500",
    "a malformed body is 500",
    JSON_WRITES,
    "MEDIA-03 CODE-01",
    malformed(server_error),
    fits=fitting.writes,
)
broken(
    "malformed-is-taken",
    "a malformed body is taken for an empty one",
    "create_tag update_tag update_report",
    "MEDIA-03",
    malformed(as_if_empty),
    fits=fitting.body_of("name"),
)
broken(
    "malformed-is-stored",
    "a malformed body is refused, and stored as far as it could be read",
    "create_tag update_tag update_report",
    "MEDIA-03",
    malformed(stored_and_refused),
    fits=fitting.body_of("name"),
)


def other_type(taken: Callable[[bytes], bool], refused: bool = False) -> Alteration:
    """A body of another media type is read as JSON."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 415 or not taken(request.header(b"content-type") or b""):
            return answer
        done = await world.forward(request.with_header(b"content-type", JSON_TYPE.encode()))
        return answer if refused else done

    return alter


broken(
    "any-type-taken",
    "a body of any media type is read as JSON",
    JSON_WRITES,
    "MEDIA-04",
    other_type(lambda t: True),
    fits=fitting.writes,
)
broken(
    "text-taken",
    "a body of text/plain is read as JSON",
    JSON_WRITES,
    "MEDIA-04",
    other_type(lambda t: t == b"text/plain"),
    fits=fitting.writes,
)
broken(
    "form-taken",
    "a body that says it is a form is read as JSON",
    JSON_WRITES,
    "MEDIA-04",
    other_type(lambda t: b"form" in t),
    fits=fitting.writes,
)
broken(
    "other-type-stored",
    "a body of another media type is refused, and stored",
    JSON_WRITES,
    "MEDIA-04",
    other_type(lambda t: True, refused=True),
    fits=fitting.writes,
)


@breaks("other-type-is-500", "a body of another media type is 500", JSON_WRITES, "MEDIA-04 CODE-01")
async def other_type_is_500(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return refusal(500) if answer.status == 415 else answer


@breaks(
    "upload-refused",
    "the documented media type of an upload is not taken",
    "upload_customer_events_async",
    "CODE-02",
    fits=fitting.only("upload_customer_events_async"),
)
async def upload_refused(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return refusal(415) if answer.ok else answer


def accepting(accept: bytes, answered: Callable[[Answer], Answer], where: Callable[[Answer], bool] = ok) -> Alteration:
    """Who asks for another media type gets it."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answered(answer) if accept in (request.header(b"accept") or b"") and where(answer) else answer

    return alter


broken(
    "html-for-browsers",
    "who accepts text/html gets a page",
    READS,
    "MEDIA-05",
    accepting(b"text/html", lambda a: html(200)),
    "MEDIA-01",
)
broken(
    "xml-for-some",
    "who accepts XML gets it",
    "get_tag list_users",
    "MEDIA-05 MEDIA-01",
    accepting(b"xml", lambda a: a.typed("application/xml", b"<tag/>")),
)
broken(
    "accept-is-500",
    "an Accept without JSON is 500",
    READS,
    "MEDIA-05 CODE-01",
    accepting(b"text/html", lambda a: refusal(500)),
)
