"""From method and path to operation. Fixed segments win over parameters, whatever comes after them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from instance.contract import Operation


class _Node:
    __slots__ = ("fixed", "methods", "parameter")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, Any] = {}


class Router:
    """All routes: those of the API below `/api`, those of the host itself at the root."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            prefix = "/api" if operation.base == "api" else ""
            self._add(prefix + operation.path, operation)
            # The one documented path with a slash at its end is taken without it too.
            if operation.path.endswith("/"):
                self._add((prefix + operation.path).rstrip("/"), operation)

    def _add(self, path: str, operation: Operation) -> None:
        node = self._root
        for part in path.split("/")[1:]:
            if part.startswith("{"):
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(part, _Node())
        if operation.method in node.methods:
            raise ValueError(f"two operations at {operation.method} {path}")
        node.methods[operation.method] = operation

    def find(self, raw_path: bytes) -> tuple[dict[str, Operation], list[str]] | None:
        """The operations at a path by method, and the path's parameters in order; None for an unknown path.

        `raw_path` is percent-encoded as it was sent, so that an encoded slash stays inside its segment.
        """
        try:
            parts = raw_path.decode("ascii").split("/")[1:]
            if b"%" in raw_path:
                parts = [unquote_to_bytes(part).decode() if "%" in part else part for part in parts]
        except UnicodeDecodeError:
            return None
        values: list[str] = []
        node = _walk(self._root, parts, 0, values)
        return None if node is None else (node.methods, values)


def _walk(node: _Node, parts: list[str], index: int, values: list[str]) -> _Node | None:
    if index == len(parts):
        return node if node.methods else None
    part = parts[index]
    fixed = node.fixed.get(part)
    if fixed is not None:
        found = _walk(fixed, parts, index + 1, values)
        if found is not None:
            return found
    if node.parameter is not None and part:
        values.append(part)
        found = _walk(node.parameter, parts, index + 1, values)
        if found is not None:
            return found
        values.pop()
    return None
