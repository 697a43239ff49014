"""Keys in any order."""

from __future__ import annotations

from typing import Any

from instance.awkward.kind import Answer, Kind, Request


class KeyOrder(Kind):
    name = "key_order"
    sentence = "the keys of every object come in another order each time"
    allowed = "RFC 8259 section 1: an object is an unordered collection"

    def after(self, request: Request, answer: Answer) -> None:
        if answer.value is not None:
            answer.value = self._shuffled(answer.value)

    def _shuffled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._shuffled(each) for each in value]
        if not isinstance(value, dict):
            return value
        names = list(value)
        self.rng.shuffle(names)
        return {name: self._shuffled(value[name]) for name in names}
