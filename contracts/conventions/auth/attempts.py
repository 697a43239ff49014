"""AUTH: what a caller tries who has to be refused, and what a refusal is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cdp.http import TOKEN_HEADER, Exchange
from contracts.calls import Call
from contracts.checks import Broken, NotExercised
from contracts.session import ANONYMOUS
from contracts.subject import Subject, require

UNKNOWN_TOKEN = "cdp-no-such-token-0123456789abcdef"
Attempt = Callable[[Call], Exchange]


def try_call(
    s: Subject, headers: dict[str, Any] | None = None, call: Call | None = None, *, judged: bool = True
) -> Exchange:
    """Send a call, the operation's valid one if there is no other, without a token but for what the headers hold."""
    return s.session.send(call or s.bench.untouched_call(s.operation), ANONYMOUS, headers, judged=judged)


def require_refusal(
    exchange: Exchange, what: str, example: str = "", others: tuple[int, ...] = (), *, softly: bool = False
) -> None:
    """A refusal is 401, or one of `others`; a 403 is a WARN; anything else lets the caller through or breaks. `softly`:
    to let him through is a WARN, too, but not to break."""
    if exchange.status in others:
        return
    if exchange.status == 403:
        raise Broken(f"{what} got 403 instead of 401", exchange, example, softly=True)
    sentence = f"{what} got {exchange.outcome()} instead of 401"
    require(exchange.status == 401, sentence, exchange, example, softly and exchange.ok)


def require_refusal_first(exchange: Exchange, said: str, what: str) -> None:
    """A refusal of who asks for what cannot be given: that it comes before the other one is worth a WARN."""
    if exchange.status in (400, 404, 415, 422):  # refused, but it tells which ids there are, and what is valid
        raise Broken(f"{said} got {exchange.outcome()} instead of 401", exchange, what, softly=True)
    require_refusal(exchange, said, what)


def with_ended_token(s: Subject) -> Attempt | None:
    """What a caller tries after his logout; None where no caller can be made."""
    try:
        ended = s.bench.identities.logged_out()
    except NotExercised:
        return None
    return lambda call: try_call(s, {TOKEN_HEADER: ended.token}, call)
