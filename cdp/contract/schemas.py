"""Validators of a contract's schemas. They share its components: with a copy of them each takes megabytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

_ADDRESS = "urn:cdp:contract"


class Schemas:
    """What the schemas of one document may refer to."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._registry = jsonschema_rs.Registry([(_ADDRESS, {"components": document["components"]})])

    def validator(self, schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
        """The validator of a schema of the document; formats are asserted."""
        return jsonschema_rs.Draft202012Validator(_addressed(schema), registry=self._registry, validate_formats=True)


def _addressed(node: Any) -> Any:
    """A schema whose references name the document, too, instead of the schema that they stand in."""
    if isinstance(node, Mapping):
        own = {name: _addressed(value) for name, value in node.items() if name != "$ref"}
        return own | ({"$ref": _ADDRESS + node["$ref"]} if "$ref" in node else {})
    return [_addressed(value) for value in node] if isinstance(node, list) else node
