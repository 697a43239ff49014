"""Ids that do not grow."""

from __future__ import annotations

from instance.awkward.kind import Kind
from instance.store import Store

STEP = 7919  # a prime: stepping by it around a circle that it does not divide meets every place once
CIRCLE = 1_000_000


class RandomIds(Kind):
    name = "random_ids"
    sentence = "the ids of new records go up and down"
    allowed = "the contract's ids are integers; nothing says that a later record has a larger one"

    def start(self, store: Store) -> None:
        """Have each new id spread over a range above all that were there."""
        run = store.connection.execute
        run(
            "CREATE TEMP TABLE IF NOT EXISTS spread AS "
            f"SELECT name, value + {CIRCLE} AS base, 0 AS given FROM main.counter"
        )
        run(
            "CREATE TEMP TRIGGER IF NOT EXISTS spread_ids AFTER INSERT ON main.counter "
            "WHEN NEW.name IN (SELECT name FROM spread) BEGIN "
            "UPDATE spread SET given = given + 1 WHERE name = NEW.name; "
            f"UPDATE counter SET value = (SELECT base + (given * {STEP}) % {CIRCLE} FROM spread "
            "WHERE name = NEW.name) WHERE name = NEW.name; END"
        )
