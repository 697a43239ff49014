"""Full records in other forms than that of an id with its data beside it."""

from __future__ import annotations

import zlib
from typing import Any

from instance.awkward.kind import Answer, Kind, Request, records_of


class InPlace(Kind):
    name = "in_place"
    sentence = (
        "full records have data in place of ids: under their key alone, under the name of the id, or in _embedded"
    )
    allowed = "overview page: full data instead of the ID; no page shows a full record, nor an id beside its data"

    def after(self, request: Request, answer: Answer) -> None:
        operation = request.operation
        if operation is None or not operation.sub_entities or b"load_full_structure=1" not in self._query(request):
            return
        for record in records_of(operation, answer):
            for field, spec in operation.sub_entities.items():
                key = spec["key"]
                if key != field and record.get(key):
                    form = zlib.crc32(f"{operation.id} {field} {self.world.seed}".encode()) % len(_FORMS)
                    _FORMS[form](record, field, key)
                    answer.changed = True

    @staticmethod
    def _query(request: Request) -> bytes:
        query: bytes = request.scope.get("query_string", b"")
        return query


def _under_its_key(record: dict[str, Any], field: str, key: str) -> None:
    record.pop(field, None)


def _in_place_of_the_id(record: dict[str, Any], field: str, key: str) -> None:
    record[field] = record.pop(key)


def _apart(record: dict[str, Any], field: str, key: str) -> None:
    record.pop(field, None)
    record.setdefault("_embedded", {})[key] = record.pop(key)


_FORMS = (_under_its_key, _in_place_of_the_id, _apart)
