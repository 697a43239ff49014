"""The database: one SQLite file, one connection, used from the event loop's thread only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from instance.contract import Contract
    from instance.entities import EntityBook

# `parent` is '' or the id of the record that this one lives under; `ts` is sortable ISO with microseconds.
SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    entity TEXT NOT NULL,
    parent TEXT NOT NULL DEFAULT '',
    id TEXT NOT NULL,
    ts TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    body TEXT NOT NULL,
    UNIQUE (entity, parent, id)
);
CREATE INDEX IF NOT EXISTS record_newest ON record (entity, parent, deleted, ts DESC, pk DESC);
CREATE INDEX IF NOT EXISTS record_id ON record (entity, id);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS token (
    hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL,
    expires REAL NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS secret (user_id INTEGER PRIMARY KEY, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (id TEXT PRIMARY KEY, content_type TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS code (pk INTEGER PRIMARY KEY, list_id TEXT NOT NULL, code TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS code_list ON code (list_id, pk);
"""

# Called with the new store each time one is opened (tables and SQL functions of other modules).
ON_OPEN: list[Callable[[Store], None]] = []


def on_open(hook: Callable[[Store], None]) -> Callable[[Store], None]:
    """Register a function that is called with every store when it is opened; it must be idempotent."""
    ON_OPEN.append(hook)
    return hook


def utc_now() -> datetime:
    """The present in UTC."""
    return datetime.now(UTC)


def sortable(moment: datetime) -> str:
    """A moment as it stands in `record.ts`: `2024-05-01T10:20:30.000001`, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _fold(text: object) -> str | None:
    return None if text is None else str(text).casefold()


def _holds(fragment: str | None, part: str) -> bool:
    """Whether `part` (folded) stands in a JSON string, without regard to case. SQLite itself would end it at a NUL."""
    if fragment is None:
        return False
    text = orjson.loads(fragment)
    return isinstance(text, str) and part in text.casefold()


class Store:
    """One opened database with the contract it serves.

    `clock` gives the present in UTC and can be replaced in tests. `generation` rises with each committed
    transaction, so that whoever caches something derived from the data can tell when to drop it.
    """

    def __init__(
        self, path: str | os.PathLike[str], contract: Contract, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Open or create the database at `path`. Raises `sqlite3.Error` if it is no database or not writable."""
        self.path = os.fspath(path)
        self.contract = contract
        self.entities: EntityBook = contract.entities
        self.clock = clock
        self.generation = 0
        # Free for caches of other modules: the keys are theirs, they compare `generation` themselves.
        self.cache: dict[str, Any] = {}
        self.connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=1.0
        )
        self._depth = 0
        try:
            run = self.connection.execute
            # One server per file: what is kept in memory would not hold if somebody else wrote.
            run("PRAGMA locking_mode=EXCLUSIVE")
            run("PRAGMA journal_mode=WAL")
            # With WAL a commit at NORMAL survives the death of the process; only a power cut can lose the last ones.
            run("PRAGMA synchronous=NORMAL")
            run("PRAGMA cache_size=-65536")
            run("PRAGMA temp_store=MEMORY")
            run("PRAGMA mmap_size=268435456")
            self.connection.create_function("fold", 1, _fold, deterministic=True)
            self.connection.create_function("holds", 2, _holds, deterministic=True)
            self.connection.executescript(SCHEMA)
            for hook in ON_OPEN:
                hook(self)
        except BaseException:
            self.connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """BEGIN IMMEDIATE .. COMMIT, or ROLLBACK on an exception. An inner one joins the outer by a savepoint."""
        depth = self._depth
        run = self.connection.execute
        run("BEGIN IMMEDIATE" if depth == 0 else f"SAVEPOINT level{depth}")
        self._depth += 1
        try:
            yield self.connection
        except BaseException:
            if depth == 0:
                run("ROLLBACK")
            else:
                run(f"ROLLBACK TO level{depth}")
                run(f"RELEASE level{depth}")
            # Caches filled inside the transaction must not outlive it.
            self.generation += 1
            raise
        else:
            run("COMMIT" if depth == 0 else f"RELEASE level{depth}")
            self.generation += 1
        finally:
            self._depth -= 1

    def close(self) -> None:
        """Close the database; the write-ahead log is folded into the file."""
        self.connection.close()
