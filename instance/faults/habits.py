"""Bugs that languages, libraries and databases bring along: what they read that nobody meant, and what they cannot."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.events import BATCH, UPLOAD, Rows, event, rewriting
from instance.faults.leniencies import WRITES, elsewhere, in_header, lax_parser, read_as
from instance.faults.life import acting
from instance.faults.listing import limit, misreading, offset, valid
from instance.faults.model import Alteration, Answer, Fitting, Request, World, breaks, broken, refusal, with_records
from instance.faults.search import SEARCH, everybody, text
from instance.faults.side_ways import LISTING
from instance.faults.values import takes
from instance.schemas import Schema

# --- numbers --------------------------------------------------------------------------------------------------------


def loosely(text: str) -> str:
    """A number as Python's int() reads it: blanks around it, lines between digits, digits of any script, a plus."""
    try:
        return str(int(unquote(text)))
    except ValueError:
        return text


def reading_numbers(read: Callable[[str], str]) -> Alteration:
    """An invalid limit or offset is read as a number all the same."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        names = [n for n, v in request.query if n in ("limit", "offset")]
        if answer.status not in (400, 422) or len(set(names)) < len(names):
            return answer
        found = {n: read(v) for n, v in request.query if n in names}
        return answer if found == {n: request.get(n) for n in names} else await world.forward(request.asking(**found))

    return alter


broken(
    "limit-read-as-in-python",
    "a limit with blanks around it, with a plus, with lines or in other digits is a number",
    "list_tags list_feeds",
    "PAGE-07",
    reading_numbers(loosely),
    fits=fitting.paged,
    profile="release",
)
broken(
    "limit-read-up-to-a-letter",
    "a limit of 10abc is one of 10",
    "list_tags list_feeds",
    "PAGE-07",
    reading_numbers(lambda t: m[0] if (m := re.match(r"\d+(?=[A-Za-z])", t)) else t),
    fits=fitting.paged,
    profile="release",
)
broken(
    "offset-wraps-at-65536",
    "an offset of 65,536 counts as 0",
    "list_tags list_feeds",
    "PAGE-05",
    misreading(lambda r: r.asking(offset=offset(r) % 65536) if offset(r) > 65535 else r),
    LISTING,
    fits=fitting.paged,
    least=1,
    profile="release",
)
read_as(
    "ids-read-as-in-python",
    "an id with blanks around it, a plus or lines between its digits is read without them",
    lambda t: read if (read := loosely(t)) != t.lstrip("0") and read.isdecimal() and read.isascii() else None,
)


# --- bodies ---------------------------------------------------------------------------------------------------------


lax_parser(
    "comments-taken",
    "comments in a body are left out",
    lambda b: re.sub(rb"/\*.*?\*/|//[^\n\"]*", b"", b, flags=re.S),
)


def wanting_numbers(o: Operation, c: Contract) -> bool:
    """Its body has numbers, whatever else is left out."""
    if not fitting.writes(o, c) or o.body_schema is None:
        return False
    fields = c.book.properties(o.body_schema)
    return o.id == BATCH or any(c.book.kind(fields[n]) == "integer" for n in c.book.required(o.body_schema))


lax_parser(
    "nan-taken",
    "NaN in place of a number of a body is taken",
    lambda b: b.replace(b"NaN", b"1"),
    "create_customer_events share_segment_with_user",
    wanting_numbers,
)


@breaks(
    "charset-is-415",
    "application/json with a charset behind it is 415",
    WRITES,
    "MEDIA-04",
    also="CODE-02",
    fits=fitting.writes,
    profile="release",
)
async def charset_is_415(request: Request, world: World) -> Answer:
    typed = (request.header(b"content-type") or b"").lower()
    answer = await world.forward(request)
    refused = answer.status in (401, 403, 404)
    return refusal(415) if not refused and typed.startswith(b"application/json") and b"charset" in typed else answer


def breaking(when: Callable[[Any], bool]) -> Alteration:
    """A value of a body that is read well breaks the server."""

    async def alter(request: Request, world: World) -> Answer:
        body = request.json
        found = isinstance(body, dict) and any(when(value) for value in body.values())
        if not found or world.features(request) is None or acting(request) not in ("create", "update"):
            return await world.forward(request)
        answer = await world.forward(replace(request, body=b"[]"))  # refused for its body alone
        return refusal(500) if answer.status in (400, 422) else answer

    return alter


def over_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > 255


def takes_one(suits: Callable[[Schema, Contract], bool]) -> Fitting:
    """A create or a change has a field that suits."""
    return takes(lambda name, schema, c: suits(schema, c), "create", "update")


with_text = takes_one(lambda schema, c: c.book.kind(schema) == "string")
with_number = takes_one(lambda schema, c: c.book.kind(schema) == "integer" and "x-entity" not in schema)
with_list = takes_one(lambda schema, c: c.book.kind(schema) == "array")
ALSO = "CODE-02 MEDIA-06 CODE-05 LIFE-01 LIFE-03"
lax_parser(
    "broken-utf-8-taken",
    "bytes that are no UTF-8 are replaced by question marks",
    lambda b: b.decode("utf-8", "replace").encode(),
    fits=with_text,
)
broken(
    "over-255-is-500",
    "a text of more than 255 characters is too long for its column, and a 500",
    "create_tag update_feed",
    "CODE-01",
    breaking(over_long),
    ALSO,
    fits=with_text,
    profile="release",
)
broken(
    "nul-is-500",
    "a text with the character U+0000 is a 500",
    "create_report update_tag",
    "CODE-01",
    breaking(lambda value: isinstance(value, str) and "\0" in value),
    ALSO,
    fits=with_text,
    profile="release",
)
broken(
    "zero-is-500",
    "a number that is zero breaks the server",
    "update_event update_attribute",
    "CODE-01",
    breaking(lambda value: type(value) in (int, float) and value == 0),
    ALSO,
    fits=with_number,
    profile="release",
)
broken(
    "empty-list-is-500",
    "a list without values breaks the server",
    "create_segment_export_destination update_destination",
    "CODE-01",
    breaking(lambda value: value == []),
    ALSO,
    fits=with_list,
    profile="release",
)
elsewhere(
    "token-in-underlined-header",
    "lines and dashes in the names of headers are the same: a token in X_Access_Token counts",
    in_header(b"x_access_token"),
    "release",
)


# --- events ---------------------------------------------------------------------------------------------------------


def walked(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value with a change made to all that it holds, from the inside."""
    if isinstance(value, dict):
        return change({n: walked(v, change) for n, v in value.items()})
    return change([walked(v, change) for v in value]) if isinstance(value, list) else change(value)


def payloads(change: Callable[[Any], Any]) -> Callable[[Rows], Rows]:
    def changed(row: Any) -> Any:
        held = row.get("payload")
        return {**row, "payload": {n: walked(v, change) for n, v in held.items()}} if isinstance(held, dict) else row

    return lambda found: [changed(row) for row in found]


event(
    "null-keys-lost",
    "keys of a payload's objects whose value is null are left out",
    payloads(lambda v: {n: x for n, x in v.items() if x is not None} if isinstance(v, dict) else v),
)
event(
    "empty-objects-are-lists", "empty objects in a payload become empty lists", payloads(lambda v: [] if v == {} else v)
)
event(
    "seconds-of-times-lost",
    "events are stored with the minute of their time alone",
    lambda found: [{**r, "event_time": re.sub(r":\d\d$", ":00", str(r.get("event_time")))} for r in found],
)


def unpacked(change: Callable[[str], str]) -> Alteration:
    """The text of an upload is read otherwise."""

    async def alter(request: Request, world: World) -> Answer:
        try:
            found = gzip.decompress(request.body).decode()
        except (OSError, EOFError, UnicodeDecodeError):
            return await world.forward(request)
        changed = change(found)
        if changed == found:
            return await world.forward(request)
        return await world.forward(replace(request, body=gzip.compress(changed.encode(), mtime=0)))

    return alter


def upload(name: str, what: str, by: str, alter: Alteration) -> None:
    broken(name, what, UPLOAD, by, alter, "EVENT-02 EVENT-04 EVENT-05", fits=fitting.only(UPLOAD), profile="release")


def without_unended(found: str) -> str:
    """The rows up to the last line end; an only row is kept."""
    return found if found.endswith("\n") or "\n" not in found else found[: found.rindex("\n") + 1]


upload(
    "unended-row-lost",
    "the last row of an upload is lost if no line end follows",
    "EVENT-04",
    unpacked(without_unended),
)
upload(
    "quoted-line-ends-lost",
    "line ends within the quotes of an upload become blanks",
    "EVENT-02",
    rewriting(lambda table: [[cell.replace("\\n", " ") for cell in row] for row in table]),
)
upload(
    "semicolons-part-columns",
    "a semicolon in an upload counts as a comma",
    "EVENT-04",
    rewriting(lambda table: [[part for cell in row for part in cell.split(";")] for row in table]),
)


# --- search -----------------------------------------------------------------------------------------------------------


@breaks(
    "operators-in-texts-count",
    "OR between two words of a text finds who has one of them",
    SEARCH,
    "SEARCH-03",
    also="SEARCH-01 SEARCH-02",
    fits=fitting.only(SEARCH),
    profile="release",
)
async def operators_count(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    words = [word.lower() for word in text(request).split(" OR ") if word]
    if not answer.ok or not valid(request) or len(words) < 2:
        return answer
    rows = [r for r in await everybody(request, world) if any(word in r["value"].lower() for word in words)]
    return with_records(request, answer, rows[offset(request) : offset(request) + limit(request)])
