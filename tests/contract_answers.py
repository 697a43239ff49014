"""The contract for tests of the embedded instance: its reads and lists, ids of seeded records, the check of answers."""

from __future__ import annotations

from typing import Any

from instance.contract import Contract, Operation
from instance.entities import EntityBook
from tests.handler_calls import validator_of
from tests.running_instance import RunningInstance

CONTRACT = Contract()
BOOK: EntityBook = CONTRACT.entities
READS = [operation for operation in CONTRACT.operations.values() if operation.method == "GET"]
LISTS = [operation for operation in READS if operation.collection is not None]
PAGED = [operation for operation in LISTS if operation.collection is not None and operation.collection.paging]
SEEDED_BEFORE = "2025-07-02"
# Reads of the Audience API depend on values of customers; others have their own tests.
SPECIAL = {"get_wbs_customer", "get_wbs_segments", "get_email_subscription_status", "take_promo_code"}
SPECIAL |= {"get_customer_events_async_upload"}
QUERIES = {
    "search_customers": {"search_text": "exa"},
    "list_customers_attribute_values_counts": {"attribute_id": "city"},
}


def newest(instance: RunningInstance, entity: str, path: dict[str, str]) -> str:
    """The id of the newest seeded record of an entity, under the parents that the path names."""
    if entity == "customer":
        return str(instance.get("/customers/fulltext_search", search_text="exa")["customers"][0]["customer_entity_id"])
    for operation in LISTS:
        if operation.entity == entity and operation.action == "list":
            assert operation.collection is not None
            records = items(operation, instance.get(operation.path.format(**path), limit=1000))
            key = BOOK[entity].key_field if entity in BOOK else "id"
            # Other tests make records without children; those of the seed are older.
            time = operation.collection.timestamp or ""
            return next(str(record[key]) for record in records if record.get(time, "") < SEEDED_BEFORE)
    raise LookupError(entity)


def address(instance: RunningInstance, operation: Operation) -> str:
    """The operation's path with ids of the newest records."""
    path: dict[str, str] = {}
    for parameter in operation.path_parameters:
        assert parameter.entity is not None
        if operation.id == "list_customer_attribute_values" and parameter.entity == "attribute":
            # An attribute of many values.
            path[parameter.name] = "favourite_products"
            continue
        path[parameter.name] = newest(instance, parameter.entity, path)
    return operation.path.format(**path)


def items(operation: Operation, answer: Any) -> list[Any]:
    """The records of a list's answer."""
    assert operation.collection is not None
    records: list[Any] = answer if operation.collection.key is None else answer[operation.collection.key]
    return records


def conforms(operation: Operation, answer: Any) -> None:
    """Hold an answer to the operation's schema."""
    validator = validator_of(CONTRACT, operation)
    assert validator is not None
    errors = [f"{list(error.instance_path)}: {error.message[:300]}" for error in validator.iter_errors(answer)]
    assert not errors, errors[:3]
