"""Other people at work on records, and a server that works things out, between two requests."""

from __future__ import annotations

from typing import Any

from instance import records
from instance.awkward.kind import Answer, Kind, Request
from instance.entities import Entity
from instance.store import Store

_TEXTS = ("description", "content", "title", "label", "name")
_MARK = " (edited "
_PAGE = 100  # edited are records that a list shows at its start


class Edits(Kind):
    name = "edits"
    sentence = (
        "before one in eight reads of a list or a record others change the description or name of a record in it, or "
        "the server moves a count or a time of it on (edits_every=)"
    )
    allowed = (
        "an instance has many users, and nothing promises a record that stands still; customers_count, last_login, "
        "last_export and others tell what goes on"
    )

    def start(self, store: Store) -> None:
        self.seeded = store.connection.execute("SELECT COALESCE(MAX(pk), 0) FROM record").fetchone()[0]
        self.count = 0

    async def before(self, request: Request) -> Answer | None:
        store, operation = self.world.store, request.operation
        if operation is None or operation.action not in ("list", "read") or operation.entity is None:
            return None
        entity = store.entities.entities.get(operation.entity)
        if entity is None or self.rng.randrange(self.world.settings.edits_every):
            return None
        parent = request.ids[0] if entity.parent is not None and request.ids else ""
        rows = store.connection.execute(
            "SELECT id FROM record WHERE entity=? AND parent=? AND deleted=0 AND pk<=? ORDER BY ts DESC LIMIT ?",
            (entity.name, parent, self.seeded, _PAGE),
        ).fetchall()
        known = [row[0] for row in rows]
        if known:
            own = operation.action == "read" and request.ids and request.ids[-1] in known
            self._edit(store, entity, parent, request.ids[-1] if own else self.rng.choice(known))
        return None

    def _edit(self, store: Store, entity: Entity, parent: str, key: str) -> None:
        """Change one field of a record: a text by somebody, or what the server itself keeps."""
        with store.transaction():
            record = records.get(store, entity.name, key, parent)
            if record is None:
                return
            told = next(
                (n for n in _TEXTS if isinstance(record.get(n), str) and not self._closed(store, entity, n)), ""
            )
            kept = [n for n in record if self._is_kept(store, entity, n, record[n])]
            self.count += 1
            now, when = store.clock(), None
            if told and not (kept and self.rng.random() < 0.5):
                record[told] = f"{record[told].partition(_MARK)[0]}{_MARK}{self.count})"
                if "modified" in record:
                    record["modified"] = store.contract.book.write_date(store.entities.schema(entity, "modified"), now)
                    when = now if entity.timestamp == "modified" else None
            for name in kept[:1] if when is None else ():
                value = record[name]
                counted = isinstance(value, int)
                schema = store.entities.schema(entity, name)
                record[name] = value + 1 if counted else store.contract.book.write_date(schema, now)
            records.update(store, entity.name, key, record, parent, when)

    @staticmethod
    def _closed(store: Store, entity: Entity, name: str) -> bool:
        """Whether a field takes texts of a certain form alone."""
        schema = store.contract.book.resolve(store.entities.schema(entity, name))
        return bool({"enum", "format", "pattern", "maxLength"} & schema.keys())

    @staticmethod
    def _is_kept(store: Store, entity: Entity, name: str, value: Any) -> bool:
        """Whether a field tells how many there are, or when something went on."""
        if name.endswith("_count"):
            return isinstance(value, int)
        moment = name.startswith("last_") and store.contract.book.date_form(store.entities.schema(entity, name))
        return bool(moment) and not name.endswith("_by")
