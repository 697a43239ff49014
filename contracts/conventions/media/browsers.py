"""Errors that a browser gets: communication is in JSON entirely, so that a refusal is no page either (MEDIA-05)."""

from __future__ import annotations

from collections.abc import Iterator

from cdp.http import JSON, Exchange
from contracts.calls import Call
from contracts.conventions.front_end import by_the_host
from contracts.conventions.harmless import unknown_id
from contracts.session import ANONYMOUS, Identity
from contracts.subject import Subject, require

BROWSERS_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def errors_for_browsers(s: Subject) -> None:
    """Raise Broken where a request that gets its error in JSON gets it as something else for being a browser's. What
    is no JSON for anybody is MEDIA-01's."""
    for what, call, caller in _mistaken(s):
        plain = s.session.send(call, caller)
        if not plain.client_error or plain.media_type != JSON:
            continue
        exchange = s.session.send(call, caller, {"Accept": BROWSERS_ACCEPT}, judged=False)
        if by_the_host(s, exchange):
            continue
        shown = exchange.headers.get("Content-Type") or "no media type"
        sentence = f"{what} of a browser got {exchange.outcome()} with {shown}, without its Accept JSON"
        require(_in_json(exchange), sentence, exchange, f"Accept: {BROWSERS_ACCEPT}")
        s.exercised()


def _mistaken(s: Subject) -> Iterator[tuple[str, Call, Identity]]:
    """Requests that are refused, each for another reason."""
    call = s.call()
    if s.operation.auth == "token":
        yield "a request without a token", call, ANONYMOUS
    if s.operation.path_parameters:
        yield "an unknown id", unknown_id(s, call), s.session.admin
    elif s.operation.query("limit"):
        yield "an invalid limit", call.asking(("limit", "abc")), s.session.admin


def _in_json(exchange: Exchange) -> bool:
    return exchange.status == 406 or ((exchange.media_type == JSON or not exchange.body) and exchange.status < 500)
