"""Fields that the contract does not know."""

from __future__ import annotations

import zlib

from instance.awkward.kind import Answer, Kind, Request, records_of
from instance.contract import Operation
from instance.store import Store


class Fields(Kind):
    name = "fields"
    sentence = "answers carry more fields than the contract knows: in records, beside them, in settings and in errors"
    allowed = "schemas of answers are open (the two that are closed stay as they are), and pages show excerpts"

    count = 0

    def after(self, request: Request, answer: Answer) -> None:
        value = answer.value
        if not isinstance(value, dict | list):
            return
        operation = request.operation
        records = records_of(operation, answer)
        for record in records if self._open_records(operation) else ():
            mark = zlib.crc32(str(record.get("id")).encode())
            record.setdefault("revision_hash", f"{mark:08x}")
            record.setdefault("extra_labels", [] if mark % 2 else None)
        free = answer.status >= 400 or is_open(self.world.store, request)
        if isinstance(value, dict) and not any(record is value for record in records) and free:
            self.count += 1
            value.setdefault("served", {"number": self.count, "by": f"node-{self.rng.randrange(4)}"})
            settings = value.get("selection_settings")
            if isinstance(settings, dict):
                settings.setdefault("timeout_hint", None)
        answer.changed = True

    def _open_records(self, operation: Operation | None) -> bool:
        """Whether the contract lets a record have more fields."""
        schema = operation.item_schema if operation is not None else None
        return schema is None or "additionalProperties" not in self.world.store.contract.book.resolve(schema)


def is_open(store: Store, request: Request) -> bool:
    """Whether a success answer is an object of known fields; one that maps names to values would get a wrong one."""
    operation = request.operation
    if operation is None or operation.answer is None:
        return True
    book = store.contract.book
    return "additionalProperties" not in book.resolve(operation.answer) and bool(book.properties(operation.answer))
