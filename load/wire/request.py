"""Requests as bytes, encoded in advance."""

from __future__ import annotations

import re
from collections.abc import Mapping

_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
# How a request is framed is the wire client's own affair; Expect would make it wait for an interim answer.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer"})
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})  # of these an empty body is announced too (RFC 9110, section 8.6)


class RequestTemplate:
    """What all requests to one host have in common: `host` as in the Host header, and headers.

    Raises ValueError, which never shows a value, for headers that cannot be sent: line breaks and other control
    characters, characters outside Latin-1, and those that belong to the framing.
    """

    def __init__(self, host: str, headers: Mapping[str, str] | None = None) -> None:
        _check_value("Host", host)
        self.host = host
        self._write(dict(headers or {}))

    def change(self, headers: Mapping[str, str]) -> None:
        """From now on requests bear these headers, in the place of those of the same name, letter case aside; what was
        encoded before stays as it is. Raises ValueError as the constructor, and nothing is changed."""
        self._write(self._with(headers))

    def _with(self, headers: Mapping[str, str]) -> dict[str, str]:
        given = {name.lower() for name in headers}
        return {**{name: value for name, value in self.headers.items() if name.lower() not in given}, **headers}

    def _write(self, headers: dict[str, str]) -> None:
        lines = [f"Host: {self.host}"]
        for name, value in headers.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"header name {name!r} cannot be sent")
            if name.lower() in _OURS:
                raise ValueError(f"header {name} is set by the client itself")
            _check_value(name, value)
            lines.append(f"{name}: {value}")
        self.headers = headers
        self._typed = any(name.lower() == "content-type" for name in headers)
        self._middle = (" HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n").encode("latin-1")

    def with_headers(self, headers: Mapping[str, str]) -> RequestTemplate:
        """The same with more headers; those of the same name, letter case aside, take the place of what was there."""
        return RequestTemplate(self.host, self._with(headers))

    def encode(self, method: str, target: str, body: bytes = b"", media_type: str = "") -> bytes:
        """The bytes of a request. `target`: path and query, percent-encoded; `media_type`: of the body, unless the
        template has a Content-Type. Raises ValueError when the method or target is none."""
        if not _METHOD.fullmatch(method):
            raise ValueError(f"method {method!r} cannot be sent")
        if not _TARGET.fullmatch(target) or target[0] != "/":
            raise ValueError("the target of a request is a path with a leading / and no blanks or line breaks in it")
        head = f"{method} {target}".encode("ascii") + self._middle
        if media_type and not self._typed:
            _check_value("Content-Type", media_type)
            head += f"Content-Type: {media_type}\r\n".encode("latin-1")
        if body or method in _WITH_LENGTH:
            head += b"Content-Length: %d\r\n" % len(body)
        return head + b"\r\n" + body


def _check_value(name: str, value: str) -> None:
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of header {name} holds a line break or another control character")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the value of header {name} holds a character outside Latin-1") from None
