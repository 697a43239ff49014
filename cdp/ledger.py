"""The ledger of created records: written before the request that creates, so that nothing is forgotten when a run dies.

JSON Lines, handed to the operating system line by line: an `intent` before a create is sent, with the name that the
record will carry; then what came of it (`created` with id and delete address, `refused`, or nothing when no answer
came); `removed` once the record is gone. A run holds a lock on its ledger while it lives, so that nobody cleans up
behind a run that is still going.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

fcntl: Any
try:
    import fcntl
except ImportError:  # a system without file locks: every ledger counts as left by a dead run
    fcntl = None

LEDGER_FILE = "ledger.jsonl"

IN_THE_TRASH = "kept in the trash"  # said of a record that was deleted, and that no operation takes out of there


@dataclass(frozen=True)
class Intent:
    """A record that is about to be created: by which operation at which path, and the name it will carry."""

    operation: str
    path: str
    name: str
    prefix: str = ""
    target: str = ""
    at: str = ""


@dataclass(frozen=True)
class Created:
    """A record of ours on the target, and where to delete it (an empty `delete_url`: no operation deletes it)."""

    operation: str
    record_id: str
    delete_url: str
    name: str = ""


@dataclass
class Entries:
    """What a ledger tells: what was created and not removed, and what was intended and never settled; oldest first."""

    open: dict[tuple[str, str], Created] = field(default_factory=dict)
    pending: dict[str, Intent] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)

    @property
    def prefixes(self) -> set[str]:
        return {intent.prefix for intent in self.intents.values() if intent.prefix}

    @property
    def targets(self) -> set[str]:
        return {intent.target for intent in self.intents.values()}

    @property
    def settled(self) -> bool:
        """Whether nothing is left that could be removed."""
        return not self.pending and not any(record.delete_url for record in self.open.values())

    def take(self, entry: dict[str, Any]) -> None:
        """Add one line."""
        kind, number = entry.get("kind"), str(entry.get("n", ""))
        if kind == "intent":
            intent = Intent(*(str(entry.get(name, "")) for name in _INTENT_FIELDS))
            self.intents[number] = self.pending[number] = intent
            return
        record = Created(str(entry.get("operation", "")), str(entry.get("id", "")), str(entry.get("delete_url", "")))
        if kind in ("created", "refused", "settled"):
            intent_or_none = self.pending.pop(number, None)
            if kind == "created":
                name = intent_or_none.name if intent_or_none else ""
                self.open[_key(record)] = replace(record, name=name)
        elif kind == "removed":
            self.open.pop(_key(record), None)


_INTENT_FIELDS = ("operation", "path", "name", "prefix", "target", "at")


def _key(record: Created) -> tuple[str, str]:
    return record.operation, record.delete_url or record.record_id


class Ledger:
    """Append-only; without a path nothing is written. Several processes of a run may append to one file."""

    def __init__(self, path: Path | None, redact: Callable[[str], str] = str) -> None:
        self._path = path
        self._redact = redact  # a target may say that a secret is the id of a record
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600) if path else None
        self._numbers = itertools.count(1)
        self._entries = Entries()
        self._lasting = 0
        self._kept: set[str] = set()  # numbers of intents
        self._passing: dict[tuple[str, str], Created] = {}
        if self._descriptor is not None and fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def catch_up(self) -> None:
        """Take in what other processes of the run have noted."""
        if self._path is not None:
            self._entries = _entries(self._path)

    def intend(self, intent: Intent) -> str:
        """Note that a record is about to be created. Answers the number by which the outcome is noted."""
        number = f"{os.getpid()}.{next(self._numbers)}"
        told = {name: getattr(intent, name) for name in _INTENT_FIELDS}
        if self._lasting:
            self._kept.add(number)
        self._note({"kind": "intent", "n": number, **told, "at": datetime.now(UTC).isoformat(timespec="seconds")})
        return number

    def created(self, number: str, record: Created) -> None:
        self._note({"kind": "created", "n": number, **_told(record)})
        if record.delete_url and number not in self._kept:
            self._passing[_key(record)] = record
        self._kept.discard(number)

    def refused(self, number: str) -> None:
        """The target said that it created nothing."""
        self._note({"kind": "refused", "n": number})

    def settled(self, number: str) -> None:
        """What was intended has been looked for, and nothing of it is there."""
        self._note({"kind": "settled", "n": number})

    def removed(self, record: Created) -> None:
        self._note({"kind": "removed", **_told(record)})
        self._passing.pop(_key(record), None)

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """What is created in this context is needed until the end of the run."""
        self._lasting += 1
        try:
            yield
        finally:
            self._lasting -= 1

    @property
    def passing(self) -> list[Created]:
        """Those of the open records that can be removed and need not last, the newest first."""
        return list(reversed(self._passing.values()))

    def leave(self, record: Created) -> None:
        """Let a record last that could not be removed before the end."""
        self._passing.pop(_key(record), None)

    @property
    def open_records(self) -> list[Created]:
        """Those that were created and not removed, the newest first."""
        return list(reversed(self._entries.open.values()))

    @property
    def operations(self) -> set[str]:
        """The operations by which something was or may have been created."""
        return {intent.operation for intent in self._entries.intents.values()}

    @property
    def pending(self) -> dict[str, Intent]:
        """What was intended and never settled, by number."""
        return dict(self._entries.pending)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _note(self, entry: dict[str, str]) -> None:
        if self._descriptor is not None:
            told = {name: _storable(self._redact(text)) for name, text in entry.items()}
            line = orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
            if os.write(self._descriptor, line) != len(line):
                raise OSError(28, "No space left on device")
        self._entries.take(entry)


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _told(record: Created) -> dict[str, str]:
    return {"operation": record.operation, "id": record.record_id, "delete_url": record.delete_url}


class LeftLedger:
    """The ledger of an earlier run, to be read and carried on. `alive`: its run is still going."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.alive = _locked(path)
        self.entries = _entries(path)

    @property
    def started(self) -> datetime | None:
        """When the first record was intended; None when the ledger does not tell."""
        times = [i.at for i in self.entries.intents.values() if i.at]
        try:
            return datetime.fromisoformat(times[0]) if times else None
        except ValueError:
            return None

    def settle(self, removed: Iterable[Created], settled: Iterable[str]) -> None:
        """Note what has been cleaned up, so that the next clean-up has less to do."""
        lines = [{"kind": "removed", **_told(record)} for record in removed]
        lines += [{"kind": "settled", "n": number} for number in settled]
        if not lines:
            return
        text = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        if not self.path.read_bytes().endswith(b"\n"):
            text = b"\n" + text  # after the torn last line
        with self.path.open("ab") as file:
            file.write(text)
        for line in lines:
            self.entries.take(line)


def _entries(path: Path) -> Entries:
    entries = Entries()
    for line in path.read_bytes().split(b"\n"):
        with suppress(orjson.JSONDecodeError):  # a last line without its end is what a killed run leaves
            entry = orjson.loads(line)
            if isinstance(entry, dict):
                entries.take(entry)
    return entries


def _locked(path: Path) -> bool:
    if fcntl is None:
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def left_ledgers(runs: Path) -> list[LeftLedger]:
    """The ledgers below a directory of runs, the newest run first; those that cannot be read are left out."""
    found = []
    for path in sorted(runs.glob(f"*/{LEDGER_FILE}"), reverse=True):
        with suppress(OSError):
            found.append(LeftLedger(path))
    return found
