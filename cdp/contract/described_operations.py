"""Operations that only an owner's API description shows, made into operations of the contract."""

from __future__ import annotations

import re
from typing import Any

from cdp.contract.described import DescribedOperation, Schema
from cdp.contract.described_schemas import DescribedSchemas
from cdp.contract.model import Contract
from cdp.contract.operation import Features

_SENDING = re.compile(r"send|activat|test|export|publish", re.IGNORECASE)


class NewOperations:
    """Makes operations. `source`: the file that shows them, for their provenance."""

    def __init__(self, contract: Contract, schemas: DescribedSchemas, source: str) -> None:
        self.schemas = schemas
        self.source = source
        self._names = set(contract.operations)
        self._lists = {o.path: o.entity for o in contract.operations.values() if o.action == "list" and o.entity}

    def made(self, d: DescribedOperation, section: str, path: str) -> dict[str, Any]:
        """The operation as the contract would have it; `path`: the contract's own spelling of its path."""
        responses = d.responses if any(200 <= s < 300 for s in d.responses) else {200: None, **d.responses}
        raw: dict[str, Any] = {
            "operationId": self._name(d),
            "summary": d.summary or f"{d.method} {d.path}",
            "tags": [section],
            "x-section": section,
            "x-provenance": "documented",
            "x-source": self.source,
            "x-required-features": features_extension(d.features) if d.features is not None else {"unknown": True},
            "x-features-provenance": "documented" if d.features is not None else "assumed",
            "x-auth": "none" if d.open else "token",
            "x-safety": _safety(d),
        }
        success = self.schemas.told(responses[min(s for s in responses if 200 <= s < 300)] or {})
        raw |= self._records(d, success)
        parameters = [self.schemas.parameter(p) for p in d.parameters]
        for parameter in parameters:
            if parameter["in"] == "path":
                entity = self._lists.get(d.path.partition("{" + parameter["name"] + "}")[0].rstrip("/"), "")
                if entity:
                    parameter["x-entity"] = entity
        if parameters:
            raw["parameters"] = parameters
        if d.body_schema is not None or (d.body_media_type and d.method != "GET"):
            raw["requestBody"] = self.schemas.request_body(d)
        raw["responses"] = {str(status): self.schemas.response(status, schema) for status, schema in responses.items()}
        return _renamed(raw, d, path)

    def _records(self, d: DescribedOperation, success: Schema) -> dict[str, Any]:
        """What the answer of a new operation brings: a collection, or one record."""
        properties = success.get("properties", {})
        arrays = [k for k, v in properties.items() if self.schemas.told(v).get("type") == "array"]
        names = {p.name for p in d.parameters}
        paging = {"limit", "offset"} <= names
        if d.method == "GET" and success.get("type") == "array":
            items = success.get("items", {})
            return {"x-collection": {"key": None, "paging": paging, **self._timestamp(items)}}
        if d.method == "GET" and len(arrays) == 1 and (paging or len(properties) <= 2):
            items = self.schemas.told(properties[arrays[0]]).get("items", {})
            return {"x-collection": {"key": arrays[0], "paging": paging, **self._timestamp(items)}}
        objects = [k for k, v in properties.items() if self.schemas.told(v).get("type") == "object"]
        if d.method in ("GET", "POST", "PATCH", "PUT") and len(properties) == 1 and len(objects) == 1:
            return {"x-item-key": objects[0]}
        return {}

    def _timestamp(self, items: Schema) -> dict[str, Any]:
        fields = self.schemas.told(items).get("properties", {})
        if "created" in fields:
            return {"timestamp": "created", "timestamp-provenance": "assumed", "order": "DESC"}
        return {"timestamp": None}

    def _name(self, d: DescribedOperation) -> str:
        words = re.findall(r"[a-z0-9]+", d.summary.lower())
        if not words or len(words) > 6:
            words = re.findall(r"[a-z0-9]+", f"{d.method} {d.path}".lower())
        stem = name = "_".join(words)
        number = 2
        while name in self._names:
            name, number = f"{stem}_{number}", number + 1
        self._names.add(name)
        return name


def _renamed(raw: dict[str, Any], d: DescribedOperation, path: str) -> dict[str, Any]:
    """The operation with the path parameters named as the contract's path names them."""
    names = zip(re.findall(r"\{([^}]*)\}", d.path), re.findall(r"\{([^}]*)\}", path), strict=True)
    for old, new in names:
        for parameter in raw.get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"] == old:
                parameter["name"] = new
    return raw


def features_extension(features: Features) -> dict[str, Any]:
    """`x-required-features` as the contract writes it."""
    if features.any_of:
        return {"anyOf": list(features.any_of)}
    return {"allOf": list(features.all_of)} if features.all_of else {"none": True}


def _safety(d: DescribedOperation) -> str:
    if d.method in ("GET", "HEAD", "OPTIONS"):
        return "read"
    if d.method == "DELETE":
        return "destructive"
    return "sends" if _SENDING.search(f"{d.path.rpartition('/')[2]} {d.summary}") else "write"
