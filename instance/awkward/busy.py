"""Too many requests."""

from __future__ import annotations

import time
from email.utils import formatdate

import orjson

from instance.awkward.kind import JSON_TYPE, Answer, Kind, Request


class Busy(Kind):
    name = "busy"
    sentence = "one in two hundred requests is refused with 429 and Retry-After, in seconds or as a date (busy_every=)"
    allowed = "overview page: the common HTTP status codes; RFC 6585 section 4, RFC 9110 section 10.2.3"

    count = 0

    async def before(self, request: Request) -> Answer | None:
        self.count += 1
        if self.count % self.world.settings.busy_every:
            return None
        seconds = self.count // self.world.settings.busy_every % 2 == 0
        # A date is rounded to the second: the next one may be any moment now, the one after it never is.
        asked = b"1" if seconds else formatdate(time.time() + 2, usegmt=True).encode()
        body = orjson.dumps({"message": "Too many requests.", "detail": "Try again later."})
        return Answer(429, [(b"content-type", JSON_TYPE), (b"retry-after", asked)], body)
