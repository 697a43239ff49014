"""Plain and full: records as each operation shows them, and sub-entities' data beside their ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from instance.contract import Operation
from instance.entities import COMPUTED
from instance.store import Store

Record = dict[str, Any]
MOST_VALUES = 500


def shown_fields(store: Store, operation: Operation) -> frozenset[str]:
    """The fields of a record in the operation's answer; empty = all."""
    if operation.item_schema is None:
        return frozenset()
    cache: dict[str, frozenset[str]] = store.cache.setdefault("shown_fields", {})
    found = cache.get(operation.id)
    if found is None:
        found = cache[operation.id] = frozenset(store.contract.book.properties(operation.item_schema))
    return found


def compute(store: Store, entity: str, records: list[Record], fields: Iterable[str]) -> None:
    """Set those of the fields that are worked out when a record is read."""
    for name in fields:
        function = COMPUTED.get((entity, name))
        if function is not None:
            function(store, records)


def project(record: Record, fields: frozenset[str]) -> Record:
    """The record with the given fields only (all, if none are given)."""
    return {name: value for name, value in record.items() if name in fields} if fields else record


def plain_records(store: Store, entity: str, ids: Iterable[Any]) -> dict[str, Record]:
    """Living records as reading the entity gives them, by id as text; maybe more than were asked for.

    Unknown ids are left out. The records are shared and must not be changed.
    """
    wanted = {str(id) for id in ids if id is not None}
    known = store.entities[entity]
    computed = any((entity, name) in COMPUTED for name in known.plain)
    found = _kept(store, entity) if not computed else {}
    missing = sorted(wanted - found.keys())
    _fetch(store, entity, missing, found)
    if computed:
        compute(store, entity, list(found.values()), known.plain)
    return found


def _kept(store: Store, entity: str) -> dict[str, Record]:
    """Plain records that were read since the last write, to be added to; nothing changes them."""
    if store.connection.in_transaction:
        return {}
    kept: tuple[int, dict[str, dict[str, Record]]] | None = store.cache.get("plain_records")
    if kept is None or kept[0] != store.generation:
        kept = (store.generation, {})
        store.cache["plain_records"] = kept
    return kept[1].setdefault(entity, {})


def _fetch(store: Store, entity: str, wanted: list[str], found: dict[str, Record]) -> None:
    known = store.entities[entity]
    for start in range(0, len(wanted), MOST_VALUES):
        part = wanted[start : start + MOST_VALUES]
        marks = ",".join("?" * len(part))
        rows = store.connection.execute(
            f"SELECT id, body FROM record WHERE entity=? AND deleted=0 AND id IN ({marks})", (entity, *part)
        )
        for id, body in rows:
            found[id] = project(orjson.loads(body), known.plain)


def embed(store: Store, operation: Operation, records: list[Record]) -> list[Record]:
    """The records with the data of the operation's sub-entities: each keeps its id field and gains the entity's plain
    record (a list of them for a list of ids, null for none). Where both share one name the ids are replaced."""
    full = [dict(record) for record in records]
    for name, spec in operation.sub_entities.items():
        ids: set[Any] = set()
        for record in records:
            value = record.get(name)
            ids.update(value if isinstance(value, list) else [value])
        found = plain_records(store, spec["entity"], ids)
        key = spec["key"]
        for record, plain in zip(full, records, strict=True):
            value = plain.get(name)
            if isinstance(value, list):
                record[key] = [found[str(id)] for id in value if str(id) in found]
            elif name in plain:
                record[key] = found.get(str(value))
    return full


def show(store: Store, operation: Operation, record: Record, full: bool = False) -> Record:
    """A stored record as the operation answers it."""
    fields = shown_fields(store, operation)
    shown = project(record, fields)
    if operation.entity:
        compute(store, operation.entity, [shown], fields)
    # One operation writes an integer id as text.
    if operation.item_schema is not None and isinstance(shown.get("id"), int):
        schema = store.contract.book.properties(operation.item_schema).get("id")
        if schema is not None and store.contract.book.kind(schema) == "string":
            shown = {**shown, "id": str(shown["id"])}
    return embed(store, operation, [shown])[0] if full else shown


def wrap(operation: Operation, record: Record) -> Record:
    """The record under its singular key, or as the whole body."""
    return record if operation.item_key is None else {operation.item_key: record}
