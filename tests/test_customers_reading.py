"""One customer's lists, the figures over all, and the Audience API, on seeded customers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from instance import records, services
from instance.calls import Refusal
from instance.contract import Contract
from instance.seeding.customers import ANCHOR, HEAVY, customer_ids, seed_customers
from instance.store import Store
from tests.handler_calls import answer, call

services.register()

EVERYONE: dict[str, Any] = {}
SUBSCRIBERS = {"attribute_id": "is_subscriber", "condition": {"operation": "is_true"}}
NOBODY = {"attribute_id": "age", "condition": {"operation": "number_lower_than", "value": 0}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("reading") / "cdp.sqlite", Contract(), lambda: ANCHOR)
    seed_customers(opened, 9, 200, 3000)
    for number, (tree, tags, disabled) in enumerate(
        [(EVERYONE, [1], 0), (SUBSCRIBERS, [2], 0), (NOBODY, [1], 0), (None, [2], 1), ({"operation": "bad"}, [1], 0)], 1
    ):
        segment = {"id": number, "settings": {"conditions_operation": tree}, "tags": tags, "disabled": disabled}
        records.insert(opened, "segment", "", segment)
    for number, name in ((1, "news"), (2, "sale")):
        records.insert(opened, "tag", "", {"id": number, "name": name})
    yield opened
    opened.close()


def value_of(store: Store, id: str, attribute: str) -> Any:
    row = store.connection.execute(
        "SELECT v.text FROM customer_value v JOIN customer c ON c.pk=v.customer WHERE c.id=? AND v.attribute=?",
        (id, attribute),
    ).fetchone()
    return None if row is None else row[0]


def with_email(store: Store) -> list[str]:
    """Seeded customers, newest first; those made by the events of other tests have no address."""
    return [id for id in customer_ids(store, 300) if value_of(store, id, "email")]


def test_every_heavy_customer_fills_more_than_two_pages_of_each_list(store: Store) -> None:
    heavy = with_email(store)[:HEAVY]
    assert len(heavy) == HEAVY
    for id in heavy:
        path = {"customer_entity_id": id}
        assert len(answer(store, "list_customer_events", path, limit=1000)["customer_events"]) >= 60
        assert len(answer(store, "list_customer_event_groups", path, limit=1000)["customer_event_groups"]) >= 45
        assert len(answer(store, "list_customer_participation", path, limit=1000)["customer_participation"]) >= 45
        products = {**path, "attribute_id": "favourite_products"}
        assert (
            len(answer(store, "list_customer_attribute_values", products, limit=1000)["customer_attribute_values"])
            >= 45
        )


def test_everything_seeded_lies_in_the_past_and_in_order(store: Store) -> None:
    for table in ("customer", "customer_value", "customer_event"):
        stamps = [row[0] for row in store.connection.execute(f"SELECT created FROM {table} ORDER BY pk")]
        assert stamps == sorted(stamps) and stamps[-1] < ANCHOR.strftime("%Y-%m-%d")
        assert len(set(stamps)) < len(stamps)
    for entity in ("attribute", "source", "event", "stitching_category"):
        assert len(records.all_of(store, entity)) >= 45
    without = "SELECT COUNT(*) FROM customer c WHERE NOT EXISTS (SELECT 1 FROM customer_value v WHERE v.customer=c.pk "
    assert store.connection.execute(without + "AND attribute='email' AND text LIKE '%com%')").fetchone() == (0,)


def test_attribute_rows_hide_what_is_hidden_and_keep_to_the_maximum(store: Store) -> None:
    path = {"customer_entity_id": customer_ids(store, 1)[0]}
    plain = answer(store, "list_customer_attributes", path)
    shown = [row["attribute_id"] for row in plain["customer_attributes"]]
    assert shown.count("favourite_products") == 10 and "push_token" not in shown
    more = answer(store, "list_customer_attributes", path, show_hidden=1, attribute_values_max_count=100)
    all_shown = [row["attribute_id"] for row in more["customer_attributes"]]
    assert all_shown.count("favourite_products") == 50 and "push_token" in all_shown
    assert more["selection_settings"] == {"show_hidden": True, "attribute_values_max_count": 100}
    assert plain["customer_events_count"] >= 60 and plain["customer_identifiers_count"] >= 2
    for field in ("attribute_id", "value"):
        up = answer(store, "list_customer_attributes", path, order_by=field, order_dir="ASC")["customer_attributes"]
        down = answer(store, "list_customer_attributes", path, order_by=field, order_dir="DESC")["customer_attributes"]
        assert [row[field] for row in up] == sorted(row[field] for row in up) and down == up[::-1]
    full = answer(store, "list_customer_attributes", path, load_full_structure=1)["customer_attributes"]
    assert [row.pop("attribute")["id"] for row in full] == shown and full == plain["customer_attributes"]


@pytest.mark.parametrize(
    "operation",
    [
        "list_customer_attributes",
        "list_customer_attribute_values",
        "list_customer_events",
        "get_customer_event",
        "list_customer_event_groups",
        "list_customer_participation",
        "get_customer_stitching_graph",
    ],
)
@pytest.mark.parametrize("id", ["00000000-0000-4000-8000-000000000000", "1", "x" * 36, "{" + "0" * 34 + "}"])
def test_an_unknown_customer_is_not_found(store: Store, operation: str, id: str) -> None:
    path = {"customer_entity_id": id, "attribute_id": "email", "customer_event_id": "1"}
    with pytest.raises(Refusal) as refused:
        call(store, operation, path)
    assert refused.value.status == 404


def test_anothers_event_and_an_unknown_attribute_are_not_found(store: Store) -> None:
    one, other = customer_ids(store, 2)
    event = answer(store, "list_customer_events", {"customer_entity_id": one})["customer_events"][0]["id"]
    for operation, path in (
        ("get_customer_event", {"customer_entity_id": other, "customer_event_id": event}),
        ("list_customer_attribute_values", {"customer_entity_id": one, "attribute_id": "none"}),
        ("get_attribute_aggregations", {"attribute_id": "none"}),
    ):
        with pytest.raises(Refusal) as refused:
            call(store, operation, path)
        assert refused.value.status == 404


def test_the_graph_joins_all_identities(store: Store) -> None:
    graph = answer(store, "get_customer_stitching_graph", {"customer_entity_id": customer_ids(store, 1)[0]})
    nodes = {node["id"] for node in graph["customer_stitching_graph"]["nodes"]}
    edges = graph["customer_stitching_graph"]["edges"]
    assert len(nodes) >= 3 and len(edges) == len(nodes) - 1
    assert {edge[end] for edge in edges for end in ("source", "target")} == nodes


def test_figures_agree_with_the_rows(store: Store) -> None:
    run = store.connection.execute
    assert answer(store, "count_customers")["customer_entities_count"] == 200
    assert answer(store, "count_customers")["customers_before_stitching_count"] > 200
    dates = answer(store, "list_customers_per_date")
    assert sum(row["count"] for row in dates["customers_per_date"]) == 200
    first, last = dates["customers_per_date"][-1]["date"], dates["customers_per_date"][0]["date"]
    assert first == dates["selection_settings"]["start_date"] < last
    part = answer(store, "list_customers_per_date", start_date=last, end_date=last)["customers_per_date"]
    assert part == dates["customers_per_date"][:1]
    assert answer(store, "list_customers_per_date", start_date=last, end_date=first)["customers_per_date"] == []
    update = answer(store, "get_customer_last_update")["customer_last_update"]
    week = (ANCHOR - timedelta(hours=168)).strftime("%Y-%m-%d %H:%M:%S")
    changed = run("SELECT COUNT(*) FROM customer WHERE modified >= ?", (week,)).fetchone()[0]
    assert changed == update.pop("total") == sum(update.values()) > 0
    for row in answer(store, "list_customers_per_attribute_counts")["customers_per_attribute_counts"]:
        sql = "SELECT COUNT(DISTINCT customer) FROM customer_value WHERE attribute=?"
        assert run(sql, (row["attribute_id"],)).fetchone()[0] == row["count"]
    events = answer(store, "list_customers_event_counts")["customers_event_counts"]
    assert sum(row["count"] for row in events) == 3000
    values = answer(store, "list_customers_attribute_values_counts", attribute_id="loyalty_tier", limit=2)
    tiers = values["customers_attribute_values_counts"]
    assert len(tiers) == 2 and tiers[0]["count"] >= tiers[1]["count"]
    figures = answer(store, "get_attribute_aggregations", {"attribute_id": "age"})["attribute_aggregations"]
    assert figures["customers_count"] == 200 and 18 <= figures["min_value"] < figures["max_value"] < 90


def test_figures_follow_new_events(store: Store) -> None:
    def count() -> Any:
        rows = answer(store, "list_customers_event_counts")["customers_event_counts"]
        attributes = answer(store, "list_customers_per_attribute_counts")["customers_per_attribute_counts"]
        return (
            next(row["count"] for row in rows if row["event_id"] == "web_login"),
            next(row["count"] for row in attributes if row["attribute_id"] == "user_identifier"),
        )

    before = count()
    event = {
        "source_id": "web",
        "type": "login",
        "version": "1-0-0",
        "event_time": "2025-01-01 00:00:00",
        "payload": {},
    }
    call(store, "create_customer_events", body={"customer_events": [{**event, "user_identifier": "figures"}] * 3})
    assert count() == (before[0] + 3, before[1] + 1)


def test_wbs_tells_who_it_is(store: Store) -> None:
    id = with_email(store)[0]
    for category, attribute in (("stitchingmeiroid", "user_identifier"), ("email", "email")):
        body = answer(store, "get_wbs_customer", attribute=category, value=value_of(store, id, attribute))
        assert (body["status"], body["customer_entity_id"], body["client_ip"]) == ("ok", id, "192.0.2.7")
        assert body["returned_attributes"]["customer_entity_id"] == id
        datetime.fromisoformat(body["returned_attributes"]["modified"])


def test_wbs_refusals(store: Store) -> None:
    id = next(c for c in customer_ids(store, 200) if value_of(store, c, "is_subscriber") == "false")
    value = value_of(store, id, "email")
    for query, status, message in (
        ({"attribute": "email", "value": "nobody@example.com"}, 404, "customer not found"),
        ({"attribute": "email", "value": value, "segment": 2}, 404, "customer not in segment"),
        ({"attribute": "email", "value": value, "segment": 99}, 404, "customer not in segment"),
        ({"attribute": "crmnumber", "value": value}, 400, "attribute not allowed"),
        ({"attribute": "none", "value": value}, 400, "attribute not allowed"),
    ):
        reply = call(store, "get_wbs_customer", **query)
        assert isinstance(reply.body, dict)
        assert (reply.status, reply.body["status"], reply.body["message"]) == (status, "error", message)
    assert call(store, "get_wbs_customer", attribute="email", value=value, segment=1).status == 200


def test_wbs_segments_are_those_that_hold_the_customer(store: Store) -> None:
    for id in with_email(store)[:20]:
        asked = {"attribute": "email", "value": value_of(store, id, "email")}
        subscribes = value_of(store, id, "is_subscriber") == "true"
        everything = {1, 2} if subscribes else {1}
        assert set(answer(store, "get_wbs_segments", **asked)["segment_ids"]) == everything
        assert answer(store, "get_wbs_segments", **asked, tag="news")["segment_ids"] == [1]
        by_tag = answer(store, "get_wbs_customer", **asked, tags=["2", "unknown"])
        assert by_tag["segment_ids"] == ([2] if subscribes else [])
    assert answer(store, "get_wbs_segments", attribute="email", value="nobody")["segment_ids"] == []
    assert call(store, "get_wbs_segments", attribute="none", value="nobody").status == 400


def test_subscription_status_knows_consent_and_blocking(store: Store) -> None:
    id = with_email(store)[0]
    address = value_of(store, id, "email")
    body = answer(store, "get_email_subscription_status", email_address=address)
    consent = value_of(store, id, "is_subscriber") == "true"
    assert body == {"blocked": False, "consent": consent, "customer_entity_id": id, "email_address": address}
    records.insert(store, "blocked_email", "", {"id": address, "email_address": address})
    assert answer(store, "get_email_subscription_status", email_address=address.upper())["blocked"] is True
    with pytest.raises(Refusal) as refused:
        call(store, "get_email_subscription_status", email_address="nobody@example.com")
    assert refused.value.status == 404


def test_conditions_are_tested_on_one_customer(store: Store) -> None:
    id = with_email(store)[0]
    expected = value_of(store, id, "is_subscriber") == "true"
    for form in (id, id.replace("-", "")):
        body = {"customer_entity_identifier": form, "conditions_operation": SUBSCRIBERS}
        assert call(store, "evaluate_customer_conditions", body=body).body == {"result": expected}
    for body, status in (
        ({"customer_entity_identifier": "none", "conditions_operation": {}}, 404),
        ({"customer_entity_identifier": id, "conditions_operation": {"operation": "and"}}, 422),
    ):
        with pytest.raises(Refusal) as refused:
            call(store, "evaluate_customer_conditions", body=body)
        assert refused.value.status == status
