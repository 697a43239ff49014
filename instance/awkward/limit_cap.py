"""A smaller largest page."""

from __future__ import annotations

import re

from instance.awkward.kind import Answer, Kind, Request

CAP = 500
_LIMIT = re.compile(rb"(^|&)limit=(\d{3,4})(?=&|$)")


class LimitCap(Kind):
    name = "limit_cap"
    sentence = "no page holds more than 500 records, and selection_settings says so"
    allowed = "no page names the largest limit; 500 is known to be asked for, the contract's 1,000 is assumed"

    async def before(self, request: Request) -> Answer | None:
        operation = request.operation
        if operation is not None and operation.collection is not None and operation.method == "GET":
            request.scope["query_string"] = _LIMIT.sub(_capped, request.scope["query_string"])
        return None


def _capped(found: re.Match[bytes]) -> bytes:
    asked = int(found[2])
    return found[0] if not CAP < asked <= 1000 else found[1] + b"limit=%d" % CAP
