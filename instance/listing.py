"""Lists: filtered, ordered and paged in the database, and put together from the stored JSON text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from instance import filters, structure
from instance.calls import Call, Refusal, Reply
from instance.contract import Operation
from instance.entities import COMPUTED
from instance.store import Store

SCALARS = {"string", "integer", "number", "boolean"}


@dataclass(slots=True)
class Plan:
    """What stays the same over all calls of one list operation."""

    entity: str
    parent: str | None
    deleted: int
    key: str | None
    paging: bool
    timestamp: str
    select: str
    fields: frozenset[str]
    computed: tuple[str, ...]
    sortable: frozenset[str]
    settings: dict[str, str]


def plan_of(store: Store, operation: Operation) -> Plan:
    """The plan of a list operation, made at its first call."""
    cache: dict[str, Plan] = store.cache.setdefault("plans", {})
    plan = cache.get(operation.id)
    if plan is None:
        plan = cache[operation.id] = _plan(store, operation)
    return plan


def _plan(store: Store, operation: Operation) -> Plan:
    assert operation.entity is not None and operation.collection is not None and operation.item_schema is not None
    book = store.contract.book
    entity = store.entities[operation.entity]
    properties = book.properties(operation.item_schema)
    surplus = sorted(set(entity.fields) - set(properties))
    select = "r.body"
    if surplus:
        select = "json_remove(r.body, " + ", ".join(f"'$.{name}'" for name in surplus) + ")"
    settings = {}
    if operation.settings_schema is not None:
        settings = {name: book.kind(schema) for name, schema in book.properties(operation.settings_schema).items()}
    return Plan(
        entity=entity.name,
        parent=operation.path_parameters[0].name if operation.path_parameters else None,
        deleted=int(operation.action == "trash"),
        key=operation.collection.key,
        paging=operation.collection.paging,
        timestamp=operation.collection.timestamp or entity.timestamp,
        select=select,
        fields=frozenset(properties),
        computed=tuple(name for name in properties if (entity.name, name) in COMPUTED),
        sortable=frozenset(
            name
            for name, schema in properties.items()
            if book.types(schema) - {"null"} <= SCALARS and book.types(schema)
        ),
        settings=settings,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a call asks of a list: which records, in SQL, in which order, and which page of them."""

    where: str
    values: list[Any]
    order_by: str
    direction: str
    limit: int | None
    offset: int


def list_records(call: Call, extra: list[filters.Condition] | None = None) -> Reply:
    """Answer a list operation; `extra` conditions narrow it further. SQL conditions are over `record r`."""
    plan = plan_of(call.store, call.operation)
    query = call.query
    where = "r.entity=? AND r.parent=? AND r.deleted=?"
    values: list[Any] = [plan.entity, call.path[plan.parent] if plan.parent else "", plan.deleted]
    for condition, more in [*filters.conditions(call), *(extra or [])]:
        where += f" AND {condition}"
        values += more
    order_by = query.get("order_by") or plan.timestamp
    if order_by not in plan.sortable:
        raise Refusal(400, "The parameter order_by is not valid.", f"order_by: {order_by[:100]}")
    asked = _Asked(
        where,
        values,
        order_by,
        (query.get("order_dir") or "DESC").upper(),
        query["limit"] if plan.paging else None,
        query["offset"] if plan.paging else 0,
    )
    texts = (_sorted_by_computed if order_by in plan.computed else _sorted_by_stored)(call.store, plan, asked)
    array = _array(call, plan, texts)
    return Reply(call.operation.status, _assemble(plan, array, settings(plan, query, order_by, asked.direction)))


def settings(plan: Plan, query: dict[str, Any], order_by: str, direction: str) -> dict[str, Any] | None:
    """`selection_settings`: what was applied, under exactly the keys that the contract names."""
    if not plan.settings:
        return None
    applied = {**query, "order_by": order_by, "order_dir": query.get("order_dir") or direction}
    found: dict[str, Any] = {}
    for name, kind in plan.settings.items():
        value = applied.get(name)
        if kind == "boolean":
            value = bool(value)
        elif kind == "string" and value == "":
            value = None
        found[name] = value
    return found


def _assemble(plan: Plan, array: bytes, applied: dict[str, Any] | None) -> bytes:
    if plan.key is None:
        return array
    parts = [b'{"', plan.key.encode(), b'":', array]
    if applied is not None:
        parts += [b',"selection_settings":', orjson.dumps(applied)]
    parts.append(b"}")
    return b"".join(parts)


def _array(call: Call, plan: Plan, texts: list[str]) -> bytes:
    """The records as they are answered: with what is computed, and in full where that is asked for."""
    full = bool(call.query.get("load_full_structure"))
    if not plan.computed and not full:
        return f"[{','.join(texts)}]".encode()
    records = [orjson.loads(text) for text in texts]
    structure.compute(call.store, plan.entity, records, plan.computed)
    return orjson.dumps(structure.embed(call.store, call.operation, records) if full else records)


def _sorted_by_stored(store: Store, plan: Plan, asked: _Asked) -> list[str]:
    """A page sorted by a field of the database."""
    # The stored moment is finer than the timestamp that is shown, and fixes the order of equal values.
    order = f"r.ts {asked.direction}, r.pk {asked.direction}"
    if asked.order_by != plan.timestamp:
        order = f"json_extract(r.body, '$.{asked.order_by}') {asked.direction}, {order}"
    sql, values = f"SELECT {plan.select} FROM record r WHERE {asked.where} ORDER BY {order}", asked.values
    if asked.limit is not None:
        sql += " LIMIT ? OFFSET ?"
        values = [*values, asked.limit, asked.offset]
    return [row[0] for row in store.connection.execute(sql, values)]


def _sorted_by_computed(store: Store, plan: Plan, asked: _Asked) -> list[str]:
    """A page sorted by a field that the database does not hold."""
    sql = f"SELECT {plan.select} FROM record r WHERE {asked.where} ORDER BY r.ts, r.pk"
    records = [orjson.loads(row[0]) for row in store.connection.execute(sql, asked.values)]
    structure.compute(store, plan.entity, records, (asked.order_by,))

    def place(numbered: tuple[int, dict[str, Any]]) -> tuple[bool, Any, int]:
        number, record = numbered
        value = record[asked.order_by]
        return value is not None, value or 0, number

    ordered = sorted(enumerate(records), key=place, reverse=asked.direction == "DESC")
    end = None if asked.limit is None else asked.offset + asked.limit
    return [orjson.dumps(record).decode() for _, record in ordered[asked.offset : end]]
