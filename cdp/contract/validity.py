"""What makes a contract no valid one: its own extensions, references, and OpenAPI 3.1.

The contract that comes with the suite is valid (its tests see to that), so only what differs from it is looked at where
OpenAPI's own rules are concerned: they take seconds for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from cdp.contract.document import CONTRACT_ROOT, METHODS, read_yaml

Location = tuple[str | int, ...]
NOTHING = object()
# The suite gets its callers by these; a contract without them cannot be held to anything.
_NEEDED = ("login_user", "logout_user", "refresh_token")


def problems(document: dict[str, Any], before: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """What makes the document no valid contract: place and reason, the plainest reasons first.

    `before` is a valid contract that the document was made from.
    """
    yield from _missing({name: place for place, name in _named(before)}, document)
    if not isinstance(document.get("paths"), dict):
        yield ("paths",), "is not an object"
        return
    yield from _form(document)
    yield from _references(document)
    from openapi_spec_validator import OpenAPIV31SpecValidator

    try:
        for error in OpenAPIV31SpecValidator(_changed(document, before)).iter_errors():
            yield tuple(error.absolute_path), one_line(error).partition(" Failed validating")[0][:300]
    except Exception as error:  # the validator stumbles over documents that are far from valid
        yield (), f"not valid OpenAPI: {one_line(error)[:300]}"


def _named(document: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    for place, raw in raw_operations(document):
        if isinstance(raw.get("operationId"), str):
            yield place, raw["operationId"]


def _changed(document: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the paths and components alone that differ from before, and the components these refer to."""
    components = document.get("components")
    if not isinstance(components, dict):
        return document
    known = before["components"]
    paths = {name: item for name, item in document["paths"].items() if item != before["paths"].get(name)}
    kept: dict[tuple[Any, Any], Any] = {
        (kind, name): item
        for kind, items in components.items()
        for name, item in (items.items() if isinstance(items, dict) else ())
        if item != (known.get(kind) or {}).get(name)
    }
    waiting: list[Any] = [*paths.values(), *kept.values()]
    while waiting:
        for reference in _referred(waiting.pop()):
            place = pointer(reference)
            if len(place) >= 3 and place[0] == "components" and place[1:3] not in kept:
                kept[place[1], place[2]] = at(document, place[:3])
                waiting.append(kept[place[1], place[2]])
    return {**document, "paths": paths, "components": _kept(components, kept)}


def _kept(components: dict[str, Any], kept: Mapping[tuple[Any, Any], Any]) -> dict[str, Any]:
    """Components by kind, those kept alone; what is no object stays, so that the validator can say so."""
    return {
        kind: {name: item for name, item in items.items() if (kind, name) in kept} if isinstance(items, dict) else items
        for kind, items in components.items()
    }


def _referred(node: Any) -> Iterable[str]:
    return (n["$ref"] for _, n in _located(node, ()) if isinstance(n.get("$ref"), str))


def raw_operations(document: Mapping[str, Any]) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Every operation as it stands in the document, with its location."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield ("paths", path, method), item[method]


def operation_ids(document: Mapping[str, Any]) -> set[str]:
    """The operationId of every operation that has one."""
    return {name for _, name in _named(document)}


def at(document: Any, location: Location) -> Any:
    """The node at a location; NOTHING where there is none."""
    node = document
    for part in location:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return NOTHING
    return node


def readable(location: Location) -> str:
    """A place for people: an operation by method and path, the rest as it is."""
    if len(location) >= 3 and location[0] == "paths" and location[2] in METHODS:
        head = f"{str(location[2]).upper()} {location[1]}"
        return " ".join([head, *(str(part) for part in location[3:])])
    return " ".join(map(str, location)) or "the document"


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks."""
    return " ".join(str(error).split())


def _missing(before: Mapping[str, Location], document: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """Operations that the suite cannot do without and that an overlay took away."""
    if isinstance(document.get("paths"), dict):
        known = operation_ids(document)
        for name in _NEEDED:
            if name in before and name not in known:
                yield before[name], f"the suite cannot do without {name}"


def _form(document: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """The contract's own extensions, and what the suite needs of an operation."""
    validators = _extension_validators()
    sections = {tag.get("name") for tag in document.get("tags", ()) if isinstance(tag, dict)}
    names: dict[str, Location] = {}
    for place, raw in raw_operations(document):
        name = raw.get("operationId")
        if not isinstance(name, str) or not name:
            yield place, "has no operationId"
        elif name in names:
            yield place, f"is called {name}, as is {readable(names[name])}"
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
        schema = at(response, ("content", "application/json", "schema"))
        schema = _followed(document, schema)
        fields = schema.get("properties") if isinstance(schema, dict) else None
        if isinstance(fields, dict) and key not in fields:
            yield (*place, name), f"names the key {key}, which the schema of the answer {status} has not"


def _followed(document: dict[str, Any], node: Any) -> Any:
    for _ in range(20):
        if not (isinstance(node, dict) and isinstance(node.get("$ref"), str)):
            return node
        node = at(document, pointer(node["$ref"]))
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
    known = operation_ids(document)
    for place, node in _located(document, ()):
        reference = node.get("$ref")
        if isinstance(reference, str) and at(document, pointer(reference)) is NOTHING:
            yield place, f"refers to {reference}, which is not there"
        links = node.get("links")
        for link in (links if isinstance(links, dict) else {}).values():
            if isinstance(link, dict) and "operationId" in link and link["operationId"] not in known:
                yield place, f"links to the unknown operation {link['operationId']}"
        observe, source, searches = node.get("x-observe"), node.get("x-value-from"), node.get("x-searches")
        for name in (
            observe.get("operation") if isinstance(observe, dict) else observe,
            source.get("operation") if isinstance(source, dict) else None,
            *((searches.get("operation"), searches.get("counted")) if isinstance(searches, dict) else ()),
            *(node.get("x-requires") or ()),
        ):
            if name and name not in known:
                yield place, f"names the unknown operation {name}"


def _located(node: Any, place: Location) -> Iterator[tuple[Location, dict[str, Any]]]:
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            yield from _located(value, (*place, key))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _located(item, (*place, number))


def pointer(reference: str) -> Location:
    """The location that a local `$ref` names (JSON Pointer, RFC 6901); any other reference is one part by itself."""
    if not reference.startswith("#/"):
        return (reference,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))
