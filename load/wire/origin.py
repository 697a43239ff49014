"""Where requests go: one origin, its addresses, and what cannot be used as one."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import gevent
from gevent import socket as cooperative

Address: TypeAlias = tuple[socket.AddressFamily, Any]  # the family, and what `connect` takes

_PORTS = {"http": 80, "https": 443}


class WireError(Exception):
    """The wire client was asked for what it does not do, or has nowhere to go; the message is one line."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a server (RFC 6454). `host` is without the brackets of an IPv6 address."""

    scheme: str
    host: str
    port: int

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the Host header says (RFC 9110, section 7.2): without the port when it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_origin(url: str) -> Origin:
    """The origin of an absolute http or https URL; a path is left aside. Raises WireError when the URL has none, or
    holds credentials (the message never shows them)."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise WireError(f"the URL is malformed: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise WireError("the URL must not hold credentials; send them in a header")
    if parts.scheme not in _PORTS or not host:
        raise WireError(f"the URL {url!r} needs a scheme and a host, for example https://instance.example")
    try:
        encoded = host.encode("idna").decode("ascii")  # of ASCII, too: an empty or too long part has no other sign
        host = host if host.isascii() else encoded
    except UnicodeError:
        raise WireError(f"the host {host!r} is no name that can be looked up") from None
    return Origin(parts.scheme, host, port or _PORTS[parts.scheme])


def resolve(origin: Origin, timeout_s: float) -> tuple[Address, ...]:
    """The addresses of a host, in the order of the system's preference (RFC 6724). Blocks the calling greenlet only.

    Raises WireError when the host has none, or when no answer came in time.
    """
    try:
        with gevent.Timeout(timeout_s, WireError(f"the name {origin.host} was not resolved within {timeout_s:g} s")):
            found = cooperative.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise WireError(f"the name {origin.host} cannot be resolved: {error.strerror or error}") from None
    return tuple(dict.fromkeys((family, address) for family, _, _, _, address in found))
