"""From a drawn JSON body to one that may be sent: what names a record or refers to one is the run's own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import orjson

from cdp.contract import Contract, Operation
from contracts.applicability import text_fields
from contracts.books import naming_field
from contracts.samples import Sampler

_REFERENCES = ("x-entity", "x-value-from", "x-credential")
_MEANS_MORE = "x-more-than-schema"
_JSON_TEXT = "contentMediaType"
_MARK = "deleted"  # a record that is put into the trash is not there for the next request
_SAFE_INTEGERS = range(-(2**53) + 1, 2**53)
_MISSING: Any = object()


class DrawnBodies:
    """Makes drawn bodies the run's own."""

    def __init__(self, contract: Contract, sampler: Sampler) -> None:
        self.contract = contract
        self.sampler = sampler
        self._number = itertools.count(1)

    def sendable(self, operation: Operation, drawn: Any, sent: Any) -> Any:
        """The drawn body with references and credentials of the valid one (`sent`), under a name of the run's."""
        owned = self._owned(operation.body_schema or {}, drawn, sent if isinstance(sent, dict) else {})
        if isinstance(owned, dict):
            owned = {name: value for name, value in owned.items() if name != _MARK} | self._names(operation, owned)
        return owned

    def doubtful(self, operation: Operation, body: Any) -> bool:
        """Whether a body that fits the schema may still be refused with reason, for what the schema cannot say."""
        return self._doubtful(operation.body_schema or {}, body)

    def plain(self, operation: Operation, sent: Any) -> dict[str, Any] | None:
        """A body with those of the sent fields that the documents tell of, and with values that a careful client would
        choose; None where it would hold nothing but what the valid call holds, too."""
        schema = self.contract.resolved(operation.body_schema or {})
        if not isinstance(sent, dict) or operation.provenance == "assumed":
            return None
        found, required = {}, set(schema.get("required", ()))
        for name, raw in properties_of(self.contract, schema).items():
            field = self.contract.resolved(raw)
            if name not in required and (name not in sent or field.get("x-provenance") == "assumed"):
                continue
            refers = any(key in field for key in _REFERENCES)
            if refers and name not in sent:
                return None
            found[name] = sent[name] if refers else self.sampler.value(raw, name)
        return found if found.keys() - required else None

    def _owned(self, schema: Mapping[str, Any], drawn: Any, sent: Any) -> Any:
        """References are left out where the valid body has none; what cannot be taken for one may stay."""
        schema = self.contract.resolved(schema)
        if any(key in schema for key in _REFERENCES):
            harmless = drawn is None or isinstance(drawn, dict)
            return drawn if harmless and not fits(schema, drawn) else sent
        if isinstance(drawn, dict):
            properties = properties_of(self.contract, schema)
            known = sent if isinstance(sent, dict) else {}
            found = {}
            for name, value in drawn.items():
                owned = self._owned(properties[name], value, known.get(name, _MISSING)) if name in properties else value
                if owned is not _MISSING:
                    found[name] = owned
            return found
        if isinstance(drawn, list):
            items = [self._owned(items_of(self.contract, schema), value, _MISSING) for value in drawn]
            return [item for item in items if item is not _MISSING]
        return drawn

    def _names(self, operation: Operation, body: Mapping[str, Any]) -> dict[str, Any]:
        """What names and identifies a record: texts carry the run's prefix and a number, ids are made anew."""
        properties = properties_of(self.contract, operation.body_schema or {})
        names = [naming_field(self.contract, operation), *text_fields(self.contract, operation)[:1]]
        found = {}
        for name in dict.fromkeys(["id", "email", *names]):
            field = self.contract.resolved(properties.get(name, {}))
            if not isinstance(body.get(name), str) or any(key in field for key in (*_REFERENCES, _JSON_TEXT)):
                continue
            if {"format", "pattern", "enum"} & set(field):
                if fits(field, body[name]):
                    found[name] = self.sampler.value(field, name)
            else:
                found[name] = f"{self.sampler.prefix} {next(self._number)} {body[name]}"
        return found

    def _doubtful(self, schema: Mapping[str, Any], value: Any) -> bool:
        schema = self.contract.resolved(schema)
        if _MEANS_MORE in schema:
            return bool(value)
        if _JSON_TEXT in schema and isinstance(value, str):
            return not _is_json_object(value)
        if isinstance(value, dict):
            properties = properties_of(self.contract, schema)
            return any(self._doubtful(properties[name], each) for name, each in value.items() if name in properties)
        if isinstance(value, list):
            return any(self._doubtful(items_of(self.contract, schema), each) for each in value)
        return False


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is of the type that the schema itself names."""
    kinds = schema.get("type", ())
    named = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    kind = "null" if value is None else named[type(value)]
    return not kinds or kind in ([kinds] if isinstance(kinds, str) else kinds)


def properties_of(contract: Contract, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Described fields of an object, those of its alternatives among them."""
    schema = contract.resolved(schema)
    found: dict[str, Any] = {}
    for key in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(key, ()):
            found |= properties_of(contract, part)
    return found | dict(schema.get("properties", {}))


def items_of(contract: Contract, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Schema of an array's items; an empty one where none is described."""
    schema = contract.resolved(schema)
    if isinstance(schema.get("items"), Mapping):
        return dict(schema["items"])
    parts = (part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ()))
    return next((items for part in parts if (items := items_of(contract, part))), {})


def interoperable(value: Any) -> bool:
    """Whether every JSON implementation can hold the value, and no server has a reason to refuse its texts."""
    if isinstance(value, str):
        return value.isprintable() or not any(_odd(character) for character in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value in _SAFE_INTEGERS
    if isinstance(value, dict):
        return all(interoperable(key) and interoperable(each) for key, each in value.items())
    return all(map(interoperable, value)) if isinstance(value, list) else True


def _odd(character: str) -> bool:
    return ord(character) < 32 or 0x7F <= ord(character) < 0xA0 or 0xD800 <= ord(character) < 0xE000


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
