"""The contract: its operations and sections, read from one OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs

from cdp.contract.document import CONTRACT_ROOT, METHODS, ContractError, bundle
from cdp.contract.operation import (
    ASSUMED,
    Collection,
    Features,
    Ingestion,
    Operation,
    Parameter,
    Searches,
    SubEntity,
    UploadState,
    is_pattern,
)
from cdp.contract.overlay import Overlay, apply_overlay, read_overlay
from cdp.contract.schemas import Schemas


@dataclass(frozen=True)
class Section:
    """An entry of the overview page."""

    name: str
    slug: str
    documentation: str
    unread: str
    notes: tuple[str, ...]


class Contract:
    """The bundled document and its operations, in the order of the overview page. `overlay`: the name of the file that
    was laid over it, if any."""

    def __init__(self, document: dict[str, Any], overlay: str = "") -> None:
        self.document = document
        self.overlay = overlay
        self.sections = [
            Section(
                t["name"],
                t.get("x-slug", ""),
                t.get("x-documentation", ""),
                t.get("x-unread", ""),
                tuple(t.get("x-notes", ())),
            )
            for t in document.get("tags", [])
        ]
        rank = {section.name: i for i, section in enumerate(self.sections)}
        operations: list[Operation] = []
        for path, item in document["paths"].items():
            for method in METHODS:
                if method in item:
                    operations.append(_operation(document, path, method, item, len(operations)))
        operations.sort(key=lambda o: (rank.get(o.section, len(rank)), o.order))
        self.operations: dict[str, Operation] = {}
        for operation in operations:
            if operation.id in self.operations:
                raise ContractError(f"two operations are called {operation.id}")
            self.operations[operation.id] = operation

    @property
    def version(self) -> str:
        """The contract's version as a run notes it, the overlay's name with it."""
        version = str(self.document["info"]["version"])
        return f"{version} with {self.overlay}" if self.overlay else version

    def raw(self, operation: Operation) -> dict[str, Any]:
        """What the bundled document says of an operation, extensions and all."""
        found: dict[str, Any] = self.document["paths"][operation.path][operation.method.lower()]
        return found

    def by_action(self, entity: str, action: str) -> Operation | None:
        """The operation that does something to an entity, for instance ("segment", "create")."""
        return self._actions.get((entity, action))

    @cached_property
    def _actions(self) -> dict[tuple[str, str], Operation]:
        return {(o.entity, o.action): o for o in self.operations.values() if o.entity}

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that the contract names, patterns such as `segments/export/EXPORT_DESTINATION_ID` left out."""
        names = {f for o in self.operations.values() for f in (*o.features.any_of, *o.features.all_of)}
        return tuple(sorted(n for n in names if not is_pattern(n)))

    def section(self, name: str) -> Section | None:
        """A section by its name or slug, upper and lower case alike."""
        wanted = name.casefold()
        return next((s for s in self.sections if wanted in (s.name.casefold(), s.slug.casefold())), None)

    @cached_property
    def _schemas(self) -> Schemas:
        return Schemas(self.document)

    def validator(self, schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
        """The validator of a schema of the contract; formats are asserted."""
        return self._schemas.validator(schema)

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow `$ref` until there is none at the top."""
        while "$ref" in schema:
            target: Any = self.document
            for part in schema["$ref"].lstrip("#/").split("/"):
                target = target[part]
            rest = {k: v for k, v in schema.items() if k != "$ref"}
            schema = {**target, **rest}
        return schema


def load_contract(root: Path = CONTRACT_ROOT, overlay: Path | Overlay | None = None) -> Contract:
    """Read the contract, with an overlay laid over it where one is given.

    Raises ContractError with one line that says what is wrong with the contract or the overlay.
    """
    try:
        document = bundle(root)
        if overlay is None:
            return Contract(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ContractError(f"contract {root}: {type(error).__name__} {error}") from error
    read = overlay if isinstance(overlay, Overlay) else read_overlay(overlay)
    try:
        return Contract(apply_overlay(document, read), overlay=read.path.name)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ContractError(f"overlay {read.path} leaves no valid contract: {type(error).__name__} {error}") from error


def _features(raw: Mapping[str, Any]) -> Features:
    return Features(tuple(raw.get("anyOf", ())), tuple(raw.get("allOf", ())), bool(raw.get("unknown")))


def _parameter(raw: Mapping[str, Any], provenance: str) -> Parameter:
    return Parameter(
        name=raw["name"],
        place=raw["in"],
        required=bool(raw.get("required")),
        schema=raw.get("schema", {}),
        provenance=raw.get("x-provenance", provenance),
        entity=raw.get("x-entity", ""),
        field=raw.get("x-field", "id"),
        samples=tuple(raw.get("x-samples", ())),
        searches=Searches(**raw["x-searches"]) if "x-searches" in raw else None,
    )


def _response(document: Mapping[str, Any], raw: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in raw:
        found: Mapping[str, Any] = document["components"]["responses"][raw["$ref"].rsplit("/", 1)[-1]]
        return found
    return raw


def _collection(raw: Mapping[str, Any] | None) -> Collection | None:
    if raw is None:
        return None
    return Collection(
        key=raw["key"],
        paging=bool(raw["paging"]),
        timestamp=raw.get("timestamp"),
        timestamp_provenance=raw.get("timestamp-provenance", ASSUMED),
        cursor=raw.get("cursor"),
        documented_order=raw.get("documented-order", ""),
    )


def _ingestion(raw: Mapping[str, Any] | None) -> Ingestion | None:
    if raw is None:
        return None
    owner, state = raw.get("owner"), raw.get("state")
    return Ingestion(
        rows=raw["rows"],
        key=raw.get("key", ""),
        count=raw.get("count", ""),
        identifier=raw["identifier"],
        payload=raw["payload"],
        time=raw["time"],
        owner=(owner["operation"], owner["parameter"], owner["pointer"]) if owner else None,
        read_back=tuple(raw["read-back"]),
        state=UploadState(
            state["field"],
            tuple(state["open"]),
            tuple(state["done"]),
            tuple(state["failed"]),
            state["count"],
            state["message"],
        )
        if state
        else None,
    )


def _operation(document: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any], order: int) -> Operation:
    raw = item[method]
    name = raw.get("operationId")
    if not name:
        raise ContractError(f"{method.upper()} {path} has no operationId")
    try:
        provenance = raw["x-provenance"]
        parameters = [_parameter(p, provenance) for p in raw.get("parameters", [])]
        body = raw.get("requestBody") or {}
        media_type = next(iter(body.get("content", {})), None)
        observe = raw.get("x-observe")
        responses = {int(status): _response(document, value) for status, value in raw["responses"].items()}
        links: Mapping[str, Any] = next((value["links"] for value in responses.values() if "links" in value), {})
        return Operation(
            id=name,
            method=method.upper(),
            path=path,
            section=raw["x-section"],
            base="origin" if "servers" in item else "api",
            summary=raw.get("summary", ""),
            provenance=provenance,
            source=raw.get("x-source", ""),
            features=_features(raw["x-required-features"]),
            features_provenance=raw.get("x-features-provenance", provenance),
            auth=raw["x-auth"],
            safety=raw["x-safety"],
            entity=(raw.get("x-entity") or {}).get("name", ""),
            action=(raw.get("x-entity") or {}).get("action", ""),
            collection=_collection(raw.get("x-collection")),
            item_key=raw.get("x-item-key"),
            answers_item="x-item-key" in raw,
            sub_entities=tuple(
                SubEntity(f, s["key"], s["section"], s["entity"]) for f, s in raw.get("x-sub-entities", {}).items()
            ),
            observe=observe["operation"] if isinstance(observe, dict) else observe,
            observe_parameters=observe.get("parameters", {}) if isinstance(observe, dict) else {},
            path_parameters=tuple(p for p in parameters if p.place == "path"),
            query_parameters=tuple(p for p in parameters if p.place == "query"),
            body_media_type=media_type,
            body_schema=body["content"][media_type]["schema"] if media_type else None,
            body_required=bool(body.get("required", bool(body))),
            responses=responses,
            links=links,
            extra_access=(raw.get("x-extra-access") or {}).get("kind", ""),
            ingestion=_ingestion(raw.get("x-ingestion")),
            reflects=tuple(raw.get("x-reflects", ())),
            order=order,
        )
    except KeyError as error:
        raise ContractError(f"operation {name}: {error.args[0]} is missing") from None
