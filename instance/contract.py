"""The contract as the server needs it: operations with their rules, schemas ready for validation.

The files are read as they stand in `contracts/openapi`; references between them become references into one
document with the address `urn:cdp:contract`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from instance.entities import EntityBook
from instance.schemas import Schema, SchemaBook

ROOT = Path(__file__).resolve().parent.parent / "contracts" / "openapi" / "openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")
EXPORT_PATTERN = re.compile(r"segments/export/[0-9]+\Z")
EXPORT_PLACEHOLDER = "segments/export/EXPORT_DESTINATION_ID"


class ContractError(Exception):
    """The contract files cannot be read or do not fit together."""


@dataclass(slots=True)
class Parameter:
    """A query or path parameter. `kind` is the schema's type: integer, number, boolean, string or array."""

    name: str
    required: bool
    schema: Schema
    kind: str
    item_kind: str
    entity: str | None
    has_default: bool
    default: Any
    validator: jsonschema_rs.Validator | None


@dataclass(slots=True)
class Collection:
    """What a list operation says of its answer; `key` None = a bare array."""

    key: str | None
    paging: bool
    timestamp: str | None
    timestamp_provenance: str = ""


@dataclass(slots=True)
class Operation:
    """One operation of the contract."""

    id: str
    method: str
    path: str
    base: str
    section: str
    auth: str
    safety: str
    features: frozenset[str]
    features_mode: str
    extra_access: str | None
    entity: str | None
    action: str | None
    collection: Collection | None
    item_key: str | None
    has_item: bool
    sub_entities: dict[str, dict[str, str]]
    path_parameters: list[Parameter]
    query_parameters: dict[str, Parameter]
    body_required: bool
    body_media: str | None
    body_schema: Schema | None
    status: int
    answer: Schema | None
    item_schema: Schema | None
    settings_schema: Schema | None
    raw: dict[str, Any] = field(repr=False)
    _validator: Callable[[], jsonschema_rs.Validator] | None = field(default=None, repr=False)

    @property
    def body_validator(self) -> jsonschema_rs.Validator:
        """The prepared validator of the request body."""
        assert self._validator is not None
        return self._validator()

    def allows(self, features: frozenset[str]) -> bool:
        """Whether a role with these features may call the operation (extra access aside)."""
        mode = self.features_mode
        if mode == "anyOf":
            if not self.features.isdisjoint(features):
                return True
            return EXPORT_PLACEHOLDER in self.features and any(EXPORT_PATTERN.match(name) for name in features)
        if mode == "allOf":
            return self.features <= features
        return True


class Contract:
    """All operations, by id and in file order, and the schemas they use."""

    def __init__(self, root: Path = ROOT) -> None:
        """Read the contract. Raises `ContractError` if a file is missing, broken or refers to nothing."""
        self.root = root
        documents = _read(root)
        self.book = SchemaBook(_components(documents))
        self.operations: dict[str, Operation] = {}
        for path, item in _paths(documents):
            base = "origin" if item.get("servers") else "api"
            shared = item.get("parameters", [])
            for method in METHODS:
                if method in item:
                    operation = self._operation(path, method, base, shared, item[method])
                    self.operations[operation.id] = operation
        if not self.operations:
            raise ContractError(f"{root}: no operations")
        self.features: frozenset[str] = frozenset(
            name for operation in self.operations.values() for name in operation.features
        )
        self.entities = EntityBook(self)

    def of_entity(self, entity: str, action: str | None = None) -> list[Operation]:
        """Operations that concern an entity, in file order."""
        return [
            operation
            for operation in self.operations.values()
            if operation.entity == entity and (action is None or operation.action == action)
        ]

    def _operation(
        self, path: str, method: str, base: str, shared: list[dict[str, Any]], raw: dict[str, Any]
    ) -> Operation:
        parameters = [self._parameter(entry) for entry in [*shared, *raw.get("parameters", [])]]
        required = raw.get("x-required-features") or {"none": True}
        mode = next(iter(required))
        names = required[mode] if isinstance(required[mode], list) else []
        entity = raw.get("x-entity") or {}
        listed = raw.get("x-collection")
        status, answer = _success(raw)
        media, body_schema = _body(raw)
        collection = _collection(listed)
        item_key = raw.get("x-item-key")
        has_item = "x-item-key" in raw
        item, settings = self._parts(answer, collection, item_key, has_item)
        build: Callable[[], jsonschema_rs.Validator] | None = None
        if body_schema is not None:
            schema = body_schema
            build = lru_cache(maxsize=1)(lambda: self.book.validator(schema))
        return Operation(
            id=raw["operationId"],
            method=method.upper(),
            path=path,
            base=base,
            section=raw.get("x-section", ""),
            auth=raw.get("x-auth", "token"),
            safety=raw.get("x-safety", "read"),
            features=frozenset(names),
            features_mode=mode,
            extra_access=(raw.get("x-extra-access") or {}).get("kind"),
            entity=entity.get("name"),
            action=entity.get("action"),
            collection=collection,
            item_key=item_key,
            has_item=has_item,
            sub_entities=raw.get("x-sub-entities") or {},
            path_parameters=sorted(
                (parameter for place, parameter in parameters if place == "path"),
                key=lambda parameter: path.index("{" + parameter.name + "}"),
            ),
            query_parameters={parameter.name: parameter for place, parameter in parameters if place == "query"},
            body_required=bool((raw.get("requestBody") or {}).get("required")),
            body_media=media,
            body_schema=body_schema,
            status=status,
            answer=answer,
            item_schema=item,
            settings_schema=settings,
            raw=raw,
            _validator=build,
        )

    def _parts(
        self, answer: Schema | None, collection: Collection | None, item_key: str | None, has_item: bool
    ) -> tuple[Schema | None, Schema | None]:
        """The schema of one record and that of `selection_settings` within an answer."""
        if answer is None:
            return None, None
        properties = self.book.properties(answer)
        if collection is not None:
            array = answer if collection.key is None else properties.get(collection.key, {})
            return self.book.resolve(array).get("items"), properties.get("selection_settings")
        if has_item:
            return (answer if item_key is None else properties.get(item_key)), None
        return None, None

    def _parameter(self, raw: dict[str, Any]) -> tuple[str, Parameter]:
        schema = raw["schema"]
        kind = self.book.kind(schema)
        items = self.book.resolve(schema).get("items", {"type": "string"}) if kind == "array" else {}
        found, default = self.book.default(schema)
        place = raw["in"]
        return place, Parameter(
            name=raw["name"],
            required=bool(raw.get("required")),
            schema=schema,
            kind=kind,
            item_kind=self.book.kind(items) if items else "string",
            entity=raw.get("x-entity"),
            has_default=found,
            default=default,
            validator=self.book.validator(schema) if place == "query" else None,
        )


def _collection(raw: dict[str, Any] | None) -> Collection | None:
    if not raw:
        return None
    known = raw.get("timestamp"), raw.get("timestamp-provenance", "")
    return Collection(raw.get("key"), bool(raw.get("paging")), *known)


def _success(raw: dict[str, Any]) -> tuple[int, Schema | None]:
    for status, response in raw.get("responses", {}).items():
        if str(status).startswith("2"):
            content = response.get("content") or {}
            return int(status), (content.get("application/json") or {}).get("schema")
    raise ContractError(f"{raw.get('operationId')}: no 2xx answer")


def _body(raw: dict[str, Any]) -> tuple[str | None, Schema | None]:
    content = (raw.get("requestBody") or {}).get("content") or {}
    for media, entry in content.items():
        return media, entry.get("schema")
    return None, None


def _read(root: Path) -> dict[Path, Any]:
    """Every file reachable from the root, by its path, with references rewritten to the one address."""
    documents: dict[Path, Any] = {}
    waiting = [root.resolve()]
    while waiting:
        path = waiting.pop()
        if path in documents:
            continue
        try:
            with path.open("rb") as file:
                document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except (OSError, yaml.YAMLError) as error:
            raise ContractError(f"{path}: {error}") from error
        documents[path] = document
        waiting.extend(_targets(document, path))
    return documents


def _targets(node: Any, path: Path) -> Iterator[Path]:
    """The files that a document refers to. Schema references are rewritten on the way."""
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            file, _, pointer = reference.partition("#")
            target = Path(os.path.normpath(path.parent / file)) if file else path
            node["$ref"] = f"urn:cdp:contract#/components/schemas/{pointer.rsplit('/', 1)[-1]}"
            # Path items and shared responses are looked up by file and pointer, never by schema name.
            node["x-target"] = (target, pointer)
            yield target
        for key, value in node.items():
            if key != "x-target":
                yield from _targets(value, path)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value, path)


def _components(documents: dict[Path, Any]) -> dict[str, Schema]:
    schemas: dict[str, Schema] = {}
    for path, document in documents.items():
        if path.parent.name == "components":
            found = document if path.stem == "schemas" else {}
        else:
            found = (document.get("components") or {}).get("schemas") or {}
        twice = sorted(schemas.keys() & found.keys())
        if twice:
            raise ContractError(f"{path}: the schema {twice[0]} stands in another file too")
        schemas.update(found)
    for schema in schemas.values():
        _forget_targets(schema)
    return schemas


def _paths(documents: dict[Path, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    root = next(iter(documents.values()))
    for path, item in root["paths"].items():
        found = _follow(item, documents)
        for name in METHODS:
            if name in found:
                operation = found[name]
                operation["parameters"] = [_follow(entry, documents) for entry in operation.get("parameters", [])]
                operation["responses"] = {
                    status: _follow(entry, documents) for status, entry in operation.get("responses", {}).items()
                }
        found["parameters"] = [_follow(entry, documents) for entry in found.get("parameters", [])]
        _forget_targets(found)
        yield path, found


def _follow(node: dict[str, Any], documents: dict[Path, Any]) -> dict[str, Any]:
    """The node behind a reference to a path item, a parameter or a response."""
    while "x-target" in node:
        path, pointer = node["x-target"]
        target = documents[path]
        for part in pointer.split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            if part not in target:
                raise ContractError(f"{path}: nothing at #{pointer}")
            target = target[part]
        node = target
    return node


def _forget_targets(node: Any) -> None:
    if isinstance(node, dict):
        node.pop("x-target", None)
        for value in node.values():
            _forget_targets(value)
    elif isinstance(node, list):
        for value in node:
            _forget_targets(value)
