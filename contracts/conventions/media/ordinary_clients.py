"""What ordinary clients get: browsers, which take anything and ask for gzip, and programs that say nothing of it."""

from __future__ import annotations

from typing import Any

from cdp.http import JSON, Exchange
from contracts.subject import Subject, require

# A header that is None is not sent at all.
ORDINARY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Accept: */*, Accept-Encoding: gzip, deflate", {"Accept": "*/*", "Accept-Encoding": "gzip, deflate"}),
    ("no Accept", {"Accept": None}),
)


def ordinary_clients(s: Subject) -> None:
    """Who takes anything gets JSON that can be read, compressed or not; 406 is no answer then. A short profile asks
    lists less often than other reads, and those in one of the ways."""
    start = s.operation.order % len(ORDINARY)
    short = () if s.operation.collection is not None else ORDINARY[start : start + 1]
    for what, headers in short if s.quick else ORDINARY:
        exchange = s.session.send(s.call(), s.session.admin, headers)
        _readable(exchange, what)
        s.exercised()


def _readable(exchange: Exchange, what: str) -> None:
    how = f"{what} got {exchange.outcome()}"
    require(not exchange.failure, f"{how}: {exchange.detail}", exchange, what)
    require(exchange.status != 406, f"{how}, although JSON is fine for it", exchange, what)
    if exchange.ok and exchange.body:
        shown = exchange.headers.get("Content-Type") or "no media type"
        require(exchange.media_type == JSON, f"{how} with {shown}", exchange, what)
        fine = exchange.overfull or exchange.json is not None or exchange.body.strip() == b"null"
        require(fine, f"{how} with a body that is no JSON", exchange, what)
