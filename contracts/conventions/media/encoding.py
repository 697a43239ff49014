"""What the header of an answer says of the encoding of its body: JSON is in UTF-8 (RFC 8259, section 8.1)."""

from __future__ import annotations

import re

from cdp.http import JSON, Exchange
from contracts.checks import Broken
from contracts.subject import Subject

_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\"';\s]+)", re.IGNORECASE)
_UTF_8 = frozenset(("utf-8", "utf8", "utf_8", "unicode-1-1-utf-8"))
_ASCII = frozenset(("us-ascii", "ascii"))


def another_encoding(exchange: Exchange) -> str:
    """The encoding that an answer claims for its body, where that is not UTF-8; empty where it is, or none is told.
    ASCII is a part of UTF-8."""
    found = _CHARSET.search(exchange.headers.get("Content-Type") or "")
    name = found.group(1).lower() if found else ""
    fine = not name or name in _UTF_8 or (name in _ASCII and exchange.body.isascii())
    return "" if fine else name


def names_its_encoding(s: Subject) -> None:
    """No answer of JSON claims another encoding. Where the body is the same in both it is worth a WARN: a client that
    goes by the header reads it rightly, and others wrongly."""
    softly: Broken | None = None
    for exchange in s.session.seen(s.operation):
        name = another_encoding(exchange) if exchange.body and exchange.media_type == JSON else ""
        if name:
            error = Broken(
                f"the body with status {exchange.status} is JSON, which is in UTF-8, and its header says {name:.40}",
                exchange,
                softly=exchange.body.isascii(),
            )
            if not error.softly:
                raise error
            softly = softly or error
    if softly is not None:
        raise softly
