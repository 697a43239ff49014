"""JSON in the strict sense of RFC 8259 and I-JSON (RFC 7493): what every body has to be (MEDIA-02)."""

from __future__ import annotations

import json
from typing import Any


def strictness(body: bytes) -> str:
    """What keeps a body from being JSON in the sense of RFC 8259 and I-JSON; empty when nothing does."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start}"

    def no_constant(name: str) -> Any:
        raise ValueError(f"{name} is no JSON number")

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [n for n, _ in pairs]
            raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice")
        return found

    try:
        json.loads(text, parse_constant=no_constant, object_pairs_hook=no_duplicates)
    except RecursionError:
        return "nested too deeply to be read"
    except ValueError as error:
        return str(error)
    return ""
