"""Other ways to the same record: what routers and servers in front of them take for a path or a method that is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cdp.http import Exchange
from contracts.calls import Call
from contracts.checks import Broken
from contracts.session import Identity
from contracts.subject import Subject

HEAD, SLASH, DOUBLED = "HEAD", "a slash behind the path", "a doubled slash in the path"


def _by_other_ways(call: Call) -> Iterator[tuple[str, Call, str]]:
    """The same call in other words: what they are, the call, the method."""
    operation = call.operation
    if operation.method == "GET":
        yield HEAD, call, "HEAD"
    above, _, last = operation.path.rstrip("/").rpartition("/")
    for what, path in ((SLASH, operation.path + "/"), (DOUBLED, f"{above}//{last}")):
        if not (what == SLASH and operation.path.endswith("/")):
            yield what, replace(call, operation=replace(operation, path=path)), operation.method


def refused_by_every_way(s: Subject, call: Call, caller: Identity, who: str) -> None:
    """Raise Broken when a caller who has to be refused is served by another way (CWE-288, CWE-647). HEAD brings no
    data, so that it is worth a WARN; what is no JSON comes from a page in front of the API."""
    for what, asked, method in _by_other_ways(call):
        exchange = s.session.send(asked, caller, method=method, judged=False)
        if exchange.ok and (what == HEAD or _serves(exchange)):
            raise Broken(f"{who} got {exchange.outcome()} by {what}", exchange, what, softly=what == HEAD)
        s.exercised()


def _serves(exchange: Exchange) -> bool:
    """Whether an answer is one of the API."""
    return exchange.media_type == "application/json" or not exchange.body
