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

from cdp.contract.described import JSON, DescribedOperation, Description, Schema, route
from cdp.contract.described_operations import NewOperations, features_extension
from cdp.contract.described_schemas import Action, DescribedSchemas
from cdp.contract.model import Contract
from cdp.contract.operation import Operation
from cdp.contract.overlay import apply_overlay, make_overlay, target_of

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
        self.schemas = DescribedSchemas(contract, description, self.found.unshown)
        self.operations = NewOperations(contract, self.schemas, self.source)
        self.moved = False
        self.new_sections: list[str] = []
        self.new_paths: dict[str, dict[str, Any]] = {}

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
        added = self.schemas.components()
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

    def change(self, o: Operation, d: DescribedOperation) -> list[Action]:
        moved = (o.method, route(o.path)) != d.route
        if moved:
            return self.move(o, d)
        target = target_of(o.path, o.method)
        raw = self.contract.raw(o)
        actions: list[Action] = []
        if o.provenance != "documented":
            actions.append({"target": target, "update": {"x-provenance": "documented", "x-source": self.source}})
        if d.features is not None:
            same = (set(d.features.any_of), set(d.features.all_of)) == (set(o.features.any_of), set(o.features.all_of))
            if not same or o.features.unknown:
                actions.append({"target": f"{target}['x-required-features']", "remove": True})
                actions.append({"target": target, "update": {"x-required-features": features_extension(d.features)}})
            if o.features_provenance != "documented":
                actions.append({"target": target, "update": {"x-features-provenance": "documented"}})
        if d.open and o.auth == "token":
            actions.append({"target": target, "update": {"x-auth": "none"}})
        actions += self.parameters(o, d, raw, target)
        actions += self.body(o, d, target)
        actions += self.responses(o, d, raw, target)
        return actions

    def move(self, o: Operation, d: DescribedOperation) -> list[Action]:
        """The same operation under another method or path: taken out where it is and put in where it belongs."""
        self.moved = True
        raw = copy.deepcopy(self.contract.raw(o))
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
            raw |= {"x-required-features": features_extension(d.features), "x-features-provenance": "documented"}
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
                new = self.schemas.parameter(parameter)
                actions.append({"target": target, "update": {"parameters": [new]}})
                continue
            here = known[parameter.name]
            place = f"{target}.parameters[?@.name == '{parameter.name}']"
            if parameter.required != bool(here.get("required")):
                actions.append({"target": place, "update": {"required": parameter.required}})
            if self.schemas.differs(here.get("schema", {}), parameter.schema, values=True):
                actions.append({"target": f"{place}.schema", "remove": True})
                actions.append({"target": place, "update": {"schema": self.schemas.taken(parameter.schema)}})
        shown = {p.name for p in d.parameters}
        lacking = [name for name in known if name not in shown]
        if lacking:
            self.found.unshown.append(f"{o.section}: {o.id}: parameters {', '.join(lacking)}")
        return actions

    def body(self, o: Operation, d: DescribedOperation, target: str) -> list[Action]:
        if d.body_schema is None and d.body_media_type is None:
            return []
        if o.body_media_type is None:
            update = {"requestBody": self.schemas.request_body(d)}
            return [{"target": target, "update": update}] if d.body_schema else []
        if d.body_schema is None or o.body_schema is None or d.body_media_type != o.body_media_type:
            return []
        place = f"{target}.requestBody.content['{o.body_media_type}'].schema"
        return self.schemas.fields(f"{o.section}: {o.id}: body", place, o.body_schema, d.body_schema)

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
                update = {str(other): self.schemas.response(other, schema)}
                actions.append({"target": f"{target}.responses", "update": update})
        told, known = d.responses.get(status), o.response_schema(o.success_status)
        if told is not None and known is not None:
            place = f"{target}.responses['{status}'].content['{JSON}'].schema"
            if "$ref" in raw["responses"][str(o.success_status)]:
                name = raw["responses"][str(o.success_status)]["$ref"].rsplit("/", 1)[-1]
                place = f"$.components.responses.{name}.content['{JSON}'].schema"
            told = self.schemas.told(told)
            wrapped = self.wrapper(o, target, place, known, told)
            renamed = _wrapper(o) if wrapped else ""
            actions += [*wrapped, *self.schemas.fields(f"{o.section}: {o.id}: answer", place, known, told, renamed)]
        elif told is not None and status in o.responses:
            content = {"content": {JSON: {"schema": self.schemas.taken(told)}}}
            if "$ref" not in raw["responses"].get(str(status), {}):
                actions.append({"target": f"{target}.responses['{status}']", "update": content})
        return actions

    def wrapper(self, o: Operation, target: str, place: str, known: Mapping[str, Any], told: Schema) -> list[Action]:
        """Another key around the records: the records keep the contract's schema under the file's key."""
        old, fields = _wrapper(o), self.contract.resolved(known).get("properties", {})
        shown = self.schemas.told(told).get("properties", {})
        if not old or old in shown or old not in fields or "$ref" in known:
            return []
        wanted = "array" if o.collection else "object"
        keys = [k for k, v in shown.items() if self.schemas.told(v).get("type") == wanted and k not in fields]
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
        return actions

    # --- new operations --------------------------------------------------------------------------------------------

    def add(self, d: DescribedOperation) -> None:
        path = self._known_path(d.path)
        self.new_paths.setdefault(path, {})[d.method.lower()] = self.operations.made(d, self.section_of(d), path)

    def _known_path(self, path: str) -> str:
        """The contract's own spelling of a path: the same one with other names of parameters is the same path."""
        here = (p for p in [*self.contract.document["paths"], *self.new_paths] if route(p) == route(path))
        return next(here, path)


def _wrapper(o: Operation) -> str:
    """The key that an operation's answer has around its records; empty for none."""
    return (o.collection.key if o.collection else o.item_key) or ""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z]+", "-", name.lower()).strip("-") or "imported"


def _merged(actions: list[Action]) -> list[Action]:
    """The same correction, made by several operations that share a structure, once."""
    found: list[Action] = []
    for action in actions:
        if action not in found:
            found.append(action)
    return found
