"""Refusals with another code that says the same."""

from __future__ import annotations

import zlib

from instance.awkward.kind import JSON_TYPE, Answer, Kind, Request

MOST_BYTES = 4096  # of the token's header
_AUDIENCE = b"/wbs"  # its answers repeat the status


class Codes(Kind):
    name = "codes"
    sentence = (
        "half of the operations say 400 where the others say 422 and the other way round, 400 to an id of the wrong "
        "form and to another media type; a token over 4 KB gets 431, one of other bytes than ASCII 400"
    )
    allowed = (
        "catalogue: CODE-03, CODE-05, MEDIA-03 and MEDIA-04 leave the choice; RFC 6585 section 5 and RFC 9110 sections "
        "5.4 and 5.5: what cannot be read as a header is refused before a token is looked at"
    )

    async def before(self, request: Request) -> Answer | None:
        status = _unreadable(request)
        said = b'{"message":"A header is too large, or holds what no header may hold."}'
        return Answer(status, [(b"content-type", JSON_TYPE)], said) if status else None

    def after(self, request: Request, answer: Answer) -> None:
        operation = request.operation
        if operation is None or _unreadable(request) or request.scope["raw_path"].startswith(_AUDIENCE):
            return
        if zlib.crc32(f"{operation.id} {self.world.seed}".encode()) % 2:
            return
        malformed = answer.status == 404 and self._malformed(request)
        answer.status = 400 if malformed else {400: 422, 422: 400, 415: 400}.get(answer.status, answer.status)

    def _malformed(self, request: Request) -> bool:
        """Whether an integer among the ids of a path is none."""
        operation, book = request.operation, self.world.store.contract.book
        assert operation is not None
        pairs = zip(operation.path_parameters, request.ids, strict=False)
        return any(book.kind(known.schema) == "integer" and not value.isdigit() for known, value in pairs)


def _unreadable(request: Request) -> int:
    """The status of a refusal for the token's header as such; 0 where it can be read."""
    token = request.header(b"x-access-token")
    return 431 if len(token) > MOST_BYTES else 0 if token.isascii() else 400
