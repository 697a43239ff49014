"""Records of every entity in one table: insert, read, change, delete. Bodies are the plain records."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import orjson

from instance.calls import Refusal
from instance.store import Store, sortable

Record = dict[str, Any]


def insert(
    store: Store,
    entity: str,
    parent: str | int | None,
    record: Record,
    when: datetime | None = None,
    deleted: bool = False,
    key: str | int | None = None,
) -> int:
    """Store `record` under `parent` (None or '' = none). Answers its place in the table.

    `when` orders it among the others (default: now); `key` is what it is found by (default: its `id`).
    Raises `Refusal` 400 if the id is taken.
    """
    key = str(record["id"] if key is None else key)
    with store.transaction() as connection:
        found = connection.execute(
            "INSERT OR IGNORE INTO record (entity, parent, id, ts, deleted, body) VALUES (?,?,?,?,?,?)",
            (entity, _text(parent), key, sortable(when or store.clock()), int(deleted), encode(record)),
        )
        if found.rowcount == 0:
            raise Refusal(400, "A record with this id exists already.", f"id: {key}")
        return int(found.lastrowid or 0)


def get(
    store: Store, entity: str, id: str | int, parent: str | int | None = None, deleted: bool | None = False
) -> Record | None:
    """The plain record, or None. `deleted`: False = only living ones, True = only deleted ones, None = either.

    Without `parent` the record is looked for under any parent.
    """
    body = get_text(store, entity, id, parent, deleted)
    return None if body is None else orjson.loads(body)


def get_text(
    store: Store, entity: str, id: str | int, parent: str | int | None = None, deleted: bool | None = False
) -> str | None:
    """Like `get`, but the JSON text as it is stored."""
    sql = "SELECT body FROM record WHERE entity=? AND id=?"
    values: list[Any] = [entity, str(id)]
    if parent is not None:
        sql += " AND parent=?"
        values.append(str(parent))
    if deleted is not None:
        sql += " AND deleted=?"
        values.append(int(deleted))
    row = store.connection.execute(sql, values).fetchone()
    return None if row is None else row[0]


def update(
    store: Store,
    entity: str,
    id: str | int,
    record: Record,
    parent: str | int | None = None,
    when: datetime | None = None,
    deleted: bool | None = None,
) -> bool:
    """Replace the stored body (and, if given, the time and the deleted mark). False if there is no such record."""
    assign = "body=?"
    values: list[Any] = [encode(record)]
    if when is not None:
        assign += ", ts=?"
        values.append(sortable(when))
    if deleted is not None:
        assign += ", deleted=?"
        values.append(int(deleted))
    sql = f"UPDATE record SET {assign} WHERE entity=? AND id=?"
    values += [entity, str(id)]
    if parent is not None:
        sql += " AND parent=?"
        values.append(str(parent))
    with store.transaction() as connection:
        return connection.execute(sql, values).rowcount > 0


def delete(store: Store, entity: str, id: str | int, parent: str | int | None = None) -> bool:
    """Remove the record for good. False if there was none."""
    sql = "DELETE FROM record WHERE entity=? AND id=?"
    values: list[Any] = [entity, str(id)]
    if parent is not None:
        sql += " AND parent=?"
        values.append(str(parent))
    with store.transaction() as connection:
        return connection.execute(sql, values).rowcount > 0


def exists(store: Store, entity: str, id: str | int, parent: str | int | None = None) -> bool:
    """Whether a living record with this id exists."""
    return get_text(store, entity, id, parent) is not None


def all_of(store: Store, entity: str, parent: str | int | None = None) -> list[Record]:
    """All living records, newest first."""
    sql = "SELECT body FROM record WHERE entity=? AND deleted=0"
    values: list[Any] = [entity]
    if parent is not None:
        sql += " AND parent=?"
        values.append(str(parent))
    return [orjson.loads(row[0]) for row in store.connection.execute(sql + " ORDER BY ts DESC, pk DESC", values)]


def next_integer_id(store: Store, entity: str) -> int:
    """A fresh integer id; ids of deleted records are never given again."""
    with store.transaction() as connection:
        row = connection.execute("SELECT value FROM counter WHERE name=?", (entity,)).fetchone()
        if row is None:
            row = connection.execute(
                "SELECT COALESCE(MAX(CAST(id AS INTEGER)), 0) FROM record WHERE entity=?", (entity,)
            ).fetchone()
        value = int(row[0]) + 1
        connection.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (entity, value))
        return value


def new_uuid() -> str:
    """A fresh random id for entities with text ids."""
    return str(uuid.uuid4())


def encode(record: Any) -> str:
    """JSON text as it is stored and sent."""
    return orjson.dumps(record).decode()


def _text(parent: str | int | None) -> str:
    return "" if parent is None else str(parent)
