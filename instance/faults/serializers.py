"""Bugs of what turns records into JSON and back: values that are left out as empty, keys that are spelled anew, URLs
that are tidied up, choices that fall back to the first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.model import Answer, Request, World, breaks, broken
from instance.faults.shapes import recording
from instance.faults.values import stored, takes
from instance.schemas import Schema

Fields = dict[str, Any]

# --- SHAPE ----------------------------------------------------------------------------------------------------------


def often_zero(o: Operation, c: Contract) -> bool:
    """Its records always have switches, 0 or 1."""
    if o.item_schema is None:
        return False
    required = c.book.required(o.item_schema)
    found = {n: s for n, s in c.book.properties(o.item_schema).items() if n in required}
    return any(set(c.book.enum(s) or ()) == {0, 1} or c.book.kind(s) == "boolean" for s in found.values())


broken(
    "zero-values-left-out",
    "fields that are 0, false, empty or nothing are left out of records, as with omitempty in Go",
    "get_funnel_group list_sources",
    "SHAPE-01",
    recording(lambda r: {n: v for n, v in r.items() if v or n == "id"}),
    "SHAPE-03 STRUCT-03 STRUCT-04 LIFE-01 LIFE-03 MEDIA-06",
    fits=often_zero,
    source="Go manual, encoding/json: omitempty",
)

# --- LIFE -----------------------------------------------------------------------------------------------------------


def in_snake_case(value: Any) -> Any:
    """The keys of objects in another spelling, all the way down."""
    if isinstance(value, dict):
        return {re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", n).lower(): in_snake_case(v) for n, v in value.items()}
    return [in_snake_case(v) for v in value] if isinstance(value, list) else value


def free(name: str, schema: Schema, c: Contract) -> bool:
    """An object of any form."""
    found = c.book.resolve(schema)
    return found.get("type") == "object" and not {"properties", "required", "additionalProperties"} & set(found)


def in_objects(change: Callable[[Any], Any]) -> Callable[[Fields], Fields]:
    return lambda body: {n: change(v) if isinstance(v, dict) else v for n, v in body.items()}


broken(
    "object-keys-to-snake-case",
    "keys within free objects of a record are stored in snake_case, as those of the record itself",
    "create_segment update_push_notification create_journey",
    "LIFE-01",
    stored(in_objects(in_snake_case)),
    also="LIFE-03 MEDIA-06",
    fits=takes(free, "create", "update"),
    profile="release",
    source="djangorestframework-camel-case manual, Underscoreize Options: JSON_UNDERSCOREIZE ignore_fields",
)


def an_address(name: str, schema: Schema, c: Contract) -> bool:
    return "url" in name and c.book.kind(schema) == "string"


def tidied(value: Any) -> Any:
    """The address of a host alone, with the slash that it is the same with."""
    return value + "/" if isinstance(value, str) and re.fullmatch(r"https?://[^/?#\s]+", value) else value


broken(
    "urls-get-a-slash",
    "an URL without a path is stored with a slash behind it",
    "create_report update_feed",
    "LIFE-01",
    stored(lambda body: {n: tidied(v) if "url" in n else v for n, v in body.items()}),
    also="LIFE-03 MEDIA-06",
    fits=takes(an_address, "create", "update"),
    profile="release",
    source="Pydantic manual, Network Types: AnyUrl adds the slash",
)

# --- CODE-05 --------------------------------------------------------------------------------------------------------


def choices(o: Operation, c: Contract) -> dict[str, list[Any]]:
    """Fields of its body that are one of some words."""
    found = c.book.properties(o.body_schema).items() if o.body_schema else ()
    words = {n: c.book.enum(s) or [] for n, s in found}
    return {n: known for n, known in words.items() if known and all(isinstance(v, str) for v in known)}


@breaks(
    "unknown-choice-is-the-first",
    "a word that is none of the choices of a field is taken for the first of them",
    "share_segment_with_user create_web_banner",
    "CODE-05",
    fits=fitting.every(fitting.writes, lambda o, c: bool(choices(o, c))),
    source="Protocol Buffers manual, Enumerations: the default is the first value; CWE-20",
)
async def unknown_choice_is_the_first(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    body, operation = request.json, request.operation
    if answer.status not in (400, 422) or not isinstance(body, dict) or operation is None:
        return answer
    known = choices(operation, world.store.contract)
    mended = {n: known[n][0] if isinstance(v, str) and v not in known.get(n, [v]) else v for n, v in body.items()}
    return answer if mended == body else await world.forward(request.with_body(mended))
