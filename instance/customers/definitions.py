"""Attributes, event definitions and stitching categories, read from the records and kept until they change."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from instance.records import all_of
from instance.store import Store

DEFAULT_CATEGORY = "stitchingmeiroid"
# The string attribute that a customer gets who is made by an event.
IDENTIFIER_ATTRIBUTE = "user_identifier"

_EVENTS = uuid5(NAMESPACE_URL, "customer-events")
_COMPOUND = re.compile(r"compound\((\[.*\])\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute definition. `kind` is string, int, float, bool, date, datetime or compound; `fields` maps a
    compound's field ids to their kinds."""

    id: str
    source: str
    kind: str
    fields: dict[str, str]
    hidden: bool
    disabled: bool


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """An event definition: its id, and the UUID under which created events name it."""

    id: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Definitions:
    """All living definitions at one version of the data.

    `searched` are the ids of the attributes that the customer search looks at.
    """

    version: int
    attributes: dict[str, Attribute]
    events: dict[tuple[str, str, str], EventDefinition]
    categories: dict[str, bool]
    searched: tuple[str, ...] = field(default=())

    def event_ids(self, ids: list[str]) -> list[str]:
        """Definition ids for a list of definition ids or UUIDs of definitions."""
        by_uuid = {event.uuid: event.id for event in self.events.values()}
        return [by_uuid.get(id, id) for id in ids]


def definitions(store: Store) -> Definitions:
    """The present definitions. Reading them again costs only if one of them was changed."""
    kept: tuple[int, Definitions] | None = store.cache.get("customers.definitions")
    if kept is not None and kept[0] == store.generation and not store.connection.in_transaction:
        return kept[1]
    version = store.connection.execute("SELECT version FROM definition_version").fetchone()[0]
    if kept is None or kept[1].version != version or store.connection.in_transaction:
        current = _read(store, version)
    else:
        current = kept[1]
    # What is read inside a transaction may still be rolled back, with the version number.
    if not store.connection.in_transaction:
        store.cache["customers.definitions"] = (store.generation, current)
    return current


def _read(store: Store, version: int) -> Definitions:
    attributes = {record["id"]: attribute_of(record) for record in all_of(store, "attribute")}
    events: dict[tuple[str, str, str], EventDefinition] = {}
    # Newest first, so that of two definitions of the same event the older one stays.
    for record in all_of(store, "event"):
        key = (record["source_id"], record["type"], record["version"])
        events[key] = EventDefinition(record["id"], event_uuid(*key))
    categories = {
        record["id"]: bool(record.get("is_audience_api_enabled")) for record in all_of(store, "stitching_category")
    }
    searched = tuple(a.id for a in attributes.values() if a.kind == "string" and not a.hidden and not a.disabled)
    return Definitions(version, attributes, events, categories, searched)


def attribute_of(record: dict[str, Any]) -> Attribute:
    """The definition in an attribute's record."""
    kind, fields = parse_data_type(record["data_type"])
    return Attribute(
        id=record["id"],
        source=record["source_id"],
        kind=kind,
        fields=fields,
        hidden=bool(record.get("is_hidden")),
        disabled=bool(record.get("is_disabled")),
    )


def parse_data_type(data_type: str) -> tuple[str, dict[str, str]]:
    """Kind and fields of a `data_type` such as 'int' or 'compound([["city", "City", "string"]])'.

    A compound whose inner list cannot be read has no fields.
    """
    match = _COMPOUND.fullmatch(data_type)
    if match is None:
        return data_type, {}
    try:
        rows = orjson.loads(match.group(1))
        return "compound", {str(row[0]): str(row[2]) for row in rows}
    except (orjson.JSONDecodeError, IndexError, KeyError, TypeError):
        return "compound", {}


def event_uuid(source: str, type: str, version: str) -> str:
    """The UUID of an event definition, made from what names it."""
    return str(uuid5(_EVENTS, "\0".join((source, type, version))))
