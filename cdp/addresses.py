"""Where an operation stands on a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cdp.contract import Operation
from cdp.targets import Target


def url_of(
    target: Target, operation: Operation, path: Mapping[str, Any] | None = None, query: Iterable[tuple[str, Any]] = ()
) -> str:
    """The full URL of a call: path parameters and query are percent-encoded."""
    template = operation.path
    for name, value in (path or {}).items():
        template = template.replace("{" + name + "}", quote(str(value), safe=""))
    base = target.origin if operation.base == "origin" else target.base_url
    asked = urlencode(list(query))
    return base + template + ("?" + asked if asked else "")


def path_of(
    target: Target, operation: Operation, path: Mapping[str, Any] | None = None, query: Iterable[tuple[str, Any]] = ()
) -> str:
    """The same from the origin on, as it stands in a request line; what is left open in braces stays open."""
    parts = urlsplit(target.origin)
    return url_of(target, operation, path, query)[len(f"{parts.scheme}://{parts.netloc}") :]
