"""One section of the contract in plain OpenAPI 3.0, for tools that know little of 3.1: no references, no extensions, no
lists of types, and for reads the answer of the clean instance as an example."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

import requests

from cdp.contract import Contract
from cdp.targets import Target

_DEADLINE_S = 30.0
_DEPTH = 12  # of references; the few schemas that refer to themselves end there
_BOUNDS = frozenset(("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format"))
_BUILT = frozenset(
    ("type", "properties", "required", "items", "additionalProperties", "allOf", "anyOf", "oneOf", "not")
)
_KEPT = _BOUNDS | _BUILT | {"enum", "nullable", "title", "description", "default", "example"}
_NULL = "null"


def plain(document: Mapping[str, Any], contract: Contract, names: Collection[str]) -> dict[str, Any]:
    """These operations of a bundled document with examples, under their paths from the origin. One that requires what
    no example tells is left out: neither tool can call it."""
    paths: dict[str, Any] = {}
    for name in names:
        operation = contract.operations[name]
        raw = document["paths"][operation.path][operation.method.lower()]
        if callable_by_example(raw):
            paths.setdefault(operation.template, {})[operation.method.lower()] = _operation(document, raw)
    security = {"token": {"type": "apiKey", "in": "header", "name": "X-Access-Token"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "CDP", "version": "1.0.0"},
        "security": [{"token": []}],
        "paths": paths,
        "components": {"securitySchemes": security},
    }


def callable_by_example(raw: Mapping[str, Any]) -> bool:
    """Whether everything that a call requires has an example."""
    parameters = all("example" in p for p in raw.get("parameters", ()) if p.get("required") or p["in"] == "path")
    body = raw.get("requestBody")
    return parameters and (body is None or any("example" in media for media in body["content"].values()))


def with_answers(described: dict[str, Any], target: Target, token: str) -> None:
    """Put the instance's own answers to reads into a plain document, as examples of their responses."""
    for path, item in described["paths"].items():
        raw = item.get("get")
        if raw is None:
            continue
        url = target.origin + path
        for parameter in raw.get("parameters", ()):
            if parameter["in"] == "path":
                url = url.replace(f"{{{parameter['name']}}}", quote(str(parameter["example"]), safe=""))
        query = {p["name"]: p["example"] for p in raw.get("parameters", ()) if p["in"] == "query" and p.get("required")}
        answer = requests.get(url, params=query, headers={"X-Access-Token": token}, timeout=_DEADLINE_S)
        response = raw["responses"].get(str(answer.status_code), {})
        if "json" in answer.headers.get("Content-Type", "") and "application/json" in response.get("content", {}):
            response["content"]["application/json"]["example"] = answer.json()
    for item in described["paths"].values():
        for raw in item.values():
            for response in raw["responses"].values():
                for media in response.get("content", {}).values():
                    if "example" in media:
                        media["example"] = skeleton(media["schema"], media["example"])


def skeleton(told: Mapping[str, Any], value: Any) -> Any:
    """What of an example any right answer has: required fields, one item of a list, no free-form objects."""
    if isinstance(value, list):
        return [skeleton(told.get("items", {}), item) for item in value[:1]]
    if not isinstance(value, dict):
        return value
    parts = [told, *told.get("allOf", ())]
    required = {name for part in parts for name in part.get("required", ())}
    fields = {name: field for part in parts for name, field in part.get("properties", {}).items()}
    return {name: skeleton(fields[name], field) for name, field in value.items() if name in required & set(fields)}


def _operation(document: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: raw[key] for key in ("operationId", "summary", "security") if key in raw}
    parameters = [_parameter(document, p) for p in raw.get("parameters", ()) if p.get("required") or p["in"] == "path"]
    if parameters:
        found["parameters"] = parameters
    if body := raw.get("requestBody"):
        told = {name: media for name, media in body["content"].items() if "example" in media}
        found["requestBody"] = {"required": True, "content": _content(document, told)}
    found["responses"] = {str(s): _response(document, r) for s, r in raw["responses"].items()}
    return found


def _parameter(document: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: raw[key] for key in ("name", "in", "example")}
    return {**told, "required": True, "schema": schema(document, raw.get("schema", {}))}


def _response(document: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    raw = _resolved(document, raw)
    found: dict[str, Any] = {"description": raw.get("description", "")}
    if raw.get("content"):
        found["content"] = _content(document, raw["content"])
    return found


def _content(document: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, media in raw.items():
        found[name] = {"schema": schema(document, media.get("schema", {}))}
        if "example" in media:
            found[name]["example"] = media["example"]
    return found


def _resolved(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def schema(document: Mapping[str, Any], raw: Any, depth: int = 0) -> Any:
    """A schema of 3.1 as 3.0 says it; what 3.0 has no word for is left out, which allows more."""
    if not isinstance(raw, Mapping):
        return raw
    if depth > _DEPTH:
        return {}
    raw = _resolved(document, raw)
    found: dict[str, Any] = {key: value for key, value in raw.items() if key in _KEPT}
    if "const" in raw:
        found["enum"] = [raw["const"]]
    kinds = raw.get("type")
    if isinstance(kinds, list):
        rest = [kind for kind in kinds if kind != _NULL]
        found.pop("type")
        if len(rest) == 1:
            found["type"] = rest[0]
        if _NULL in kinds:
            found["nullable"] = True
    for key in ("allOf", "anyOf", "oneOf"):
        if key in found:
            found[key] = [schema(document, part, depth + 1) for part in found[key]]
    for key in ("items", "not", "additionalProperties"):
        if isinstance(found.get(key), Mapping):
            found[key] = schema(document, found[key], depth + 1)
    if "properties" in found:
        found["properties"] = {name: schema(document, part, depth + 1) for name, part in found["properties"].items()}
    return found


class Plain:
    """The contract in plain OpenAPI 3.0, section by section, with the answers of the instance before any fault."""

    def __init__(self, document: Mapping[str, Any], contract: Contract, target: Target, token: str) -> None:
        self.document, self.contract, self.target, self.token = document, contract, target, token
        self._known: dict[tuple[str, ...], dict[str, Any]] = {}

    def of(self, operations: Collection[str]) -> dict[str, Any]:
        """The document of these operations. Asked for first before any fault; afterwards it is the same."""
        key = tuple(operations)
        if key not in self._known:
            described = plain(self.document, self.contract, operations)
            with_answers(described, self.target, self.token)
            self._known[key] = described
        return self._known[key]
