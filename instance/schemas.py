"""Questions to JSON Schemas: properties, types, defaults, the form of a date, and a smallest value that fits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]

ADDRESS = "urn:cdp:contract"
DATE_TIMES = {
    "DateTimeSpace": "%Y-%m-%d %H:%M:%S",
    "DateTimeZ": "%Y-%m-%dT%H:%M:%SZ",
    "DateTimeMicro": "%Y-%m-%d %H:%M:%S.%f",
    "DateTimeIsoMicro": "%Y-%m-%dT%H:%M:%S.%f",
    "DateTime": "%Y-%m-%d %H:%M:%S",
    "DateTimeSent": "%Y-%m-%d %H:%M:%S",
    "Date": "%Y-%m-%d",
}
NIL_UUID = "00000000-0000-4000-8000-000000000000"


class SchemaBook:
    """The contract's named schemas and what can be asked of a schema that refers to them."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self.schemas = schemas
        document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": {"schemas": schemas}}
        self.registry = jsonschema_rs.Registry([(ADDRESS, document)])

    def validator(self, schema: Schema) -> jsonschema_rs.Validator:
        """A prepared validator; formats are asserted."""
        return jsonschema_rs.Draft202012Validator(schema, registry=self.registry, validate_formats=True)

    def resolve(self, schema: Schema) -> Schema:
        """The schema behind its references."""
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[-1]]
        return schema

    def name(self, schema: Schema) -> str | None:
        """The name of the structure that the schema refers to, `null` alternatives aside."""
        if "$ref" in schema:
            return str(schema["$ref"].rsplit("/", 1)[-1])
        for part in [*schema.get("anyOf", []), *schema.get("allOf", [])]:
            found = self.name(part)
            if found:
                return found
        return None

    def properties(self, schema: Schema) -> dict[str, Schema]:
        """The properties of an object schema, those of its `allOf` parts included."""
        schema = self.resolve(schema)
        found: dict[str, Schema] = {}
        for part in schema.get("allOf", []):
            found.update(self.properties(part))
        for part in schema.get("anyOf", []):
            for name, inner in self.properties(part).items():
                found.setdefault(name, inner)
        found.update(schema.get("properties", {}))
        return found

    def required(self, schema: Schema) -> set[str]:
        """The properties that an object must have."""
        schema = self.resolve(schema)
        found = set(schema.get("required", []))
        for part in schema.get("allOf", []):
            found |= self.required(part)
        return found

    def types(self, schema: Schema) -> set[str]:
        """The JSON types that the schema allows; empty = not said."""
        schema = self.resolve(schema)
        kind = schema.get("type")
        if isinstance(kind, str):
            return {kind}
        if isinstance(kind, list):
            return set(kind)
        found: set[str] = set()
        for part in [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]:
            found |= self.types(part)
        if not found and "enum" in schema:
            found = {_type_of(value) for value in schema["enum"]}
        return found

    def kind(self, schema: Schema) -> str:
        """The one type of the schema, `null` aside; `any` where it has none or several."""
        types = self.types(schema) - {"null"}
        return next(iter(types)) if len(types) == 1 else "any"

    def nullable(self, schema: Schema) -> bool:
        """Whether null fits."""
        return "null" in self.types(schema)

    def default(self, schema: Schema) -> tuple[bool, Any]:
        """Whether the schema has a default, and which."""
        while True:
            if "default" in schema:
                return True, schema["default"]
            for part in schema.get("allOf", []):
                found, value = self.default(part)
                if found:
                    return True, value
            if "$ref" not in schema:
                return False, None
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[-1]]

    def enum(self, schema: Schema) -> list[Any] | None:
        """The allowed values, where they are listed."""
        schema = self.resolve(schema)
        if "enum" in schema:
            return list(schema["enum"])
        for part in schema.get("allOf", []):
            found = self.enum(part)
            if found is not None:
                return found
        return None

    def date_form(self, schema: Schema) -> str | None:
        """The `strftime` form of a date or date-time schema, None for every other schema."""
        return DATE_TIMES.get(self.name(schema) or "")

    def write_date(self, schema: Schema, moment: datetime) -> str:
        """A moment (UTC) in the form that the schema asks for."""
        return moment.strftime(self.date_form(schema) or DATE_TIMES["DateTimeSpace"])

    def smallest(self, schema: Schema) -> Any:
        """The plainest value that fits: null where allowed, else an example, the first of an enum, or nothing much."""
        found, default = self.default(schema)
        if found:
            return default
        if self.nullable(schema):
            return None
        schema = self.resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        for part in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
            return self.smallest(part)
        kind = self.kind(schema)
        if kind == "object":
            required = self.required(schema)
            return {name: self.smallest(inner) for name, inner in self.properties(schema).items() if name in required}
        if schema.get("examples"):
            return schema["examples"][0]
        if kind == "array":
            return [self.smallest(schema["items"])] * int(schema.get("minItems", 0))
        if kind in ("integer", "number"):
            return schema.get("minimum", 0)
        if kind == "boolean":
            return False
        if schema.get("format") == "uuid":
            return NIL_UUID
        return "" if kind != "string" else "x" * int(schema.get("minLength", 0))


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
