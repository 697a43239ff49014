"""Connections that are used once."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request


class Close(Kind):
    name = "close"
    sentence = "the connection is closed after each answer; of all kinds together after one in four (close_every=)"
    allowed = "RFC 9112 section 9.6: either side may close a connection after an answer, and says so"

    def after(self, request: Request, answer: Answer) -> None:
        if self.rng.randrange(self.world.settings.close_every) == 0:
            answer.put(b"connection", b"close")
