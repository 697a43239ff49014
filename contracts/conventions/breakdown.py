"""Whether a target broke down over a request that is not judged for its own sake."""

from __future__ import annotations

from cdp.http import DROPPED, Exchange

_SERVER_ERRORS = 500


def broken_down(exchange: Exchange) -> str:
    """How the target broke down, in words; empty when it did not. What is busy (429, 503) is the session's matter."""
    if exchange.failure == DROPPED:
        return "no answer, the connection was dropped"
    return str(exchange.status) if exchange.status >= _SERVER_ERRORS else ""
