"""Answers that are compressed otherwise."""

from __future__ import annotations

import zlib

from instance.awkward.gzip_answers import wanted
from instance.awkward.kind import Answer, Kind, Request


class Deflate(Kind):
    name = "deflate"
    sentence = "one in two answers comes deflated to clients that accept it"
    allowed = "RFC 9110 sections 8.4.1.2 and 12.5.3: the zlib format, where Accept-Encoding asks for it"

    def after(self, request: Request, answer: Answer) -> None:
        if not wanted(b"deflate", request, answer) or self.rng.randrange(2):
            return
        answer.write()
        answer.body = zlib.compress(answer.body, 1)
        answer.put(b"content-encoding", b"deflate")
