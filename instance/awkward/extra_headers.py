"""Headers that nobody asked for."""

from __future__ import annotations

import zlib

from instance.awkward.kind import Answer, Kind, Request


class ExtraHeaders(Kind):
    name = "extra_headers"
    sentence = "answers carry Vary, ETag, Cache-Control, Set-Cookie and others"
    allowed = "RFC 9110 section 5.1 and RFC 6265: clients ignore headers that they do not know, and need keep no cookie"

    def after(self, request: Request, answer: Answer) -> None:
        answer.headers += [
            (b"vary", b"origin, accept"),
            (b"etag", b'W/"%08x"' % zlib.crc32(answer.body)),
            (b"cache-control", b"private, max-age=0, must-revalidate"),
            (b"set-cookie", b"route=node-%d; Path=/; HttpOnly" % self.rng.randrange(4)),
            (b"set-cookie", b"seen=1; Path=/; Expires=Thu, 01 Jan 2037 00:00:00 GMT"),
            (b"x-request-id", b"%032x" % self.rng.getrandbits(128)),
            (b"server-timing", b"app;dur=%.1f" % self.rng.uniform(1, 90)),
        ]
