"""A server that takes Accept at its word."""

from __future__ import annotations

from instance.awkward.kind import JSON_TYPE, Answer, Kind, Request

_TAKEN = ("application/json", "application/*", "*/*")


class NotAcceptable(Kind):
    name = "not_acceptable"
    sentence = "a request whose Accept header rules JSON out gets 406, in JSON"
    allowed = "RFC 9110 section 12.5.1; catalogue: MEDIA-05"

    async def before(self, request: Request) -> Answer | None:
        accepted = request.header(b"accept").decode("latin-1").lower()
        if not accepted or any(_taken(part) for part in accepted.split(",")):
            return None
        body = b'{"message":"There is nothing here but application/json.","detail":null}'
        return Answer(406, [(b"content-type", JSON_TYPE)], body)


def _taken(part: str) -> bool:
    media, *parameters = (each.strip() for each in part.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    return media in _TAKEN and weight.strip("0.") != ""
