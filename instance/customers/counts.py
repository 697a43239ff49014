"""Figures over all customers: how many, since when, with which attributes, values and events."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta
from typing import Any

from instance.calls import Call, Refusal, Reply
from instance.customers.definitions import definitions
from instance.customers.schema import micro, page
from instance.handlers import handles
from instance.store import Store
from instance.structure import embed

# Upper ends of the intervals of the last update, in hours.
_HOURS = (12, 24, 48, 96, 168)


@handles("count_customers")
def count_customers(call: Call) -> Reply:
    """`GET /customers_count`: customers, and identities before they were stitched together."""
    run = call.store.connection.execute
    customers = run("SELECT COUNT(*) FROM customer").fetchone()[0]
    identities = run("SELECT COUNT(*) FROM stitching_value").fetchone()[0]
    return Reply(200, {"customer_entities_count": customers, "customers_before_stitching_count": identities})


@handles("list_customers_per_date")
def list_customers_per_date(call: Call) -> Reply:
    """`GET /customers_per_date`: new customers per day that had any, newest day first; both ends belong to the range.

    Left out, the range begins with the oldest customer and ends today.
    """
    store = call.store
    start, end = call.query.get("start_date"), call.query.get("end_date")
    if start is None:
        oldest = store.connection.execute("SELECT created FROM customer ORDER BY pk LIMIT 1").fetchone()
        start = (micro(store.clock()) if oldest is None else oldest[0])[:10]
    if end is None:
        end = micro(store.clock())[:10]
    rows = store.connection.execute(
        "SELECT substr(created, 1, 10) AS date, COUNT(*) FROM customer WHERE date BETWEEN ? AND ? "
        "GROUP BY date ORDER BY date DESC",
        (start, end),
    )
    dates = [{"date": date, "count": count} for date, count in rows]
    settings = {"start_date": start, "end_date": end}
    return Reply(200, {"customers_per_date": dates, "resolution": "day", "selection_settings": settings})


@handles("get_customer_last_update")
def get_customer_last_update(call: Call) -> Reply:
    """`GET /customer_last_update`: customers by the hours since their last change; the total is the intervals' sum."""
    now = call.store.clock().astimezone(UTC)
    answer: dict[str, int] = {}
    later = "9999"
    for hours in _HOURS:
        since = micro(now - timedelta(hours=hours))
        answer[f"h{hours}"] = call.store.connection.execute(
            "SELECT COUNT(*) FROM customer WHERE modified >= ? AND modified < ?", (since, later)
        ).fetchone()[0]
        later = since
    answer["total"] = sum(answer.values())
    return Reply(200, {"customer_last_update": answer})


@handles("list_customers_per_attribute_counts")
def list_customers_per_attribute_counts(call: Call) -> Reply:
    """`GET /customers_per_attribute_counts`: for each attribute, how many customers have a value of it."""
    counts = _kept_count(
        call.store,
        "customers.attribute_counts",
        "customer",
        "SELECT attribute, COUNT(DISTINCT customer) FROM customer_value WHERE customer > ? GROUP BY attribute",
    )
    rows = [{"attribute_id": id, "count": counts[id]} for id in sorted(definitions(call.store).attributes)]
    return _bare_list(call, "customers_per_attribute_counts", rows)


@handles("list_customers_event_counts")
def list_customers_event_counts(call: Call) -> Reply:
    """`GET /customers_event_counts`: for each event definition, how many events there are."""
    counts = _kept_count(
        call.store,
        "customers.event_counts",
        "customer_event",
        "SELECT definition, COUNT(*) FROM customer_event WHERE pk > ? GROUP BY definition",
    )
    known = {event.id for event in definitions(call.store).events.values()}
    rows = [{"event_id": id, "count": counts[id]} for id in sorted(known)]
    return _bare_list(call, "customers_event_counts", rows)


@handles("list_customers_attribute_values_counts")
def list_customers_attribute_values_counts(call: Call) -> Reply:
    """`GET /customers_attribute_values_counts`: customers per value of one attribute, the commonest value first.

    An attribute that is not defined has no values.
    """
    attribute, limit, offset = call.query["attribute_id"], call.query["limit"], call.query["offset"]
    rows: list[dict[str, Any]] = []
    if attribute in definitions(call.store).attributes:
        found = call.store.connection.execute(
            "SELECT COALESCE(text, document) AS value, COUNT(DISTINCT customer) FROM customer_value WHERE attribute=? "
            "GROUP BY value ORDER BY 2 DESC, 1 LIMIT ? OFFSET ?",
            (attribute, limit, offset),
        )
        rows = [{"value": value, "count": count} for value, count in found]
    settings = {**page(limit, offset), "attribute_id": attribute}
    return Reply(200, {"customers_attribute_values_counts": rows, "selection_settings": settings})


@handles("get_attribute_aggregations")
def get_attribute_aggregations(call: Call) -> Reply:
    """`GET /attributes/{id}/aggregations`: customers, values, distinct values, least and greatest value.

    The extremes are numbers for int and float, texts otherwise, null for bool and compound attributes.
    """
    id = call.path["attribute_id"]
    attribute = definitions(call.store).attributes.get(id)
    if attribute is None:
        raise Refusal(404, "No such attribute.", f"attribute_id: {id}")
    column = {"int": "number", "float": "number", "bool": "NULL", "compound": "NULL"}.get(attribute.kind, "text")
    row = call.store.connection.execute(
        "SELECT COUNT(DISTINCT customer), COUNT(*), COUNT(DISTINCT COALESCE(text, document)), "
        f"MIN({column}), MAX({column}) FROM customer_value WHERE attribute=?",
        (id,),
    ).fetchone()
    names = ("customers_count", "values_count", "distinct_values_count", "min_value", "max_value")
    return Reply(200, {"attribute_aggregations": {"attribute_id": id, **dict(zip(names, row, strict=True))}})


def _bare_list(call: Call, key: str, rows: list[dict[str, Any]]) -> Reply:
    if call.query.get("load_full_structure"):
        rows = embed(call.store, call.operation, rows)
    return Reply(200, {key: rows})


def _kept_count(store: Store, name: str, table: str, sql: str) -> Counter[str]:
    """Counts by name, kept and brought up to date with the rows added to `table` since.

    Rows are never changed or removed, and a customer's values come with him, so what was counted stays true.
    """
    newest: int = store.connection.execute(f"SELECT COALESCE(MAX(pk), 0) FROM {table}").fetchone()[0]
    kept: tuple[int, Counter[str]] = store.cache.get(name, (0, Counter()))
    upto, counts = kept
    if newest != upto:
        if newest < upto:
            upto, counts = 0, Counter()
        counts = counts + Counter(dict(store.connection.execute(sql, (upto,)).fetchall()))
        if not store.connection.in_transaction:
            store.cache[name] = (newest, counts)
    return counts
