"""Collections without a record."""

from __future__ import annotations

from instance.awkward.kind import Kind
from instance.store import Store

SHARE = 3
# What the instance itself stands on.
_NEEDED = frozenset({"user", "user_role", "source", "event", "attribute", "stitching_category"})


class Empty(Kind):
    name = "empty"
    sentence = "a third of the collections that no record refers to holds nothing"
    allowed = "a new instance has no record of most kinds"

    def furnish(self, store: Store) -> None:
        with store.transaction() as connection:
            for entity in self.chosen(store):
                connection.execute("DELETE FROM record WHERE entity=?", (entity,))

    def chosen(self, store: Store) -> list[str]:
        """The kinds of records that are taken away."""
        free = unreferenced(store)
        return sorted(self.rng.sample(free, -(-len(free) // SHARE)))


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
