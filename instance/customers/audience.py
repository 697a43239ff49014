"""Audience API: what websites and apps ask without a token: who is this, in which segments, may we write to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from instance.calls import Call, Refusal, Reply
from instance.customers.definitions import definitions
from instance.customers.schema import require_customer
from instance.customers.segments import matches, validate
from instance.handlers import handles
from instance.records import all_of, get
from instance.store import Store

COUNTRY = "CZ"
# Attributes that /wbs gives away, beside the customer's id and the time of the last change.
RETURNED = ("loyalty_tier", "favourite_products", "language")
CONSENT = "is_subscriber"


@handles("get_wbs_customer")
def get_wbs_customer(call: Call) -> Reply:
    """`GET /wbs`: the customer behind a stitching value; with `tags[]` the ids of the customer's segments instead.

    404 for an unknown customer and for one outside `segment`, 400 for a stitching category that is not open.
    """
    store, query = call.store, call.query
    customer = _customer(store, query["attribute"], query["value"])
    if isinstance(customer, Reply):
        return customer
    pk, id, modified = customer
    tags = query.get("tags[]") or query.get("tags")
    if tags:
        ids = [segment["id"] for segment in _segments_of(store, id, {str(tag) for tag in tags})]
        return Reply(200, {"status": "ok", "client_ip": call.client_ip, "segment_ids": ids})
    if (segment_id := query.get("segment")) is not None:
        segment = get(store, "segment", segment_id)
        if segment is None or segment.get("disabled") or not matches(store, id, _conditions(segment)):
            return _error(404, "customer not in segment")
    returned: dict[str, Any] = {"customer_entity_id": id, "modified": modified.replace(" ", "T")}
    returned.update((f"attribute_{name}", _values(store, pk, name)) for name in RETURNED)
    return Reply(
        200,
        {
            "status": "ok",
            "client_ip": call.client_ip,
            "returned_attributes": returned,
            "data": None,
            "customer_entity_id": id,
        },
    )


@handles("get_wbs_segments")
def get_wbs_segments(call: Call) -> Reply:
    """`GET /wbs/segments`: ids of the customer's segments, with `tag` only of those that carry it.

    Nobody is in no segment: an unknown customer gets an empty list.
    """
    store, query = call.store, call.query
    customer = _customer(store, query["attribute"], query["value"])
    if isinstance(customer, Reply):
        return customer if customer.status != 404 else Reply(200, {"status": "ok", "segment_ids": []})
    tag = query.get("tag")
    ids = [segment["id"] for segment in _segments_of(store, customer[1], {tag} if tag else None)]
    return Reply(200, {"status": "ok", "segment_ids": ids})


@handles("get_wbs_ip")
def get_wbs_ip(call: Call) -> Reply:
    """`GET /wbs/ip_lookup`: the caller's address, and always the same country."""
    return Reply(200, {"client_ip": call.client_ip, "country_code": COUNTRY})


@handles("get_email_subscription_status")
def get_email_subscription_status(call: Call) -> Reply:
    """`GET /email_subscription_status`: blocked or not, and the consent of the customer with this address.

    404 for an address that no customer has and that is not blocked.
    """
    store, address = call.store, call.query["email_address"]
    row = store.connection.execute(
        "SELECT c.pk, c.id FROM customer_value v JOIN customer c ON c.pk = v.customer "
        "WHERE v.attribute='email' AND v.text IN (?, ?) ORDER BY v.pk DESC LIMIT 1",
        (address, address.lower()),
    ).fetchone()
    blocked = any(get(store, "blocked_email", form) is not None for form in {address, address.lower()})
    if row is None and not blocked:
        raise Refusal(404, "No customer has this address.", f"email_address: {address}")
    return Reply(
        200,
        {
            "blocked": blocked,
            "consent": row is not None and "true" in (_values(store, row[0], CONSENT) or ()),
            "customer_entity_id": row[1] if row is not None else None,
            "email_address": address,
        },
    )


@handles("evaluate_customer_conditions")
def evaluate_customer_conditions(call: Call) -> Reply:
    """`POST /customer_conditions`: whether a customer meets a tree; 404 for an unknown one, 422 for a bad tree."""
    _, id = require_customer(call.store, call.body["customer_entity_identifier"])
    conditions = call.body["conditions_operation"]
    validate(conditions)
    return Reply(200, {"result": matches(call.store, id, conditions)})


def _customer(store: Store, category: str, value: str) -> tuple[int, str, str] | Reply:
    """Row, id and last change of the customer with this stitching value, or the answer that refuses to tell."""
    if not definitions(store).categories.get(category):
        return _error(400, "attribute not allowed", f"attribute: {category}")
    row = store.connection.execute(
        "SELECT c.pk, c.id, c.modified FROM stitching_value s JOIN customer c ON c.pk = s.customer "
        "WHERE s.value=? AND s.category=?",
        (value, category),
    ).fetchone()
    return _error(404, "customer not found") if row is None else (row[0], row[1], row[2])


def _error(status: int, message: str, detail: str | None = None) -> Reply:
    return Reply(status, {"status": "error", "message": message, "detail": detail or message})


def _values(store: Store, customer: int, attribute: str) -> list[str] | None:
    """A customer's values of an attribute, newest first; None if there are none."""
    rows = store.connection.execute(
        "SELECT text FROM customer_value WHERE customer=? AND attribute=? ORDER BY pk DESC", (customer, attribute)
    )
    return [row[0] for row in rows] or None


def _conditions(segment: dict[str, Any]) -> Any:
    return (segment.get("settings") or {}).get("conditions_operation")


def _segments_of(store: Store, customer_id: str, tags: set[str] | None) -> Iterator[dict[str, Any]]:
    """Segments in use that hold the customer; with `tags` (ids or names) only those that carry one of them."""
    if tags is not None:
        tags = tags | {str(tag["id"]) for tag in all_of(store, "tag") if tag["name"] in tags}
    for segment in all_of(store, "segment"):
        if segment.get("disabled"):
            continue
        if tags is not None and tags.isdisjoint(str(tag) for tag in segment.get("tags") or ()):
            continue
        try:
            member = matches(store, customer_id, _conditions(segment))
        except Refusal:
            # A segment stored without a valid tree holds nobody.
            continue
        if member:
            yield segment
