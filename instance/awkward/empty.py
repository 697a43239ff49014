"""Collections without a record."""

from __future__ import annotations

from instance.awkward.choice import growable, unreferenced
from instance.awkward.kind import Kind
from instance.store import Store

SHARE = 3


class Empty(Kind):
    name = "empty"
    sentence = "a third of the collections that no record refers to holds nothing"
    allowed = "a new instance has no record of most kinds"

    def furnish(self, store: Store) -> None:
        with store.transaction() as connection:
            for entity in self.chosen(store):
                connection.execute("DELETE FROM record WHERE entity=?", (entity,))

    def chosen(self, store: Store) -> list[str]:
        """The kinds of records that are taken away; one is left that can be made a big collection."""
        free, big = unreferenced(store), growable(store)
        taken = self.rng.sample(free, -(-len(free) // SHARE))
        if set(big) <= set(taken):
            taken.remove(big[0])
        return sorted(taken)
