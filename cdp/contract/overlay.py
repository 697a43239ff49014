"""What the owner of an instance knows better: an OpenAPI Overlay 1.0 laid over the bundled contract.

Actions are applied in their order. `update` merges objects, puts an entry at the end of an array, and joins arrays
inside what it merges; `remove` takes out what the target selects. Here an action that selects nothing is a mistake: a
correction that corrects nothing must not pass for one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import jsonpath_rfc9535 as jsonpath
import jsonschema_rs
import yaml

from cdp.contract.document import CONTRACT_ROOT, METHODS, ContractError, read_yaml

VERSION = "1.0.0"
Location = tuple[str | int, ...]
_NOTHING = object()
# The suite gets its callers by these; a contract without them cannot be held to anything.
_NEEDED = ("login_user", "logout_user", "refresh_token")
_ACTION_FIELDS = ("target", "description", "update", "remove")


@dataclass(frozen=True)
class Action:
    """One step of an overlay. `update` is `_NOTHING` where the action removes."""

    number: int
    target: str
    query: jsonpath.JSONPathQuery
    update: Any
    remove: bool

    def name(self) -> str:
        """How messages call it."""
        return f"action {self.number} ({self.target})"


@dataclass(frozen=True)
class Overlay:
    """A parsed overlay and where it came from."""

    path: Path
    title: str
    actions: tuple[Action, ...]


def read_overlay(path: Path) -> Overlay:
    """Read an overlay (YAML or JSON). Raises ContractError with one line that names the file and the action."""
    raw = read_yaml(path, kind="overlay")
    where = f"overlay {path}"
    if not isinstance(raw, dict) or "overlay" not in raw:
        raise ContractError(f"{where}: not an overlay (no field overlay with the version)")
    if not re.fullmatch(r"1\.0\.\d+", str(raw["overlay"])):
        raise ContractError(f"{where}: version {raw['overlay']} is not read; 1.0.x is")
    unknown = [key for key in raw if key not in ("overlay", "info", "extends", "actions") and not _is_extension(key)]
    if unknown:
        raise ContractError(f"{where}: unknown field {unknown[0]}")
    info = raw.get("info")
    if not isinstance(info, dict) or not info.get("title") or "version" not in info:
        raise ContractError(f"{where}: info needs a title and a version")
    actions = raw.get("actions")
    if not isinstance(actions, list) or not actions:
        raise ContractError(f"{where}: actions must be a list with at least one action")
    return Overlay(path, str(info["title"]), tuple(_action(where, n, item) for n, item in enumerate(actions, 1)))


def make_overlay(path: Path, title: str, actions: list[dict[str, Any]]) -> Overlay:
    """An overlay of actions that stand in no file yet; `path` is what messages call it."""
    return Overlay(path, title, tuple(_action(f"overlay {path}", n, raw) for n, raw in enumerate(actions, 1)))


def _action(where: str, number: int, raw: Any) -> Action:
    here = f"{where}: action {number}"
    if not isinstance(raw, dict):
        raise ContractError(f"{here} is not an object")
    target = raw.get("target")
    if not isinstance(target, str) or not target.startswith("$"):
        raise ContractError(f"{here} needs a target, a JSONPath that starts with $")
    here += f" ({target})"
    unknown = [key for key in raw if key not in _ACTION_FIELDS and not _is_extension(key)]
    if unknown:
        raise ContractError(f"{here} has the unknown field {unknown[0]}")
    remove = raw.get("remove", False)
    if not isinstance(remove, bool):
        raise ContractError(f"{here}: remove must be true or false")
    if not remove and "update" not in raw:
        raise ContractError(f"{here} neither updates nor removes")
    try:
        query = jsonpath.compile(target)
    except jsonpath.JSONPathError as error:
        raise ContractError(f"{here}: not a JSONPath: {_one_line(error)}") from None
    return Action(number, target, query, _NOTHING if remove else raw["update"], remove)


def _is_extension(key: Any) -> bool:
    return isinstance(key, str) and key.startswith("x-")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def apply_overlay(document: Mapping[str, Any], overlay: Overlay) -> dict[str, Any]:
    """The document with the overlay laid over it; the one given is left as it is.

    Links, observers and prerequisites that name an operation which the overlay removed go with it. Raises
    ContractError with one line that names file and action when an action selects nothing or does not fit, or when the
    result is no valid contract.
    """
    before = {raw["operationId"]: place for place, raw in _raw_operations(document) if "operationId" in raw}
    result: dict[str, Any] = copy.deepcopy(dict(document))
    touched: list[tuple[Action, Location]] = []
    for action in overlay.actions:
        try:
            touched += [(action, location) for location in _apply(result, action)]
        except ContractError as error:
            raise ContractError(f"overlay {overlay.path}: {action.name()} {error}") from None
    if isinstance(result.get("paths"), dict):
        _forget(result, set(before) - _operation_ids(result))
    for location, problem in chain(_missing(before, result), _problems(result)):
        culprit = _culprit(touched, location)
        raise ContractError(
            f"overlay {overlay.path}: {culprit.name()} leaves no valid contract: {_readable(location)}: {problem}"
        )
    return result


def _apply(document: dict[str, Any], action: Action) -> list[Location]:
    try:
        locations = [tuple(node.location) for node in action.query.find(document)]
    except jsonpath.JSONPathError as error:
        raise ContractError(f"cannot be evaluated: {_one_line(error)}") from None
    if not locations:
        raise ContractError("selects nothing in the contract")
    if action.remove:
        if () in locations:
            raise ContractError("would remove the whole contract")
        # The last first, so that indices stay what they were.
        for location in sorted(locations, key=_position, reverse=True):
            parent = _at(document, location[:-1])
            if parent is not _NOTHING:
                del parent[location[-1]]
        return [location[:-1] for location in locations]
    for location in locations:
        node = _at(document, location)
        if isinstance(node, dict):
            if not isinstance(action.update, dict):
                raise ContractError("selects an object, so update must be an object")
            _merge(node, action.update)
        elif isinstance(node, list):
            node.append(copy.deepcopy(action.update))
        else:
            raise ContractError("selects a plain value; update its parent instead")
    return locations


def _position(location: Location) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in location]


def _at(document: Any, location: Location) -> Any:
    node = document
    for part in location:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return node


def _merge(node: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        here = node.get(key)
        if isinstance(here, dict) and isinstance(value, dict):
            _merge(here, value)
        elif isinstance(here, list) and isinstance(value, list):
            here.extend(copy.deepcopy(value))
        else:
            node[key] = copy.deepcopy(value)


def _raw_operations(document: Mapping[str, Any]) -> Iterator[tuple[Location, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield ("paths", path, method), item[method]


def _operation_ids(document: Mapping[str, Any]) -> set[str]:
    return {raw["operationId"] for _, raw in _raw_operations(document) if isinstance(raw.get("operationId"), str)}


def _forget(document: dict[str, Any], gone: set[str]) -> None:
    """Take out what leads to operations that are gone, and path items that hold none any more."""
    if not gone:
        return
    for _, raw in _raw_operations(document):
        observe = raw.get("x-observe")
        if (observe.get("operation") if isinstance(observe, dict) else observe) in gone:
            raw["x-observe"] = None
        if isinstance(raw.get("x-requires"), list):
            raw["x-requires"] = [name for name in raw["x-requires"] if name not in gone]
            if not raw["x-requires"]:
                del raw["x-requires"]
    for path in [p for p, item in document["paths"].items() if isinstance(item, dict) and not set(METHODS) & set(item)]:
        del document["paths"][path]
    for node in _objects(document):
        links = node.get("links")
        if isinstance(links, dict):
            for name in [n for n, link in links.items() if isinstance(link, dict) and link.get("operationId") in gone]:
                del links[name]
            if not links:
                del node["links"]
        source = node.get("x-value-from")
        if isinstance(source, dict) and source.get("operation") in gone:
            del node["x-value-from"]


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in list(node.values()):
            yield from _objects(value)
    elif isinstance(node, list):
        for item in node:
            yield from _objects(item)


def _culprit(touched: list[tuple[Action, Location]], location: Location) -> Action:
    """The last action that touched the place of a problem, or what lies above or below it."""

    def related(place: Location) -> bool:
        short = min(len(place), len(location))
        return place[:short] == location[:short]

    near = [(len(place), action) for action, place in touched if related(place)]
    if not near:
        return touched[-1][0]
    # An action on the very place tells more than one on the whole document.
    deepest = max(min(depth, len(location)) for depth, _ in near)
    return [action for depth, action in near if min(depth, len(location)) == deepest][-1]


def _readable(location: Location) -> str:
    """A place for people: an operation by method and path, the rest as it is."""
    if len(location) >= 3 and location[0] == "paths" and location[2] in METHODS:
        head = f"{str(location[2]).upper()} {location[1]}"
        return " ".join([head, *(str(part) for part in location[3:])])
    return " ".join(map(str, location)) or "the document"


def _problems(document: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """What makes the document no valid contract: place and reason, the plainest reasons first."""
    if not isinstance(document.get("paths"), dict):
        yield ("paths",), "is not an object"
        return
    yield from _form(document)
    yield from _references(document)
    from openapi_spec_validator import OpenAPIV31SpecValidator

    try:
        for error in OpenAPIV31SpecValidator(document).iter_errors():
            yield tuple(error.absolute_path), _one_line(error).partition(" Failed validating")[0][:300]
    except Exception as error:  # the validator stumbles over documents that are far from valid
        yield (), f"not valid OpenAPI: {_one_line(error)[:300]}"


def _missing(before: Mapping[str, Location], document: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """Operations that the suite cannot do without and that an overlay took away."""
    if isinstance(document.get("paths"), dict):
        known = _operation_ids(document)
        for name in _NEEDED:
            if name in before and name not in known:
                yield before[name], f"the suite cannot do without {name}"


def _form(document: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """The contract's own extensions, and what the suite needs of an operation."""
    validators = _extension_validators()
    sections = {tag.get("name") for tag in document.get("tags", ()) if isinstance(tag, dict)}
    names: dict[str, Location] = {}
    for place, raw in _raw_operations(document):
        name = raw.get("operationId")
        if not isinstance(name, str) or not name:
            yield place, "has no operationId"
        elif name in names:
            yield place, f"is called {name}, as is {_readable(names[name])}"
        else:
            names[name] = place
        for error in validators["operation"].iter_errors(raw):
            yield (*place, *error.instance_path), error.message
        if raw.get("x-section") not in sections:
            yield place, f"belongs to the unknown section {raw.get('x-section')}"
        responses = raw.get("responses")
        if not isinstance(responses, dict) or not any(str(status).startswith("2") for status in responses):
            yield place, "has no response of success"
        yield from _keys(document, place, raw)
        for number, parameter in enumerate(raw.get("parameters") or ()):
            if isinstance(parameter, dict):
                for error in validators["parameter"].iter_errors(parameter):
                    yield (*place, "parameters", number, *error.instance_path), error.message


def _keys(document: dict[str, Any], place: Location, raw: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """Keys under which an answer brings its records have to stand in its schema."""
    collection = raw.get("x-collection")
    for name, key in (
        ("x-collection", collection.get("key") if isinstance(collection, dict) else None),
        ("x-item-key", raw.get("x-item-key")),
    ):
        if not isinstance(key, str) or not isinstance(raw.get("responses"), dict):
            continue
        status = min((s for s in raw["responses"] if str(s).startswith("2")), default=None)
        response = _followed(document, raw["responses"].get(status))
        schema = _at(response, ("content", "application/json", "schema"))
        schema = _followed(document, schema)
        fields = schema.get("properties") if isinstance(schema, dict) else None
        if isinstance(fields, dict) and key not in fields:
            yield (*place, name), f"names the key {key}, which the schema of the answer {status} has not"


def _followed(document: dict[str, Any], node: Any) -> Any:
    for _ in range(20):
        if not (isinstance(node, dict) and isinstance(node.get("$ref"), str)):
            return node
        node = _at(document, _pointer(node["$ref"]))
    return node


@cache
def _extension_validators() -> dict[str, jsonschema_rs.Draft202012Validator]:
    extensions = read_yaml(CONTRACT_ROOT.with_name("extensions.yaml"))
    return {
        name: jsonschema_rs.Draft202012Validator({**extensions, "$ref": f"#/$defs/{name}"})
        for name in ("operation", "parameter")
    }


def _references(document: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """References to components and operations that are not there."""
    known = _operation_ids(document)
    for place, node in _located(document, ()):
        reference = node.get("$ref")
        if isinstance(reference, str) and _at(document, _pointer(reference)) is _NOTHING:
            yield place, f"refers to {reference}, which is not there"
        links = node.get("links")
        for link in (links if isinstance(links, dict) else {}).values():
            if isinstance(link, dict) and "operationId" in link and link["operationId"] not in known:
                yield place, f"links to the unknown operation {link['operationId']}"
        observe, source = node.get("x-observe"), node.get("x-value-from")
        for name in (
            observe.get("operation") if isinstance(observe, dict) else observe,
            source.get("operation") if isinstance(source, dict) else None,
            *(node.get("x-requires") or ()),
        ):
            if name is not None and name not in known:
                yield place, f"names the unknown operation {name}"


def _located(node: Any, place: Location) -> Iterator[tuple[Location, dict[str, Any]]]:
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            yield from _located(value, (*place, key))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _located(item, (*place, number))


def _pointer(reference: str) -> Location:
    if not reference.startswith("#/"):
        return (reference,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))


# --- writing ---------------------------------------------------------------------------------------------------------


def target_of(path: str, method: str = "") -> str:
    """The JSONPath of a path item, or of one of its operations."""
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"$.paths['{quoted}']" + (f".{method.lower()}" if method else "")


def write_overlay(path: Path, title: str, actions: list[dict[str, Any]]) -> None:
    """Write an overlay as YAML. Raises ContractError when the file cannot be written."""
    document = {"overlay": VERSION, "info": {"title": title, "version": "1.0.0"}, "actions": actions}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            yaml.dump(document, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8"
        )
    except OSError as error:
        raise ContractError(f"overlay {path} cannot be written: {error.strerror}") from None


class PlainDumper(yaml.SafeDumper):
    """YAML without anchors: not every tool reads them."""

    def ignore_aliases(self, data: object) -> bool:
        return True
