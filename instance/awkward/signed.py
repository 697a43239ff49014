"""Addresses that are signed anew at each look."""

from __future__ import annotations

from itertools import count

from instance.awkward.kind import Answer, Kind, Request, World, records_of


class Signed(Kind):
    name = "signed"
    sentence = "addresses of images and of what can be downloaded are signed anew at each look"
    allowed = "the contract's addresses are texts of any form; what a client writes comes back as it was sent"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.looks = count(1)

    def after(self, request: Request, answer: Answer) -> None:
        operation = request.operation
        if operation is None:
            return
        for record in records_of(operation, answer):
            for name in (n for n in record if n == "url" or n.endswith("_url")):
                address = record[name]
                if name not in self._written(operation.entity) and isinstance(address, str) and "/" in address:
                    number = next(self.looks)
                    record[name] = (
                        f"{address}?Expires={1_800_000_000 + number}&Signature={self.rng.getrandbits(64):016x}"
                    )
                    answer.changed = True

    def _written(self, entity: str | None) -> frozenset[str]:
        """The fields of an entity that clients write."""
        cache: dict[str | None, frozenset[str]] = self.world.store.cache.setdefault("written_by_clients", {})
        if entity not in cache:
            contract = self.world.store.contract
            bodies = [o.body_schema for o in contract.of_entity(entity) if o.body_schema is not None] if entity else []
            cache[entity] = frozenset(name for body in bodies for name in contract.book.properties(body))
        return cache[entity]
