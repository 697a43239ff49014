"""Instances on which next to nothing has been done."""

from __future__ import annotations

from instance.awkward.kind import Kind
from instance.store import Store
from instance.users import ADMINISTRATOR_ID

CUSTOMERS = ("participation", "stitching_value", "customer_value", "customer_event", "customer")


class _Few(Kind):
    alone = True
    most = 0  # records of a kind that stay

    def furnish(self, store: Store) -> None:
        with store.transaction() as connection:
            for (entity,) in connection.execute("SELECT DISTINCT entity FROM record").fetchall():
                most = max(1, self.most) if entity in ("user", "user_role") else self.most
                connection.execute(
                    "DELETE FROM record WHERE entity=? AND pk NOT IN "
                    "(SELECT pk FROM record WHERE entity=? AND deleted=0 ORDER BY id=? DESC, pk LIMIT ?)",
                    (entity, entity, str(ADMINISTRATOR_ID), most),
                )
            for table in () if self.most else CUSTOMERS:
                connection.execute(f"DELETE FROM {table}")


class Bare(_Few):
    name = "bare"
    sentence = "there is nothing but the administrator: no record, no event, no customer; never with all kinds together"
    allowed = "a new instance has nothing"


class Single(_Few):
    name = "single"
    sentence = "there is one record of each kind, whatever it refers to; never with all kinds together"
    allowed = "nothing says how many records there are, or that what a record refers to was not deleted"
    most = 1
