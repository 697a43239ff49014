"""A server that takes no more than the documents promise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from instance import access, records
from instance.awkward.kind import JSON_TYPE, Answer, Kind, Request
from instance.calls import Refusal
from instance.contract import Operation

LONGEST_NAME = 100
LARGEST_LIMIT, LARGEST_OFFSET = 500, 1_000_000
NAMES = ("name", "title", "label")
_SORTABLE = ("id", "name", "created")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+\.[A-Za-z]+(/[!-~]*)?\Z")
_SLUG = re.compile(r"[a-z0-9_]{1,64}\Z")


class Choosy(Kind):
    name = "choosy"
    sentence = (
        "refused are names of more than 100 characters, control characters, URLs not of http, ids that are no slugs, "
        "empty settings and changes, unknown parameters, limits over 500, far offsets, and most columns to sort by"
    )
    allowed = (
        "no page says that they are taken: it names no largest length, limit or offset, no form of a URL or an id, and "
        "not the columns that can be sorted by; overview page: 400 among the common status codes"
    )
    reads_body = True

    async def before(self, request: Request) -> Answer | None:
        operation = request.operation
        if operation is None or not admitted(self, request):
            return None
        why = next(self._of_query(operation, request), "")
        if why:
            return refusal(400, why)
        body = body_of(request)
        why = next(self._of_body(operation, request, body), "") if body is not None else ""
        return refusal(422, why) if why else None

    def _of_query(self, operation: Operation, request: Request) -> Iterator[str]:
        """What is wrong with the query."""
        text = request.scope["query_string"].decode("latin-1")
        for name, value in parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"):
            if not operation.query_parameters.keys() & {name, name.removesuffix("[]")}:
                yield f"The parameter {name!r:.40} is not known here."
            elif name in ("limit", "offset") and value.isascii() and value.isdigit() and len(value) < 20:
                if int(value) > (LARGEST_LIMIT if name == "limit" else LARGEST_OFFSET):
                    yield f"The {name} is too large."
            elif name == "order_by" and value not in self._columns(operation):
                yield "The list cannot be sorted by that."

    @staticmethod
    def _columns(operation: Operation) -> list[str]:
        """The columns that a list can be sorted by: what it is sorted by anyway, ids and names."""
        columns = list(operation.query_parameters["order_by"].schema.get("enum", ()))
        usual = [*_SORTABLE, operation.collection.timestamp if operation.collection else None]
        return [column for column in columns if column in usual] or columns or list(_SORTABLE)

    def _of_body(self, operation: Operation, request: Request, body: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with the body."""
        book = self.world.store.contract.book
        assert operation.body_schema is not None
        if not body and operation.action == "update":
            yield "There is nothing to change."
        schema = book.resolve(operation.body_schema)
        now = own_record(self, request) or {}
        for name, field in book.properties(operation.body_schema).items():
            field, value = book.resolve(field), body.get(name)
            if value == {} and name in schema.get("required", ()) and field.get("properties"):
                yield f"The field {name} is empty."
            if not isinstance(value, str) or value == now.get(name) or "x-entity" in field:
                continue
            if any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in value):
                yield f"The field {name} holds control characters."
            if name in NAMES and not 0 < len(value.strip()) <= LONGEST_NAME:
                yield f"The field {name} is empty or too long."
            if (name == "url" or name.endswith("_url")) and not _URL.match(value):
                yield f"The field {name} is no URL."
            if name == "id" and "format" not in field and not _SLUG.match(value):
                yield "The id is no slug."


class Unique(Kind):
    name = "unique"
    sentence = (
        "a name that another record of the kind has is refused with 409, and so is the deletion of what is in use"
    )
    allowed = (
        "no page says that two records may have one name, or that what others refer to can be deleted; RFC 9110 "
        "section 15.5.10: what is at odds with what is there gets 409"
    )
    reads_body = True

    async def before(self, request: Request) -> Answer | None:
        operation = request.operation
        if operation is None or operation.entity not in self.world.store.entities or not admitted(self, request):
            return None
        if operation.action in ("create", "update"):
            body = body_of(request) or {}
            name = next((body[name] for name in NAMES if isinstance(body.get(name), str)), "")
            if name and self._taken(operation, request, name):
                return refusal(409, "There is a record of this name.")
        if operation.action == "delete" and self._in_use(operation, request):
            return refusal(409, "Other records refer to this one.")
        return None

    def _taken(self, operation: Operation, request: Request, name: str) -> bool:
        """Whether another record has the name. Case and blanks at the ends make no other one."""
        own = own_record(self, request) or {}
        if name in own.values():
            return False  # it has the name already
        entity = self.world.store.entities[operation.entity or ""]
        parent = request.ids[0] if entity.parent is not None and request.ids else ""
        found = self.world.store.connection.execute(
            "SELECT id FROM record WHERE entity=? AND parent=? AND deleted=0 AND "
            "trim(fold(coalesce(json_extract(body, '$.name'), json_extract(body, '$.title'), "
            "json_extract(body, '$.label'))))=trim(fold(?))",
            (entity.name, parent, name),
        ).fetchall()
        return any(row[0] != str(own.get("id")) for row in found)

    def _in_use(self, operation: Operation, request: Request) -> bool:
        """Whether living records of other kinds refer to the one that is to be deleted."""
        own = own_record(self, request)
        if own is None or not request.ids:
            return False
        store, known = self.world.store, str(own.get("id"))
        for name, entity in store.entities.entities.items():
            if entity.parent == operation.entity or not store.contract.of_entity(name, "delete"):
                continue  # what lies below it goes with it, and what nobody can delete would keep it for ever
            for field in self._references(name, operation.entity or ""):
                if store.connection.execute(
                    "SELECT 1 FROM record, json_each(CASE json_type(body, ?) WHEN 'array' THEN json_extract(body, ?) "
                    "ELSE json_array(json_extract(body, ?)) END) AS each WHERE entity=? AND deleted=0 AND "
                    "CAST(each.value AS TEXT)=? LIMIT 1",
                    (*(f'$."{field}"',) * 3, name, known),
                ).fetchone():
                    return True
        return False

    def _references(self, name: str, entity: str) -> list[str]:
        """Fields by which records of one kind refer to those of another."""
        contract, found = self.world.store.contract, []
        for operation in contract.of_entity(name, "create"):
            if operation.body_schema is not None:
                for field, schema in contract.book.properties(operation.body_schema).items():
                    if entity in (schema.get("x-entity"), contract.book.resolve(schema).get("x-entity")):
                        found.append(field)
        return found


def admitted(kind: Kind, request: Request) -> bool:
    """Whether the caller may call the operation, and what the path names is there: before that nothing is looked at."""
    store, operation = kind.world.store, request.operation
    if operation is None:
        return False
    path = dict(zip((p.name for p in operation.path_parameters), request.ids, strict=False))
    try:
        if operation.auth == "token":
            caller = access.authenticate(store, request.scope["headers"])
            access.authorize(store, operation, caller, path)
    except Refusal:
        return False
    known = [(p.entity, path.get(p.name, "")) for p in operation.path_parameters if p.entity in store.entities]
    return all(
        store.entities[entity or ""].key_field != "id" or records.get(store, entity or "", value, deleted=None)
        for entity, value in known
    )


def own_record(kind: Kind, request: Request) -> dict[str, Any] | None:
    """The record that a request is about; None where it is about none, or about a new one."""
    operation, store = request.operation, kind.world.store
    if operation is None or operation.action == "create" or not request.ids or operation.entity not in store.entities:
        return None
    return records.get(store, operation.entity or "", request.ids[-1], deleted=None)


def body_of(request: Request) -> dict[str, Any] | None:
    """The body of a request, where it is an object of JSON and nothing else is wrong with it."""
    operation = request.operation
    if operation is None or operation.body_media != "application/json" or operation.safety == "read":
        return None
    if not request.header(b"content-type").lower().startswith(JSON_TYPE):
        return None
    try:
        body = json.loads(request.body)
        fits = isinstance(body, dict) and operation.body_validator.is_valid(body)
    except (ValueError, RecursionError):
        return None
    return body if fits else None


def refusal(status: int, why: str) -> Answer:
    """A refusal in the one form that all of them have; the Audience API's tell their status, too."""
    said = json.dumps({"message": why, "detail": why, "status": "error"}).encode()
    return Answer(status, [(b"content-type", JSON_TYPE)], said)
