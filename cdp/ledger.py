"""The ledger of created records: written before the request that creates, so that nothing is forgotten when a run dies.

JSON Lines: an intent before a create is sent, its record once the answer is known, a removal once it is gone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True)
class Created:
    """A record of ours on the target, and where to delete it (an empty `delete_url`: no operation deletes it)."""

    operation: str
    record_id: str
    delete_url: str


class Ledger:
    """Append-only. `open_records` are those that were created and not removed, the newest first."""

    def __init__(self, path: Path | None) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if path else None
        self._open: dict[tuple[str, str], Created] = {}

    def intend(self, operation: str, name: str) -> None:
        """Note that a record is about to be created, and the name it will carry."""
        self._write({"kind": "intent", "operation": operation, "name": name})

    def created(self, record: Created) -> None:
        self._open[record.operation, record.record_id + record.delete_url] = record
        self._write(
            {"kind": "created", "operation": record.operation, "id": record.record_id, "delete_url": record.delete_url}
        )

    def removed(self, record: Created) -> None:
        self._open.pop((record.operation, record.record_id + record.delete_url), None)
        self._write({"kind": "removed", "operation": record.operation, "id": record.record_id})

    @property
    def open_records(self) -> list[Created]:
        return list(reversed(self._open.values()))

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, entry: dict[str, str]) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
