"""Content codings of answers: gzip and deflate, never more than the limit allows."""

from __future__ import annotations

import zlib

from load.answer import Failure

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class AnswerError(Exception):
    """What came is no answer that can be used. `detail` holds no value that changes from answer to answer."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure.value}: {detail}")
        self.failure = failure
        self.detail = detail


def decode_body(coding: str, body: bytes, limit: int) -> bytes:
    """A body without its content coding (RFC 9110, section 8.4.1). `limit`: most bytes that may come out.

    Raises AnswerError: TOO_LARGE when more would come out, MALFORMED when the body is not of that coding, is cut, or
    the coding is another one.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate("gzip", body, limit, _GZIP)
    if name == "deflate":
        # The standard says zlib, some servers send the bare stream. The first two bytes of zlib are a check of
        # themselves (RFC 1950, section 2.2).
        is_zlib = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
        return _inflate("deflate", body, limit, _ZLIB if is_zlib else _RAW)
    raise AnswerError(Failure.MALFORMED, "content coding that was not asked for")


def _inflate(name: str, body: bytes, limit: int, window: int) -> bytes:
    """Members of a stream one after the other (gzip may have several, RFC 1952, section 2.2)."""
    found = bytearray()
    while True:
        inflater = zlib.decompressobj(window)
        try:
            found += inflater.decompress(body, limit + 1 - len(found))
        except zlib.error:
            raise AnswerError(Failure.MALFORMED, f"body is not {name}") from None
        if len(found) > limit:
            raise AnswerError(Failure.TOO_LARGE, f"{name} body grows beyond the limit")
        if not inflater.eof:
            raise AnswerError(Failure.MALFORMED, f"{name} body is cut")
        body = inflater.unused_data
        if not body:
            return bytes(found)
        if window != _GZIP:
            raise AnswerError(Failure.MALFORMED, f"bytes after the {name} body")
