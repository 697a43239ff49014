"""What is known of one customer: attribute values, events, participation, identities; and the debugger."""

from __future__ import annotations

from typing import Any

from instance.calls import Call, Refusal, Reply
from instance.customers.definitions import definitions
from instance.customers.schema import event_id, event_row, page, require_customer
from instance.handlers import handles
from instance.store import Store
from instance.structure import embed

Record = dict[str, Any]

_EVENT = "e.pk, c.id, e.definition, e.source, e.type, e.version, e.user_identifier, e.event_time, e.payload, e.created"
_EVENT_FIELDS = ("customer_entity_id", "event_id", "source_id", "type", "version", "user_identifier", "event_time")
_EVENT_ORDERS = {
    "id": "customer_event_id(e.pk)",
    "customer_entity_id": "e.customer",
    "event_id": "e.definition",
    "source_id": "e.source",
    "type": "e.type",
    "version": "e.version",
    "user_identifier": "e.user_identifier",
    "event_time": "e.event_time",
    "created": "e.created",
}


@handles("list_customer_attributes")
def list_customer_attributes(call: Call) -> Reply:
    """`GET /customers/{id}/attributes`: a row per value, at most `attribute_values_max_count` per attribute."""
    store, query = call.store, call.query
    pk, id = require_customer(store, call.path["customer_entity_id"])
    most, hidden = query["attribute_values_max_count"], bool(query.get("show_hidden"))
    shown = {a.id for a in definitions(store).attributes.values() if hidden or not a.hidden}
    counts: dict[str, int] = {}
    records: list[Record] = []
    for attribute, value in store.connection.execute(
        "SELECT attribute, COALESCE(text, document) FROM customer_value WHERE customer=? ORDER BY attribute, pk DESC",
        (pk,),
    ):
        counts[attribute] = counts.get(attribute, 0) + 1
        if attribute in shown and counts[attribute] <= most:
            records.append({"customer_entity_id": id, "attribute_id": attribute, "value": value})
    if (order := query.get("order_by")) is not None:
        records.sort(key=lambda record: str(record[order]))
    # Without order_by the direction turns the attributes' own order, as that is the only one there is.
    if query.get("order_dir") == "DESC":
        records.reverse()
    if query.get("load_full_structure"):
        records = embed(store, call.operation, records)
    return Reply(
        200,
        {
            "customer_attributes": records,
            "customer_events_count": _count(store, "customer_event", pk),
            "customer_identifiers_count": _count(store, "stitching_value", pk),
            "selection_settings": {"show_hidden": hidden, "attribute_values_max_count": most},
        },
    )


@handles("list_customer_attribute_values")
def list_customer_attribute_values(call: Call) -> Reply:
    """`GET /customers/{id}/attributes/{attribute_id}`: the bare values, newest first."""
    limit, offset = call.query["limit"], call.query["offset"]
    pk, _ = require_customer(call.store, call.path["customer_entity_id"])
    attribute = call.path["attribute_id"]
    if attribute not in definitions(call.store).attributes:
        raise Refusal(404, "No such attribute.", f"attribute_id: {attribute}")
    rows = call.store.connection.execute(
        "SELECT COALESCE(text, document) FROM customer_value WHERE customer=? AND attribute=? "
        "ORDER BY pk DESC LIMIT ? OFFSET ?",
        (pk, attribute, limit, offset),
    )
    values = [row[0] for row in rows]
    return Reply(200, {"customer_attribute_values": values, "selection_settings": page(limit, offset)})


@handles("list_customer_events")
def list_customer_events(call: Call) -> Reply:
    """`GET /customers/{id}/events`: newest first, or by a field; `event_ids` keeps those of some event definitions."""
    store, query = call.store, call.query
    limit, offset = query["limit"], query["offset"]
    pk, _ = require_customer(store, call.path["customer_entity_id"])
    order, direction = query.get("order_by") or "created", query.get("order_dir") or "DESC"
    # The rows stand in the order of their `created`, so the index alone gives the default order.
    by = "e.pk" if order == "created" else f"{_EVENT_ORDERS[order]} {direction}, e.pk"
    kept = ""
    values: list[Any] = [pk]
    if ids := query.get("event_ids"):
        ids = definitions(store).event_ids(ids)
        kept, values = f"AND e.definition IN ({','.join('?' * len(ids))}) ", [pk, *ids]
    rows = store.connection.execute(
        f"SELECT {_EVENT} FROM customer_event e JOIN customer c ON c.pk = e.customer "
        f"WHERE e.customer=? {kept}ORDER BY {by} {direction} LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    records = [_event(row) for row in rows]
    return _paged(call, "customer_events", records, order_by=order, order_dir=direction)


@handles("get_customer_event")
def get_customer_event(call: Call) -> Reply:
    """`GET /customers/{id}/events/{event}`: one event, if it is the customer's."""
    pk, _ = require_customer(call.store, call.path["customer_entity_id"])
    id = call.path["customer_event_id"]
    row = call.store.connection.execute(
        f"SELECT {_EVENT} FROM customer_event e JOIN customer c ON c.pk = e.customer WHERE e.pk=? AND e.customer=?",
        (event_row(id), pk),
    ).fetchone()
    if row is None:
        raise Refusal(404, "No such customer event.", f"customer_event_id: {id}")
    record = _event(row)
    if call.query.get("load_full_structure"):
        record = embed(call.store, call.operation, [record])[0]
    return Reply(200, {"customer_event": record})


@handles("list_debugger_events")
def list_debugger_events(call: Call) -> Reply:
    """`GET /debugger/events`: the events of all customers, those received last first."""
    limit, offset = call.query["limit"], call.query["offset"]
    rows = call.store.connection.execute(
        f"SELECT {_EVENT} FROM (SELECT pk FROM customer_event ORDER BY pk DESC LIMIT ? OFFSET ?) p "
        "CROSS JOIN customer_event e ON e.pk = p.pk CROSS JOIN customer c ON c.pk = e.customer ORDER BY e.pk DESC",
        (limit, offset),
    )
    records = []
    for row in rows:
        record = _event(row)
        del record["customer_entity_id"]
        records.append(record)
    return _paged(call, "customer_events", records)


@handles("list_customer_event_groups")
def list_customer_event_groups(call: Call) -> Reply:
    """`GET /customers/{id}/event_groups`: one row per event definition, the one that happened last first."""
    limit, offset = call.query["limit"], call.query["offset"]
    pk, _ = require_customer(call.store, call.path["customer_entity_id"])
    rows = call.store.connection.execute(
        "SELECT definition, COUNT(*), MIN(event_time), MAX(event_time) FROM customer_event WHERE customer=? "
        "GROUP BY definition ORDER BY 4 DESC, 1 LIMIT ? OFFSET ?",
        (pk, limit, offset),
    )
    records: list[Record] = [
        {"event_id": definition, "count": count, "first_event_time": first, "last_event_time": last}
        for definition, count, first, last in rows
    ]
    return _paged(call, "customer_event_groups", records)


@handles("list_customer_participation")
def list_customer_participation(call: Call) -> Reply:
    """`GET /customers/{id}/participation`: campaigns and journeys the customer took part in, newest first."""
    limit, offset = call.query["limit"], call.query["offset"]
    pk, id = require_customer(call.store, call.path["customer_entity_id"])
    rows = call.store.connection.execute(
        "SELECT pk, entity_type, entity_id, entity_name, created FROM participation WHERE customer=? "
        "ORDER BY created DESC, pk DESC LIMIT ? OFFSET ?",
        (pk, limit, offset),
    )
    records = [
        {
            "id": row[0],
            "customer_entity_id": id,
            "entity_type": row[1],
            "entity_id": row[2],
            "entity_name": row[3],
            "created": row[4],
        }
        for row in rows
    ]
    return _paged(call, "customer_participation", records)


@handles("get_customer_stitching_graph")
def get_customer_stitching_graph(call: Call) -> Reply:
    """`GET /customers/{id}/stitching_graph`: the customer's identities, all joined to the first of them."""
    pk, _ = require_customer(call.store, call.path["customer_entity_id"])
    rows = call.store.connection.execute(
        "SELECT category, value FROM stitching_value WHERE customer=? ORDER BY category DESC, value", (pk,)
    )
    nodes = [
        {"id": f"{category}:{value}", "stitching_category_id": category, "value": value} for category, value in rows
    ]
    edges = [{"source": nodes[0]["id"], "target": node["id"]} for node in nodes[1:]]
    return Reply(200, {"customer_stitching_graph": {"nodes": nodes, "edges": edges}})


def _paged(call: Call, key: str, records: list[Record], **order: str) -> Reply:
    """A page of records under their key, with the sub-entities' data where it is asked for."""
    if call.query.get("load_full_structure"):
        records = embed(call.store, call.operation, records)
    settings = {**page(call.query["limit"], call.query["offset"]), **order}
    return Reply(200, {key: records, "selection_settings": settings})


def _event(row: tuple[Any, ...]) -> Record:
    record: Record = {"id": event_id(row[0])}
    record.update(zip(_EVENT_FIELDS, row[1:8], strict=True))
    record["payload"], record["created"] = row[8], row[9]
    return record


def _count(store: Store, table: str, customer: int) -> int:
    return int(store.connection.execute(f"SELECT COUNT(*) FROM {table} WHERE customer=?", (customer,)).fetchone()[0])
