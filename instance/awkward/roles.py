"""Roles and users of an instance with a past."""

from __future__ import annotations

import orjson

from instance import records
from instance.awkward.kind import Kind
from instance.store import Store
from instance.users import ADMINISTRATOR_ID, ADMINISTRATOR_ROLE_ID

STRANGE = ("billing/view", "settings/users/", "segments", "Segments/View", "labs/ai:beta", "🚀", "a" * 300)


class Roles(Kind):
    name = "roles"
    sentence = (
        "roles hold features that the contract does not know; the administrator and his role have other names; a third "
        "of the users has left, and what was theirs is still there"
    )
    allowed = "the contract's features are texts; users and roles have names of any kind, and users can be disabled"

    def furnish(self, store: Store) -> None:
        with store.transaction():
            role = records.get(store, "user_role", ADMINISTRATOR_ROLE_ID) or {}
            features = self.rng.sample([*role["features"], *STRANGE], len(role["features"]) + len(STRANGE))
            role |= {"name": "Správce 👑 <root>", "features": features}
            records.update(store, "user_role", ADMINISTRATOR_ROLE_ID, role)
            user = records.get(store, "user", ADMINISTRATOR_ID) or {}
            records.update(store, "user", ADMINISTRATOR_ID, {**user, "name": "مدير النظام"})
            for entity in ("user_role", "user"):
                self._change(store, entity)

    def _change(self, store: Store, entity: str) -> None:
        """Give a third of the roles more features, or disable a third of the users."""
        sql = "SELECT body FROM record WHERE entity=? AND deleted=0 AND id<>'1' ORDER BY pk"
        for (body,) in store.connection.execute(sql, (entity,)).fetchall():
            record = orjson.loads(body)
            if self.rng.randrange(3) == 0:
                new = {"features": [*record["features"], *STRANGE]} if entity == "user_role" else {"disabled": 1}
                records.update(store, entity, record["id"], {**record, **new})
