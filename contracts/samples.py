"""Valid values from a schema: what a careful client would send, with names that carry the run's prefix."""

from __future__ import annotations

import base64
import copy
import itertools
import random
import string
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from cdp.contract import Contract
from cdp.prefixes import letters_of

Reference = Callable[[Mapping[str, Any]], Any]
_RANGE = 100_000
_REFERENCES = ("x-entity", "x-value-from", "x-credential")


class Sampler:
    """Builds values for schemas. `reference` resolves the contract's pointers to stored records and credentials; None
    is what it says of a list that may be empty and whose kind of records the target does not have.

    Every text that names a record starts with `prefix`, ids of a narrow form with its letters, so that whatever the run
    leaves behind can be told apart. Processes with a part in one run number their texts each in a range of its own, by
    `share`.
    """

    def __init__(self, contract: Contract, prefix: str, reference: Reference, seed: int, share: int = 0) -> None:
        self.contract = contract
        self.prefix = prefix
        self.reference = reference
        self._number = itertools.count(1 + share * _RANGE)
        self._random = random.Random(seed if not share else f"{seed}/{share}")

    def text(self, name: str = "text") -> str:
        """A new text of the run's own. What is called a URL is one: it leads nowhere (RFC 2606)."""
        if name == "url" or name.endswith("_url"):
            return f"https://example.invalid/{self.prefix}/{name}/{next(self._number)}"
        return f"{self.prefix} {name} {next(self._number)}"

    def body(self, schema: Mapping[str, Any], *, optional: bool = False) -> dict[str, Any]:
        """An object with the required fields, or with all of them."""
        schema = self.contract.resolved(schema)
        if "x-value-from" in schema:
            value = self.reference(schema)
            if isinstance(value, dict):
                return value
        required = schema.get("required", ())
        return {
            name: self.value(field, name)
            for name, field in schema.get("properties", {}).items()
            if name in required or (optional and not any(key in field for key in _REFERENCES))
        }

    def value(self, schema: Mapping[str, Any], name: str = "text") -> Any:
        """A valid value; references are resolved, everything else is made up."""
        schema = self.contract.resolved(schema)
        referred = self._referred(schema) if any(key in schema for key in _REFERENCES) else None
        if referred is not None:
            return referred
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if "enum" in schema:
            return schema["enum"][0]
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema and "properties" not in schema:
                return self.value(schema[key][0], name)
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object" or "properties" in schema:
            return self._object(schema, name)
        if kind == "array":
            return [self.value(schema.get("items", {}), name) for _ in range(max(schema.get("minItems", 0), 0))]
        return self._scalar(schema, kind, name)

    def _referred(self, schema: Mapping[str, Any]) -> Any:
        """What a field refers to, in the field's type; None where nothing is there to refer to."""
        value, kind = self.reference(schema), schema.get("type")
        if kind == "array":
            if value is None:
                return []
            text = self.contract.resolved(schema.get("items", {})).get("type") == "string"
            return [str(value) if text else value]
        if kind == "integer" and isinstance(value, str) and value.isdigit():
            return int(value)
        return str(value) if kind == "string" and value is not None else value

    def _object(self, schema: Mapping[str, Any], name: str) -> dict[str, Any]:
        shown = next((each for each in schema.get("examples", ()) if isinstance(each, dict)), None)
        if shown is not None and not schema.get("required"):
            return copy.deepcopy(shown)  # an empty one may be refused
        if "properties" in schema:
            return self.body(schema)
        return {name: self.text(name)} if name == "payload" else {}

    def _scalar(self, schema: Mapping[str, Any], kind: str | None, name: str) -> Any:
        if kind == "integer":
            return max(schema.get("minimum", 1), 1)
        if kind == "number":
            return 1.5
        if kind == "boolean":
            return False
        return self._text(schema, name)

    def _text(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") == "uuid":
            drawn = uuid.UUID(int=self._random.getrandbits(128), version=4)
            return self.prefix.removeprefix("cdp-") + str(drawn)[8:]
        if schema.get("format") == "email":
            return f"{self.prefix}-{next(self._number)}@example.com"
        if schema.get("format") == "date":
            return "2024-05-17"
        if schema.get("contentMediaType") == "application/json":
            return "{}"
        pattern = schema.get("pattern", "")
        if pattern.startswith("^[a-z]{"):
            return letters_of(self.prefix) + "".join(self._random.choices(string.ascii_lowercase, k=8))
        if pattern.startswith("^[A-Za-z0-9_.:-]"):
            # Which characters an id may hold is assumed: these stand in those of every kind.
            return f"{letters_of(self.prefix)}_{name}_{next(self._number)}"
        if schema.get("examples"):
            return str(schema["examples"][0])
        if name == "password":
            # Servers ask for characters of four kinds, and for nothing of the name or the address in it.
            return "".join(self._random.choices(string.ascii_letters + string.digits, k=16)) + "aA1!"
        if pattern == "^[0-9]+$":
            return "1"
        return self.text(name)


def multipart(fields: Mapping[str, Any], schema: Mapping[str, Any], prefix: str) -> tuple[bytes, str]:
    """Encode a form upload (RFC 7578). Fields with `x-sample-file` become files, their names and the lines of texts
    after the prefix. Returns body and Content-Type."""
    boundary = "cdp-" + "0123456789abcdef" * 2
    parts = []
    for name, described in schema.get("properties", {}).items():
        sample = described.get("x-sample-file")
        if sample:
            if "base64" in sample:
                content = base64.b64decode(sample["base64"])
            else:
                content = "".join(f"{prefix}-{line}\n" for line in sample["text"].split()).encode()
            head = f'Content-Disposition: form-data; name="{name}"; filename="{prefix}-{sample["filename"]}"'
            head += "\r\nContent-Type: application/octet-stream"
        elif name in fields:
            content, head = str(fields[name]).encode(), f'Content-Disposition: form-data; name="{name}"'
        else:
            continue
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
