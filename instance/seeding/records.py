"""Records of every collection beside the customers': at least 45 in each, with ties and gaps in their timestamps.

The newest parents of each kind have at least 45 children of each kind, so that their lists have several pages too.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import orjson

from instance import records as records_
from instance.entities import Entity
from instance.filters import RESTRICTED_SETTINGS
from instance.seeding.customer_definitions import moments
from instance.seeding.customers import ANCHOR, customer_ids
from instance.seeding.values import Values
from instance.store import Store, sortable
from instance.users import ADMINISTRATOR_ID, ADMINISTRATOR_ROLE_ID

COUNT = 48
TRASHED = 48
HEAVY_PARENTS = 4
LIGHT_PARENTS = 8
SEEDED_ELSEWHERE = ("source", "event", "attribute", "stitching_category")
# Entities first that others refer to.
FIRST = ("user_role", "user", "cdm_tag", "tag", "mi_workspace", "segment", "segment_export_destination")
# More than the 45 that a list needs: children that name each of these once under one parent, and special ones.
MORE = {"user": 60, "tag": 54, "segment": 60, "global_setting": 51, "notification": 60}
SETTINGS = (
    "timezone",
    "currency",
    "date_format",
    "language",
    "theme",
    "retention_days",
    "export_hour",
    "support_email",
)


def seed_records(store: Store, seed: int, first_id: int = 0) -> None:
    """Fill all collections but the customers' own, in one transaction. Integer ids come after `first_id`, the
    administrator's and his role's aside."""
    Seeder(store, seed, first_id).run()


class Seeder:
    """One run of seeding; everything it makes up comes from one random source."""

    def __init__(self, store: Store, seed: int, first_id: int = 0) -> None:
        self.store = store
        self.first_id = first_id
        self.rng = random.Random(f"records {seed}")
        self.values = Values(store, self.rng, ANCHOR)
        self.rows: list[tuple[str, str, str, str, int, str]] = []
        self.counters: dict[str, int] = {}

    def run(self) -> None:
        """Make and store everything."""
        for entity in SEEDED_ELSEWHERE:
            self.values.known[entity] = [record["id"] for record in records_.all_of(self.store, entity)]
        self.values.known["customer"] = customer_ids(self.store, 200) or ["0"]
        entities = self.store.entities.entities
        names = [*FIRST, *(name for name in entities if name not in FIRST and name not in SEEDED_ELSEWHERE)]
        for name in names:
            if entities[name].parent is None:
                self._collection(entities[name])
        for name in names:
            if entities[name].parent is not None:
                self._children(entities[name])
        self._tag_attributes()
        with self.store.transaction() as connection:
            connection.executemany(
                "INSERT INTO record (entity, parent, id, ts, deleted, body) VALUES (?,?,?,?,?,?)", self.rows
            )
            connection.executemany("INSERT OR REPLACE INTO counter VALUES (?,?)", self.counters.items())

    def _references(self, entity: Entity) -> dict[str, str]:
        """The entity that each referring field refers to."""
        found: dict[str, str] = {"modified_by": "user", "last_modified_by": "user", "last_activation_by": "user"}
        for operation in self.store.contract.of_entity(entity.name):
            found.update({name: spec["entity"] for name, spec in operation.sub_entities.items()})
        return found

    def _id(self, entity: Entity) -> int | str:
        if self.store.contract.book.kind(self.store.entities.schema(entity, "id")) == "integer":
            last = self.counters.get(entity.name)
            if last is None and entity.name in ("user", "user_role"):
                self.counters[entity.name] = ADMINISTRATOR_ID
            else:
                self.counters[entity.name] = max(last or 0, self.first_id) + 1
            return self.counters[entity.name]
        return self.values.uuid()

    def _collection(self, entity: Entity) -> None:
        """Records of an entity that lives under no other, some of them in the trash."""
        references = self._references(entity)
        trash = any(operation.action == "trash" for operation in self.store.contract.of_entity(entity.name))
        count = MORE.get(entity.name, COUNT)
        gone = (TRASHED if trash else 3) if entity.soft else 0
        marks = [False] * count + [True] * gone
        if entity.name not in ("user", "user_role"):
            self.rng.shuffle(marks)
        known: list[Any] = []
        times = moments(ANCHOR, len(marks), self.rng)
        for place, (moment, deleted) in enumerate(zip(times, marks, strict=True)):
            record: dict[str, Any] = {"id": self._id(entity)}
            self._prepare(entity.name, record, place)
            if entity.timestamp == "modified":
                record["modified"] = self._written(entity, "modified", moment)
            self.values.fill(entity.name, record, place, moment, references)
            if deleted and "deleted" in record:
                record["deleted"] = type(record["deleted"])(True)
            self._add(entity, "", record, moment, deleted)
            if not deleted:
                known.append(record["id"])
                if entity.name == "segment":
                    self.values.segments[record["id"]] = record
                if entity.name == "promo_codes_list":
                    self._codes(record)
        self.values.known[entity.name] = known

    def _written(self, entity: Entity, name: str, moment: Any) -> str:
        return self.store.contract.book.write_date(self.store.entities.schema(entity, name), moment)

    def _prepare(self, entity: str, record: dict[str, Any], place: int) -> None:
        """What distinguished records have of their own."""
        if entity == "user_role" and record["id"] == ADMINISTRATOR_ROLE_ID:
            record |= {"name": "Administrator", "features": sorted(self.store.contract.features), "disabled": 0}
            record |= {"description": "Has every feature.", "invisible_attributes_tag_ids": []}
            record["last_modified_by"] = None
        elif entity == "user" and record["id"] == ADMINISTRATOR_ID:
            record |= {"name": "Administrator", "email": "administrator@example.com", "disabled": 0}
            record |= {"role_id": ADMINISTRATOR_ROLE_ID, "last_modified_by": None}
        elif entity in ("user", "user_role"):
            record["last_modified_by"] = ADMINISTRATOR_ID
        elif entity == "notification":
            record["user_id"] = ADMINISTRATOR_ID
        elif entity == "global_setting":
            # The restricted ones are the oldest.
            if place < len(RESTRICTED_SETTINGS):
                record |= {"key": RESTRICTED_SETTINGS[place], "value": f"{self.rng.getrandbits(64):016x}"}
            else:
                number = place - len(RESTRICTED_SETTINGS)
                record["key"] = f"{SETTINGS[number % len(SETTINGS)]}_{number // len(SETTINGS)}"
                record["value"] = self.values.words.word()

    def _children(self, entity: Entity) -> None:
        """Children: many under the newest parents, few under the next ones, none under the rest."""
        assert entity.parent is not None and entity.parent_field is not None
        references = self._references(entity)
        parents = self._newest(entity.parent)
        for number, parent in enumerate(parents[: HEAVY_PARENTS + LIGHT_PARENTS]):
            count = COUNT if number < HEAVY_PARENTS else self.rng.randrange(0, 7)
            distinct = iter(self.rng.sample(self._others(entity), count)) if entity.key_field != "id" else None
            for place, moment in enumerate(moments(ANCHOR - timedelta(hours=number), count, self.rng)):
                record: dict[str, Any] = {"id": self._id(entity)}
                if entity.parent_field in entity.fields:
                    record[entity.parent_field] = parent["id"]
                if entity.name == "global_setting_history":
                    record |= {"key": parent["key"], "value": self.values.words.word()}
                if distinct is not None:
                    record[entity.key_field] = next(distinct)
                self.values.fill(entity.name, record, place, moment, references)
                self._add(entity, str(parent["id"]), record, moment, False)
                if entity.name == "segment_tag":
                    parent["tags"].insert(0, record["tag_id"])
            if entity.name == "segment_tag":
                self._rewrite("segment", parent)

    def _newest(self, entity: str) -> list[dict[str, Any]]:
        """Living records of an entity, newest first."""
        if entity in SEEDED_ELSEWHERE:
            return records_.all_of(self.store, entity)
        rows = [row for row in self.rows if row[0] == entity and not row[4]]
        rows = [row for _, row in sorted(enumerate(rows), key=lambda pair: (pair[1][3], pair[0]), reverse=True)]
        return [orjson.loads(row[5]) for row in rows]

    def _others(self, entity: Entity) -> list[Any]:
        """What a child can name: users that are not the administrator, or tags."""
        if entity.key_field == "tag_id":
            return self.values.known["tag"]
        return [id for id in self.values.known["user"] if id != ADMINISTRATOR_ID]

    def _add(self, entity: Entity, parent: str, record: dict[str, Any], moment: Any, deleted: bool) -> None:
        key = str(record[entity.key_field])
        self.rows.append((entity.name, parent, key, sortable(moment), int(deleted), records_.encode(record)))

    def _rewrite(self, entity: str, record: dict[str, Any]) -> None:
        for place, row in enumerate(self.rows):
            if row[0] == entity and row[2] == str(record["id"]):
                self.rows[place] = (*row[:5], records_.encode(record))
                return

    def _codes(self, record: dict[str, Any]) -> None:
        """The codes of a list; its record counts them."""
        codes = [(record["id"], f"{self.rng.getrandbits(40):010X}") for _ in range(20 + record["codes_count"] % 21)]
        record["codes_count"] = len(codes)
        self._rewrite("promo_codes_list", record)
        self.store.connection.executemany("INSERT INTO code (list_id, code) VALUES (?,?)", codes)

    def _tag_attributes(self) -> None:
        """Put CDM tags on the attributes, which are seeded before there are tags."""
        for record in records_.all_of(self.store, "attribute"):
            if not record["tags"]:
                record["tags"] = [str(id) for id in self.values.some("cdm_tag", 3)]
                records_.update(self.store, "attribute", record["id"], record)
