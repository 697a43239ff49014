"""What lies below the application: names of headers in other case, and connections that are closed while idle."""

from __future__ import annotations

import re
from typing import Any

from instance.awkward.kind import Kind

_HEAD = re.compile(rb"HTTP/1\.1 \d{3} ")
_NAME = re.compile(rb"(?m)^([A-Za-z0-9-]+)(?=: )")


class HeaderCase(Kind):
    name = "header_case"
    sentence = "names of headers come in capitals and in mixed case"
    allowed = "RFC 9110 section 5.1: names of headers are case-insensitive"


class Idle(Kind):
    name = "idle"
    sentence = "a connection that is idle for two seconds is closed (idle_s=)"
    allowed = "RFC 9112 section 9.5: a server may close an idle connection at any time"


class RecasedTransport:
    """A transport that writes the names of headers in other case; all else goes to the real one."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._heads = 0

    def write(self, data: bytes) -> None:
        if _HEAD.match(data):
            self._heads += 1
            head, blank, body = data.partition(b"\r\n\r\n")
            how = bytes.upper if self._heads % 2 else bytes.title
            data = _NAME.sub(lambda found: how(found[1]), head) + blank + body
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def recased(protocol: Any) -> Any:
    """The protocol with names of headers in other case."""

    class Recased(protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.transport = RecasedTransport(transport)

    return Recased
