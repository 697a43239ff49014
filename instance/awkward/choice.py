"""Which collections a kind may empty or fill without breaking what the instance stands on."""

from __future__ import annotations

from instance.entities import COMPUTED
from instance.store import Store

# What the instance itself stands on.
_NEEDED = frozenset({"user", "user_role", "source", "event", "attribute", "stitching_category"})


def unreferenced(store: Store) -> list[str]:
    """Kinds of records that nothing refers to and nothing lives under, in alphabetical order."""
    taken = set(_NEEDED)
    for operation in store.contract.operations.values():
        taken |= {spec["entity"] for spec in operation.sub_entities.values()}
        if operation.body_schema is not None:
            body = store.contract.book.properties(operation.body_schema)
            taken |= {store.contract.book.resolve(schema).get("x-entity", "") for schema in body.values()}
            taken |= {schema.get("x-entity", "") for schema in body.values()}
    for entity in store.entities.entities.values():
        taken.add(entity.parent or "")
    return sorted(set(store.entities.entities) - taken)


def growable(store: Store) -> list[str]:
    """Those of them that can hold any number of records: with integer ids, and with all fields stored."""
    book = store.contract.book
    return [
        name
        for name in unreferenced(store)
        if store.entities[name].parent is None
        and store.contract.of_entity(name, "list")
        and book.kind(store.entities.schema(store.entities[name], "id")) == "integer"
        and not any(entity == name for entity, _ in COMPUTED)
    ]
