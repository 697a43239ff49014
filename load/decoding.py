"""Decoders built from the contract: one pass over a body tells what is in it and whether it has the contract's shape.

JSON Schema says more than msgspec's types can. What is left over (`Decoder.left_out`: patterns and formats, conditions
over several alternatives of objects, recursive structures) is held against a full validator on a sample of the answers
(`load.sampling`). The other way round msgspec is stricter in one point, 1.0 is no integer for it; so whatever it
refuses is shown to the full validator before it is called a violation. That costs only where something is wrong.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, Union

import jsonschema_rs
import msgspec
from msgspec import UNSET, Meta, UnsetType

from cdp.contract import Contract, Operation

Schema = Mapping[str, Any]
# Keywords that say nothing about which values are valid.
_SILENT = frozenset({"type", "description", "examples", "default", "title", "deprecated", "$ref", "contentMediaType"})
_LENGTHS = {"minLength": "min_length", "maxLength": "max_length"}
_COUNTS = {"minItems": "min_length", "maxItems": "max_length"}
_BOUNDS = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
_PLAIN: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_INDEX = re.compile(r"\[\d+\]")
_TELLING = re.compile(
    r"(Expected `[^`]*`(, got `[^`]*`)?( (of length )?(>=|<=|>|<) -?[\d.]+)?|Object missing required field `[^`]*`)"
    r"( - at `([^`]*)`)?",
    re.DOTALL,
)
_ENUM, _UNKNOWN = "Invalid enum value", "Object contains unknown field"
_PLACE = re.compile(r" - at `([^`]*)`\Z")


class WrongShape(ValueError):
    """A body that is not of the contract's shape; the message is one line that names fields, and none of its values."""


class NotJson(ValueError):
    """A body that cannot be read as JSON."""


class Decoder:
    """Decodes the bodies of one kind of answer. `left_out` names the places and keywords that it does not check."""

    def __init__(self, contract: Contract, schema: Schema) -> None:
        shapes = _Shapes(contract)
        self.type: Any = shapes.type_of(schema, "$")
        self.left_out = tuple(shapes.left_out)
        self._validator = contract.validator(schema)
        self.strict: Callable[[bytes], Any] = msgspec.json.Decoder(self.type).decode

    def __call__(self, body: bytes) -> Any:
        """The decoded body: objects are structures with the contract's fields (see `attribute`), UNSET where a field
        that may be missing is. Raises WrongShape or NotJson."""
        try:
            return self.strict(body)
        except msgspec.ValidationError as error:
            return self._second_opinion(body, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise NotJson("the body is no JSON") from None

    def _second_opinion(self, body: bytes, refusal: str) -> Any:
        """What the full validator says of a refused body: the decoded body where it takes it."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):  # msgspec had not read on
            raise NotJson("the body is no JSON") from None
        if self._validator.is_valid(value):
            with suppress(msgspec.ValidationError):  # a number that no computer has
                return msgspec.convert(_whole(value), self.type)
        raise WrongShape(_without_values(refusal))

    def problem(self, value: Any) -> str:
        """What the full validator has against a body, decoded by a JSON parser, in one line without any of its values;
        empty when nothing."""
        if self._validator.is_valid(value):
            return ""
        error = next(iter(self._validator.iter_errors(value)), None)
        if error is None:
            return ""
        path = "".join(f".{part}" if isinstance(part, str) else "[...]" for part in _known(error.instance_path, self))
        return f"{_keyword(error)} does not hold - at `${path}`"


def decoders(contract: Contract, operation: Operation) -> dict[int, Decoder]:
    """A decoder for each success status of an operation that has a body described."""
    found = {}
    for status in operation.responses:
        schema = operation.response_schema(status)
        if 200 <= status < 300 and schema is not None:
            found[status] = Decoder(contract, schema)
    return found


def attribute(name: str) -> str:
    """The attribute of a decoded object that holds this field."""
    if name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__"):
        return name
    return "field_" + name.encode().hex()


def _whole(value: Any) -> Any:
    """A JSON value with 1.0 written as 1, which JSON Schema takes for an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def _without_values(message: str) -> str:
    """msgspec's message without positions and without anything that came from the body."""
    found = _TELLING.match(message)
    if found:
        text = found.group(0)
    else:
        start = next((known for known in (_ENUM, _UNKNOWN) if message.startswith(known)), "Not of the contract's shape")
        place = _PLACE.search(message)
        text = start + (place.group(0) if place else "")
    return " ".join(_INDEX.sub("[...]", text).split())[:200]


def _keyword(error: jsonschema_rs.ValidationError) -> str:
    parts = [part for part in error.schema_path if isinstance(part, str)]
    return parts[-1] if parts else "the schema"


def _known(path: list[str | int], decoder: Decoder) -> list[str | int]:
    """The start of a path that names fields of the contract only: keys of free objects are the target's own words."""
    known: list[str | int] = []
    here = decoder.type
    for part in path:
        here = _below(here, part)
        if here is None:
            return known
        known.append(part)
    return known


def _below(kind: Any, part: str | int) -> Any:
    """The type of a field or an element; None when it is no part of the contract."""
    for choice in _choices(kind):
        if isinstance(part, int) and getattr(choice, "__origin__", None) is list:
            return choice.__args__[0]
        if isinstance(part, str) and isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            field = next((f for f in msgspec.structs.fields(choice) if f.encode_name == part), None)
            if field is not None:
                return field.type
    return None


def _choices(kind: Any) -> list[Any]:
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    if getattr(kind, "__origin__", None) is Union:
        return [inner for choice in kind.__args__ for inner in _choices(choice)]
    return [kind]


class _Shapes:
    """Translates schemas into msgspec's types, and notes what they leave out."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.left_out: dict[str, None] = {}
        self._under_way: list[str] = []

    def type_of(self, schema: Schema, place: str) -> Any:
        """The narrowest type that takes every value of the schema."""
        reference = schema.get("$ref")
        if reference and len(schema.keys() - {"$ref", "description"}) == 0:
            return self._referenced(reference, place)
        return self._plain_type(self._merged(self.contract.resolved(schema), place), place)

    def _referenced(self, reference: str, place: str) -> Any:
        """A named structure, translated once; a recursive one is not followed."""
        if reference in self._under_way:
            return self._leave(place, "recursive", Any)
        self._under_way.append(reference)
        try:
            return self._plain_type(self._merged(self.contract.resolved({"$ref": reference}), place), place)
        finally:
            self._under_way.pop()

    def _leave(self, place: str, what: str, kind: Any) -> Any:
        self.left_out[f"{place}: {what}"] = None
        return kind

    def _merged(self, schema: Schema, place: str) -> dict[str, Any]:
        """A schema with its allOf taken in: properties and requirements of objects are joined."""
        merged: dict[str, Any] = {name: value for name, value in schema.items() if name != "allOf"}
        for part in schema.get("allOf", ()):
            part = self._merged(self.contract.resolved(part), place)
            for name, value in part.items():
                if name == "properties":
                    merged[name] = {**merged.get(name, {}), **value}
                elif name == "required":
                    merged[name] = [*merged.get(name, ()), *value]
                elif name not in merged:
                    merged[name] = value
                elif merged[name] != value and name not in _SILENT and not name.startswith("x-"):
                    self._leave(place, name, None)
        return merged

    def _plain_type(self, schema: Schema, place: str) -> Any:
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            if all(v is None or type(v) in (str, int) for v in values):
                return Literal[tuple(values)]
            return self._leave(place, "enum", Any)
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if alternatives:
            if "oneOf" in schema:
                self._leave(place, "oneOf", None)
            if "properties" not in schema:
                return self._alternatives(alternatives, place)
            self._leave(place, "anyOf", None)
        kinds = schema.get("type")
        if kinds is None:
            known = schema.keys() - _SILENT
            left = sorted(name for name in known if not name.startswith("x-"))
            return self._leave(place, ", ".join(left), Any) if left else Any
        names = kinds if isinstance(kinds, list) else [kinds]
        return self._union([self._of_kind(name, schema, place) for name in names], place)

    def _alternatives(self, alternatives: list[Schema], place: str) -> Any:
        return self._union([self.type_of(each, place) for each in alternatives], place)

    def _union(self, kinds: list[Any], place: str) -> Any:
        """One of several types, as far as msgspec can tell them apart by the form of the value."""
        flat = list(dict.fromkeys(choice for kind in kinds for choice in _flat(kind)))
        if Any in flat:
            return Any
        united: Any = Union[tuple(flat)]  # noqa: UP007 - made at run time
        try:
            msgspec.json.Decoder(united)
        except TypeError:
            return self._leave(place, "anyOf", Any)
        return united

    def _of_kind(self, name: str, schema: Schema, place: str) -> Any:
        if name == "object":
            return self._object(schema, place)
        if name == "array":
            items = schema.get("items")
            kind: Any = list[self.type_of(items, place + "[...]")] if items else list[Any]  # type: ignore[misc]
            self._note(schema, place, {"items", *_COUNTS})
            return _bounded(kind, schema, _COUNTS)
        if name == "string":
            self._note(schema, place, set(_LENGTHS))
            return _bounded(str, schema, _LENGTHS)
        if name in ("integer", "number"):
            self._note(schema, place, set(_BOUNDS))
            return _bounded(_PLAIN[name], schema, _BOUNDS)
        return _PLAIN[name]

    def _note(self, schema: Schema, place: str, known: set[str]) -> None:
        """Note the keywords of a schema that its type does not check. Those of other kinds of values do not count."""
        if isinstance(schema.get("type"), list):
            known = known | {"properties", "required", "additionalProperties", "items", *_COUNTS, *_LENGTHS, *_BOUNDS}
        for name in schema:
            if name not in known and name not in _SILENT and not name.startswith("x-"):
                self._leave(place, name, None)

    def _object(self, schema: Schema, place: str) -> Any:
        self._note(schema, place, {"properties", "required", "additionalProperties", "anyOf", "oneOf"})
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        required = set(schema.get("required", ()))
        if required - properties.keys():
            properties = {**properties, **{name: {} for name in required - properties.keys()}}
        if not properties:
            if isinstance(more, Mapping):
                return dict[str, self.type_of(more, place + "[...]")]  # type: ignore[misc]
            return dict[str, Any] if more else self._leave(place, "additionalProperties", dict[str, Any])
        if isinstance(more, Mapping) and more:
            self._leave(place, "additionalProperties", None)
        needed, optional = [], []
        for name, field in properties.items():
            kind = self.type_of(field, f"{place}.{name}")
            if name in required:
                needed.append((attribute(name), kind))
            else:
                optional.append((attribute(name), kind if kind is Any else Union[kind, UnsetType], UNSET))  # noqa: UP007
        return msgspec.defstruct(
            "Object",
            [*needed, *optional],
            rename={attribute(name): name for name in properties},
            forbid_unknown_fields=more is False,
            gc=False,
        )


def _flat(kind: Any) -> tuple[Any, ...]:
    return kind.__args__ if getattr(kind, "__origin__", None) is Union else (kind,)


def _bounded(kind: Any, schema: Schema, names: Mapping[str, str]) -> Any:
    """A type with the schema's bounds."""
    bounds = {word: schema[name] for name, word in names.items() if name in schema}
    return Annotated[kind, Meta(**bounds)] if bounds else kind
