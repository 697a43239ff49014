"""API Blueprint, the subset that descriptions of this API are written in: groups, resources with URI templates,
actions, Parameters, Attributes and Data Structures in MSON, Request and Response with headers, bodies and schemas, and
lines that name required features.

Tolerant of prose between all of that; what cannot be understood is told with the file and the line. (No parser of the
format is maintained any more, so the suite brings this one.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
from cdp.contract.model import Features

_METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
_HEADING = re.compile(r"^(#{1,6})\s*(.*?)\s*#*\s*$")
_GROUP = re.compile(r"^Group\s+(.+)$", re.IGNORECASE)
_STRUCTURES = re.compile(r"^Data Structures$", re.IGNORECASE)
_ACTION = re.compile(rf"^(?:(?P<name>.*?)\s*\[)?(?P<method>{_METHODS})(?:\s+(?P<uri>/[^\]\s]*))?\]?$")
_RESOURCE = re.compile(r"^(?:(?P<name>.*?)\s*\[)?(?P<uri>/[^\]\s]*)\]?$")
_ITEM = re.compile(r"^(\s*)[+*-]\s+(.*\S)\s*$")
_FENCE = re.compile(r"^\s*(```+|~~~+)")
_FEATURES = re.compile(r"required?\s+features?", re.IGNORECASE)
_PAYLOAD = re.compile(r"^(Request|Response|Model)\b\s*(?P<rest>[^(]*?)\s*(?:\((?P<media>[^)]*)\))?\s*$", re.IGNORECASE)
_RAW = re.compile(r"^(Request|Response|Model|Body|Schema|Headers)\b", re.IGNORECASE)
# What stands among the members of a structure without being one.
_TYPING = re.compile(r"(Default|Sample)(\s*:|$)|Include\s+[\w(`]")
_LISTING = re.compile(r"(Members|Items|Properties)$")
_REFERENCE = re.compile(r"^\[([^\]]+)\]\[\]$")
_VARIABLE = re.compile(r"\{([?&#+]?)([^}]*)\}")
_WORDS = ("required", "optional", "fixed", "fixed-type", "nullable", "default", "sample")
_PRIMITIVES: dict[str, Schema] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "bool": {"type": "boolean"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "enum": {},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string"},
    "uuid": {"type": "string", "format": "uuid"},
    "null": {"type": "null"},
}


@dataclass
class _Item:
    """A list item with what stands below it."""

    text: str
    indent: int
    line: int
    children: list[_Item] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def named(self, *names: str) -> Iterator[_Item]:
        for child in self.children:
            if re.match(rf"({'|'.join(names)})\b", child.text, re.IGNORECASE):
                yield child


@dataclass
class _Block:
    """A heading and what follows it."""

    level: int
    text: str
    line: int
    items: list[_Item] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)


def read_blueprint(path: Path, text: str, groups: Iterable[str] = ()) -> Description:
    """Read a blueprint. `groups`: headings that are groups although they do not say so."""
    return _Reader(path, groups).read(text)


class _Reader:
    def __init__(self, path: Path, groups: Iterable[str]) -> None:
        self.path = path
        self.groups = {name.casefold() for name in groups}
        self.found = Description(path)
        self.models: dict[str, _Item] = {}

    def fail(self, line: int, problem: str) -> ContractError:
        return ContractError(f"{self.path}, line {line}: {problem}")

    # --- structure of the text -------------------------------------------------------------------------------------

    def blocks(self, text: str) -> list[_Block]:
        blocks = [_Block(0, "", 0)]
        stack: list[_Item] = []
        fence, opened = "", 0
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.expandtabs(4).rstrip()
            mark = _FENCE.match(line)
            if fence or mark:
                if mark and not fence:
                    fence, opened = mark.group(1), number
                elif mark and mark.group(1).startswith(fence):
                    fence = ""
                elif stack:
                    stack[-1].lines.append(line)
                continue
            indent = len(line) - len(line.lstrip())
            heading = _HEADING.match(line) if indent == 0 else None
            if heading:
                blocks.append(_Block(len(heading.group(1)), heading.group(2), number))
                stack = []
                continue
            item = _ITEM.match(line)
            raw_below = stack and _RAW.match(stack[-1].text) and indent >= stack[-1].indent + 8
            if item and not raw_below:
                while stack and stack[-1].indent >= indent:
                    stack.pop()
                new = _Item(item.group(2), indent, number)
                (stack[-1].children if stack else blocks[-1].items).append(new)
                stack.append(new)
            elif stack and (indent or not line):
                stack[-1].lines.append(line)
            elif line:
                stack = []
                blocks[-1].prose.append(line)
        if fence:
            raise self.fail(opened, "the code block is not closed")
        return blocks

    def read(self, text: str) -> Description:
        group, uri = "", ""
        resource: _Block | None = None
        structures = 0
        for block in self.blocks(text):
            title = block.text
            if structures and block.level > structures:
                self.structure(block)
                continue
            structures = 0
            if re.search(rf"\[({_METHODS}|/)[^\]]*$", title):
                raise self.fail(block.line, f"the heading {title!r} opens a bracket and does not close it")
            if _STRUCTURES.match(title):
                structures = block.level
            elif found := _GROUP.match(title):
                group, resource = found.group(1).strip(), None
            elif title.casefold() in self.groups:
                group, resource = title, None
            elif found := _ACTION.match(title):
                own = found.group("uri")
                if own is None and resource is None:
                    raise self.fail(block.line, f"the action {title!r} stands below no resource and names no URI")
                self.action(block, resource, own or uri, group, found.group("method"), found.group("name") or "")
            elif found := _RESOURCE.match(title):
                resource, uri = block, found.group("uri")
                if name := found.group("name"):
                    for item in _named(block.items, "Attributes?"):
                        self.found.structures.setdefault(component_name(name), self.attributes(item) or {})
                for model in (i for i in block.items if i.text.lower().startswith("model")):
                    self.models[(found.group("name") or uri).casefold()] = model
            elif found := re.match(r"^.*\[([A-Z]{3,})(\s+/\S*)?\]$", title):
                raise self.fail(block.line, f"{found.group(1)} is no method of HTTP")
        if not self.found.operations:
            raise ContractError(f"{self.path}: no action was found ([GET], [POST /path], ...)")
        self._known_structures()
        return self.found

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

    def action(self, block: _Block, resource: _Block | None, uri: str, group: str, method: str, name: str) -> None:
        path, queries = self.uri(uri, block.line)
        uri_is_own = uri in block.text
        operation = DescribedOperation(method, path, group, name)
        inherited = resource.items if resource is not None else []
        operation.features = self.features(block) or (self.features(resource) if resource is not None else None)
        parameters: dict[str, DescribedParameter] = {}
        for item in (*_named(inherited, "Parameters?"), *_named(block.items, "Parameters?")):
            for child in item.children:
                parameter = self.parameter(child, path)
                parameters[parameter.name] = parameter
        for query in queries:
            parameters.setdefault(query, DescribedParameter(query, "query", False, {}))
        for variable in re.findall(r"\{([^}]*)\}", path):
            parameters.setdefault(variable, DescribedParameter(variable, "path", True, {}))
        in_path = set(re.findall(r"\{([^}]*)\}", path))
        own = {self.member(c)[0] for i in _named(block.items, "Parameters?") for c in i.children}
        if method == "GET" or resource is None or uri_is_own:
            own.update(queries)  # what a resource's template asks of its list is nothing that a write takes
        operation.parameters = [p for p in parameters.values() if p.name in in_path or p.name in own]
        attributes = next(_named((*block.items, *inherited), "Attributes?"), None)
        for item in block.items:
            payload = _PAYLOAD.match(item.text)
            if payload is None:
                continue
            kind, media = payload.group(1).lower(), (payload.group("media") or "").split(";")[0].strip()
            if kind == "request":
                operation.body_media_type = media or operation.body_media_type
                schema = self.payload(item)
                if schema is None and media == JSON:
                    schema = self.attributes(attributes)
                operation.body_schema = schema or operation.body_schema
                if operation.body_schema is not None and not operation.body_media_type:
                    operation.body_media_type = JSON
            elif kind == "response":
                status = payload.group("rest").strip() or "200"
                if not re.fullmatch(r"[1-5]\d\d", status):
                    raise self.fail(item.line, f"{status!r} is no status code")
                schema = self.payload(item)
                if schema is None and status.startswith("2") and (media in ("", JSON)) and method == "GET":
                    schema = self.attributes(attributes)
                known = operation.responses.get(int(status))
                operation.responses[int(status)] = schema if schema is not None else known
        self.found.operations.append(operation)

    def uri(self, uri: str, line: int) -> tuple[str, list[str]]:
        """The path of a URI template, and the names of its query parameters."""
        if uri.count("{") != uri.count("}"):
            raise self.fail(line, f"the URI template {uri} has a brace without its other half")
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

    def features(self, block: _Block) -> Features | None:
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

    def parameter(self, item: _Item, path: str) -> DescribedParameter:
        name, _, words, description = self.member(item)
        schema = self.typed(item, words)
        place = "path" if "{" + name + "}" in path else "query"
        required = place == "path" or ("optional" not in words and "required" in words)
        return DescribedParameter(name, place, required, schema, description)

    def payload(self, item: _Item) -> Schema | None:
        """Schema of a payload: its Attributes, else its Schema, else what its example shows."""
        referred = next((_REFERENCE.match(line.strip()) for line in item.lines if line.strip()), None)
        if referred:
            model = self.models.get(referred.group(1).casefold())
            if model is None:
                raise self.fail(item.line, f"refers to the model {referred.group(1)!r}, which no resource has")
            return self.payload(model)
        for child in item.named("Attributes?"):
            return self.attributes(child)
        for child in item.named("Schema"):
            found = self.json(child)
            if isinstance(found, dict):
                return {k: v for k, v in found.items() if not str(k).startswith("$schema")}
        for child in item.named("Body"):
            return _shown(self.json(child))
        return _shown(self.json(item))

    def json(self, item: _Item) -> Any:
        """The JSON below an item; None when there is none or when it is no JSON: examples are often cut."""
        text = "\n".join(item.lines).strip()
        if not text:
            return None
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return None

    # --- MSON ------------------------------------------------------------------------------------------------------

    def structure(self, block: _Block) -> None:
        found = re.match(r"^(?P<name>.+?)(?:\s*\((?P<type>[^)]*)\))?$", block.text)
        if not found:
            raise self.fail(block.line, f"{block.text!r} is no name of a structure")
        words = [w.strip() for w in (found.group("type") or "object").split(",")]
        item = _Item(found.group("name"), 0, block.line, block.items)
        self.found.structures[component_name(found.group("name"))] = self.typed(item, words)

    def attributes(self, item: _Item | None) -> Schema | None:
        if item is None:
            return None
        found = re.match(r"^Attributes?\s*(?:\((?P<type>.*)\))?", item.text, re.IGNORECASE)
        words = _split(found.group("type")) if found and found.group("type") else ["object"]
        return self.typed(item, words)

    def member(self, item: _Item) -> tuple[str, str, list[str], str]:
        """Name, example value, type words and description of `name: value (type, required) - text`."""
        text, _, description = _cut(item.text, " - ")
        words: list[str] = []
        if text.rstrip().endswith(")") and (at := _opening(text)) >= 0:
            words = _split(text[at + 1 : text.rstrip().rfind(")")])
            text = text[:at]
        name, _, value = _cut(text, ":")
        name = name.strip().strip("`*_ ")
        if not name:
            raise self.fail(item.line, f"{item.text!r} names no member")
        return name, value.strip().strip("`"), words, description.strip()

    def typed(self, item: _Item, words: list[str]) -> Schema:
        types = [w for w in words if w.lower() not in _WORDS and not w.lower().startswith(("default", "sample"))]
        base = types[0].strip().strip("`") if types else ""
        members = [c for c in item.children if not _TYPING.match(c.text)]
        listed = [c for group in item.children if _LISTING.match(group.text) for c in group.children]
        members = listed or [c for c in members if not _LISTING.match(c.text)]
        inner = re.match(r"^(array|enum)\s*\[(.*)\]$", base, re.IGNORECASE)
        kind = (inner.group(1) if inner else base).lower()
        if not kind:
            kind = "object" if members else "string"
        schema: Schema
        if kind == "enum":
            schema = dict(self.named_type(inner.group(2), item) if inner else {"type": "string"})
            values = [self.member(c)[0] for c in members]
            if values:
                numeric = schema.get("type") in ("number", "integer") and all(re.fullmatch(r"-?\d+", v) for v in values)
                schema["enum"] = [int(v) for v in values] if numeric else values
        elif kind == "array":
            schema = {"type": "array"}
            if inner and inner.group(2).strip():
                kinds = [self.named_type(t, item) for t in _split(inner.group(2))]
                schema["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
                if members and "$ref" not in schema["items"]:
                    schema["items"] = self.typed(_Item("", 0, item.line, members), [_split(inner.group(2))[0]])
            elif members:
                schema["items"] = self.typed(members[0], self.member(members[0])[2] or ["object"])
            else:
                schema["items"] = {"type": "object"}
        elif kind in _PRIMITIVES and kind != "object":
            schema = dict(_PRIMITIVES[kind])
        else:
            schema = self.object(item, members, base if kind != "object" else "")
        for child in item.children:
            if not re.match(r"Default\s*:", child.text):
                continue
            value = _cut(child.text, ":")[2].strip().strip("`")
            schema["default"] = int(value) if re.fullmatch(r"-?\d+", value) and _numeric(schema) else value
        for word in words:
            if word.lower().startswith("default="):
                schema["default"] = word.partition("=")[2]
        if "nullable" in [w.lower() for w in words] and isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
        return schema

    def object(self, item: _Item, members: list[_Item], base: str) -> Schema:
        schema: Schema = {"type": "object"}
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for child in members:
            if re.match(r"One Of$", child.text, re.IGNORECASE):
                for option in child.children:
                    name, _, words, _ = self.member(option)
                    properties[name] = self.typed(option, words)
                continue
            name, _, words, description = self.member(child)
            properties[name] = self.typed(child, words)
            if description:
                properties[name] = {**properties[name], "description": description}
            if "required" in [w.lower() for w in words]:
                required.append(name)
        if properties:
            schema["properties"] = properties
        if required:
            schema["required"] = required
        parts = [self.named_type(base, item)] if base else []
        for child in item.children:
            if found := re.match(r"Include\s+(.+)$", child.text):
                parts.append(self.named_type(found.group(1).strip("() `"), child))
        if not parts:
            return schema
        if not properties and len(parts) == 1:
            return parts[0]
        return {"allOf": [*parts, *([schema] if properties else [])]}

    def named_type(self, name: str, item: _Item) -> Schema:
        name = name.strip().strip("`*")
        if name.lower() in _PRIMITIVES:
            return dict(_PRIMITIVES[name.lower()]) or {"type": "string"}
        if not re.fullmatch(r"[\w .'-]+", name):
            raise self.fail(item.line, f"{name!r} is no type")
        return {"$ref": f"#/components/schemas/{component_name(name)}"}


def _named(items: Iterable[_Item], pattern: str) -> Iterator[_Item]:
    return (item for item in items if re.match(rf"({pattern})\b", item.text, re.IGNORECASE))


def component_name(name: str) -> str:
    """A structure's name as the name of a component."""
    words = re.findall(r"\w+", name.strip().strip("`"))
    return "".join(w[:1].upper() + w[1:] for w in words) if len(words) > 1 else "".join(words)


def _numeric(schema: Schema) -> bool:
    return schema.get("type") in ("number", "integer")


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


def _cut(text: str, separator: str) -> tuple[str, str, str]:
    """`partition` at the first separator that stands in no backticks and no parentheses."""
    quoted, depth = False, 0
    for at, character in enumerate(text):
        if character == "`":
            quoted = not quoted
        elif not quoted and character in "([":
            depth += 1
        elif not quoted and character in ")]":
            depth = max(0, depth - 1)
        if not quoted and not depth and text.startswith(separator, at):
            return text[:at], separator, text[at + len(separator) :]
    return text, "", ""


def _opening(text: str) -> int:
    """Where the parenthesis opens that the text ends with; -1 when it does not balance."""
    depth = 0
    text = text.rstrip()
    for at in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return -1


def _split(text: str) -> list[str]:
    """Words between commas, brackets kept together."""
    words, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            words.append(text[start:at].strip())
            start = at + 1
    return [w for w in [*words, text[start:].strip()] if w]
