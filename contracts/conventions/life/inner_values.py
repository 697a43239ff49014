"""LIFE: what stands inside a record: conditions, definitions, schemas and settings, whose form is too much to make up.

A value is taken from another record of the same kind, which proves that the target takes it. What may be an address or
a credential is left where it is: a copy could send data there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from contracts.checks import NotExercised, TargetLost, Unconfirmed
from contracts.conventions.life.model import LIST, READ, Entity, decoded, keys_of, same
from contracts.observing import canonical, record_of, rows_of
from contracts.workbench import Workbench

_LARGEST = 20_000  # characters of a value that is copied
_OUTWARD = re.compile(
    r"://|@|\"[^\"]*(url|uri|host|server|password|secret|token|key|e-?mail)[^\"]*\" *:", re.IGNORECASE
)
_HARMLESS = ("x-provenance", "x-nobody")  # nothing is sent to records that are only looked at
_SIMPLE = {"type", "description", "x-provenance"}


def is_inner(schema: Mapping[str, Any]) -> bool:
    """Whether a field is an object with a form of its own, or a text that holds one."""
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if any(key.startswith("x-") and key not in _HARMLESS for key in schema):
        return False
    if kind == "string":
        return schema.get("contentMediaType") == "application/json"
    return kind == "object" and (not set(schema) <= _SIMPLE or schema.get("x-provenance") == "assumed")


def inner_values(
    bench: Workbench,
    entity: Entity,
    fields: Mapping[str, Mapping[str, Any]],
    now: Mapping[str, Any] | None = None,
    *,
    fewer: bool = False,
) -> dict[str, Any]:
    """Values for those of the fields that are inner ones, the largest that other records have and that are other ones
    than `now`; else nothing, where that will do. `fewer`: rather one that lacks a key of what is there now, which has
    to go. Costs no request: what was read of them is known."""
    wanted = {name: schema for name, schema in fields.items() if is_inner(schema)}
    if not wanted:
        return {}
    records = _others(bench, entity)
    found: dict[str, Any] = {}
    for name, schema in wanted.items():
        shown = [decoded(record.get(name)) for record in records]
        told = [example for example in schema.get("examples", ()) if isinstance(example, dict)]
        values = [v for v in (*shown, *told) if isinstance(v, dict) and v and _stays_inside(v)]
        values.sort(key=lambda v: len(canonical(v)), reverse=True)
        if now is not None:
            values += [] if "required" in schema else [{}]
            lacking = (
                [v for v in values if keys_of(now.get(name)) - keys_of(v) and (v or _free(schema))] if fewer else []
            )
            values = [*lacking, *(v for v in values if name in now and not same(v, now[name]))]
        if values:
            found[name] = orjson.dumps(values[0]).decode() if "contentMediaType" in schema else values[0]
    return found


def _free(schema: Mapping[str, Any]) -> bool:
    """Whether an object may hold any keys: nothing is filled in where none is sent."""
    return isinstance(schema.get("additionalProperties"), dict) and "properties" not in schema


def _others(bench: Workbench, entity: Entity) -> list[Mapping[str, Any]]:
    """Records of the kind as the valid calls of the run showed them."""
    found: list[Any] = []
    for action in (LIST, READ):
        if action not in entity:
            continue
        operation = entity[action]
        try:
            exchange = bench.control(operation)[1]
        except (NotExercised, Unconfirmed, TargetLost):
            continue
        if exchange.ok:
            found += (rows_of(operation, exchange) or []) if action == LIST else [record_of(operation, exchange)]
    return [record for record in found if isinstance(record, dict)]


def _stays_inside(value: Mapping[str, Any]) -> bool:
    """Whether a value may be copied: it leads nowhere outside, and names itself after no record."""
    text = canonical(value)
    return "id" not in value and len(text) <= _LARGEST and not _OUTWARD.search(text)
