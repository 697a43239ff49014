"""Whether a target broke down over a request that is not judged for its own sake."""

from __future__ import annotations

from cdp.http import Exchange

_SERVER_ERRORS = 500


def broken_down(exchange: Exchange) -> str:
    """The server error of an answer, in words; empty when it is none. What is busy (429, 503) is the session's matter,
    and a write that is cut off may have met a connection that was closed for being idle."""
    return str(exchange.status) if exchange.status >= _SERVER_ERRORS else ""
