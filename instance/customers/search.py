"""Customers Search: parts of string values, at least three characters, literally and without regard to case."""

from __future__ import annotations

from typing import Any

from instance.calls import Call, Refusal, Reply
from instance.customers.definitions import definitions
from instance.customers.schema import fold, page
from instance.handlers import handles
from instance.store import Store
from instance.structure import embed

SHORTEST = 3
# The index takes these for one another; texts that hold one are compared once more.
_ALIKE = frozenset("\0\ufffd\ufffe\uffff")


@handles("search_customers")
def search_customers(call: Call) -> Reply:
    """`GET /customers/fulltext_search`: one row per matching value, newest first."""
    text, limit, offset = call.query["search_text"], call.query["limit"], call.query["offset"]
    customers = search(call.store, text, limit, offset)
    if call.query.get("load_full_structure"):
        customers = embed(call.store, call.operation, customers)
    return Reply(200, {"customers": customers, "selection_settings": {**page(limit, offset), "search_text": text}})


def search(store: Store, text: str, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Values of visible string attributes that contain `text`, newest first.

    Raises `Refusal` 400 for a text of fewer than three characters.
    """
    if len(text) < SHORTEST:
        raise Refusal(
            400, f"search_text must have at least {SHORTEST} characters.", f"search_text: {len(text)} characters"
        )
    searched = definitions(store).searched
    folded = fold(text)
    values: list[Any] = ['"' + folded.replace('"', '""') + '"', *searched]
    again = ""
    if not _ALIKE.isdisjoint(text):
        again = "AND contains_folded(v.text, ?) "
        values.append(text)
    # CROSS JOIN keeps the index outermost: it yields the newest first, and the rest is read for one page only.
    rows = store.connection.execute(
        "SELECT c.id, v.source, v.attribute, v.text, v.created FROM customer_text t "
        "CROSS JOIN customer_value v ON v.pk = t.rowid CROSS JOIN customer c ON c.pk = v.customer "
        f"WHERE t.text MATCH ? AND v.attribute IN ({','.join('?' * len(searched))}) {again}"
        "ORDER BY t.rowid DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [
        {
            "customer_entity_id": customer,
            "source_id": source,
            "attribute_id": attribute,
            "value": value,
            "created": created,
        }
        for customer, source, attribute, value, created in rows
    ]
