"""Answers in pieces."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request


class Chunked(Kind):
    name = "chunked"
    sentence = "answers come in chunks, without content-length"
    allowed = "RFC 9112 section 7.1: every HTTP/1.1 client has to be able to read chunks"

    def after(self, request: Request, answer: Answer) -> None:
        answer.pieces = self.rng.randint(1, 5)
