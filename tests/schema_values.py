"""Values that a schema of the contract takes, drawn at random: every alternative, every optional field, sometimes."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping
from typing import Any

from cdp.contract import Contract

_DEEPEST = 6
_OF_PATTERN: tuple[str, ...] = (
    "2022-09-05 09:35:25.949395",
    "2017-01-01 15:35:00",
    "2018-11-07T10:19:48Z",
    "2023-01-20T10:59:33.378784",
)
_OF_PATTERN += ("web_page.view", "17", "#a1b2c3", "abcdefgh", "string", "0123456789abcdef0123456789abcdef")


def valid_value(contract: Contract, schema: Mapping[str, Any], rng: random.Random, depth: int = 0) -> Any:
    """A value that the schema takes."""
    schema = _merged(contract, schema)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        rest = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
        # Where a structure holds itself the first alternative ends it.
        chosen = alternatives[0] if depth > _DEEPEST else rng.choice(alternatives)
        return valid_value(contract, {"allOf": [rest, chosen]}, rng, depth)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        kind = rng.choice(kind)
    if kind == "object":
        return _object(contract, schema, rng, depth)
    if kind == "array":
        low = schema.get("minItems", 0)
        count = low if depth > _DEEPEST else rng.randint(low, max(low, min(3, schema.get("maxItems", 3))))
        return [valid_value(contract, schema.get("items", {}), rng, depth + 1) for _ in range(count)]
    low = schema.get("minimum", 0)
    plain = {
        "string": lambda: _text(schema, rng),
        "integer": lambda: rng.randint(low, schema.get("maximum", low + 1000)),
        "number": lambda: rng.choice([low + rng.random(), low + rng.randint(0, 9)]),
        "boolean": lambda: rng.random() < 0.5,
        "null": lambda: None,
    }
    return plain[kind]() if kind else rng.choice(["text", 7, None, {"a": 1}])


def _object(contract: Contract, schema: Mapping[str, Any], rng: random.Random, depth: int) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), set(schema.get("required", ()))
    wanted = [n for n in properties if n in required or (depth <= _DEEPEST and rng.random() < 0.5)]
    found = {name: valid_value(contract, properties[name], rng, depth + 1) for name in wanted}
    found |= dict.fromkeys(required - properties.keys(), "more")
    more = schema.get("additionalProperties", True)
    if more and schema.get("maxProperties", 1) and rng.random() < 0.3:
        found["another"] = valid_value(contract, more, rng, depth + 1) if isinstance(more, Mapping) else "value"
    return found


def _text(schema: Mapping[str, Any], rng: random.Random) -> str:
    if schema.get("format") == "uuid":
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    if schema.get("format") in ("email", "date", "uri"):
        return {"email": "ann@example.com", "date": "2024-05-17", "uri": "https://example.com/"}[schema["format"]]
    if "pattern" in schema:
        return rng.choice([text for text in _OF_PATTERN if re.search(schema["pattern"], text)])
    if schema.get("contentMediaType") == "application/json":
        return '{"a": 1}'
    return "".join(rng.choices("abc žluť漢字\n\"'", k=rng.randint(max(1, schema.get("minLength", 1)), 12)))


def _merged(contract: Contract, schema: Mapping[str, Any]) -> dict[str, Any]:
    schema = contract.resolved(schema)
    merged = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema.get("allOf", ()):
        for name, value in _merged(contract, part).items():
            if name == "properties":
                merged[name] = {**merged.get(name, {}), **value}
            elif name == "required":
                merged[name] = [*merged.get(name, ()), *value]
            else:
                merged.setdefault(name, value)
    return merged
