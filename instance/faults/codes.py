"""Bugs of status codes and errors (CODE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.faults import fitting
from instance.faults.callers import TRACE
from instance.faults.model import (
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    html,
    json_answer,
    refusal,
)

OPERATIONS = "get_tag list_tags create_tag update_report delete_report"
ONE_RECORD = "get_tag update_report delete_report list_segment_notes"


def instead(where: Callable[[Request, Answer], bool], answered: Callable[[Answer], Answer]) -> Alteration:
    """Where it fits, something else is answered."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answered(answer) if where(request, answer) else answer

    return alter


def status(number: int) -> Callable[[Request, Answer], bool]:
    return lambda request, answer: answer.status == number


def success(request: Request, answer: Answer) -> bool:
    return answer.ok


def failed(request: Request, answer: Answer) -> bool:
    return answer.status >= 400


# --- CODE-01, CODE-02 -----------------------------------------------------------------------------------------------


def odd_id(request: Request, answer: Answer) -> bool:
    return answer.status == 404 and bool(request.ids) and not request.ids[-1].isalnum()


broken(
    "odd-id-is-500",
    "an id of odd characters is 500",
    "get_tag get_report get_feed",
    "CODE-01",
    instead(
        lambda r, a: a.status in (400, 404) and bool(r.ids) and not (r.ids[-1].isascii() and r.ids[-1].isalnum()),
        lambda a: refusal(500),
    ),
    "CODE-03",
    fits=fitting.ends_in_id,
)
broken(
    "odd-body-is-500",
    "a body that is no object is 500",
    "create_tag update_report",
    "CODE-01",
    instead(lambda r, a: a.status == 422 and not isinstance(r.json, dict), lambda a: refusal(500)),
    "CODE-05",
    fits=fitting.writes,
)
broken(
    "unknown-field-is-500",
    "a field that does not exist is 500",
    "create_tag update_report",
    "CODE-01",
    instead(lambda r, a: isinstance(r.json, dict) and "cdp_no_such_field" in r.json, lambda a: refusal(500)),
    "CODE-05",
    fits=fitting.writes,
)
broken(
    "not-found-is-500",
    "an unknown id is 500",
    ONE_RECORD,
    "CODE-01 CODE-03",
    instead(status(404), lambda a: refusal(500)),
    fits=fitting.stored,
)
broken(
    "connection-cut",
    "an unknown id ends the connection",
    ONE_RECORD,
    "CODE-01 CODE-03",
    instead(status(404), lambda a: Answer(0)),
    fits=fitting.stored,
)
broken(
    "body-cut",
    "the body is shorter than announced",
    "get_tag delete_report",
    "CODE-01",
    instead(status(404), lambda a: Answer(404, (*a.headers, ("content-length", "999")), a.body)),
    "CODE-03",
    fits=fitting.stored,
)
broken(
    "wrong-success",
    "a success has another status than the documented one",
    "create_tag create_segment_note delete_email_template list_tags",
    "CODE-02",
    instead(success, lambda a: Answer(206 if a.status == 200 else 200, a.headers, a.body)),
    fits=fitting.of_a_known_status,
)
broken(
    "accepted-instead",
    "a success is 202 without a body",
    "create_segment_note update_email_template",
    "CODE-02",
    instead(success, lambda a: Answer(202)),
    "MEDIA-06 SHAPE-02",
    fits=fitting.every(fitting.enveloped, fitting.of_a_known_status),
)
broken(
    "valid-is-refused",
    "a valid write is 422",
    "create_tag delete_tag",
    "CODE-02",
    instead(success, lambda a: refusal(422)),
    fits=fitting.of_a_known_body,
)
broken(
    "valid-is-500",
    "a valid request is 500",
    "get_report create_tag delete_email list_feeds",
    "CODE-02 CODE-01",
    instead(success, lambda a: refusal(500)),
)

# --- CODE-03, CODE-04 -----------------------------------------------------------------------------------------------

broken(
    "not-found-is-null",
    "an unknown id is 200 with null",
    ONE_RECORD,
    "CODE-03",
    instead(status(404), lambda a: json_answer(200, None)),
    "SHAPE-01",
    fits=fitting.stored,
)
broken(
    "not-found-is-empty",
    "an unknown id is 200 with an empty list",
    "list_segment_notes",
    "CODE-03",
    instead(status(404), lambda a: json_answer(200, {"segment_notes": []})),
    "SHAPE-01 SHAPE-02",
    fits=fitting.every(fitting.lists, fitting.stored),
)
broken(
    "not-found-is-400",
    "an unknown id is 400",
    ONE_RECORD,
    "CODE-03",
    instead(status(404), lambda a: refusal(400)),
    fits=fitting.stored,
)
broken(
    "not-found-is-204",
    "deleting an unknown id is 204",
    "delete_report delete_tag",
    "CODE-03",
    instead(status(404), lambda a: Answer(204)),
    fits=fitting.every(fitting.stored, fitting.acting("delete")),
)


@breaks(
    "id-read-as-number",
    "an id is read as far as it is a number",
    "get_tag delete_report",
    "CODE-03",
    fits=fitting.every(fitting.ends_in_id, fitting.numbered),
)
async def id_read_as_number(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status not in (400, 404) or not request.ids or request.ids[-1].isdigit():
        return answer
    return await world.forward(request.at_id("1"))


def nowhere(request: Request, answer: Answer) -> bool:
    return request.operation is None and answer.status == 404


def no_method(request: Request, answer: Answer) -> bool:
    return request.operation is None and answer.status == 405


ROUTES = "get_tag list_tags create_tag delete_report"
broken(
    "no-path-in-html",
    "an unknown path is 404 in HTML",
    ROUTES,
    "CODE-04 MEDIA-01",
    instead(nowhere, lambda a: html(404)),
    "CODE-06",
    beyond=True,
    fits=fitting.below_the_api,
)
broken(
    "no-path-is-app",
    "an unknown path brings the start page with 200",
    ROUTES,
    "CODE-04 MEDIA-01",
    instead(nowhere, lambda a: html(200)),
    beyond=True,
    fits=fitting.below_the_api,
)
broken(
    "no-path-is-500",
    "an unknown path is 500",
    ROUTES,
    "CODE-04 CODE-01",
    instead(nowhere, lambda a: refusal(500)),
    beyond=True,
)
broken(
    "no-method-is-404",
    "an unsupported method is 404",
    ROUTES,
    "CODE-04",
    instead(no_method, lambda a: refusal(404)),
    beyond=True,
)
broken(
    "no-method-is-200",
    "an unsupported method is 200",
    ROUTES,
    "CODE-04",
    instead(no_method, lambda a: json_answer(200, {})),
    beyond=True,
)
broken(
    "no-method-is-500",
    "an unsupported method is 500",
    ROUTES,
    "CODE-04 CODE-01",
    instead(no_method, lambda a: refusal(500)),
    beyond=True,
)
broken(
    "no-method-is-text",
    "an unsupported method is 405 in plain text",
    ROUTES,
    "CODE-04 MEDIA-01",
    instead(no_method, lambda a: a.typed("text/plain", b"Method Not Allowed")),
    "CODE-06",
    beyond=True,
)

# --- CODE-05 to CODE-07 ---------------------------------------------------------------------------------------------


def lax(repair: Callable[[dict[str, Any]], dict[str, Any]]) -> Alteration:
    """A body that is invalid in a certain way is repaired and taken."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        body = request.json
        if answer.status != 422 or not isinstance(body, dict):
            return answer
        return await world.forward(request.with_body(repair(body)))

    return alter


WRITES = "create_tag update_report create_report"
broken(
    "unknown-field-taken",
    "a field that does not exist is ignored",
    WRITES,
    "CODE-05",
    lax(lambda b: {n: v for n, v in b.items() if n != "cdp_no_such_field"}),
    fits=fitting.writes,
)
broken(
    "wrong-type-taken",
    "an object in place of a text is stored as a text",
    WRITES,
    "CODE-05",
    lax(lambda b: {n: str(v) if isinstance(v, dict) else v for n, v in b.items()}),
    fits=fitting.body_with("name"),
)
broken(
    "missing-field-taken",
    "a required name may be missing",
    "create_tag",
    "CODE-05",
    lax(lambda b: {"name": "unnamed", **b}),
    fits=fitting.every(fitting.acting("create"), fitting.body_of("name"), fitting.body_with("name", required=True)),
)
broken(
    "array-taken",
    "an array in place of the body is taken",
    "create_tag update_report",
    "CODE-05",
    instead(lambda r, a: a.status == 422 and isinstance(r.json, list), lambda a: json_answer(200, {})),
    "SHAPE-01",
    fits=fitting.writes,
)
broken(
    "invalid-is-409",
    "an invalid body is 409",
    WRITES,
    "CODE-05",
    instead(status(422), lambda a: refusal(409)),
    fits=fitting.writes,
)
broken(
    "invalid-is-500",
    "an invalid body is 500",
    WRITES,
    "CODE-05 CODE-01",
    instead(status(422), lambda a: refusal(500)),
    fits=fitting.writes,
)

broken(
    "error-without-message",
    "errors have another key than message",
    OPERATIONS,
    "CODE-06",
    instead(failed, lambda a: a.showing({"error": a.json["message"]})),
    "ROLE-08",
    fits=fitting.refusing_something,
)
broken(
    "error-is-text",
    "errors are a bare text",
    OPERATIONS,
    "CODE-06",
    instead(failed, lambda a: a.showing(a.json["message"])),
    "AUTH-07 PAGE-07 ROLE-08",
    fits=fitting.refusing_something,
)
broken(
    "error-message-empty",
    "a 404 has an empty message",
    ONE_RECORD,
    "CODE-06",
    instead(status(404), lambda a: a.showing({"message": ""})),
    fits=fitting.stored,
)
broken(
    "error-message-object",
    "the message of a 422 is an object",
    "create_tag update_report",
    "CODE-06",
    instead(status(422), lambda a: a.showing({"message": {"name": "required"}})),
    fits=fitting.writes,
)
broken(
    "error-list",
    "errors come as a list",
    OPERATIONS,
    "CODE-06",
    instead(failed, lambda a: a.showing([a.json])),
    "AUTH-07 PAGE-07 ROLE-08",
    fits=fitting.refusing_something,
)
broken(
    "error-says-ok",
    "errors have the status of the answers that are none",
    "get_wbs_customer get_wbs_segments",
    "CODE-06",
    instead(failed, lambda a: a.showing({**a.json, "status": "ok"})),
    fits=fitting.only("get_wbs_customer", "get_wbs_segments"),
    source="Meiro's product documentation, the check of segments: status error; CWE-393 Return of Wrong Status Code",
)


def detail(text: str) -> Alteration:
    return instead(lambda r, a: a.status in (400, 404, 422), lambda a: a.showing({**a.json, "detail": text}))


INSIDE = {
    "trace": TRACE,
    "trace-in-java": "NullPointerException at com.example.Api.get(Api.java:12)",
    "trace-in-node": "TypeError: undefined at get (/srv/app/api.js:10:5)",
    "sql": "SELECT id, name FROM tags WHERE id = $1",
    "sqlite": "sqlite3.OperationalError: no such column: tags.nme",
    "postgres": 'invalid input syntax for type integer: "seven"',
    "mysql": "You have an error in your SQL syntax near '7'",
    "constraint": "UNIQUE constraint failed: tags.name",
    "missing-table": 'relation "tags" does not exist',
    "path": "no such file: /var/lib/api/tags.json",
    "windows-path": r"C:\Users\api\tags.json is missing",
    "exception": "KeyError: 'segment_id'",
    "php": "Undefined index: id in tags.php on line 12",
}
for kind, text in INSIDE.items():
    broken(
        f"error-shows-{kind}",
        f"errors show internals: {text}",
        "get_tag create_report",
        "CODE-07",
        detail(text),
        fits=fitting.refusing_something,
    )
