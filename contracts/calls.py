"""A call: an operation with everything it needs to be sent, before any token is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from cdp.addresses import url_of
from cdp.contract import Operation
from cdp.targets import Target

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call:
    """One request to an operation. `record`: what it is about, where that is known; `sent`: the JSON body before
    encoding."""

    operation: Operation
    path: Mapping[str, str] = field(default_factory=dict)
    query: Query = ()
    body: bytes | None = None
    media_type: str | None = None
    sent: Any = None

    def url(self, target: Target) -> str:
        return url_of(target, self.operation, self.path, self.query)

    def asking(self, *extra: tuple[str, Any], without: Iterable[str] = ()) -> Call:
        """The same call with query parameters added, replacing those of the same name."""
        dropped = {name for name, _ in extra} | set(without)
        kept = tuple((name, value) for name, value in self.query if name not in dropped)
        return replace(self, query=kept + tuple((name, str(value)) for name, value in extra))

    def sending(self, body: Any) -> Call:
        """The same call with another JSON body."""
        return replace(self, body=orjson.dumps(body), media_type="application/json", sent=body)

    def sending_raw(self, body: bytes, media_type: str | None) -> Call:
        return replace(self, body=body, media_type=media_type, sent=None)

    def at(self, **path: str) -> Call:
        """The same call for other path parameters."""
        return replace(self, path={**self.path, **path})


def query_pairs(name: str, value: Any) -> Query:
    """A query parameter; lists are joined by commas."""
    if isinstance(value, list | tuple):
        return ((name, ",".join(map(str, value))),)
    return ((name, str(value)),)
