"""Every read of the contract, as the administrator: status, media type, schema, paging, order, plain and full."""

from __future__ import annotations

import pytest

from instance.contract import Operation
from tests.contract_answers import BOOK, CONTRACT, LISTS, PAGED, QUERIES, READS, SPECIAL, address, conforms, items
from tests.running_instance import RunningInstance

TIMED = [operation for operation in LISTS if operation.collection is not None and operation.collection.timestamp]
FULL = [
    operation for operation in READS if operation.sub_entities and "load_full_structure" in operation.query_parameters
]


@pytest.mark.parametrize("operation", [each for each in READS if each.id not in SPECIAL], ids=lambda each: each.id)
def test_answer_conforms(instance: RunningInstance, operation: Operation) -> None:
    """A read answers 200 with JSON that fits the schema, plain and full."""
    path = address(instance, operation)
    for full in (0, 1) if "load_full_structure" in operation.query_parameters else (0,):
        query = {**QUERIES.get(operation.id, {}), **({"load_full_structure": full} if full else {})}
        response = instance.session.get(
            instance.url(path, operation.base), params=query, headers={"X-Access-Token": instance.token}, timeout=30
        )
        assert response.status_code == operation.status, response.text
        assert response.headers["Content-Type"] == "application/json"
        conforms(operation, response.json())


@pytest.mark.parametrize("operation", PAGED, ids=lambda each: each.id)
def test_list_has_pages(instance: RunningInstance, operation: Operation) -> None:
    """20 by default, any page is a part of the walk, and the settings tell what was applied."""
    path, query = address(instance, operation), QUERIES.get(operation.id, {})
    walk = items(operation, instance.get(path, limit=1000, **query))
    assert len(walk) >= 41, len(walk)
    first = instance.get(path, **query)
    assert items(operation, first) == walk[:20]
    assert first["selection_settings"]["limit"] == 20
    assert first["selection_settings"]["offset"] == 0
    page = instance.get(path, limit=7, offset=18, **query)
    assert items(operation, page) == walk[18:25]
    assert page["selection_settings"]["limit"] == 7
    assert page["selection_settings"]["offset"] == 18
    assert items(operation, instance.get(path, offset=100_000, **query)) == []
    for wrong in ("-1", "x", "1.5", "99999999999999999999", ""):
        for name in ("limit", "offset"):
            response = instance.call("GET", path, params={**query, name: wrong})
            assert response.status_code == 400, (name, wrong)
            assert name in response.json()["message"]


@pytest.mark.parametrize("operation", TIMED, ids=lambda each: each.id)
def test_newest_first(instance: RunningInstance, operation: Operation) -> None:
    """Records come by their timestamp, newest first, with ties and gaps among them."""
    assert operation.collection is not None
    timestamp = operation.collection.timestamp
    assert timestamp is not None
    path, query = address(instance, operation), dict(QUERIES.get(operation.id, {}))
    if operation.collection.paging or "limit" in operation.query_parameters:
        query["limit"] = "1000"
    times = [record[timestamp] for record in items(operation, instance.get(path, **query))]
    assert times == sorted(times, reverse=True)
    assert len(times) >= 41
    if operation.entity in BOOK:
        assert len(set(times)) < len(times)


@pytest.mark.parametrize(
    "operation", [each for each in LISTS if "order_by" in each.query_parameters], ids=lambda each: each.id
)
def test_order_by_each_field(instance: RunningInstance, operation: Operation) -> None:
    """Every field that may be named sorts, both directions are each other's reverse, pages fit."""
    path = address(instance, operation)
    fields = CONTRACT.book.enum(operation.query_parameters["order_by"].schema) or []
    paged = operation.collection is not None and operation.collection.paging
    assert fields or operation.id == "list_customer_attributes"
    for name in fields:
        query = {"order_by": name, "limit": 1000} if paged else {"order_by": name}
        up = items(operation, instance.get(path, order_dir="asc", **query))
        down = items(operation, instance.get(path, order_dir="DESC", **query))
        assert up == down[::-1], name
        values = [(record[name] is not None, record[name] if record[name] is not None else 0) for record in up]
        assert values == sorted(values), name
        if paged:
            page = instance.get(path, order_by=name, order_dir="ASC", limit=5, offset=3)
            assert items(operation, page) == up[3:8]
            assert page["selection_settings"]["order_by"] == name
            assert page["selection_settings"]["order_dir"].upper() == "ASC"
    for wrong in ({"order_by": "no_such_field"}, {"order_by": "id;--"}, {"order_dir": "sideways"}):
        assert instance.call("GET", path, params=wrong).status_code == 400


@pytest.mark.parametrize("operation", FULL, ids=lambda each: each.id)
def test_plain_and_full(instance: RunningInstance, operation: Operation) -> None:
    """Full answers hold the same records with the sub-entities' data, as reading those gives it."""
    path, query = address(instance, operation), QUERIES.get(operation.id, {})
    plain, full = instance.get(path, **query), instance.get(path, load_full_structure=1, **query)
    assert instance.get(path, load_full_structure=0, **query) == plain
    pairs = [(plain, full)]
    if operation.collection is not None:
        pairs = list(zip(items(operation, plain), items(operation, full), strict=True))
    elif operation.item_key is not None:
        pairs = [(plain[operation.item_key], full[operation.item_key])]
    embedded = 0
    for record, whole in pairs:
        for name, value in record.items():
            if operation.sub_entities.get(name, {}).get("key") != name:
                assert whole[name] == value
        for name, spec in operation.sub_entities.items():
            ids, data = record[name], whole[spec["key"]]
            if isinstance(ids, list):
                assert [str(each["id"]) for each in data] == [str(id) for id in ids]
                embedded += len(data)
            elif data is None:
                assert ids is None or spec["entity"] == "event"
            else:
                assert spec["entity"] == "event" or str(data["id"]) == str(ids)
                embedded += 1
    assert embedded
