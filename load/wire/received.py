"""An answer that came over the wire."""

from __future__ import annotations

from load.answer import Answer
from load.wire.parser import Fields, fields_of


class Received(Answer):
    """A whole answer. Its headers are parsed when they are asked for: most answers of a run are judged by status and
    body alone."""

    __slots__ = ("_fields", "_head")

    def __init__(self, status: int, head: bytes, body: bytes, sent_ns: int, done_ns: int) -> None:
        self.status = status
        self._head = head
        self._fields: Fields | None = None
        self.body = body
        self.sent_ns = sent_ns
        self.done_ns = done_ns
        self.failure = None
        self.detail = ""
        self.indeterminate = False
        self.received_ns = 0

    @property
    def headers(self) -> Fields:  # type: ignore[override]
        if self._fields is None:
            self._fields = fields_of(self._head)
        return self._fields
