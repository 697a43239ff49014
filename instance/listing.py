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
    direction = (query.get("order_dir") or "DESC").upper()
    if order_by not in plan.sortable:
        raise Refusal(400, "The parameter order_by is not valid.", f"order_by: {order_by[:100]}")
    limit = query["limit"] if plan.paging else None
    offset = query["offset"] if plan.paging else 0
    if order_by in plan.computed:
        texts = _sorted_by_computed(call.store, plan, where, values, order_by, direction, limit, offset)
    else:
        # The stored moment is finer than the timestamp that is shown, and fixes the order of equal values.
        order = f"r.ts {direction}, r.pk {direction}"
        if order_by != plan.timestamp:
            order = f"json_extract(r.body, '$.{order_by}') {direction}, {order}"
        sql = f"SELECT {plan.select} FROM record r WHERE {where} ORDER BY {order}"
        if limit is not None:
            sql += " LIMIT ? OFFSET ?"
            values += [limit, offset]
        texts = [row[0] for row in call.store.connection.execute(sql, values)]
    full = bool(query.get("load_full_structure"))
    if plan.computed or full:
        records = [orjson.loads(text) for text in texts]
        structure.compute(call.store, plan.entity, records, plan.computed)
        if full:
            records = structure.embed(call.store, call.operation, records)
        array = orjson.dumps(records)
    else:
        array = f"[{','.join(texts)}]".encode()
    return Reply(call.operation.status, _assemble(plan, array, settings(plan, query, order_by, direction)))


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


def _sorted_by_computed(
    store: Store,
    plan: Plan,
    where: str,
    values: list[Any],
    order_by: str,
    direction: str,
    limit: int | None,
    offset: int,
) -> list[str]:
    """A page sorted by a field that the database does not hold."""
    rows = store.connection.execute(f"SELECT {plan.select} FROM record r WHERE {where} ORDER BY r.ts, r.pk", values)
    records = [orjson.loads(row[0]) for row in rows]
    structure.compute(store, plan.entity, records, (order_by,))
    numbered = list(enumerate(records))
    numbered.sort(
        key=lambda pair: (pair[1][order_by] is not None, pair[1][order_by] or 0, pair[0]), reverse=direction == "DESC"
    )
    end = None if limit is None else offset + limit
    return [orjson.dumps(record).decode() for _, record in numbered[offset:end]]
