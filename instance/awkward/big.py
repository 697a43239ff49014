"""A collection of a hundred thousand records."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson

from instance.awkward.choice import growable
from instance.awkward.empty import Empty
from instance.awkward.kind import Kind
from instance.store import Store, sortable

_FORM = "%Y-%m-%dT%H:%M:%S.%f"


class Big(Kind):
    name = "big"
    sentence = "one collection holds 100,000 records (big=)"
    allowed = "nothing bounds how many records there are"

    def furnish(self, store: Store) -> None:
        entity = self.chosen(store)
        book, known = store.contract.book, store.entities[entity]
        rows = store.connection.execute(
            "SELECT ts, body FROM record WHERE entity=? AND deleted=0 ORDER BY ts, pk", (entity,)
        ).fetchall()
        missing = self.world.settings.big - len(rows)
        if not rows or missing <= 0:
            return
        oldest = datetime.strptime(rows[0][0], _FORM)
        pattern = orjson.loads(rows[0][1])
        schema = store.entities.schema(known, known.timestamp)
        # Below the ids that are there, so that those of new records stay the largest.
        largest = int(store.connection.execute("SELECT value FROM counter WHERE name=?", (entity,)).fetchone()[0])
        made = []
        for number in range(missing):
            moment = oldest - timedelta(seconds=7 * (number + 1))
            record = {**pattern, "id": largest + missing - number, known.timestamp: book.write_date(schema, moment)}
            key = str(record["id"])
            made.append((entity, "", key, sortable(moment.astimezone()), 0, orjson.dumps(record).decode()))
        with store.transaction() as connection:
            connection.executemany(
                "INSERT INTO record (entity, parent, id, ts, deleted, body) VALUES (?,?,?,?,?,?)", made
            )
            connection.execute("INSERT OR REPLACE INTO counter VALUES (?,?)", (entity, largest + missing))

    def chosen(self, store: Store) -> str:
        """The kind of records: one that is not empty."""
        empty = Empty(self.world).chosen(store)
        return self.rng.choice([name for name in growable(store) if name not in empty])
