"""Fields without a value that are left out."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request, records_of


class Absent(Kind):
    name = "absent"
    sentence = "fields of records that are null are left out"
    allowed = "no page says that a field without a value is null; those that a schema requires or a client writes stay"

    def after(self, request: Request, answer: Answer) -> None:
        operation = request.operation
        records = records_of(operation, answer)
        if operation is None or not operation.entity:
            return
        free = self._free(operation.entity)
        for record in records:
            for name in [name for name, value in record.items() if value is None and name in free]:
                del record[name]
                answer.changed = True

    def _free(self, entity: str) -> frozenset[str]:
        """The fields of an entity's records that no operation requires or writes, or selects by."""
        cache: dict[str, frozenset[str]] = self.world.store.cache.setdefault("may_be_absent", {})
        if entity not in cache:
            contract = self.world.store.contract
            book, operations = contract.book, contract.of_entity(entity)
            known: set[str] = set()
            bound: set[str] = set()
            for operation in operations:
                if operation.item_schema is not None:
                    known |= set(book.properties(operation.item_schema))
                    bound |= set(book.resolve(operation.item_schema).get("required", ()))
                if operation.body_schema is not None:
                    bound |= set(book.properties(operation.body_schema))
                bound |= {spec["key"] for spec in operation.sub_entities.values()}
            cache[entity] = frozenset(known - bound)
        return cache[entity]
