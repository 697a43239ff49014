"""Other people at work between two requests."""

from __future__ import annotations

from typing import Any

from instance import lifecycle, records
from instance.awkward.kind import Answer, Kind, Request
from instance.entities import Entity
from instance.store import Store

MOST = 6  # records of theirs in one list
_NAMED = ("name", "title", "label", "key", "value", "content")


class Others(Kind):
    name = "others"
    sentence = "before one in four reads of a list others create a record in it, or delete one that they made"
    allowed = "an instance has many users, and nothing promises a list that stands still from one page to the next"

    def start(self, store: Store) -> None:
        run = store.connection.execute
        self.seeded = run("SELECT COALESCE(MAX(pk), 0) FROM record").fetchone()[0]
        self.made: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.count = 0

    async def before(self, request: Request) -> Answer | None:
        store, operation = self.world.store, request.operation
        if operation is None or operation.action != "list" or operation.entity is None:
            return None
        entity = store.entities.entities.get(operation.entity)
        if entity is None:
            return None
        if entity.key_field != "id" or self.rng.randrange(self.world.settings.others_every):
            return None
        parent = request.ids[0] if entity.parent is not None and request.ids else ""
        theirs = self.made.setdefault((entity.name, parent), [])
        if len(theirs) >= MOST or (theirs and self.rng.random() < 0.4):
            self._delete(store, entity, parent, theirs.pop(self.rng.randrange(len(theirs))))
        else:
            self._create(store, entity, parent, theirs)
        return None

    def _create(self, store: Store, entity: Entity, parent: str, theirs: list[dict[str, Any]]) -> None:
        """A record like one that was there before anybody came, under a name of its own."""
        row = store.connection.execute(
            "SELECT id FROM record WHERE entity=? AND parent=? AND deleted=0 AND pk<=? ORDER BY pk LIMIT 1 OFFSET 1",
            (entity.name, parent, self.seeded),
        ).fetchone()
        pattern = records.get(store, entity.name, row[0], parent) if row else None
        if pattern is None:
            return
        self.count += 1
        now = store.clock()
        body = {name: value for name, value in pattern.items() if name not in lifecycle.MADE_NOW and name != "id"}
        for name in _NAMED:
            if isinstance(body.get(name), str):
                body[name] = f"Visitor {self.count}"
                break
        if "email" in body:
            body["email"] = f"visitor.{self.count}@example.org"
        with store.transaction():
            if (
                isinstance(pattern["id"], str)
                and store.contract.book.resolve(store.entities.schema(entity, "id")).get("format") != "uuid"
            ):
                body["id"] = f"visitor_{self.count}"
            record = lifecycle.new_record(store, entity, body, None, parent, now)
            records.insert(store, entity.name, parent, record, now)
        theirs.append(record)

    def _delete(self, store: Store, entity: Entity, parent: str, record: dict[str, Any]) -> None:
        with store.transaction():
            now = records.get(store, entity.name, record["id"], parent)
            if now is None:
                return
            if entity.soft:
                lifecycle.mark(now, True)
                records.update(store, entity.name, record["id"], now, parent, deleted=True)
            else:
                records.delete(store, entity.name, record["id"], parent)
