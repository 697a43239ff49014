"""Escapes in place of letters."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request


class Escapes(Kind):
    name = "escapes"
    sentence = r"texts hold \u00e9 in place of é, and \/ in place of /"
    allowed = "RFC 8259 section 7: any character may be escaped"

    def after(self, request: Request, answer: Answer) -> None:
        answer.ascii = True
