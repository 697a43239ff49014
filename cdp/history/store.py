"""The store: one SQLite file, a row for each run, its cells' verdicts a byte each and compressed.

The verdicts of a run are one blob with a byte for each cell that the store has ever seen, at the place of the cell's
number. Runs of a target are much alike, so that a blob takes a few hundred bytes; and unlike differences between runs,
blobs stay right when runs are added late, replaced or left out.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from cdp.history.model import RunSummary
from cdp.verdicts import Verdict

HISTORY_FILE = "history.sqlite"
MEMORY = ":memory:"

_VERSION = 1
_WAIT_S = 5.0  # another process may be writing
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    started TEXT NOT NULL,
    stamp TEXT NOT NULL,
    summary BLOB NOT NULL,
    verdicts BLOB
);
CREATE INDEX IF NOT EXISTS runs_in_order ON runs (target, kind, started, name);
CREATE TABLE IF NOT EXISTS cells (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE);
"""

P = ParamSpec("P")
R = TypeVar("R")
Verdicts = NDArray[np.uint8]


class HistoryError(Exception):
    """The store cannot be read or written; the message is one line for people."""


def _in_one_line(method: Callable[Concatenate[Store, P], R]) -> Callable[Concatenate[Store, P], R]:
    """What SQLite and damaged rows raise, as a HistoryError."""

    @wraps(method)
    def wrapped(self: Store, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.OperationalError as error:  # no place, no permission, locked: nothing is wrong with the file
            raise HistoryError(f"cannot use {self.path}: {error}") from None
        except (sqlite3.DatabaseError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise HistoryError(f"{self.path} is damaged ({error}); make it again with cdp history --rebuild") from None

    return wrapped


class Store:
    """The store in a file, or in memory. HistoryError in one line when it cannot be opened, read or written. Use it as
    a context manager; what was added is kept only where nothing went wrong in between."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._open()

    @_in_one_line
    def _open(self) -> None:
        self._connection = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level="IMMEDIATE")
        try:
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise ValueError(f"its version is {version}, and this one reads {_VERSION}")
            if version == 0:
                self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.keep()
        finally:
            self._connection.close()

    @_in_one_line
    def keep(self) -> None:
        """Make what was added last."""
        self._connection.commit()

    @_in_one_line
    def stamps(self) -> dict[str, str]:
        """Name -> stamp of each run that is stored; a stamp tells a results file from what it was before."""
        return dict(self._connection.execute("SELECT name, stamp FROM runs"))

    @_in_one_line
    def add(self, run: RunSummary, stamp: str = "", verdicts: Mapping[str, Verdict] | None = None) -> None:
        """Put in a run, in the place of one of the same name. `verdicts`: of a contract run, by address."""
        blob = None if verdicts is None else zlib.compress(self._as_bytes(verdicts), 6)
        self._connection.execute(
            "INSERT OR REPLACE INTO runs (name, target, kind, started, stamp, summary, verdicts)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (run.name, run.target, run.kind, run.started.isoformat(), stamp, _packed(run), blob),
        )

    @_in_one_line
    def targets(self) -> list[str]:
        """The names of all targets."""
        return [name for (name,) in self._connection.execute("SELECT DISTINCT target FROM runs ORDER BY target")]

    @_in_one_line
    def kinds(self, target: str) -> list[str]:
        """The kinds of runs of a target."""
        rows = self._connection.execute("SELECT DISTINCT kind FROM runs WHERE target = ? ORDER BY kind", (target,))
        return [kind for (kind,) in rows]

    @_in_one_line
    def latest(
        self, target: str, limit: int, kind: str | None = None, before: RunSummary | None = None
    ) -> list[RunSummary]:
        """The last runs of a target, of one kind or of all, the latest last; `before`: those that came before it."""
        place = (before.started.isoformat(), before.name) if before else (None, None)
        rows = self._connection.execute(
            "SELECT name, target, kind, started, summary FROM runs WHERE target = ? AND (? IS NULL OR kind = ?)"
            " AND (? IS NULL OR (started, name) < (?, ?)) ORDER BY started DESC, name DESC LIMIT ?",
            (target, kind, kind, place[0], *place, limit),
        )
        return [_unpacked(*row) for row in reversed(rows.fetchall())]

    @_in_one_line
    def summary(self, name: str) -> RunSummary | None:
        """A run by its name; None when it is not stored."""
        query = "SELECT name, target, kind, started, summary FROM runs WHERE name = ?"
        row = self._connection.execute(query, (name,)).fetchone()
        return None if row is None else _unpacked(*row)

    @_in_one_line
    def find(self, name: str) -> tuple[RunSummary, Verdicts] | None:
        """A run and its verdicts by the numbers of the cells; None when it is not stored, or none of a contract."""
        row = self._connection.execute(
            "SELECT name, target, kind, started, summary, verdicts FROM runs WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None or row[5] is None else (_unpacked(*row[:5]), _verdicts(row[5]))

    def before(self, run: RunSummary) -> Iterator[tuple[str, datetime, Verdicts]]:
        """Name, start and verdicts of the runs of the same target and kind that came before, the latest first."""
        rows = self._connection.execute(
            "SELECT name, started, verdicts FROM runs WHERE target = ? AND kind = ? AND (started, name) < (?, ?)"
            " AND verdicts IS NOT NULL ORDER BY started DESC, name DESC",
            (run.target, run.kind, run.started.isoformat(), run.name),
        )
        for name, started, blob in rows:
            yield name, datetime.fromisoformat(started), _verdicts(blob)

    @_in_one_line
    def addresses(self, numbers: Iterable[int]) -> dict[int, str]:
        """Number -> address of cells."""
        wanted = set(numbers)
        return {n: address for n, address in self._connection.execute("SELECT id, address FROM cells") if n in wanted}

    def _as_bytes(self, verdicts: Mapping[str, Verdict]) -> bytes:
        """A byte for each cell by its number; a cell that is new gets the next one."""
        known: dict[str, int] = dict(self._connection.execute("SELECT address, id FROM cells"))
        new = [address for address in verdicts if address not in known]
        first = len(known)
        known |= {address: first + place for place, address in enumerate(new)}
        self._connection.executemany(
            "INSERT INTO cells (id, address) VALUES (?, ?)", [(known[address], address) for address in new]
        )
        found = bytearray(len(known))
        for address, verdict in verdicts.items():
            found[known[address]] = verdict
        return bytes(found)


def _verdicts(blob: bytes) -> Verdicts:
    return np.frombuffer(zlib.decompress(blob), dtype=np.uint8)


def _packed(run: RunSummary) -> bytes:
    told: dict[str, Any] = {
        "headline": run.headline,
        "sentence": run.sentence,
        "counts": {verdict.name: count for verdict, count in run.counts.items()},
        "figures": dict(run.figures),
        "interval": run.interval,
        "operations": {name: dict(figures) for name, figures in run.operations.items()},
        "header": dict(run.header),
        "footer": run.footer,
    }
    return zlib.compress(orjson.dumps({name: value for name, value in told.items() if value not in (None, {}, "")}))


def _unpacked(name: str, target: str, kind: str, started: str, blob: bytes) -> RunSummary:
    told = orjson.loads(zlib.decompress(blob))
    told["counts"] = {Verdict[verdict]: count for verdict, count in told.get("counts", {}).items()}
    if told.get("interval"):
        low, high = told["interval"]
        told["interval"] = (float(low), float(high))
    return RunSummary(name, target, kind, datetime.fromisoformat(started), **told)
