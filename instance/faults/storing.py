"""What is stored is not what was sent: types that are converted, objects that are forgotten, texts that are cleaned."""

from __future__ import annotations

import re
from typing import Any

from instance.contract import Contract
from instance.faults import fitting
from instance.faults.events import event, in_payload
from instance.faults.intake import of_the_first
from instance.faults.life import acting
from instance.faults.model import Alteration, Answer, Request, World, broken
from instance.faults.values import stored, takes, written
from instance.schemas import Schema

# --- LIFE: null, objects and flags ------------------------------------------------------------------------------------


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
