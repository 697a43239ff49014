"""Texts as people write them when nobody stops them."""

from __future__ import annotations

import orjson

from instance.awkward.choice import unreferenced
from instance.awkward.kind import Kind
from instance.store import Store

TEXTS = (
    "<script>alert('x')</script> <b>Sale &amp; more</b>",
    "שלום \u202eעולם\u202c — قائمة",
    "👩‍👩‍👧‍👦🏳️‍🌈 ﬁne e\u0301",
    "Traceback (most recent call last): KeyError: 'name'",
    'SELECT * FROM "users"; -- /etc/passwd',
    "  blanks  at both ends  ",
    "null",
    "0",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 30,
)
NAMES = ("name", "description", "subject", "content")
BOUND = {"enum", "pattern", "maxLength", "format"}


class Texts(Kind):
    name = "texts"
    sentence = (
        "half of the names and descriptions are markup, emoji, right-to-left, what looks like an error, blank at both "
        "ends, or 1,700 characters long"
    )
    allowed = "names and descriptions are texts without a form or a largest length"

    def furnish(self, store: Store) -> None:
        with store.transaction() as connection:
            for entity in sorted({*unreferenced(store), "tag", "segment", "user_role"}):
                free = self._free(store, entity)
                sql = "SELECT pk, id, body FROM record WHERE entity=? ORDER BY pk"
                for pk, key, body in connection.execute(sql, (entity,)).fetchall():
                    record = orjson.loads(body)
                    if key == "1" or self.rng.randrange(2):
                        continue
                    for name in free:
                        if isinstance(record.get(name), str):
                            record[name] = self.rng.choice(TEXTS)
                    connection.execute("UPDATE record SET body=? WHERE pk=?", (orjson.dumps(record).decode(), pk))

    def _free(self, store: Store, entity: str) -> list[str]:
        """The names and descriptions of an entity's records that may be any text."""
        book, fields = store.contract.book, store.entities[entity].fields
        schemas = {name: [book.resolve(each) for each in fields[name]] for name in NAMES if name in fields}
        return [
            name
            for name, known in schemas.items()
            if all(each.get("type") == "string" and not each.keys() & BOUND for each in known)
        ]
