"""What answers show of an entity's records, as the contract describes it, and what of it may be null.

Pages show one example of a record. A text in it tells that the field can be a text; whether it is null in a record
that was created without it, no page says. So where answers are judged null is allowed there. Where the contract says of
the field itself that it is documented it is not, and neither are lists and switches: they have a value for nothing.

Where a full record has the data of what it refers to, no page says either: under a key of their own, with the id beside
it or without, in place of the id, below `_embedded`, or beside all records under `included`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cdp.contract import Contract, Operation, SubEntity
from cdp.http import Exchange

Node = dict[str, Any]
DELETED = "deleted"  # the field in which records say that they were deleted
_SWITCH = ([0, 1], [1, 0])
_ADDRESS = re.compile(r"(^|_)(url|uri|link|href)s?($|_)", re.IGNORECASE)
_SIGNED = re.compile(r"((?:https?:/)?/[^\s?#]*)\?\S+\Z")
_MAY_BE_SIGNED = re.compile(rb"/[^\s\"]*\?")
_EMBEDDED = "_embedded"  # HAL: draft-kelly-json-hal, section 4.1.2
_INCLUDED = "included"  # JSON:API 1.1, section 7.4, Compound Documents
_OF_NOTHING = {"integer": 1, "string": "none"}  # in place of the id of what is gone, which a full record need not show


@lru_cache(maxsize=4)
def with_nulls(contract: Contract) -> Contract:
    """The contract as answers are held to it: what a record can be created without may be null in it."""
    relaxed = Contract(copy.deepcopy(contract.document), contract.overlay)
    done: set[int] = set()
    for create in relaxed.operations.values():
        body = relaxed.resolved(create.body_schema or {})
        optional = body.get("properties", {}).keys() - set(body.get("required", ()))
        for record in record_schemas(relaxed, create.entity) if create.action == "create" and optional else ():
            properties = record.get("properties", {})
            for name in optional & properties.keys():
                if id(record) not in done and _may_be_null(relaxed, properties[name]):
                    properties[name] = _or_null(relaxed.resolved(properties[name]))
            done.add(id(record))
    return relaxed


def _or_null(schema: Mapping[str, Any]) -> Node:
    """The schema with null beside what it takes."""
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [kind, "null"], **choices}


def _may_be_null(contract: Contract, schema: Mapping[str, Any]) -> bool:
    found = contract.resolved(schema)
    kind = found.get("type")
    strict = kind in ("array", "boolean") or found.get("enum") in _SWITCH or "null" in (kind or ())
    return not strict and schema.get("x-provenance") != "documented"


def record_schemas(contract: Contract, entity: str | None) -> Iterator[Node]:
    """The schemas of an entity's records in the answers of all its operations; one that several share comes more than
    once."""
    for operation in contract.operations.values() if entity else ():
        if operation.entity == entity:
            answer = operation.response_schema(operation.success_status)
            record = _record(contract, operation, answer) if answer is not None else None
            if record and "properties" in record:
                yield record


def fields(contract: Contract, entity: str | None) -> dict[str, list[Mapping[str, Any]]]:
    """The fields of an entity's records, by name, with every schema that an answer has for them."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in record_schemas(contract, entity):
        for name, schema in record["properties"].items():
            found.setdefault(name, []).append(contract.resolved(schema))
    return found


def names_within(contract: Contract, schema: Mapping[str, Any], above: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names of the fields that stand anywhere within a schema. `above`: references that were followed to it."""
    reference = str(schema.get("$ref", ""))
    if reference in above:
        return frozenset()
    above |= {reference} if reference else set()
    schema = contract.resolved(schema)
    parts = [*schema.get("properties", {}).values(), *(schema.get(k) for k in ("items", "additionalProperties"))]
    parts += [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ())]
    inner = (names_within(contract, part, above) for part in parts if isinstance(part, Mapping))
    return frozenset(schema.get("properties", {})).union(*inner)


def _key(operation: Operation) -> str | None:
    """Under which key of an answer its records stand, or its only one; None where it is the answer itself."""
    return operation.collection.key if operation.collection is not None else operation.item_key


def _record(contract: Contract, operation: Operation, answer: Any) -> Node | None:
    collection, key = operation.collection, _key(operation)
    found: Any = _node(contract, answer)
    if key is not None:
        found = _node(contract, found.get("properties", {}).get(key, {}))
    return _node(contract, found.get("items", {})) if collection is not None else found


def _node(contract: Contract, schema: Any) -> Any:
    """Where a schema is written: its references followed, and nothing copied."""
    while "$ref" in schema:
        target: Any = contract.document
        for part in schema["$ref"].lstrip("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def marked(record: Mapping[str, Any]) -> bool:
    """Whether a record says of itself that it was deleted."""
    return str(record.get(DELETED) or "").casefold() not in ("", "0", "false", "none", "null")


# --- full records ----------------------------------------------------------------------------------------------------


def objects(value: Any) -> list[dict[str, Any]]:
    """Records that a full field holds."""
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, dict)]


def _records(operation: Operation, body: Any) -> list[dict[str, Any]]:
    """The records that stand in the body of an answer, in which they may be changed."""
    key = _key(operation)
    return objects(body.get(key) if key is not None and isinstance(body, dict) else body)


def data_of(record: Mapping[str, Any], sub: SubEntity) -> list[dict[str, Any]]:
    """A sub-entity's data in a full record: under its own key, in place of the ids, or below `_embedded`."""
    below = record.get(_EMBEDDED)
    for place in (record, below if isinstance(below, dict) else {}):
        found = objects(place.get(sub.key)) or objects(place.get(sub.field))
        if found:
            return found
    return []


def with_included(operation: Operation, exchange: Exchange, records: list[Any]) -> list[Any]:
    """Records of an answer, each with the data of what it refers to that stand beside all of them, told by type and
    id."""
    body = exchange.json
    beside = objects(body.get(_INCLUDED)) if isinstance(body, dict) else []
    return [_joined(operation, r, beside) if isinstance(r, dict) else r for r in records] if beside else records


def _joined(operation: Operation, record: Mapping[str, Any], beside: list[dict[str, Any]]) -> Mapping[str, Any]:
    found = dict(record)
    for sub in operation.sub_entities:
        ids = record.get(sub.field)
        wanted = {str(id) for id in (ids if isinstance(ids, list) else [ids])}
        types = {sub.entity, f"{sub.entity}s", sub.key, sub.section.replace("-", "_")}
        told = [d for d in beside if str(d.get("type")).replace("-", "_") in types and str(d.get("id")) in wanted]
        data = [{**{n: v for n, v in d.items() if n != "type"}, **(d.get("attributes") or {})} for d in told]
        if data and not data_of(record, sub):
            found[sub.key] = data if isinstance(ids, list) else data[0]
    return found


def tells_of(record: Mapping[str, Any], sub: SubEntity) -> bool:
    """Whether a record says anything of a sub-entity, be it that there is none."""
    below = record.get(_EMBEDDED)
    return any({sub.key, sub.field} & place.keys() for place in (record, below) if isinstance(place, Mapping))


def in_plain_form(contract: Contract, operation: Operation, exchange: Exchange) -> Exchange:
    """The exchange with ids where a full answer has data in place of them, which the contract's schema does not know.
    What was not asked for in full stays as it is."""
    asked = parse_qs(urlsplit(exchange.url).query).get("load_full_structure", ["0"])
    if asked == ["0"] or not exchange.ok or not operation.sub_entities:
        return exchange
    body = copy.deepcopy(exchange.json)
    answer = operation.response_schema(exchange.status)
    schema = (_record(contract, operation, answer) if answer is not None else None) or {}
    changed = False
    for record in _records(operation, body):
        for sub in operation.sub_entities:
            if sub.in_place:
                continue  # the contract's schema has both forms
            changed |= _with_ids(contract, record, sub, schema.get("properties", {}).get(sub.field, {}))
    return replace(exchange, body=json.dumps(body).encode(), _json=body) if changed else exchange


def _with_ids(contract: Contract, record: dict[str, Any], sub: SubEntity, schema: Mapping[str, Any]) -> bool:
    """Put ids in place of data, or of a field that is left out beside data. Whether there was anything to do."""
    value = record.get(sub.field)
    if not tells_of(record, sub) or (sub.field in record and not objects(value)):
        return False
    kinds = contract.resolved(schema).get("type", ())
    ids = [_of_kind(data.get("id"), kinds) for data in data_of(record, sub)]
    if "array" in kinds:
        beside = [v for v in value if not isinstance(v, dict)] if isinstance(value, list) else []
        record[sub.field] = beside + ids
        return True
    if isinstance(value, list) or len(ids) > 1:
        return False  # several in place of one
    record[sub.field] = ids[0] if ids else None if "null" in kinds else _OF_NOTHING.get(str(kinds))
    return True


def _of_kind(id: Any, kinds: Any) -> Any:
    """An id as a field takes it: embedded records may show as a text what is a number elsewhere."""
    if isinstance(id, str) and id.isdecimal() and "string" not in kinds:
        return int(id)
    return str(id) if isinstance(id, int) and kinds == "string" else id


# --- signed addresses ------------------------------------------------------------------------------------------------


def without_signatures(contract: Contract, operation: Operation, exchange: Exchange) -> Exchange:
    """The exchange as it is compared with others: addresses that the server makes, of images and of what can be
    downloaded, without their query. It may hold a signature and its end, which are others each time."""
    if not exchange.ok or not _MAY_BE_SIGNED.search(exchange.body):
        return exchange
    body, changed = exchange.json, False
    written = _written(contract, operation.entity)
    for record in _records(operation, body):
        for name in [n for n in record if n not in written and _ADDRESS.search(n)]:
            found = _SIGNED.match(record[name]) if isinstance(record[name], str) else None
            if found is not None:
                record[name], changed = found[1], True
    return replace(exchange, _json=body) if changed else exchange


@lru_cache(maxsize=512)
def _written(contract: Contract, entity: str | None) -> frozenset[str]:
    """The fields of an entity that clients write: they come back as they were sent."""
    bodies = [o.body_schema for o in contract.operations.values() if entity and o.entity == entity and o.body_schema]
    return frozenset().union(*(contract.resolved(body).get("properties", {}) for body in bodies))
