"""What is sent is read otherwise than it was meant: tokens, paths, queries, bodies, texts to search and events."""

from __future__ import annotations

import gzip
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes

from instance import records
from instance.contract import Operation
from instance.faults import fitting
from instance.faults.codes import instead
from instance.faults.events import BATCH, UPLOAD, Rows, event, in_times, storing
from instance.faults.fitting import FILTERS
from instance.faults.model import Answer, Request, World, breaks, broken, json_answer, refusal
from instance.faults.relations import INVALID, references
from instance.faults.search import SEARCH, matching, searching
from instance.faults.serializers import free, in_objects
from instance.faults.texts import mangling
from instance.faults.tokens import lenient
from instance.faults.values import a_list_of_texts, stored, takes

# --- AUTH, ROLE -----------------------------------------------------------------------------------------------------

broken(
    "token-percent-decoded",
    "percent signs in a token are decoded, as in a query: one with a letter written that way counts",
    "get_tag create_report",
    "AUTH-03",
    lenient(lambda sent, token: b"%" in sent and unquote_to_bytes(sent) == token),
    profile="release",
    source="CWE-174 Double Decoding of the Same Data; CWE-287",
)


@breaks(
    "encoded-path-needs-no-token",
    "a proxy compares paths as they are sent: with a letter written with a percent sign no token is needed",
    "get_tag list_tags delete_report",
    "AUTH-01",
    also="AUTH-02",
    fits=fitting.below_the_api,
    profile="release",
    source="CWE-177 Improper Handling of URL Encoding; CWE-288",
)
async def encoded_path_needs_no_token(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 401 or "%" not in request.path:
        return answer
    return await world.forward(world.as_admin(request))


@breaks(
    "unknown-reference-before-role",
    "records that a body refers to are looked for before the role is looked at",
    "assign_segment_tag create_destination",
    "ROLE-04",
    fits=fitting.every(fitting.featured, fitting.acting("create", "update"), lambda o, c: bool(references(o, c))),
    profile="release",
    source="CWE-203 Observable Discrepancy; CWE-696",
)
async def unknown_reference_before_role(request: Request, world: World) -> Answer:
    body, operation = request.json, request.operation
    answer = await world.forward(request)
    if answer.status != 403 or not isinstance(body, dict) or operation is None:
        return answer
    for name, entity in references(operation, world.store.contract).items():
        sent = body.get(name)
        ids = sent if isinstance(sent, list) else [sent]
        if any(isinstance(id, (str, int)) and records.get(world.store, entity, id) is None for id in ids):
            return refusal(400, f"{name}: there is no such record.")
    return answer


# --- PAGE, ORDER ----------------------------------------------------------------------------------------------------


def well_let_in(answer: Answer) -> bool:
    return answer.status not in (401, 403, 404)


broken(
    "empty-paging-is-500",
    "limit or offset without a value (limit=) is a 500: it is turned into a number without a look",
    "list_tags list_reports list_feeds",
    "PAGE-07 CODE-01",
    instead(
        lambda r, a: well_let_in(a) and any(n in ("limit", "offset") and v == "" for n, v in r.query),
        lambda a: refusal(500),
    ),
    fits=fitting.paged,
    profile="release",
    source="CWE-755 Improper Handling of Exceptional Conditions",
)


@breaks(
    "direction-in-small-letters-is-the-default",
    "order_dir=asc in small letters is taken, and the list comes descending",
    "list_tags list_segments",
    "ORDER-05",
    also="ORDER-03 ORDER-04 ORDER-06",
    fits=fitting.every(fitting.paged, fitting.asks("order_dir")),
    profile="release",
    source="CWE-178 Improper Handling of Case Sensitivity",
)
async def direction_in_small_letters(request: Request, world: World) -> Answer:
    if request.get("order_dir") != "asc":
        return await world.forward(request)
    asked = await world.forward(request)
    got = await world.forward(request.asking(order_dir="DESC"))
    return got if asked.ok or asked.status in INVALID else asked


# --- MEDIA ----------------------------------------------------------------------------------------------------------

CURLED = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2026", "''\"\"-.")
broken(
    "typographic-quotes-straightened",
    "curled quotes, dashes and dots of a text become plain ones",
    "create_tag create_report update_feed",
    "MEDIA-06",
    mangling(lambda t: t.translate(CURLED)),
    also="LIFE-01 LIFE-03",
    source="CWE-838 Inappropriate Encoding for Output Context",
)


@breaks(
    "type-by-its-start",
    "a body of any media type that starts with application/json is read as JSON",
    "create_tag update_report",
    "MEDIA-04",
    fits=fitting.writes,
    profile="release",
    source="CWE-187 Partial String Comparison; RFC 9110 section 8.3.1",
)
async def type_by_its_start(request: Request, world: World) -> Answer:
    sent = request.header(b"content-type") or b""
    name = sent.partition(b";")[0].strip().lower()
    if not name.startswith(b"application/json") or name == b"application/json":
        return await world.forward(request)
    return await world.forward(request.with_header(b"content-type", b"application/json"))


@breaks(
    "unclosed-body-is-closed",
    "a body that was cut off is closed where it ends, and taken",
    "create_tag update_report create_feed",
    "MEDIA-03",
    fits=fitting.writes,
    profile="release",
    source="CWE-354 Improper Validation of Integrity Check Value",
)
async def unclosed_body_is_closed(request: Request, world: World) -> Answer:
    if request.body and request.json is None:
        for end in (b"}", b'"}', b"]}", b"}}"):
            closed = replace(request, body=request.body + end)
            if isinstance(closed.json, dict) and closed.json:
                return await world.forward(closed)
    return await world.forward(request)


# --- CODE -----------------------------------------------------------------------------------------------------------

broken(
    "unknown-parameter-is-500",
    "a query parameter that does not exist is a 500: the handler is called with all that was sent",
    "list_tags get_report list_feeds",
    "CODE-01",
    instead(
        lambda r, a: well_let_in(a) and r.operation is not None and not {n for n, _ in r.query} <= known(r.operation),
        lambda a: refusal(500),
    ),
    also="CODE-02",
    fits=fitting.acting("list", "read"),
    profile="release",
    source="CWE-248 Uncaught Exception",
)


def known(o: Operation) -> set[str]:
    return set(o.query_parameters) | {"limit", "offset", "load_full_structure"}


broken(
    "repeated-filter-is-500",
    "a filter that is sent twice is a list, and a 500",
    "list_tags list_segments",
    "CODE-01",
    instead(
        lambda r, a: well_let_in(a) and any([n for n, _ in r.query].count(f) > 1 for f in FILTERS),
        lambda a: refusal(500),
    ),
    fits=fitting.every(fitting.lists, fitting.filtered),
    profile="release",
    source="CWE-235 Improper Handling of Extra Parameters",
)


def several_mistakes(request: Request, answer: Answer) -> bool:
    operation = request.operation
    if answer.status not in INVALID or operation is None or not isinstance(request.json, dict):
        return False
    return sum(1 for _ in operation.body_validator.iter_errors(request.json)) > 1


broken(
    "several-mistakes-have-no-message",
    "a body with more than one mistake is refused with a list of them, and without a message",
    "create_tag update_report create_feed",
    "CODE-06",
    instead(several_mistakes, lambda a: json_answer(a.status, {"errors": [{"field": "name"}, {"field": "id"}]})),
    fits=fitting.writes,
    source="RFC 9457; CWE-684",
)

# --- LIFE -----------------------------------------------------------------------------------------------------------

broken(
    "empty-list-is-left-out",
    "a change to a list without values is taken for a field that was not sent",
    "update_attribute",
    "LIFE-03",
    stored(lambda body: {n: v for n, v in body.items() if v != []}),
    also="LIFE-01 MEDIA-06 CODE-05 ROLE-06",
    fits=fitting.every(takes(a_list_of_texts, "update"), fitting.seen_alone),
    source="CWE-684 (a list that is empty is false in Python)",
)


def without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {n: without_nothing(v) for n, v in value.items() if v is not None}
    return [without_nothing(v) for v in value] if isinstance(value, list) else value


broken(
    "nulls-in-objects-dropped",
    "keys within free objects of a record whose value is null are left out",
    "create_segment update_push_notification",
    "LIFE-01 LIFE-03",
    stored(in_objects(without_nothing)),
    also="MEDIA-06",
    fits=takes(free, "create", "update"),
    profile="release",
    source="Jackson manual, JsonInclude.Include.NON_NULL",
)

# --- SEARCH, EVENT --------------------------------------------------------------------------------------------------


def search(name: str, what: str, by: str, alter: Any) -> None:
    broken(name, what, SEARCH, by, alter, also="SEARCH-01 SEARCH-02", fits=fitting.only(SEARCH), profile="release")


def pattern(text: str, value: str) -> bool:
    """A text as a regular expression."""
    try:
        return len(text) < 100 and re.search(text, value, re.I) is not None
    except re.error:
        return False


search("text-is-a-regular-expression", "a text is a regular expression: a dot is any", "SEARCH-03", matching(pattern))
search(
    "minus-excludes-words",
    "a word with a minus in front is no part of the text: who has it is left out",
    "SEARCH-03",
    searching(lambda t: re.sub(r"(^|\s)-\S+", "", t)),
)


def each(change: Callable[[Any], Any]) -> Callable[[Rows], Rows]:
    """A change to every event with a payload that is an object."""
    return lambda found: [
        change(row) if isinstance(row, dict) and isinstance(row.get("payload"), dict) else row for row in found
    ]


def overwritten(row: Any) -> Any:
    """What is checked before is not looked at again: only fields that any text is good for."""
    name = row["payload"].get("user_identifier")
    return {**row, "user_identifier": name} if isinstance(name, str) and name else row


event(
    "payload-overwrites-columns",
    "a key of a payload that is called like a field of the event (user_identifier) takes its place",
    each(overwritten),
    "release",
)
event(
    "keys-beyond-thirty-lost",
    "of a payload thirty keys are stored",
    each(lambda row: {**row, "payload": dict(list(row["payload"].items())[:30])}),
    "release",
)
event(
    "future-is-now",
    "events of the future are stored with the present",
    in_times(lambda second: min(second, int(time.time()))),
)


def rolled(row: Any) -> Any:
    """An impossible day of a month that has more, as the one that comes after its end."""
    found = re.fullmatch(r"(\d{4})-(0[2469]|11)-(29|3[01])(.*)", str(row.get("event_time")))
    possible = {"02": 28, "04": 30, "06": 30, "09": 30, "11": 30}
    if found is None or int(found[3]) <= possible[found[2]] or (found[2] == "02" and int(found[1]) % 4 == 0):
        return row
    day = int(found[3]) - possible[found[2]]
    return {**row, "event_time": f"{found[1]}-{int(found[2]) + 1:02}-{day:02}{found[4]}"}


broken(
    "impossible-days-roll-over",
    "an event of a 31 April is stored as one of 1 May",
    BATCH,
    "EVENT-03",
    storing(lambda found: [rolled(row) if isinstance(row, dict) else row for row in found]),
    also="EVENT-02 CODE-05",
    fits=fitting.only(BATCH),
    source="ECMA-262, Date: MakeDay; CWE-1284",
)


@breaks(
    "second-gzip-member-lost",
    "of an upload that is packed in two pieces the first is read",
    UPLOAD,
    "EVENT-04",
    also="EVENT-02 EVENT-05",
    fits=fitting.only(UPLOAD),
    profile="release",
    source="RFC 1952 section 2.2",
)
async def second_member_lost(request: Request, world: World) -> Answer:
    reader = zlib.decompressobj(31)
    try:
        first = reader.decompress(request.body)
    except zlib.error:
        return await world.forward(request)
    if not reader.unused_data.startswith(b"\x1f\x8b"):
        return await world.forward(request)
    return await world.forward(replace(request, body=gzip.compress(first, mtime=0)))
