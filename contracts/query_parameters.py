"""Whether query parameters are what the contract says, judged by the text that is really sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs

from cdp.contract import Contract, Operation, Parameter

_INTEGER = re.compile(r"-?[0-9]{1,100}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][-+]?[0-9]{1,3})?\Z")
_SURE = {"limit": range(1, 501), "offset": range(10_000)}  # 500 is known to be asked for
_BOOLEANS = {"true": True, "false": False}


class QueryParameters:
    """The query parameters of a contract's operations."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._validators: dict[tuple[str, str], jsonschema_rs.Validator] = {}

    def wrong(self, operation: Operation, query: Iterable[tuple[str, str]]) -> frozenset[str]:
        """Names of the parameters that are given wrongly, more than once, or not at all where they have to be. Those
        that the contract does not know are not among them, nor empty ones that may be left out."""
        given: dict[str, list[str]] = {}
        for name, text in query:
            given.setdefault(name, []).append(text)
        return frozenset(
            parameter.name
            for parameter in operation.query_parameters
            if not self._fine(operation, parameter, given.get(parameter.name, []))
        )

    def doubtful(self, operation: Operation, query: Iterable[tuple[str, str]]) -> bool:
        """Whether a query that fits the schemas may still be refused: no page names the largest limit and offset, says
        that nothing can be asked for, or lists the columns that can be sorted by."""
        for name, text in query:
            parameter = operation.query(name)
            if parameter is None:
                continue
            if name == "order_by":
                schema = self.contract.resolved(parameter.schema)
                if schema.get("x-provenance") == "assumed" and text not in schema.get("examples", ()):
                    return True
            elif name in _SURE and _INTEGER.match(text) and int(text) not in _SURE[name]:
                return True
        return False

    def _fine(self, operation: Operation, parameter: Parameter, texts: list[str]) -> bool:
        if not texts:
            return not parameter.required
        if texts == [""] and not parameter.required:
            return True  # clients are seen to send empty ones that ask for nothing
        schema = self.contract.resolved(parameter.schema)
        kinds = self._kinds(schema)
        if "array" in kinds:
            items = schema.get("items", {})
            found: Any = [_value(self._kinds(items), each) for text in texts for each in text.split(",") if each]
        elif len(texts) > 1:
            return False
        else:
            # Lower case is not said to be wrong where words in upper case are wanted.
            text = texts[0].upper() if texts[0].upper() in schema.get("enum", ()) else texts[0]
            found = _value(kinds, text)
        return self._validator(operation, parameter).is_valid(found)

    def _kinds(self, schema: Mapping[str, Any]) -> set[str]:
        """Types that a schema, or what it is made of, names."""
        schema = self.contract.resolved(schema)
        kinds = schema.get("type", ())
        parts = (part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ()))
        return {kinds} if isinstance(kinds, str) else set(kinds).union(*(self._kinds(part) for part in parts))

    def _validator(self, operation: Operation, parameter: Parameter) -> jsonschema_rs.Validator:
        key = operation.id, parameter.name
        if key not in self._validators:
            self._validators[key] = self.contract.validator(parameter.schema)
        return self._validators[key]


def _value(kinds: set[str], text: str) -> Any:
    """A text as a server reads it that knows the type; the text itself where it cannot be read so."""
    if "integer" in kinds and _INTEGER.match(text):
        return int(text)
    if "number" in kinds and _NUMBER.match(text):
        return float(text)
    if "boolean" in kinds:
        return _BOOLEANS.get(text.lower(), text)
    return text
