"""White space wherever JSON may have it."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request

LAYOUTS = ((2, (",", ": "), "\n", "\r\n"), (0, (" , ", " : "), " \t", "\n\n"), (1, (",", " :"), "", " "))


class Whitespace(Kind):
    name = "whitespace"
    sentence = "JSON comes with white space: indented, before and behind values, at both ends"
    allowed = "RFC 8259 section 2: insignificant white space is allowed around every token"

    def after(self, request: Request, answer: Answer) -> None:
        answer.layout = self.rng.choice(LAYOUTS)
