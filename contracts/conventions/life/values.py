"""LIFE: what is written into a record. Only what changes nothing but the record: free texts, numbers, choices between
names, switches that are off, lists of texts, objects of any form, and null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdp.contract import Operation
from contracts.conventions.life.model import MARK
from contracts.workbench import Workbench

FEW, MANY = 3, 99  # fields that are changed at once
_PLAIN_ITEMS = {"type", "description", "x-provenance"}
_OF_ANY_FORM = {"type", "description"}  # an object whose form is assumed may have another one
Fields = dict[str, Any]


class Values:
    """Makes values for the fields of creates and changes."""

    def __init__(self, bench: Workbench) -> None:
        self.contract = bench.session.contract
        self.sampler = bench.arrangement.sampler
        self._keys = 0

    def fields(self, operation: Operation) -> dict[str, Mapping[str, Any]]:
        """Fields of an operation's body, by name, with their schemas."""
        if operation.body_media_type != "application/json" or operation.body_schema is None:
            return {}
        found = self.contract.resolved(operation.body_schema).get("properties", {})
        return {name: self.contract.resolved(schema) for name, schema in found.items()}

    def _required(self, operation: Operation) -> tuple[str, ...]:
        return tuple(self.contract.resolved(operation.body_schema or {}).get("required", ()))

    def of_a_create(self, create: Operation, inner: Mapping[str, Any] | None = None) -> Iterator[Fields]:
        """What may be sent beside what must: all of it, then without the texts, whose meaning is not known. First of
        all with `inner` values of other records, with flags, and with other choices than the usual ones."""
        fields, required = self.fields(create), self._required(create)
        may = {n: schema for n, schema in fields.items() if n != MARK and n not in required}
        texts = {name: self._other(name, schema, None) for name, schema in may.items() if "enum" not in schema}
        plain = {name: self._plain(name, schema) for name, schema in fields.items() if name != MARK}
        texts, plain = ({n: value for n, value in some.items() if value is not None} for some in (texts, plain))
        flags = {name: schema["enum"][-1] for name, schema in may.items() if _is_flag(schema)}
        choices = {name: schema["enum"][-1] for name, schema in fields.items() if _is_choice(schema)}
        if choices:
            yield {**texts, **plain, **flags, **choices, **(inner or {})}
        if inner:
            yield {**texts, **plain, **flags, **inner}
        if flags:
            yield {**texts, **plain, **flags}
        if texts:
            yield {**texts, **plain}
        if plain:
            yield plain

    def of_a_change(self, update: Operation, now: Mapping[str, Any], pick: int, most: int) -> Fields:
        """New values for some of the fields, `most` of them at most; `pick` tells with which one to begin, and, where
        it is odd, that what may be null becomes null, and a list empty, and a text that no create needs where it is the
        only one. `now`: the record's fields as they are known."""
        fields, required = self.fields(update), self._required(update)
        create = self.contract.by_action(update.entity, "create")
        needed = {*required, *(self._required(create) if create is not None else fields)}
        found, plain = Fields(), Fields()
        for name, schema in fields.items():
            if name == MARK:
                continue
            other, simple = self._other(name, schema, now.get(name)), self._plain(name, schema)
            if pick % 2 and now.get(name) is not None and _nullable(schema) and name not in required:
                plain[name] = None
            elif simple is not None:
                plain[name] = [] if pick % 2 and isinstance(simple, list) and now.get(name) else simple
            elif other is not None:
                nothing = _nothing_much(schema, texts=most == 1 and name not in needed)
                found[name] = nothing if pick % 2 and nothing is not None and now.get(name) else other
        found |= plain
        names = list(found)
        chosen = {names[(pick // 2 + n) % len(names)] for n in range(min(most, len(names)))} if names else set()
        must = {n: now[n] if n in now else self.sampler.value(fields[n], n) for n in required}
        return {**must, **{name: value for name, value in found.items() if name in chosen}}

    def _plain(self, name: str, schema: Mapping[str, Any]) -> Any:
        """A switch that is off, or a list of two texts; None for any other field. A switch is never turned on: what
        that does is not known."""
        if _means_more(schema):
            return None
        if schema.get("type") == "boolean":
            return False
        items = self.contract.resolved(schema.get("items") or {})
        if schema.get("type") == "array" and items.get("type") == "string" and set(items) <= _PLAIN_ITEMS:
            return [self.sampler.text(name) for _ in range(2)]
        return None

    def _other(self, name: str, schema: Mapping[str, Any], now: Any) -> Any:
        """Another text, number or choice than the one that is there; None for any other field."""
        if "enum" in schema:
            others = [value for value in schema["enum"] if value != now and value is not None]
            return others[0] if len(schema["enum"]) > 1 and others else None
        if _means_more(schema) or name == "password":
            return None
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object" and set(schema) <= _OF_ANY_FORM:  # each time under another key: what was there has to go
            self._keys += 1
            key = f"cdpKey_{self._keys}"  # in mixed case: some programs spell keys anew
            return {key: self.sampler.text(name), f"{key}_none": None}
        if kind == "string" and not {"format", "pattern", "contentMediaType", "maxLength"} & set(schema):
            return self.sampler.text(name)
        if kind == "integer" and not {"maximum", "format"} & set(schema):
            return max(int(schema.get("minimum", 1)), now + 1 if isinstance(now, int) else 1)
        return None


def _is_flag(schema: Mapping[str, Any]) -> bool:
    """Whether a field is a flag in numbers, the last of which says yes."""
    return not _means_more(schema) and schema.get("enum") in ([0, 1], [1, 0])


def _is_choice(schema: Mapping[str, Any]) -> bool:
    """Whether a field is a choice between several words."""
    words = schema.get("enum", ())
    return not _means_more(schema) and len(words) > 1 and all(isinstance(word, str) for word in words)


def _means_more(schema: Mapping[str, Any]) -> bool:
    """Whether a field refers to something, or is known to mean more than its schema says."""
    return any(key.startswith("x-") and key != "x-provenance" for key in schema)


def _may_be_zero(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "integer" and schema.get("minimum", 0) <= 0 and "enum" not in schema


def _nothing_much(schema: Mapping[str, Any], *, texts: bool) -> Any:
    """What is often taken for no value at all: 0, and an empty text where `texts` may be empty; None for the others."""
    if _may_be_zero(schema):
        return 0
    return "" if texts and _is_text(schema) else None


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and not {"enum", "minLength"} & set(schema)


def _nullable(schema: Mapping[str, Any]) -> bool:
    return isinstance(schema.get("type"), list) and "null" in schema["type"]
