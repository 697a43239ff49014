"""Compressed answers."""

from __future__ import annotations

import gzip
import re

from instance.awkward.kind import Answer, Kind, Request


def wanted(coding: bytes, request: Request, answer: Answer) -> bool:
    """Whether an answer may be put into a content coding: it has a body that is in none, and the client takes it."""
    accepted = request.header(b"accept-encoding").lower()
    if not answer.body or answer.get(b"content-encoding") or coding not in accepted:
        return False
    return not re.search(coding + rb"\s*;\s*q=0(\.0*)?\s*(,|$)", accepted)


class GzipAnswers(Kind):
    name = "gzip"
    sentence = "answers come gzipped to clients that accept it"
    allowed = "RFC 9110 section 12.5.3: Accept-Encoding asks for it"

    def after(self, request: Request, answer: Answer) -> None:
        if not wanted(b"gzip", request, answer):
            return
        answer.write()
        answer.body = gzip.compress(answer.body, compresslevel=1, mtime=0)
        answer.put(b"content-encoding", b"gzip")
        answer.headers.append((b"vary", b"accept-encoding"))
