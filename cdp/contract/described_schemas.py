"""The schemas of an owner's API description: what they add to the contract's, or say otherwise."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from cdp.contract.described import JSON, DescribedOperation, DescribedParameter, Description, Schema
from cdp.contract.model import Contract

Action = dict[str, Any]
_PREFIX = "#/components/schemas/"


class DescribedSchemas:
    """Compares and takes over. `unshown` takes what the contract has and the file does not show, in words."""

    def __init__(self, contract: Contract, description: Description, unshown: list[str]) -> None:
        self.contract = contract
        self.description = description
        self.unshown = unshown
        known: Mapping[str, Any] = contract.document["components"].get("schemas", {})
        self._renamed = {n: n if n not in known else f"{n}Imported" for n in description.structures}
        self._wanted: list[str] = []

    def fields(
        self, what: str, place: str, known: Mapping[str, Any], told: Schema, renamed: str = "", depth: int = 0
    ) -> list[Action]:
        """Fields that the file adds or shows in another form, put where the contract's schema keeps them.
        `renamed`: the key of a wrapper that was put in place of another one already."""
        if "$ref" in known:
            place = f"$.components.schemas.{known['$ref'].rsplit('/', 1)[-1]}"
        known, told = self.contract.resolved(known), self.told(told)
        if depth > 5:
            return []
        if known.get("allOf") and "properties" not in known:
            return self.parts(what, place, known["allOf"], told, renamed, depth)
        if isinstance(known.get("items"), Mapping) and isinstance(told.get("items"), dict):
            return self.fields(what, f"{place}.items", known["items"], told["items"], renamed, depth + 1)
        here, shown = known.get("properties"), told.get("properties")
        if not isinstance(here, Mapping) or not isinstance(shown, dict):
            return []
        actions: list[Action] = []
        for name, schema in shown.items():
            required = name in told.get("required", ()) and name not in known.get("required", ())
            if name not in here:
                if renamed in here and self.told(schema).get("type") in ("array", "object"):
                    continue
                actions.append(self._field(place, name, schema))
            elif not told.get("x-shown") and self.differs(here[name], schema):
                actions.append({"target": f"{place}.properties['{name}']", "remove": True})
                actions.append(self._field(place, name, schema))
                continue
            else:
                actions += self.fields(what, f"{place}.properties['{name}']", here[name], schema, renamed, depth + 1)
            if required:
                actions.append({"target": place, "update": {"required": [name]}})
        lacking = [name for name in here if name not in shown]
        if lacking and not told.get("x-shown") and shown:
            self.unshown.append(f"{what}: fields {', '.join(lacking)}")
        return actions

    def _field(self, place: str, name: str, schema: Schema) -> Action:
        """Puts a field of the file where the contract keeps the others."""
        return {"target": f"{place}.properties", "update": {name: self.taken(schema)}}

    def parts(
        self, what: str, place: str, parts: list[Mapping[str, Any]], told: Schema, renamed: str, depth: int
    ) -> list[Action]:
        """Fields of a schema that is put together from others: each goes where it is kept, a new one to the last part
        that belongs to this schema alone."""
        shown = dict(told.get("properties", {}))
        kept = [set(self.all_fields(part)) for part in parts]
        home = max((n for n, part in enumerate(parts) if "$ref" not in part), default=len(parts) - 1)
        actions: list[Action] = []
        for number, part in enumerate(parts):
            elsewhere = set().union(*kept) - kept[number]
            mine = {k: v for k, v in shown.items() if k in kept[number] or (number == home and k not in elsewhere)}
            actions += self.fields(
                what, f"{place}.allOf[{number}]", part, {**told, "properties": mine}, renamed, depth + 1
            )
        return actions

    def all_fields(self, schema: Mapping[str, Any]) -> list[str]:
        schema = self.contract.resolved(schema)
        return [*schema.get("properties", {}), *(f for part in schema.get("allOf", ()) for f in self.all_fields(part))]

    def told(self, schema: Schema) -> Schema:
        """A schema of the file with its references followed and its parts put together."""
        for _ in range(20):
            if "$ref" not in schema:
                break
            schema = self.description.structures.get(schema["$ref"].removeprefix(_PREFIX), {})
        if "allOf" in schema:
            whole: Schema = {"type": "object", "properties": {}, "required": []}
            for part in [*schema["allOf"], {k: v for k, v in schema.items() if k != "allOf"}]:
                part = self.told(part)
                whole["properties"] |= part.get("properties", {})
                whole["required"] += part.get("required", [])
            return whole
        return schema

    def differs(self, known: Mapping[str, Any], told: Schema, *, values: bool = False) -> bool:
        """Whether the file says another type, other values or another default; what it leaves open does not differ."""
        known, told = self.contract.resolved(known), self.told(told)
        ours, theirs = _types(known), _types(told)
        if ours and theirs and not theirs <= ours and not ("number" in theirs and "integer" in ours):
            return True
        if not ours and not values:
            return False
        if told.get("enum") and known.get("enum") and set(map(str, told["enum"])) != set(map(str, known["enum"])):
            return True
        return values and "default" in told and str(told["default"]) != str(known.get("default", told["default"]))

    def taken(self, schema: Schema) -> Schema:
        """A schema of the file as it stands in the overlay, its references renamed and remembered."""
        if not schema:
            return {"type": ["object", "array", "string", "number", "boolean", "null"]}
        found: Schema = {}
        for key, value in schema.items():
            if key == "$ref":
                name = value.removeprefix(_PREFIX)
                if name not in self._wanted:
                    self._wanted.append(name)
                found[key] = _PREFIX + self._renamed.get(name, name)
            elif key in ("items", "additionalProperties") and isinstance(value, dict):
                found[key] = self.taken(value)
            elif key in ("allOf", "anyOf", "oneOf"):
                found[key] = [self.taken(part) for part in value]
            elif key == "properties":
                found[key] = {name: self.taken(part) for name, part in value.items()}
            elif key != "x-shown":
                found[key] = copy.deepcopy(value)
        return found

    def components(self) -> dict[str, Schema]:
        """The file's structures that the overlay refers to, and those that they refer to."""
        found: dict[str, Schema] = {}
        done = 0
        while done < len(self._wanted):
            name = self._wanted[done]
            done += 1
            if name in self.description.structures:
                found[self._renamed[name]] = self.taken(self.description.structures[name])
        return found

    # --- what operations are made of ---------------------------------------------------------------------------------

    def parameter(self, p: DescribedParameter) -> dict[str, Any]:
        found: dict[str, Any] = {"name": p.name, "in": p.place, "required": p.required or p.place == "path"}
        if p.description:
            found["description"] = p.description
        return {**found, "schema": self.taken(p.schema) if p.schema else {"type": "string"}}

    def request_body(self, d: DescribedOperation) -> dict[str, Any]:
        media = d.body_media_type or JSON
        schema = self.taken(d.body_schema) if d.body_schema else {"type": "object"}
        return {"required": True, "content": {media: {"schema": schema}}}

    def response(self, status: int, schema: Schema | None) -> dict[str, Any]:
        text = "Success." if status < 300 else "Refused." if status < 500 else "Error."
        found: dict[str, Any] = {"description": text}
        if schema is not None:
            found["content"] = {JSON: {"schema": self.taken(schema)}}
        return found


def _types(schema: Mapping[str, Any]) -> set[str]:
    told = schema.get("type", ())
    found = {told} if isinstance(told, str) else set(told)
    return found - {"null"} or found
