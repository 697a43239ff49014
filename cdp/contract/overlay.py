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
from pathlib import Path
from typing import Any

import jsonpath_rfc9535 as jsonpath
import yaml

from cdp.contract.document import METHODS, ContractError, read_yaml
from cdp.contract.validity import NOTHING, Location, at, one_line, operation_ids, problems, raw_operations, readable

VERSION = "1.0.0"
_ACTION_FIELDS = ("target", "description", "update", "remove")


@dataclass(frozen=True)
class Action:
    """One step of an overlay. `update` is `NOTHING` where the action removes."""

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
        raise ContractError(f"{here}: not a JSONPath: {one_line(error)}") from None
    return Action(number, target, query, NOTHING if remove else raw["update"], remove)


def _is_extension(key: Any) -> bool:
    return isinstance(key, str) and key.startswith("x-")


def apply_overlay(document: Mapping[str, Any], overlay: Overlay) -> dict[str, Any]:
    """The document with the overlay laid over it; the one given is left as it is.

    Links, observers and prerequisites that name an operation which the overlay removed go with it. Raises
    ContractError with one line that names file and action when an action selects nothing or does not fit, or when the
    result is no valid contract.
    """
    result: dict[str, Any] = copy.deepcopy(dict(document))
    touched: list[tuple[Action, Location]] = []
    for action in overlay.actions:
        try:
            touched += [(action, location) for location in _apply(result, action)]
        except ContractError as error:
            raise ContractError(f"overlay {overlay.path}: {action.name()} {error}") from None
    if isinstance(result.get("paths"), dict):
        _forget(result, operation_ids(document) - operation_ids(result))
    for location, problem in problems(result, document):
        culprit = _culprit(touched, location)
        raise ContractError(
            f"overlay {overlay.path}: {culprit.name()} leaves no valid contract: {readable(location)}: {problem}"
        )
    return result


def _apply(document: dict[str, Any], action: Action) -> list[Location]:
    try:
        locations = [tuple(node.location) for node in action.query.find(document)]
    except jsonpath.JSONPathError as error:
        raise ContractError(f"cannot be evaluated: {one_line(error)}") from None
    if not locations:
        raise ContractError("selects nothing in the contract")
    if action.remove:
        if () in locations:
            raise ContractError("would remove the whole contract")
        # The last first, so that indices stay what they were.
        for location in sorted(locations, key=_position, reverse=True):
            parent = at(document, location[:-1])
            if parent is not NOTHING:
                del parent[location[-1]]
        return [location[:-1] for location in locations]
    for location in locations:
        node = at(document, location)
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


def _merge(node: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        here = node.get(key)
        if isinstance(here, dict) and isinstance(value, dict):
            _merge(here, value)
        elif isinstance(here, list) and isinstance(value, list):
            here.extend(copy.deepcopy(value))
        else:
            node[key] = copy.deepcopy(value)


def _forget(document: dict[str, Any], gone: set[str]) -> None:
    """Take out what leads to operations that are gone, and path items that hold none any more."""
    if not gone:
        return
    for _, raw in raw_operations(document):
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
        _forget_links(node, gone)
        _forget_source(node, gone)
        _forget_ingestion(node, gone)
        _forget_searches(node, gone)


def _forget_links(node: dict[str, Any], gone: set[str]) -> None:
    links = node.get("links")
    if not isinstance(links, dict):
        return
    for name in [n for n, link in links.items() if isinstance(link, dict) and link.get("operationId") in gone]:
        del links[name]
    if not links:
        del node["links"]


def _forget_source(node: dict[str, Any], gone: set[str]) -> None:
    source = node.get("x-value-from")
    if not isinstance(source, dict) or source.get("operation") not in gone:
        return
    if "in" in node:
        del node["x-value-from"]
    else:  # a field of a body: made up, it would name nothing that is there
        source["operation"] = ""


def _forget_ingestion(node: dict[str, Any], gone: set[str]) -> None:
    ingestion = node.get("x-ingestion")
    if not isinstance(ingestion, dict):
        return
    ingestion["read-back"] = [name for name in ingestion.get("read-back", ()) if name not in gone]
    if ingestion.get("owner", {}).get("operation") in gone:
        del ingestion["owner"]


def _forget_searches(node: dict[str, Any], gone: set[str]) -> None:
    searches = node.get("x-searches")
    if not isinstance(searches, dict):
        return
    if searches.get("counted") in gone:
        del searches["counted"]
    if searches.get("operation") in gone:
        del node["x-searches"]


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
