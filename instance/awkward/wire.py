"""What lies below the application: how heads of answers are written, and connections that are closed while idle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from instance.awkward.kind import Kind

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_NAME = re.compile(rb"(?m)^([A-Za-z0-9-]+)(?=: )")


class HeaderCase(Kind):
    name = "header_case"
    sentence = "names of headers come in capitals and in mixed case"
    allowed = "RFC 9110 section 5.1: names of headers are case-insensitive"


class Idle(Kind):
    name = "idle"
    sentence = "a connection that is idle for two seconds is closed (idle_s=)"
    allowed = "RFC 9112 section 9.5: a server may close an idle connection at any time"


class StatusLine(Kind):
    name = "status_line"
    sentence = "the status line has no reason or another one, and HTTP/1.0 where the connection is closed"
    allowed = "RFC 9112 sections 2.3 and 4: the reason may be empty and has no meaning; a proxy may speak HTTP/1.0"


class Interim(Kind):
    name = "interim"
    sentence = "before one in three answers come 102 Processing or 103 Early Hints"
    allowed = "RFC 9110 section 15.2: every client has to be able to read interim answers that it did not ask for"


class Fragments(Kind):
    name = "fragments"
    sentence = "heads of answers come in pieces, cut in the middle of a line"
    allowed = "RFC 9112 section 2: a message is a stream of bytes; TCP knows no borders in it"


INTERIM = (b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")


class AwkwardTransport:
    """A transport that writes heads of answers in other ways; all else goes to the real one."""

    def __init__(self, transport: Any, kinds: frozenset[str], heads: Iterator[int]) -> None:
        self._transport = transport
        self._kinds = kinds
        self._heads = heads

    def write(self, data: bytes) -> None:
        found = _HEAD.match(data)
        if found is None:
            self._transport.write(data)
            return
        number = next(self._heads)
        head, blank, body = data.partition(b"\r\n\r\n")
        if HeaderCase.name in self._kinds:
            how = bytes.upper if number % 2 else bytes.title
            head = _NAME.sub(lambda found: how(found[1]), head)
        if StatusLine.name in self._kinds:
            head = _status_line(head, found[1], number)
        if Interim.name in self._kinds and number % 3 == 0:
            self._transport.write(INTERIM[number // 3 % 2])
        data = head + blank + body
        for cut in (7, len(head) // 2) if Fragments.name in self._kinds else ():
            self._transport.write(data[:cut])
            data = data[cut:]
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _status_line(head: bytes, status: bytes, number: int) -> bytes:
    """A head with another version and reason."""
    _, line, rest = head.partition(b"\r\n")
    low = rest.lower()
    old = b"connection: close" in low and b"transfer-encoding" not in low
    reason = (b"", b"Alles in Ordnung", b"OK")[number % 3]
    return (b"HTTP/1.0 " if old else b"HTTP/1.1 ") + status + b" " + reason + line + rest


def rewritten(protocol: Any, kinds: frozenset[str]) -> Any:
    """The protocol with heads of answers that are written as these kinds do."""
    heads = count(1)

    class Rewritten(protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.transport = AwkwardTransport(transport, kinds, heads)

    return Rewritten


ON_THE_WIRE = frozenset({HeaderCase.name, StatusLine.name, Interim.name, Fragments.name})
