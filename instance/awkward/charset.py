"""A media type with a parameter."""

from __future__ import annotations

from instance.awkward.kind import JSON_TYPE, Answer, Kind, Request

FORMS = (
    b"application/json; charset=utf-8",
    b"application/json;charset=UTF-8",
    b'application/json; charset="utf-8"',
    b"Application/JSON ; Charset=utf-8",
    b'application/json; profile="a;b"; charset=utf-8',
)


class Charset(Kind):
    name = "charset"
    sentence = "the media type comes with a charset, in five ways of writing it"
    allowed = "RFC 9110 section 8.3.1: a media type may have parameters, with or without blanks and quotes, in any case"

    def after(self, request: Request, answer: Answer) -> None:
        if answer.get(b"content-type") == JSON_TYPE:
            answer.put(b"content-type", self.rng.choice(FORMS))
