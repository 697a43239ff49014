"""Whether the API has answered at all. What stands in front of it, or beside it on the same host, answers some requests
by itself; that tells nothing of the API."""

from __future__ import annotations

from dataclasses import replace

from cdp.http import JSON, Exchange
from contracts.calls import Call
from contracts.checks import Unconfirmed
from contracts.session import ANONYMOUS
from contracts.subject import Subject

NO_PAGE = "/cdp-no-such-page"


def by_the_host(s: Subject, exchange: Exchange) -> bool:
    """Whether an answer off the host itself is one that any path there gets: that of a web application or of a front
    server. Below /api all answers are the API's."""
    if s.operation.base != "origin" or not exchange.status or exchange.media_type == JSON:
        return False
    anywhere = Call(replace(s.operation, path=NO_PAGE, method="GET"))
    page = s.bench.once(f"no page/{s.operation.id}", lambda: s.session.send(anywhere, ANONYMOUS, judged=False))
    return (page.status, page.media_type) == (exchange.status, exchange.media_type)


def needing_the_api(s: Subject, exchange: Exchange) -> None:
    """Raise Unconfirmed where the host itself has answered a valid call: where these operations are is in conflict."""
    if by_the_host(s, exchange):
        raise Unconfirmed(
            f"{s.operation.method} {s.operation.template} is answered like any path of the host: {exchange.outcome()} "
            f"with {exchange.media_type or 'no media type'}; an overlay with its address would make it checkable"
        )
