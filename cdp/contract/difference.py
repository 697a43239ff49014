"""What is different between two contracts, operation by operation, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cdp.contract.model import Contract
from cdp.contract.operation import Operation

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_DEPTH = 6


@dataclass(frozen=True)
class Change:
    """One operation that is added, removed or changed; `facts` say in what, one short line each."""

    kind: str
    operation: Operation
    facts: tuple[str, ...] = ()

    def title(self) -> str:
        o = self.operation
        return f"{self.kind} {o.id}  {o.method} {o.template}"


def compare(before: Contract, after: Contract) -> list[Change]:
    """Every operation that is not the same in both, in the order of the overview page."""
    changes = []
    for name, operation in after.operations.items():
        if name not in before.operations:
            changes.append(Change(ADDED, operation, tuple(_described(operation))))
            continue
        facts = tuple(_facts(before, before.operations[name], after, operation))
        if facts:
            changes.append(Change(CHANGED, operation, facts))
    gone = [Change(REMOVED, o) for name, o in before.operations.items() if name not in after.operations]
    return sorted(changes + gone, key=lambda change: _rank(after, change.operation))


def _rank(contract: Contract, operation: Operation) -> int:
    names = [section.name for section in contract.sections]
    return names.index(operation.section) if operation.section in names else len(names)


def counts(changes: Iterable[Change]) -> str:
    """For instance `1 added, 2 removed, 3 changed`; `nothing` when there is none."""
    kinds = [change.kind for change in changes]
    told = [f"{kinds.count(kind)} {kind}" for kind in (ADDED, REMOVED, CHANGED) if kind in kinds]
    return ", ".join(told) or "nothing"


def _described(o: Operation) -> list[str]:
    """What is worth knowing of a new operation."""
    facts = [f"section: {o.section}", f"provenance: {o.provenance} ({o.source})", f"features: {_features(o)}"]
    if o.query_parameters:
        facts.append("parameters: " + ", ".join(p.name for p in o.query_parameters))
    facts.append("answers: " + ", ".join(map(str, sorted(o.responses))))
    if o.collection:
        facts.append(f"collection key: {_key(o.collection.key)}")
    return facts


def _facts(contract: Contract, o: Operation, other: Contract, n: Operation) -> list[str]:
    plain: list[tuple[str, str, str]] = [
        ("method", o.method, n.method),
        ("path", o.template, n.template),
        ("section", o.section, n.section),
        ("provenance", o.provenance, n.provenance),
        ("source", o.source, n.source),
        ("features", _features(o), _features(n)),
        ("features' provenance", o.features_provenance, n.features_provenance),
        ("token", o.auth, n.auth),
        ("safety", o.safety, n.safety),
        ("record", f"{o.entity} {o.action}", f"{n.entity} {n.action}"),
        ("collection", _collection(o), _collection(n)),
        ("item key", _item(o), _item(n)),
        ("observed by", str(o.observe), str(n.observe)),
        ("body", o.body_media_type or "none", n.body_media_type or "none"),
    ]
    facts = [f"{name}: {old} -> {new}" for name, old, new in plain if old != new]
    facts += _set_facts("links", set(o.links), set(n.links))
    facts += _set_facts("answers", {str(s) for s in o.responses}, {str(s) for s in n.responses})
    facts += _set_facts("refers to", {s.field for s in o.sub_entities}, {s.field for s in n.sub_entities})
    facts += _map_facts("parameter", _parameters(contract, o), _parameters(other, n))
    facts += _map_facts("body field", _fields(contract, o.body_schema), _fields(other, n.body_schema))
    for status in sorted(set(o.responses) & set(n.responses)):
        facts += _map_facts(
            f"field of {status}",
            _fields(contract, o.response_schema(status)),
            _fields(other, n.response_schema(status)),
        )
    return facts


def _features(o: Operation) -> str:
    return o.features.text()


def _key(key: str | None) -> str:
    return key or "no key (bare array)"


def _collection(o: Operation) -> str:
    c = o.collection
    if c is None:
        return "none"
    return f"under {_key(c.key)}, {'paged' if c.paging else 'not paged'}, ordered by {c.timestamp or 'nothing'}"


def _item(o: Operation) -> str:
    return (o.item_key or "the whole body") if o.answers_item else "none"


def _set_facts(name: str, old: set[str], new: set[str]) -> list[str]:
    facts = [f"{name}: + {', '.join(sorted(new - old))}"] if new - old else []
    return facts + ([f"{name}: - {', '.join(sorted(old - new))}"] if old - new else [])


def _map_facts(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    facts = [f"{name} + {key} ({text})" for key, text in new.items() if key not in old]
    facts += [f"{name} - {key}" for key in old if key not in new]
    facts += [f"{name} {key}: {old[key]} -> {text}" for key, text in new.items() if key in old and old[key] != text]
    return facts


def _parameters(contract: Contract, o: Operation) -> dict[str, str]:
    return {
        p.name: ", ".join(filter(None, (p.place, kind(contract, p.schema), "required" if p.required else "")))
        for p in (*o.path_parameters, *o.query_parameters)
    }


def kind(contract: Contract, schema: Mapping[str, Any]) -> str:
    """A schema in a word or two: its type, format, values."""
    schema = contract.resolved(schema)
    found = schema.get("type", "")
    text = " or ".join(found) if isinstance(found, list) else str(found)
    if not text:
        text = next((word for word in ("allOf", "anyOf", "oneOf") if word in schema), "any")
        if schema.get(text):
            text = " and/or ".join(dict.fromkeys(kind(contract, part) for part in schema[text]))
    if isinstance(schema.get("items"), Mapping):
        text += f" of {kind(contract, schema['items'])}"
    if "format" in schema:
        text += f" {schema['format']}"
    if "enum" in schema:
        text += " " + "|".join(map(str, schema["enum"]))
    if "default" in schema:
        text += f" = {schema['default']}"
    return text


def _fields(contract: Contract, schema: Mapping[str, Any] | None) -> dict[str, str]:
    """Every field of a body by its dotted name, with its kind."""
    found: dict[str, str] = {}
    if schema is not None:
        _collect(contract, schema, "", found, ())
    return found


def _collect(
    contract: Contract, schema: Mapping[str, Any], prefix: str, found: dict[str, str], above: tuple[str, ...]
) -> None:
    name = str(schema.get("$ref", ""))
    if (name and name in above) or len(above) > _DEPTH:
        return
    above = (*above, name)
    schema = contract.resolved(schema)
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        _collect(contract, part, prefix, found, above)
    if isinstance(schema.get("items"), Mapping):
        _collect(contract, schema["items"], prefix + "[]" if prefix else "", found, above)
    required = schema.get("required", ())
    for field, value in schema.get("properties", {}).items():
        if not isinstance(value, Mapping):
            continue
        dotted = f"{prefix}.{field}" if prefix else field
        found[dotted] = kind(contract, value) + (", required" if field in required else "")
        _collect(contract, value, dotted, found, above)
