"""API Blueprint, the subset that descriptions of this API are written in: groups, resources with URI templates,
actions, Parameters, Attributes and Data Structures in MSON, Request and Response with headers, bodies and schemas, and
lines that name required features.

Tolerant of prose between all of that; what cannot be understood is told with the file and the line. (No parser of the
format is maintained any more, so the suite brings this one.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from cdp.contract.described import (
    JSON,
    DescribedOperation,
    DescribedParameter,
    Description,
    Schema,
    below_api,
    features_in,
)
from cdp.contract.document import ContractError
from cdp.contract.markdown import Block, Item, failure, named, read_blocks
from cdp.contract.mson import Mson, component_name
from cdp.contract.operation import Features

_METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
_GROUP = re.compile(r"^Group\s+(.+)$", re.IGNORECASE)
_STRUCTURES = re.compile(r"^Data Structures$", re.IGNORECASE)
_ACTION = re.compile(rf"^(?:(?P<name>.*?)\s*\[)?(?P<method>{_METHODS})(?:\s+(?P<uri>/[^\]\s]*))?\]?$")
_RESOURCE = re.compile(r"^(?:(?P<name>.*?)\s*\[)?(?P<uri>/[^\]\s]*)\]?$")
_OPEN_BRACKET = re.compile(rf"\[({_METHODS}|/)[^\]]*$")
_OTHER_METHOD = re.compile(r"^.*\[([A-Z]{3,})(\s+/\S*)?\]$")
_FEATURES = re.compile(r"required?\s+features?", re.IGNORECASE)
_PAYLOAD = re.compile(r"^(Request|Response|Model)\b\s*(?P<rest>[^(]*?)\s*(?:\((?P<media>[^)]*)\))?\s*$", re.IGNORECASE)
_REFERENCE = re.compile(r"^\[([^\]]+)\]\[\]$")
_VARIABLE = re.compile(r"\{([?&#+]?)([^}]*)\}")


def read_blueprint(path: Path, text: str, groups: Iterable[str] = ()) -> Description:
    """Read a blueprint. `groups`: headings that are groups although they do not say so."""
    return _Reader(path, groups).read(text)


class _Reader:
    def __init__(self, path: Path, groups: Iterable[str]) -> None:
        self.path = path
        self.groups = {name.casefold() for name in groups}
        self.found = Description(path)
        self.mson = Mson(path)
        self.models: dict[str, Item] = {}
        self._group, self._uri = "", ""
        self._resource: Block | None = None

    def read(self, text: str) -> Description:
        structures = 0  # level of the heading below which structures stand; 0: outside
        for block in read_blocks(self.path, text):
            if structures and block.level > structures:
                name, schema = self.mson.structure(block)
                self.found.structures[name] = schema
                continue
            structures = block.level if _STRUCTURES.match(block.text) else 0
            if not structures:
                self._heading(block)
        if not self.found.operations:
            raise ContractError(f"{self.path}: no action was found ([GET], [POST /path], ...)")
        self._known_structures()
        return self.found

    def _heading(self, block: Block) -> None:
        """A group, a resource or an action; any other heading is prose."""
        title = block.text
        if _OPEN_BRACKET.search(title):
            raise failure(self.path, block.line, f"the heading {title!r} opens a bracket and does not close it")
        if found := _GROUP.match(title):
            self._group, self._resource = found.group(1).strip(), None
        elif title.casefold() in self.groups:
            self._group, self._resource = title, None
        elif found := _ACTION.match(title):
            uri = found.group("uri")
            if uri is None and self._resource is None:
                raise failure(self.path, block.line, f"the action {title!r} stands below no resource and names no URI")
            name = found.group("name") or ""
            self.action(block, self._resource, uri or self._uri, self._group, found.group("method"), name)
        elif found := _RESOURCE.match(title):
            self._begin_resource(block, found.group("name") or "", found.group("uri"))
        elif found := _OTHER_METHOD.match(title):
            raise failure(self.path, block.line, f"{found.group(1)} is no method of HTTP")

    def _begin_resource(self, block: Block, name: str, uri: str) -> None:
        """What follows is about a resource, whose attributes and model may be referred to by its name."""
        self._resource, self._uri = block, uri
        for item in named(block.items, "Attributes?") if name else ():
            self.found.structures.setdefault(component_name(name), self.mson.attributes(item) or {})
        for model in (i for i in block.items if i.text.lower().startswith("model")):
            self.models[(name or uri).casefold()] = model

    def _known_structures(self) -> None:
        """A type that is nowhere described is whatever it may be; it must not point nowhere."""
        prefix = "#/components/schemas/"

        def visit(node: Any) -> None:
            if isinstance(node, dict):
                name = str(node.get("$ref", "")).removeprefix(prefix)
                if name and name not in self.found.structures:
                    del node["$ref"]
                    node["type"] = "object"
                    node.setdefault("description", f"{name}, which the file does not describe.")
                for value in list(node.values()):
                    visit(value)
            elif isinstance(node, list):
                for value in node:
                    visit(value)

        visit(self.found.structures)
        for operation in self.found.operations:
            visit(operation.body_schema)
            visit([p.schema for p in operation.parameters])
            visit(list(operation.responses.values()))

    # --- actions ---------------------------------------------------------------------------------------------------

    def action(self, block: Block, resource: Block | None, uri: str, group: str, method: str, name: str) -> None:
        path, queries = self.uri(uri, block.line)
        uri_is_own = uri in block.text
        operation = DescribedOperation(method, path, group, name)
        inherited = resource.items if resource is not None else []
        operation.features = self.features(block) or (self.features(resource) if resource is not None else None)
        parameters = self._parameters(
            (*named(inherited, "Parameters?"), *named(block.items, "Parameters?")), path, queries
        )
        in_path = set(re.findall(r"\{([^}]*)\}", path))
        own = {self.mson.member(c)[0] for i in named(block.items, "Parameters?") for c in i.children}
        if method == "GET" or resource is None or uri_is_own:
            own.update(queries)  # what a resource's template asks of its list is nothing that a write takes
        operation.parameters = [p for p in parameters.values() if p.name in in_path or p.name in own]
        attributes = next(named((*block.items, *inherited), "Attributes?"), None)
        for item in block.items:
            if payload := _PAYLOAD.match(item.text):
                if payload.group(1).lower() == "request":
                    self._request(operation, item, _media_type(payload), attributes)
                elif payload.group(1).lower() == "response":
                    self._response(operation, item, payload, attributes)
        self.found.operations.append(operation)

    def _parameters(self, items: Iterable[Item], path: str, queries: Iterable[str]) -> dict[str, DescribedParameter]:
        """Parameters by name: those that are described, a later description before an earlier one, and those that only
        the URI template names."""
        parameters: dict[str, DescribedParameter] = {}
        for item in items:
            for child in item.children:
                parameter = self.parameter(child, path)
                parameters[parameter.name] = parameter
        for query in queries:
            parameters.setdefault(query, DescribedParameter(query, "query", False, {}))
        for variable in re.findall(r"\{([^}]*)\}", path):
            parameters.setdefault(variable, DescribedParameter(variable, "path", True, {}))
        return parameters

    def _request(self, operation: DescribedOperation, item: Item, media: str, attributes: Item | None) -> None:
        operation.body_media_type = media or operation.body_media_type
        schema = self.payload(item)
        if schema is None and media == JSON:
            schema = self.mson.attributes(attributes)
        operation.body_schema = schema or operation.body_schema
        if operation.body_schema is not None and not operation.body_media_type:
            operation.body_media_type = JSON

    def _response(
        self, operation: DescribedOperation, item: Item, payload: re.Match[str], attributes: Item | None
    ) -> None:
        status = payload.group("rest").strip() or "200"
        if not re.fullmatch(r"[1-5]\d\d", status):
            raise failure(self.path, item.line, f"{status!r} is no status code")
        schema = self.payload(item)
        if (
            schema is None
            and status.startswith("2")
            and _media_type(payload) in ("", JSON)
            and operation.method == "GET"
        ):
            schema = self.mson.attributes(attributes)
        known = operation.responses.get(int(status))
        operation.responses[int(status)] = schema if schema is not None else known

    def uri(self, uri: str, line: int) -> tuple[str, list[str]]:
        """The path of a URI template, and the names of its query parameters."""
        if uri.count("{") != uri.count("}"):
            raise failure(self.path, line, f"the URI template {uri} has a brace without its other half")
        queries: list[str] = []

        def replace(found: re.Match[str]) -> str:
            names = [name.strip().rstrip("*") for name in found.group(2).split(",")]
            if found.group(1) in ("?", "&"):
                queries.extend(names)
                return ""
            return "/".join("{" + name + "}" for name in names)

        path, _, fixed = _VARIABLE.sub(replace, uri).partition("?")
        queries += [pair.partition("=")[0] for pair in fixed.split("&") if pair]
        return below_api(path.rstrip("/") or "/"), queries

    def features(self, block: Block) -> Features | None:
        """From `+ Required feature: x`, such an item with a list below it, or a line of prose; a heading line may be
        followed by the names."""
        for item in block.items:
            if _FEATURES.search(item.text):
                below = [i.text for i in item.children] + item.lines
                return features_in(" ".join([_FEATURES.sub("", item.text), *below]))
        for number, line in enumerate(block.prose):
            if _FEATURES.search(line):
                told = features_in(_FEATURES.sub("", line))
                if told is not None:
                    return told
                listed = [i.text for i in block.items if features_in(i.text) and not _PAYLOAD.match(i.text)]
                return features_in(" ".join([line, *block.prose[number + 1 : number + 2], *listed]))
        return None

    def parameter(self, item: Item, path: str) -> DescribedParameter:
        name, _, words, description = self.mson.member(item)
        schema = self.mson.typed(item, words)
        place = "path" if "{" + name + "}" in path else "query"
        required = place == "path" or ("optional" not in words and "required" in words)
        return DescribedParameter(name, place, required, schema, description)

    def payload(self, item: Item) -> Schema | None:
        """Schema of a payload: its Attributes, else its Schema, else what its example shows."""
        referred = next((_REFERENCE.match(line.strip()) for line in item.lines if line.strip()), None)
        if referred:
            model = self.models.get(referred.group(1).casefold())
            if model is None:
                raise failure(self.path, item.line, f"refers to the model {referred.group(1)!r}, which no resource has")
            return self.payload(model)
        for child in item.named("Attributes?"):
            return self.mson.attributes(child)
        for child in item.named("Schema"):
            found = self.json(child)
            if isinstance(found, dict):
                return {k: v for k, v in found.items() if not str(k).startswith("$schema")}
        for child in item.named("Body"):
            return _shown(self.json(child))
        return _shown(self.json(item))

    def json(self, item: Item) -> Any:
        """The JSON below an item; None when there is none or when it is no JSON: examples are often cut."""
        text = "\n".join(item.lines).strip()
        if not text:
            return None
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return None


def _shown(value: Any) -> Schema | None:
    """The schema that an example shows; None for no example."""
    if value is None:
        return None
    if isinstance(value, dict):
        properties = {k: _shown(v) or {"type": ["string", "null"]} for k, v in value.items()}
        return {"type": "object", "properties": properties, "x-shown": True}
    if isinstance(value, list):
        items = _shown(value[0]) if value else None
        return {"type": "array", "items": items or {"type": "object"}, "x-shown": True}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "integer" if isinstance(value, int) else "number"}
    return {"type": "string"}


def _media_type(payload: re.Match[str]) -> str:
    """The media type of a payload without its parameters; empty where it names none."""
    return (payload.group("media") or "").split(";")[0].strip()
