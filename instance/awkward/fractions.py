"""Timestamps in every form that their schema takes."""

from __future__ import annotations

import re
import zlib
from typing import Any

from instance.awkward.kind import Answer, Kind, Request, records_of
from instance.contract import Operation

ANY_FORM = "DateTime"
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.\d+)?Z?\Z")


class Fractions(Kind):
    name = "fractions"
    sentence = "timestamps come with and without fractions, with T or a blank, with and without Z"
    allowed = "the schema DateTime takes all these forms; fields of one documented form, and what clients write, stay"

    def after(self, request: Request, answer: Answer) -> None:
        operation = request.operation
        records = records_of(operation, answer)
        if operation is None or not operation.entity or not records:
            return
        names = self._names(operation.entity)
        for record in records:
            self._rewrite(record, names)
            for spec in operation.sub_entities.values():
                embedded = record.get(spec["key"])
                for each in embedded if isinstance(embedded, list) else [embedded]:
                    if isinstance(each, dict):
                        self._rewrite(each, self._names(spec["entity"]))
        answer.changed = True

    def _rewrite(self, record: dict[str, Any], names: frozenset[str]) -> None:
        for name in names & record.keys():
            found = _MOMENT.match(record[name]) if isinstance(record[name], str) else None
            if found is not None:
                record[name] = self.form(found[1], found[2])

    def form(self, day: str, time: str) -> str:
        """A moment as it is written."""
        return in_some_form(day, time)

    def _names(self, entity: str) -> frozenset[str]:
        """The fields of an entity that may come in any form, in every operation, and that no client writes."""
        cache: dict[str, frozenset[str]] = self.world.store.cache.setdefault("any_form", {})
        if entity not in cache:
            contract = self.world.store.contract
            operations = contract.of_entity(entity)
            known = contract.entities[entity].fields if entity in contract.entities else {}
            free = {name for name, schemas in known.items() if all(map(self._any_form, schemas))}
            cache[entity] = frozenset(free - self._written(operations))
        return cache[entity]

    def _any_form(self, schema: dict[str, Any]) -> bool:
        return self.world.store.contract.book.name(schema) == ANY_FORM

    def _written(self, operations: list[Operation]) -> set[str]:
        book = self.world.store.contract.book
        bodies = [operation.body_schema for operation in operations if operation.body_schema is not None]
        return {name for body in bodies for name in book.properties(body)}


def in_some_form(day: str, time: str) -> str:
    """A moment in one of the forms; the same one wherever it stands, so that two places never disagree."""
    mark = zlib.crc32(f"{day} {time}".encode())
    blank = " T"[mark % 2]
    fraction = ("", ".5", f".{mark % 1000:03d}", f".{mark % 1_000_000:06d}")[mark // 2 % 4]
    return f"{day}{blank}{time}{fraction}" + ("Z" if mark // 8 % 2 else "")
