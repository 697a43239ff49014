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
ENCODED = "a path with one letter percent-encoded"  # the same path (RFC 3986 section 6.2.2.2), not the same text
# Who says in a header that he calls from the server's own machine: servers behind a proxy read the caller's address in
# one of these, and some trust an address of their own.
LOCAL = "headers that say it comes from 127.0.0.1"
_OWN_ADDRESS = (
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Cluster-Client-IP",
    "X-Remote-Addr",
    "X-Originating-IP",
)
FROM_HERE = {**dict.fromkeys(_OWN_ADDRESS, "127.0.0.1"), "Forwarded": "for=127.0.0.1"}


def _by_other_ways(call: Call) -> Iterator[tuple[str, Call, str]]:
    """The same call in other words: what they are, the call, the method."""
    operation = call.operation
    if operation.method == "GET":
        yield HEAD, call, "HEAD"
    above, _, last = operation.path.rstrip("/").rpartition("/")
    first = operation.path.lstrip("/")
    encoded = f"/%{ord(first[0]):02X}{first[1:]}" if first[:1].isalpha() else operation.path
    for what, path in ((SLASH, operation.path + "/"), (DOUBLED, f"{above}//{last}"), (ENCODED, encoded)):
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
    _refused_from_here(s, call, caller, who)


def _refused_from_here(s: Subject, call: Call, caller: Identity, who: str) -> None:
    """What a caller says of his own address lets nobody in (CWE-290, CWE-348). A front server may refuse such headers
    in its own way. What the target's own headers are needed for stays as it is."""
    needed = {name.lower() for name, _ in s.session.target.headers}
    headers = {name: value for name, value in FROM_HERE.items() if name.lower() not in needed}
    exchange = s.session.send(call, caller, headers, judged=False)
    if exchange.ok and _serves(exchange):
        raise Broken(f"{who} got {exchange.outcome()} with {LOCAL}", exchange, LOCAL)
    s.exercised()


def _serves(exchange: Exchange) -> bool:
    """Whether an answer is one of the API."""
    return exchange.media_type == "application/json" or not exchange.body
