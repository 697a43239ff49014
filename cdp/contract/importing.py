"""From an API description of the owner's to an overlay: what it adds to the contract and what it says otherwise.

Nothing is removed because the file does not show it; that is listed. A field or parameter that the file shows in
another form is corrected, one that it adds is added, and what it confirms becomes documented.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cdp.contract.described import JSON, DescribedOperation, DescribedParameter, Description, Schema, route
from cdp.contract.model import Contract, Features, Operation
from cdp.contract.overlay import apply_overlay, make_overlay, target_of

Action = dict[str, Any]
_PREFIX = "#/components/schemas/"
_SENDING = re.compile(r"send|activat|test|export|publish", re.IGNORECASE)


@dataclass
class Import:
    """The overlay's actions, and what the contract has that the file does not show, in words."""

    actions: list[Action] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)
    operations: int = 0
    matched: int = 0


def import_description(contract: Contract, description: Description) -> Import:
    """Compare a description with the contract."""
    importer = _Importer(contract, description)
    found = importer.run()
    if importer.moved:
        # What has moved is compared where it is now.
        overlay = make_overlay(description.path, description.path.name, found.actions)
        there = Contract(apply_overlay(contract.document, overlay))
        more = _Importer(there, description).run()
        found.actions += more.actions
        found.unshown = more.unshown
    return found


class _Importer:
    def __init__(self, contract: Contract, description: Description) -> None:
        self.contract = contract
        self.description = description
        self.source = description.path.name
        self.found = Import(operations=len(description.operations))
        self.schemas: Mapping[str, Any] = contract.document["components"].get("schemas", {})
        self.renamed = {n: n if n not in self.schemas else f"{n}Imported" for n in description.structures}
        self.wanted: list[str] = []
        self.renamed_key = ""
        self.moved = False
        self.new_sections: list[str] = []
        self.new_paths: dict[str, dict[str, Any]] = {}
        self.names = set(contract.operations)
        self.lists = {o.path: o.entity for o in contract.operations.values() if o.action == "list" and o.entity}

    def run(self) -> Import:
        pairs = self.matched()
        changes: list[Action] = []
        for described in self.description.operations:
            operation = pairs.get(id(described))
            if operation is None:
                self.add(described)
            else:
                self.found.matched += 1
                changes += self.change(operation, described)
        actions: list[Action] = []
        for section in self.new_sections:
            tag = {"name": section, "x-slug": _slug(section), "x-documentation": "full"}
            actions.append({"target": "$.tags", "update": tag})
        added = self.components()
        if added:
            actions.append({"target": "$.components.schemas", "update": added})
        for path, item in self.new_paths.items():
            if path in self.contract.document["paths"]:
                actions.append({"target": target_of(path), "update": item})
            else:
                actions.append({"target": "$.paths", "update": {path: item}})
        self.found.actions = [*actions, *_merged(changes)]
        self.unshown({id(o) for o in pairs.values()})
        return self.found

    # --- which is which --------------------------------------------------------------------------------------------

    def matched(self) -> dict[int, Operation]:
        """Described operations with the contract's: by method and path, else by their place in the section."""
        by_route = {(o.method, route(o.path)): o for o in self.contract.operations.values()}
        pairs = {id(d): by_route[d.route] for d in self.description.operations if d.route in by_route}
        taken = {o.id for o in pairs.values()}
        left = [d for d in self.description.operations if id(d) not in pairs]
        for same_path in (True, False):
            for described in list(left):
                fits = [o for o in self.contract.operations.values() if self._fits(o, described, taken, same_path)]
                rivals = [d for d in left if fits and self._fits(fits[0], d, taken, same_path)]
                if len(fits) == 1 and len(rivals) == 1:
                    pairs[id(described)] = fits[0]
                    taken.add(fits[0].id)
                    left.remove(described)
        return pairs

    def _fits(self, o: Operation, d: DescribedOperation, taken: set[str], same_path: bool) -> bool:
        """Whether an operation that is not documented may be the described one under another method or path."""
        if o.id in taken or o.provenance == "documented":
            return False
        if same_path:
            return route(o.path) == d.route[1] and {o.method, d.method} <= {"PUT", "PATCH", "POST"}
        section = self.section_of(d)
        alike = route(o.path).count("{}") == d.route[1].count("{}") and o.path.endswith("}") == d.path.endswith("}")
        return o.section == section and o.method == d.method and alike

    def section_of(self, described: DescribedOperation) -> str:
        known = self.contract.section(described.group) if described.group else None
        if known is not None:
            return known.name
        first = described.path.split("/")[1]
        near = [o.section for o in self.contract.operations.values() if o.path.split("/")[1] == first]
        if near and not described.group:
            return near[0]
        name = described.group or first.replace("_", " ").title() or "Imported"
        if name not in self.new_sections:
            self.new_sections.append(name)
        return name

    def unshown(self, shown: set[int]) -> None:
        sections = {o.section for o in self.contract.operations.values() if id(o) in shown}
        sections |= {s.name for d in self.description.operations if d.group and (s := self.contract.section(d.group))}
        for o in self.contract.operations.values():
            if o.section in sections and id(o) not in shown:
                self.found.unshown.append(f"{o.section}: {o.id}  {o.method} {o.template} ({o.provenance})")

    # --- changes to a known operation ------------------------------------------------------------------------------

    def raw(self, o: Operation) -> dict[str, Any]:
        found: dict[str, Any] = self.contract.document["paths"][o.path][o.method.lower()]
        return found

    def change(self, o: Operation, d: DescribedOperation) -> list[Action]:
        moved = (o.method, route(o.path)) != d.route
        if moved:
            return self.move(o, d)
        target = target_of(o.path, o.method)
        raw = self.raw(o)
        actions: list[Action] = []
        if o.provenance != "documented":
            actions.append({"target": target, "update": {"x-provenance": "documented", "x-source": self.source}})
        if d.features is not None:
            same = (set(d.features.any_of), set(d.features.all_of)) == (set(o.features.any_of), set(o.features.all_of))
            if not same or o.features.unknown:
                actions.append({"target": f"{target}['x-required-features']", "remove": True})
                actions.append({"target": target, "update": {"x-required-features": _features(d.features)}})
            if o.features_provenance != "documented":
                actions.append({"target": target, "update": {"x-features-provenance": "documented"}})
        if d.open and o.auth == "token":
            actions.append({"target": target, "update": {"x-auth": "none"}})
        actions += self.parameters(o, d, raw, target)
        actions += self.body(o, d, raw, target)
        actions += self.responses(o, d, raw, target)
        return actions

    def move(self, o: Operation, d: DescribedOperation) -> list[Action]:
        """The same operation under another method or path: taken out where it is and put in where it belongs."""
        self.moved = True
        raw = copy.deepcopy(self.raw(o))
        names = re.findall(r"\{([^}]*)\}", d.path)
        old = [p for p in raw.get("parameters", ()) if p["in"] == "path"]
        path = d.path
        if len(names) == len(old):
            for name, parameter in zip(names, old, strict=True):
                path = path.replace("{" + name + "}", "{" + parameter["name"] + "}")
        else:
            path = o.path
        raw |= {"x-provenance": "documented", "x-source": self.source}
        if d.features is not None:
            raw |= {"x-required-features": _features(d.features), "x-features-provenance": "documented"}
        self.new_paths.setdefault(path, {})[d.method.lower()] = raw
        said = f"{o.id}: the file shows {d.method} {d.path}"
        return [{"target": target_of(o.path, o.method), "description": said, "remove": True}]

    def parameters(self, o: Operation, d: DescribedOperation, raw: Mapping[str, Any], target: str) -> list[Action]:
        actions: list[Action] = []
        known = {p["name"]: p for p in raw.get("parameters", ()) if p["in"] == "query"}
        for parameter in d.parameters:
            if parameter.place != "query":
                continue
            if parameter.name not in known:
                new = self.parameter(parameter)
                actions.append({"target": target, "update": {"parameters": [new]}})
                continue
            here = known[parameter.name]
            place = f"{target}.parameters[?@.name == '{parameter.name}']"
            if parameter.required != bool(here.get("required")):
                actions.append({"target": place, "update": {"required": parameter.required}})
            if self.differs(here.get("schema", {}), parameter.schema, values=True):
                actions.append({"target": f"{place}.schema", "remove": True})
                actions.append({"target": place, "update": {"schema": self.schema(parameter.schema)}})
        shown = {p.name for p in d.parameters}
        lacking = [name for name in known if name not in shown]
        if lacking:
            self.found.unshown.append(f"{o.section}: {o.id}: parameters {', '.join(lacking)}")
        return actions

    def parameter(self, p: DescribedParameter) -> dict[str, Any]:
        found: dict[str, Any] = {"name": p.name, "in": p.place, "required": p.required or p.place == "path"}
        if p.description:
            found["description"] = p.description
        return {**found, "schema": self.schema(p.schema) if p.schema else {"type": "string"}}

    def body(self, o: Operation, d: DescribedOperation, raw: Mapping[str, Any], target: str) -> list[Action]:
        if d.body_schema is None and d.body_media_type is None:
            return []
        if o.body_media_type is None:
            return [{"target": target, "update": {"requestBody": self.request_body(d)}}] if d.body_schema else []
        if d.body_schema is None or o.body_schema is None or d.body_media_type != o.body_media_type:
            return []
        place = f"{target}.requestBody.content['{o.body_media_type}'].schema"
        return self.fields(f"{o.section}: {o.id}: body", place, o.body_schema, d.body_schema)

    def request_body(self, d: DescribedOperation) -> dict[str, Any]:
        media = d.body_media_type or JSON
        schema = self.schema(d.body_schema) if d.body_schema else {"type": "object"}
        return {"required": True, "content": {media: {"schema": schema}}}

    def responses(self, o: Operation, d: DescribedOperation, raw: Mapping[str, Any], target: str) -> list[Action]:
        actions: list[Action] = []
        shown = {s for s in d.responses if 200 <= s < 300}
        if shown and o.success_status not in shown and len(shown) == 1 and o.provenance != "documented":
            # The answer is the same one under another status.
            status = shown.pop()
            answer = copy.deepcopy(raw["responses"][str(o.success_status)])
            actions.append({"target": f"{target}.responses['{o.success_status}']", "remove": True})
            actions.append({"target": f"{target}.responses", "update": {str(status): answer}})
        else:
            status = o.success_status
        for other, schema in d.responses.items():
            if other not in o.responses and other != status:
                update = {str(other): self.response(other, schema)}
                actions.append({"target": f"{target}.responses", "update": update})
        told, known = d.responses.get(status), o.response_schema(o.success_status)
        if told is not None and known is not None:
            place = f"{target}.responses['{status}'].content['{JSON}'].schema"
            if "$ref" in raw["responses"][str(o.success_status)]:
                name = raw["responses"][str(o.success_status)]["$ref"].rsplit("/", 1)[-1]
                place = f"$.components.responses.{name}.content['{JSON}'].schema"
            told = self.told(told)
            self.renamed_key = ""
            actions += self.wrapper(o, target, place, known, told)
            actions += self.fields(f"{o.section}: {o.id}: answer", place, known, told)
        elif told is not None and status in o.responses:
            content = {"content": {JSON: {"schema": self.schema(told)}}}
            if "$ref" not in raw["responses"].get(str(status), {}):
                actions.append({"target": f"{target}.responses['{status}']", "update": content})
        return actions

    def wrapper(self, o: Operation, target: str, place: str, known: Mapping[str, Any], told: Schema) -> list[Action]:
        """Another key around the records: the records keep the contract's schema under the file's key."""
        old = o.collection.key if o.collection else o.item_key
        fields, shown = self.contract.resolved(known).get("properties", {}), self.told(told).get("properties", {})
        if not old or old in shown or old not in fields or "$ref" in known:
            return []
        wanted = "array" if o.collection else "object"
        keys = [k for k, v in shown.items() if self.told(v).get("type") == wanted and k not in fields]
        if len(keys) != 1:
            return []
        required = [keys[0] if n == old else n for n in self.contract.resolved(known).get("required", ())]
        extension = {"x-collection": {"key": keys[0]}} if o.collection else {"x-item-key": keys[0]}
        actions: list[Action] = [
            {"target": f"{place}.properties.{old}", "remove": True},
            {"target": f"{place}.properties", "update": {keys[0]: copy.deepcopy(fields[old])}},
            {"target": target, "update": extension},
        ]
        if required:
            actions.insert(0, {"target": f"{place}.required", "remove": True})
            actions.append({"target": place, "update": {"required": required}})
        self.renamed_key = old
        return actions

    def response(self, status: int, schema: Schema | None) -> dict[str, Any]:
        text = "Success." if status < 300 else "Refused." if status < 500 else "Error."
        found: dict[str, Any] = {"description": text}
        if schema is not None:
            found["content"] = {JSON: {"schema": self.schema(schema)}}
        return found

    # --- fields ----------------------------------------------------------------------------------------------------

    def fields(self, what: str, place: str, known: Mapping[str, Any], told: Schema, depth: int = 0) -> list[Action]:
        """Fields that the file adds or shows in another form, put where the contract's schema keeps them."""
        if "$ref" in known:
            place = f"$.components.schemas.{known['$ref'].rsplit('/', 1)[-1]}"
        known, told = self.contract.resolved(known), self.told(told)
        if depth > 5:
            return []
        if known.get("allOf") and "properties" not in known:
            return self.parts(what, place, known["allOf"], told, depth)
        if isinstance(known.get("items"), Mapping) and isinstance(told.get("items"), dict):
            return self.fields(what, f"{place}.items", known["items"], told["items"], depth + 1)
        here, shown = known.get("properties"), told.get("properties")
        if not isinstance(here, Mapping) or not isinstance(shown, dict):
            return []
        actions: list[Action] = []
        required = list(known.get("required", ()))
        for name, schema in shown.items():
            if name not in here:
                if self._wrapper_of(here, schema):
                    continue
                actions.append({"target": f"{place}.properties", "update": {name: self.schema(schema)}})
                if name in told.get("required", ()):
                    actions.append({"target": place, "update": {"required": [name]}})
            elif not told.get("x-shown") and self.differs(here[name], schema):
                actions.append({"target": f"{place}.properties['{name}']", "remove": True})
                actions.append({"target": f"{place}.properties", "update": {name: self.schema(schema)}})
            else:
                actions += self.fields(what, f"{place}.properties['{name}']", here[name], schema, depth + 1)
                if name in told.get("required", ()) and name not in required:
                    actions.append({"target": place, "update": {"required": [name]}})
        lacking = [name for name in here if name not in shown]
        if lacking and not told.get("x-shown") and shown:
            self.found.unshown.append(f"{what}: fields {', '.join(lacking)}")
        return actions

    def parts(self, what: str, place: str, parts: list[Mapping[str, Any]], told: Schema, depth: int) -> list[Action]:
        """Fields of a schema that is put together from others: each goes where it is kept, a new one to the last part
        that belongs to this schema alone."""
        shown = dict(told.get("properties", {}))
        kept = [set(self.all_fields(part)) for part in parts]
        home = max((n for n, part in enumerate(parts) if "$ref" not in part), default=len(parts) - 1)
        actions: list[Action] = []
        for number, part in enumerate(parts):
            elsewhere = set().union(*kept) - kept[number]
            mine = {k: v for k, v in shown.items() if k in kept[number] or (number == home and k not in elsewhere)}
            actions += self.fields(what, f"{place}.allOf[{number}]", part, {**told, "properties": mine}, depth + 1)
        return actions

    def all_fields(self, schema: Mapping[str, Any]) -> list[str]:
        schema = self.contract.resolved(schema)
        return [*schema.get("properties", {}), *(f for part in schema.get("allOf", ()) for f in self.all_fields(part))]

    def _wrapper_of(self, here: Mapping[str, Any], schema: Schema) -> bool:
        """Whether a field is the wrapper that `wrapper` has put in place of another one."""
        return self.renamed_key in here and self.told(schema).get("type") in ("array", "object")

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

    def schema(self, schema: Schema) -> Schema:
        """A schema of the file as it stands in the overlay, its references renamed and remembered."""
        if not schema:
            return {"type": ["object", "array", "string", "number", "boolean", "null"]}
        found: Schema = {}
        for key, value in schema.items():
            if key == "$ref":
                name = value.removeprefix(_PREFIX)
                if name not in self.wanted:
                    self.wanted.append(name)
                found[key] = _PREFIX + self.renamed.get(name, name)
            elif key in ("items", "additionalProperties") and isinstance(value, dict):
                found[key] = self.schema(value)
            elif key in ("allOf", "anyOf", "oneOf"):
                found[key] = [self.schema(part) for part in value]
            elif key == "properties":
                found[key] = {name: self.schema(part) for name, part in value.items()}
            elif key != "x-shown":
                found[key] = copy.deepcopy(value)
        return found

    def components(self) -> dict[str, Schema]:
        """The file's structures that the overlay refers to, and those that they refer to."""
        found: dict[str, Schema] = {}
        done = 0
        while done < len(self.wanted):
            name = self.wanted[done]
            done += 1
            if name in self.description.structures:
                found[self.renamed[name]] = self.schema(self.description.structures[name])
        return found

    # --- new operations --------------------------------------------------------------------------------------------

    def add(self, d: DescribedOperation) -> None:
        section = self.section_of(d)
        responses = d.responses if any(200 <= s < 300 for s in d.responses) else {200: None, **d.responses}
        raw: dict[str, Any] = {
            "operationId": self.name(d),
            "summary": d.summary or f"{d.method} {d.path}",
            "tags": [section],
            "x-section": section,
            "x-provenance": "documented",
            "x-source": self.source,
            "x-required-features": _features(d.features) if d.features is not None else {"unknown": True},
            "x-features-provenance": "documented" if d.features is not None else "assumed",
            "x-auth": "none" if d.open else "token",
            "x-safety": _safety(d),
        }
        success = self.told(responses[min(s for s in responses if 200 <= s < 300)] or {})
        raw |= self.records(d, success)
        parameters = [self.parameter(p) for p in d.parameters]
        for parameter in parameters:
            if parameter["in"] == "path":
                entity = self.lists.get(d.path.partition("{" + parameter["name"] + "}")[0].rstrip("/"), "")
                if entity:
                    parameter["x-entity"] = entity
        if parameters:
            raw["parameters"] = parameters
        if d.body_schema is not None or (d.body_media_type and d.method != "GET"):
            raw["requestBody"] = self.request_body(d)
        raw["responses"] = {str(status): self.response(status, schema) for status, schema in responses.items()}
        self.new_paths.setdefault(self._known_path(d.path), {})[d.method.lower()] = _renamed(raw, d, self._known_path)

    def _known_path(self, path: str) -> str:
        """The contract's own spelling of a path: the same one with other names of parameters is the same path."""
        here = (p for p in [*self.contract.document["paths"], *self.new_paths] if route(p) == route(path))
        return next(here, path)

    def records(self, d: DescribedOperation, success: Schema) -> dict[str, Any]:
        """What the answer of a new operation brings: a collection, or one record."""
        properties = success.get("properties", {})
        arrays = [k for k, v in properties.items() if self.told(v).get("type") == "array"]
        names = {p.name for p in d.parameters}
        paging = {"limit", "offset"} <= names
        if d.method == "GET" and success.get("type") == "array":
            items = success.get("items", {})
            return {"x-collection": {"key": None, "paging": paging, **self.timestamp(items)}}
        if d.method == "GET" and len(arrays) == 1 and (paging or len(properties) <= 2):
            items = self.told(properties[arrays[0]]).get("items", {})
            return {"x-collection": {"key": arrays[0], "paging": paging, **self.timestamp(items)}}
        objects = [k for k, v in properties.items() if self.told(v).get("type") == "object"]
        if d.method in ("GET", "POST", "PATCH", "PUT") and len(properties) == 1 and len(objects) == 1:
            return {"x-item-key": objects[0]}
        return {}

    def timestamp(self, items: Schema) -> dict[str, Any]:
        fields = self.told(items).get("properties", {})
        if "created" in fields:
            return {"timestamp": "created", "timestamp-provenance": "assumed", "order": "DESC"}
        return {"timestamp": None}

    def name(self, d: DescribedOperation) -> str:
        words = re.findall(r"[a-z0-9]+", d.summary.lower())
        if not words or len(words) > 6:
            words = re.findall(r"[a-z0-9]+", f"{d.method} {d.path}".lower())
        stem = name = "_".join(words)
        number = 2
        while name in self.names:
            name, number = f"{stem}_{number}", number + 1
        self.names.add(name)
        return name


def _renamed(raw: dict[str, Any], d: DescribedOperation, known_path: Any) -> dict[str, Any]:
    """The operation with the path parameters named as the contract's path names them."""
    names = zip(re.findall(r"\{([^}]*)\}", d.path), re.findall(r"\{([^}]*)\}", known_path(d.path)), strict=True)
    for old, new in names:
        for parameter in raw.get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"] == old:
                parameter["name"] = new
    return raw


def _features(features: Features) -> dict[str, Any]:
    if features.any_of:
        return {"anyOf": list(features.any_of)}
    return {"allOf": list(features.all_of)} if features.all_of else {"none": True}


def _safety(d: DescribedOperation) -> str:
    if d.method in ("GET", "HEAD", "OPTIONS"):
        return "read"
    if d.method == "DELETE":
        return "destructive"
    return "sends" if _SENDING.search(f"{d.path.rpartition('/')[2]} {d.summary}") else "write"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z]+", "-", name.lower()).strip("-") or "imported"


def _types(schema: Mapping[str, Any]) -> set[str]:
    told = schema.get("type", ())
    found = {told} if isinstance(told, str) else set(told)
    return found - {"null"} or found


def _merged(actions: list[Action]) -> list[Action]:
    """The same correction, made by several operations that share a structure, once."""
    found: list[Action] = []
    for action in actions:
        if action not in found:
            found.append(action)
    return found
