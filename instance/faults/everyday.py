"""Everyday bugs on beaten paths: a second step that breaks, a header that lies, a driver that tells where it is."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.codes import detail, instead
from instance.faults.intake import shown
from instance.faults.life import acting, alone, item
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, refusal
from instance.faults.values import takes

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
