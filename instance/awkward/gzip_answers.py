"""Compressed answers."""

from __future__ import annotations

import gzip
import re

from instance.awkward.kind import Answer, Kind, Request

_REFUSED = re.compile(rb"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


class GzipAnswers(Kind):
    name = "gzip"
    sentence = "answers come gzipped to clients that accept it"
    allowed = "RFC 9110 section 12.5.3: Accept-Encoding asks for it"

    def after(self, request: Request, answer: Answer) -> None:
        accepted = request.header(b"accept-encoding").lower()
        if not answer.body or answer.get(b"content-encoding") or b"gzip" not in accepted or _REFUSED.search(accepted):
            return
        answer.write()
        answer.body = gzip.compress(answer.body, compresslevel=1, mtime=0)
        answer.put(b"content-encoding", b"gzip")
        answer.headers.append((b"vary", b"accept-encoding"))
