"""Everyday bugs on beaten paths: a second step that breaks, a header that lies, a driver that tells where it is."""

from __future__ import annotations

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.codes import detail, instead
from instance.faults.life import acting
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, refusal
from instance.faults.values import stored, takes
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
