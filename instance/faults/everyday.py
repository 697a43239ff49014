"""Everyday bugs on beaten paths: a second step that breaks, a header that lies, a driver that tells where it is."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.codes import detail, instead
from instance.faults.events import event, in_payload
from instance.faults.intake import of_the_first, shown
from instance.faults.life import acting, alone, item
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, refusal
from instance.faults.values import stored, takes, written
from instance.schemas import Schema

# --- LIFE: a step of a record's life brings the server down --------------------------------------------------------


@breaks(
    "changed-cannot-be-deleted",
    "deleting a record that was ever changed is a 500",
    "delete_tag delete_report delete_feed",
    "LIFE-04",
    also="LIFE-06 CODE-01",
    fits=fitting.every(fitting.acting("delete"), fitting.changed_alone),
    through="update",
    source="CWE-755 Improper Handling of Exceptional Conditions (a foreign key on the table of versions)",
)
async def changed_cannot_be_deleted(request: Request, world: World) -> Answer:
    changed = world.memory.setdefault("changed", set())
    if acting(request) == "delete" and request.path in changed:
        return refusal(500)
    answer = await world.forward(request)
    if acting(request) == "update" and answer.ok:
        changed.add(request.path)
    return answer


def several_fields(o: Operation, c: Contract) -> bool:
    """A change may be of several fields."""
    return takes(lambda name, schema, c: "x-entity" not in schema and name != "deleted", "update", least=3)(o, c)


broken(
    "several-fields-are-500",
    "a change of more than two fields is a 500",
    "update_report update_attribute update_feed",
    "LIFE-03",
    instead(
        lambda r, a: acting(r) == "update" and a.ok and isinstance(r.json, dict) and len(r.json) > 2,
        lambda a: refusal(500),
    ),
    "CODE-01 CODE-02 MEDIA-06",
    fits=several_fields,
    source="CWE-248 Uncaught Exception",
)


@breaks(
    "list-breaks-after-a-deletion",
    "once a record was deleted its list is a 500",
    "delete_tag delete_report",
    "LIFE-04",
    also="LIFE-02 LIFE-06 CODE-01 CODE-02 ROLE-06",
    fits=fitting.every(fitting.acting("delete"), fitting.seen_alone),
    through="list",
    source="CWE-672 Operation on a Resource after Expiration or Release",
)
async def list_breaks_after_a_deletion(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if acting(request) == "delete" and answer.ok:
        world.memory["deleted"] = request.path.rpartition("/")[0]
    elif acting(request) == "list" and world.memory.pop("deleted", None) == request.path.rstrip("/"):
        return refusal(500)
    return answer


broken(
    "nothing-is-a-word",
    "null is stored as the text None",
    "update_tag",
    "LIFE-03",
    stored(lambda body: {name: "None" if value is None else value for name, value in body.items()}),
    also="LIFE-01 MEDIA-06 CODE-05",
    fits=takes(lambda name, schema, c: nullable_text(schema, c), "update"),
    source="CWE-704 Incorrect Type Conversion or Cast",
)


def nullable_text(schema: Schema, c: Contract) -> bool:
    """A text without a form, or null."""
    return c.book.nullable(schema) and c.book.kind(schema) == "string" and not {"enum", "format"} & set(schema)


# --- LIFE: what stands inside -----------------------------------------------------------------------------------------


def inside(name: str, schema: Schema, c: Contract) -> bool:
    """An object with a form of its own: conditions, a definition, settings."""
    return c.book.kind(schema) == "object" and bool(c.book.properties(schema))


def without_objects(action: str, instead_of_one: dict[str, object] | None = None) -> Alteration:
    """What an action sends of objects is dropped: the columns of scalars are stored, those of JSON forgotten."""

    async def alter(request: Request, world: World) -> Answer:
        body, operation = request.json, request.operation
        schema = operation.body_schema if operation is not None else None
        if acting(request) != action or not isinstance(body, dict) or schema is None:
            return await world.forward(request)
        book = world.store.contract.book
        inner = {n for n, s in book.properties(schema).items() if inside(n, s, world.store.contract)} & set(body)
        kept = {
            n: instead_of_one if n in inner else v
            for n, v in body.items()
            if n not in inner or instead_of_one is not None
        }
        return await written(request, world, kept) if inner else await world.forward(request)

    return alter


broken(
    "inside-is-not-changed",
    "a change of an object (settings, a definition) is acknowledged and dropped",
    "update_segment update_event",
    "LIFE-03",
    without_objects("update"),
    also="MEDIA-06 CODE-05",
    fits=fitting.every(takes(inside, "update"), fitting.seen_alone),
    source="CWE-684 (a column of JSON that is not marked as changed, as in ORMs)",
)
broken(
    "inside-is-not-created",
    "an object that a create sends and may leave out (settings) is dropped",
    "create_segment",
    "LIFE-01",
    without_objects("create", {}),
    also="LIFE-03 MEDIA-06 CODE-05",
    fits=takes(lambda n, s, c: inside(n, s, c) and n == "settings", "create"),
    source="API3:2023 (a list of allowed fields that lacks one)",
)


def a_flag_in_numbers(name: str, schema: Schema, c: Contract) -> bool:
    """0 or 1, and nothing must be sent."""
    return c.book.enum(schema) == [0, 1] and name != "deleted"


async def flags_off(request: Request, world: World) -> Answer:
    body, operation = request.json, request.operation
    if acting(request) != "create" or not isinstance(body, dict) or operation is None or operation.body_schema is None:
        return await world.forward(request)
    book = world.store.contract.book
    known = {n for n, s in book.properties(operation.body_schema).items() if book.enum(s) == [0, 1]}
    return await written(request, world, {n: 0 if n in known and v == 1 else v for n, v in body.items()})


broken(
    "flags-of-creates-are-off",
    "a flag in numbers is off at first, whatever is sent",
    "create_attribute create_event",
    "LIFE-01",
    flags_off,
    also="LIFE-03 MEDIA-06",
    fits=takes(a_flag_in_numbers, "create"),
    source="CWE-1188 Initialization of a Resource with an Insecure Default",
)


# --- MEDIA ----------------------------------------------------------------------------------------------------------


def named(charset: str) -> Alteration:
    return instead(
        lambda r, a: bool(a.body) and a.ok, lambda a: a.typed(f"application/json; charset={charset}", a.body)
    )


for _charset in ("iso-8859-1", '"windows-1250"'):
    broken(
        f"answers-claim-{_charset.strip(chr(34))}",
        f"the header of an answer says charset={_charset}, and the body is in UTF-8",
        "list_tags get_report create_feed",
        "MEDIA-02",
        named(_charset),
        fits=lambda o, c: True,
        source="RFC 8259 section 8.1; CWE-838 Inappropriate Encoding for Output Context",
    )


def asking(named: bytes, wanted: Callable[[bytes | None], bool], answered: Callable[[Answer], Answer]) -> Alteration:
    """Who asks in a certain way gets something else."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answered(answer) if answer.ok and answer.body and wanted(request.header(named)) else answer

    return alter


def twice_packed(answer: Answer) -> Answer:
    """Packed by the application and by the proxy, announced once."""
    packed = gzip.compress(gzip.compress(answer.body, mtime=0), mtime=0)
    return Answer(answer.status, (*answer.headers, ("content-encoding", "gzip")), packed)


def packed_in_silence(answer: Answer) -> Answer:
    return Answer(answer.status, answer.headers, gzip.compress(answer.body, mtime=0))


def ordinary(name: str, what: str, alter: Alteration) -> None:
    broken(
        name,
        what,
        "get_tag list_tags get_user",
        "MEDIA-05",
        alter,
        "MEDIA-01 MEDIA-02 SHAPE-01",
        fits=fitting.acting("read", "list"),
        profile="release",
        source="RFC 9110 sections 12.5.1 and 12.5.3",
    )


ordinary(
    "xml-for-anything",
    "who accepts anything (*/*) gets XML",
    asking(b"accept", lambda v: v == b"*/*", lambda a: a.typed("application/xml", b"<tag/>")),
)
ordinary(
    "csv-without-accept",
    "who does not say what he accepts gets CSV",
    asking(b"accept", lambda v: v is None, lambda a: a.typed("text/csv", b"id,name")),
)
ordinary(
    "packed-twice",
    "who takes gzip gets it twice, announced once",
    asking(b"accept-encoding", lambda v: b"gzip" in (v or b""), twice_packed),
)
ordinary(
    "packed-in-silence",
    "who takes gzip gets it without a Content-Encoding",
    asking(b"accept-encoding", lambda v: b"gzip" in (v or b""), packed_in_silence),
)


# --- SHAPE-01: bodies -------------------------------------------------------------------------------------------------


broken(
    "empty-success",
    "a success has no body",
    "get_auth_options",
    "SHAPE-01",
    instead(lambda r, a: a.status == 200, lambda a: Answer(200)),
    "SHAPE-02 MEDIA-05 AUTH-09 CODE-02 STRUCT-01 STRUCT-02 LIFE-05 MEDIA-01 MEDIA-02",
    fits=fitting.only(
        "get_auth_options", "count_customers", "get_customer_last_update", "get_email_subscription_status"
    ),
    source="CWE-684 Incorrect Provision of Specified Functionality (an answer that is not written)",
)
broken(
    "password-hash-shown",
    "users are answered with the hash of their password",
    "get_user list_users",
    "SHAPE-01",
    shown(lambda x: {**x, "password_hash": "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}),
    fits=fitting.records_with("email"),
    source="CWE-200 Exposure of Sensitive Information; API3:2023 (excessive data)",
)
broken(
    "salt-shown",
    "the identity is answered with the salt of its password",
    "get_user update_user",
    "SHAPE-01",
    shown(lambda x: {**x, "salt": "c2FsdHNhbHRzYWx0"}),
    fits=fitting.records_with("email"),
    source="CWE-200 Exposure of Sensitive Information; API3:2023 (excessive data)",
)


# --- CODE-07: what is behind ----------------------------------------------------------------------------------------

BEHIND = {
    "mongo": "E11000 duplicate key error collection: cdp.tags index: name_1",
    "clickhouse": "Code: 62. DB::Exception: Syntax error: failed at position 9",
    "mysql-column": "Data too long for column 'name' at row 1",
    "not-null": 'null value in column "name" violates not-null constraint',
    "host": "dial tcp 10.0.3.12:5432: connect: connection refused",
    "panic": "panicked at src/main.rs:12:5",
    "undefined": "Cannot read properties of undefined (reading 'id')",
    "nil": "undefined method `id' for nil:NilClass",
}
for _kind, _text in BEHIND.items():
    broken(
        f"error-tells-of-{_kind}",
        f"errors show what is behind: {_text}",
        "get_tag create_report",
        "CODE-07",
        detail(_text),
        fits=fitting.refusing_something,
    )
broken(
    "exception-in-a-header",
    "errors carry the exception in a header, as frameworks in debug mode do",
    "get_tag create_report",
    "CODE-07",
    instead(
        lambda r, a: a.status in (400, 404, 422),
        lambda a: Answer(a.status, (*a.headers, ("x-debug-exception", "No%20route%20found")), a.body),
    ),
    fits=fitting.refusing_something,
    source="CWE-489 Active Debug Code; CWE-209",
)


# --- MEDIA-06: templates ----------------------------------------------------------------------------------------------


def a_template(name: str, schema: Schema, c: Contract) -> bool:
    """A text that is sent to customers."""
    told = c.book.kind(schema) == "string" and not {"enum", "format", "contentMediaType"} & set(schema)
    return told and bool(re.search(r"(^|_)(content|body)_|_template$|(^|_)html($|_)", name))


def cleaned(name: str, what: str, pattern: str) -> None:
    def clean(body: dict[str, Any]) -> dict[str, Any]:
        return {n: re.sub(pattern, "", v, flags=re.S) if isinstance(v, str) else v for n, v in body.items()}

    broken(
        name,
        what,
        "create_email update_email_template",
        "MEDIA-06",
        stored(clean),
        "LIFE-01 LIFE-03",
        fits=takes(a_template, "create", "update"),
        source="CWE-116 Improper Encoding or Escaping of Output (input is cleaned in its place)",
    )


cleaned("scripts-cleaned", "scripts and handlers are taken out of texts", r"<script.*?</script>| on\w+=\"[^\"]*\"")
cleaned("comments-cleaned", "comments of HTML are taken out of texts, those for a mail program too", r"<!--.*?-->")
cleaned("placeholders-emptied", "unknown placeholders in texts are filled with nothing", r"\{\{.*?\}\}")


# --- EVENT-02 -------------------------------------------------------------------------------------------------------


def written_anew(value: Any) -> Any:
    """A time in a text, as a library writes it that took it for one."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", str(value))
    return f"{found[2]}/{found[3]}/{found[1]} {found[4]}" if found and isinstance(value, str) else value


event(
    "dates-in-payloads-written-anew",
    "texts of a payload that look like times are written anew",
    in_payload(written_anew),
)
event(
    "kinds-of-the-first",
    "all events of a batch get the source, type and version of the first",
    of_the_first("source_id", "type", "version"),
)
event(
    "powers-in-payloads-become-numbers",
    "texts of a payload that look like numbers with an exponent become numbers",
    in_payload(lambda v: float(v) if isinstance(v, str) and re.fullmatch(r"\d+e\d+", v) else v),
)


# --- CODE-01 to CODE-03 -----------------------------------------------------------------------------------------------


@breaks(
    "unchanged-is-not-found",
    "a change that changes nothing is 404: the rows that a statement changed are counted",
    "update_tag update_report update_feed",
    "CODE-02",
    also="LIFE-03 CODE-01 MEDIA-06 ORDER-02 LIFE-06",
    fits=fitting.every(fitting.acting("update"), fitting.seen_alone),
    source="MySQL manual, mysql_affected_rows() (rows actually changed); CWE-252 Unchecked Return Value",
)
async def unchanged_is_not_found(request: Request, world: World) -> Answer:
    body = request.json
    if acting(request) != "update" or not isinstance(body, dict) or not body:
        return await world.forward(request)
    seen = await world.forward(alone(request))
    before = item(request, seen) if seen.ok else {}
    answer = await world.forward(request)
    alike = all(name in before and before[name] == value for name, value in body.items())
    return refusal(404) if answer.ok and alike else answer


broken(
    "id-beyond-32-bits-is-500",
    "an id beyond 32 bits does not fit the column, and is a 500",
    "get_tag get_report update_tag",
    "CODE-03",
    instead(
        lambda r, a: a.status == 404 and bool(r.ids) and r.ids[-1].isdigit() and 2**31 <= int(r.ids[-1]) < 2**63,
        lambda a: refusal(500),
    ),
    "CODE-01",
    fits=fitting.numbered,
    profile="release",
    source="CWE-190 Integer Overflow; PostgreSQL manual, Numeric Types (integer out of range)",
)


def raw_byte(name: str, what: str, raw: bytes) -> None:
    async def alter(request: Request, world: World) -> Answer:
        found = raw in (request.raw_query or b"").lower()
        return refusal(500) if found else await world.forward(request)

    broken(
        name,
        what,
        "list_tags list_segments",
        "CODE-01",
        alter,
        "CODE-02",
        fits=lambda o, c: any(n in o.query_parameters for n in ("name_filter", "searched_text", "search_text")),
        profile="release",
        source="CWE-172 Encoding Error",
    )


raw_byte("nul-in-a-query-is-500", "U+0000 in a filter breaks the statement", b"%00")
raw_byte("no-utf-8-in-a-query-is-500", "a byte in a query that UTF-8 does not have is a 500", b"%ff")
