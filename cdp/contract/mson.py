"""MSON, the notation for structures in API Blueprint: `+ name: value (type, required) - text`, as JSON Schema."""

from __future__ import annotations

import re
from pathlib import Path

from cdp.contract.described import Schema
from cdp.contract.markdown import Block, Item, failure

# What stands among the members of a structure without being one.
_TYPING = re.compile(r"(Default|Sample)(\s*:|$)|Include\s+[\w(`]")
_LISTING = re.compile(r"(Members|Items|Properties)$")
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


class Mson:
    """Reads the structures of one file. Raises ContractError with file and line where something is not understood."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def structure(self, block: Block) -> tuple[str, Schema]:
        """Name and schema of a data structure."""
        found = re.match(r"^(?P<name>.+?)(?:\s*\((?P<type>[^)]*)\))?$", block.text)
        if not found:
            raise failure(self.path, block.line, f"{block.text!r} is no name of a structure")
        words = [w.strip() for w in (found.group("type") or "object").split(",")]
        item = Item(found.group("name"), 0, block.line, block.items)
        return component_name(found.group("name")), self.typed(item, words)

    def attributes(self, item: Item | None) -> Schema | None:
        if item is None:
            return None
        found = re.match(r"^Attributes?\s*(?:\((?P<type>.*)\))?", item.text, re.IGNORECASE)
        words = _split(found.group("type")) if found and found.group("type") else ["object"]
        return self.typed(item, words)

    def member(self, item: Item) -> tuple[str, str, list[str], str]:
        """Name, example value, type words and description of `name: value (type, required) - text`."""
        text, _, description = _cut(item.text, " - ")
        words: list[str] = []
        if text.rstrip().endswith(")") and (at := _opening(text)) >= 0:
            words = _split(text[at + 1 : text.rstrip().rfind(")")])
            text = text[:at]
        name, _, value = _cut(text, ":")
        name = name.strip().strip("`*_ ")
        if not name:
            raise failure(self.path, item.line, f"{item.text!r} names no member")
        return name, value.strip().strip("`"), words, description.strip()

    def typed(self, item: Item, words: list[str]) -> Schema:
        """The schema of a member with the type and the attributes that stand in its parentheses."""
        types = [w for w in words if w.lower() not in _WORDS and not w.lower().startswith(("default", "sample"))]
        schema = self._of_base(item, types[0].strip().strip("`") if types else "")
        for child in item.children:
            if re.match(r"Default\s*:", child.text):
                value = _cut(child.text, ":")[2].strip().strip("`")
                schema["default"] = int(value) if re.fullmatch(r"-?\d+", value) and _numeric(schema) else value
        for word in words:
            if word.lower().startswith("default="):
                schema["default"] = word.partition("=")[2]
        if "nullable" in [w.lower() for w in words] and isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
        return schema

    def _of_base(self, item: Item, base: str) -> Schema:
        """The schema of a member by its base type: one that is named, or what its members make of it."""
        listed = [c for group in item.children if _LISTING.match(group.text) for c in group.children]
        members = listed or [c for c in item.children if not (_TYPING.match(c.text) or _LISTING.match(c.text))]
        inner = re.match(r"^(array|enum)\s*\[(.*)\]$", base, re.IGNORECASE)
        kind = (inner.group(1) if inner else base).lower() or ("object" if members else "string")
        if kind == "enum":
            return self._enum(item, inner.group(2) if inner else None, members)
        if kind == "array":
            return self._array(item, inner.group(2) if inner else "", members)
        if kind in _PRIMITIVES and kind != "object":
            return dict(_PRIMITIVES[kind])
        return self.object(item, members, base if kind != "object" else "")

    def _enum(self, item: Item, base: str | None, members: list[Item]) -> Schema:
        schema = dict({"type": "string"} if base is None else self.named_type(base, item))
        values = [self.member(c)[0] for c in members]
        if values:
            numeric = schema.get("type") in ("number", "integer") and all(re.fullmatch(r"-?\d+", v) for v in values)
            schema["enum"] = [int(v) for v in values] if numeric else values
        return schema

    def _array(self, item: Item, types: str, members: list[Item]) -> Schema:
        schema: Schema = {"type": "array"}
        if types.strip():
            kinds = [self.named_type(t, item) for t in _split(types)]
            schema["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
            if members and "$ref" not in schema["items"]:
                schema["items"] = self.typed(Item("", 0, item.line, members), [_split(types)[0]])
        elif members:
            schema["items"] = self.typed(members[0], self.member(members[0])[2] or ["object"])
        else:
            schema["items"] = {"type": "object"}
        return schema

    def object(self, item: Item, members: list[Item], base: str) -> Schema:
        """The schema of an object from its members, its base type and what it includes."""
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

    def named_type(self, name: str, item: Item) -> Schema:
        """A primitive, or a reference to a type of the file. Raises ContractError for what is neither."""
        name = name.strip().strip("`*")
        if name.lower() in _PRIMITIVES:
            return dict(_PRIMITIVES[name.lower()]) or {"type": "string"}
        if not re.fullmatch(r"[\w .'-]+", name):
            raise failure(self.path, item.line, f"{name!r} is no type")
        return {"$ref": f"#/components/schemas/{component_name(name)}"}


def component_name(name: str) -> str:
    """A structure's name as the name of a component."""
    words = re.findall(r"\w+", name.strip().strip("`"))
    return "".join(w[:1].upper() + w[1:] for w in words) if len(words) > 1 else "".join(words)


def _numeric(schema: Schema) -> bool:
    return schema.get("type") in ("number", "integer")


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
