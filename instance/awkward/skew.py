"""A clock of its own."""

from __future__ import annotations

from datetime import datetime, timedelta

from instance.awkward.kind import Kind
from instance.store import Store

AHEAD = timedelta(hours=5, minutes=37)


class Skew(Kind):
    name = "skew"
    sentence = "the server's clock, and so every timestamp of a new record, is five and a half hours ahead"
    allowed = "no page says in which zone a timestamp without one is, and nothing promises two clocks that agree"

    def start(self, store: Store) -> None:
        clock = store.clock

        def ahead() -> datetime:
            return clock() + AHEAD

        store.clock = ahead
