"""Valid calls: ids of records that are there, bodies that a careful client would send, records of the run's own for
everything that changes.

What is read is anybody's; what is written, deleted or sent is created by the run first, so that nothing on a target is
touched that was not the run's. Where the API has no operation to create a record, a write repeats the values that the
record has; where it has none, nothing is written, and nothing of that kind is ever sent. What is sent goes to segments
that hold nobody.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from cdp.contract import Operation
from cdp.http import Exchange
from cdp.secrets import new_password
from contracts.belongings import NOBODY, NOT_OURS, foreign, kept_from
from contracts.books import recognise
from contracts.calls import Call
from contracts.finding import Finder, Unavailable, refused
from contracts.samples import Sampler, multipart
from contracts.session import Session

_CSV_COLUMNS = ("source_id", "type", "version", "user_identifier", "event_time", "payload")


def is_step(operation: Operation) -> bool:
    """Whether an operation takes a record on in its life and answers it, as one that activates it."""
    plain = operation.action in ("", "create", "read", "list", "update", "delete", "trash")
    return not plain and operation.method == "POST" and operation.answers_item and bool(operation.path_parameters)


@dataclass(frozen=True)
class OwnRecord:
    """A record that the run created: as the API answered it, as it was sent, and the path parameters that lead to
    it."""

    record: Mapping[str, Any]
    sent: Mapping[str, Any]
    path: Mapping[str, str]

    def call(self, operation: Operation) -> Call:
        """The operation about this record, without a body."""
        return Call(operation, {p.name: self.path.get(p.name, "") for p in operation.path_parameters})


class Arrangement:
    """Builds valid calls. Values are found once and kept for the run."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.contract = session.contract
        self.sampler = Sampler(session.contract, session.prefix, self._reference, session.seed, session.share)
        self._parents: dict[tuple[str, bool], OwnRecord] = {}
        self._not_made: set[str] = set()  # kinds of records that the target was asked for and does not make
        self._to_nobody = False  # records are made for what is sent: they hold nobody
        self.finder = Finder(session, self.sampler, self.own)
        self.first: dict[str, list[str]] = {}  # per operation, what was found to have to come before it
        self.credentials: Mapping[str, str] = {}

    # --- calls -----------------------------------------------------------------------------------------------------

    def call(self, operation: Operation) -> Call:
        """A valid call. For operations that change something it is about a record of the run's own, made for this call.

        Raises Unavailable when ids, permissions or credentials are missing.
        """
        if not self.session.target.allows(operation.safety):
            raise Unavailable(self.session.target.lacking(operation.safety))
        if why := kept_from(self.contract, operation, self.session.target):
            raise Unavailable(why)
        if operation.safety == "read" or (operation.method == "GET" and not operation.path_parameters):
            call = Call(operation, self.finder.existing_path(operation), self.finder.required_query(operation))
            return self._with_body(call, {})
        with self._reaching_nobody(operation):
            own = self._own_path(operation)
            call = self._with_body(Call(operation, own.path, self.finder.required_query(operation)), own.record)
        for name in self._requirements(operation):
            self._prepare(self.contract.operations[name], own, call)
        return call

    def kept_call(self, operation: Operation) -> Call | None:
        """A call without a path, for an operation that may be called on the target, but not about the records that are
        there; None for any other."""
        target = self.session.target
        if not operation.path_parameters or not target.allows(operation.safety):
            return None
        if not kept_from(self.contract, operation, target):
            return None
        schema = self.contract.resolved(operation.body_schema) if operation.body_schema is not None else None
        with self._reaching_nobody(operation):
            return Call(operation).sending(self.sampler.body(schema)) if schema is not None else Call(operation)

    @contextmanager
    def _reaching_nobody(self, operation: Operation) -> Iterator[None]:
        """Let what is made for an operation that sends hold nobody."""
        before, self._to_nobody = self._to_nobody, self._to_nobody or operation.safety == "sends"
        try:
            yield
        finally:
            self._to_nobody = before

    def _prepare(self, required: Operation, own: OwnRecord, call: Call) -> None:
        """Do what has to come before a call: on the same record, with the same values where both have the field."""
        first = self._with_body(Call(required, own.path), own.record)
        if isinstance(first.sent, dict) and isinstance(call.sent, dict):
            first = first.sending({**first.sent, **{k: v for k, v in call.sent.items() if k in first.sent}})
        exchange = self.session.send(first, self.session.admin, judged=False)
        if not exchange.ok:
            raise refused(required, exchange, "; it has to come first")

    def body_of(self, operation: Operation, *, optional: bool = False) -> dict[str, Any]:
        """A valid JSON body of an operation that creates."""
        assert operation.body_schema is not None
        with self._reaching_nobody(operation):
            return self.sampler.body(operation.body_schema, optional=optional)

    def _requirements(self, operation: Operation) -> list[str]:
        return [*self.contract.raw(operation).get("x-requires", ()), *self.first.get(operation.id, ())]

    def steps_beside(self, operation: Operation) -> list[Operation]:
        """For a step in the life of a record that the run can make, the other ones that may be taken on the target."""
        contract, target = self.contract, self.session.target
        if not is_step(operation) or contract.by_action(operation.entity, "create") is None:
            return []
        return [
            other
            for other in contract.operations.values()
            if other.entity == operation.entity
            and other.id != operation.id
            and is_step(other)
            and other.id not in self._requirements(operation)
            and target.allows(other.safety)
            and not kept_from(contract, other, target)
        ]

    def _with_body(self, call: Call, record: Mapping[str, Any]) -> Call:
        operation = call.operation
        if operation.body_schema is None:
            return call
        schema = self.contract.resolved(operation.body_schema)
        if operation.body_media_type == "multipart/form-data":
            body, media_type = multipart(self.sampler.body(schema), schema, self.session.prefix)
            return call.sending_raw(body, media_type)
        if operation.body_media_type == "application/octet-stream":
            return call.sending_raw(self._upload(schema), operation.body_media_type)
        if operation.action == "update" or operation.method == "PUT":
            return call.sending(self._changes(operation, schema, record))
        return call.sending(self.sampler.body(schema))

    def _changes(self, operation: Operation, schema: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
        """A body for PATCH and PUT: required fields, else one field; with the value that a foreign record already
        has."""
        creatable = self.contract.by_action(operation.entity, "create") is not None
        body = self.sampler.body(schema)
        if not creatable:
            kept = {
                name: record[name]
                for name in (body or schema["properties"])
                if name in record and record[name] is not None
            }
            if kept and kept.keys() >= body.keys():
                return kept if body else dict(list(kept.items())[:1])
            if foreign(self.contract, operation) and not self.session.target.disposable:
                raise Unavailable(f"{NOT_OURS}; there is no value of its own to be sent again")
            if kept:
                return {**body, **kept}
        if not body:
            name = next(iter(schema["properties"]))
            body = {name: self.sampler.value(schema["properties"][name], name)}
        return body

    def _upload(self, schema: Mapping[str, Any]) -> bytes:
        """Two rows of a gzipped CSV in the documented columns."""
        row_schema = self.contract.document["components"]["schemas"][schema["x-rows"]]
        text = io.StringIO()
        writer = csv.writer(text)
        for _ in range(2):
            row = self.sampler.body(row_schema)
            row["payload"] = orjson.dumps(row["payload"]).decode()
            writer.writerow([row[column] for column in _CSV_COLUMNS])
        return gzip.compress(text.getvalue().encode(), mtime=0)

    # --- records of our own ----------------------------------------------------------------------------------------

    def create(self, entity: str, fields: Mapping[str, Any], path: Mapping[str, str] | None = None) -> OwnRecord:
        """Create a record with the given fields over valid ones. Raises Unavailable when the target does not take
        it."""
        operation = self.contract.by_action(entity, "create")
        if operation is None:
            raise Unavailable(f"the API has no operation that creates a {entity.replace('_', ' ')}")
        if not self.session.target.allows(operation.safety):
            raise Unavailable(self.session.target.lacking(operation.safety))
        with self._reaching_nobody(operation):
            if path is None:
                path = self._parent_path(operation)
            call = self._with_body(Call(operation, path), {})
        if self._to_nobody:
            fields = {**self._holding_nobody(operation), **fields}
        if fields:
            call = call.sending({**(call.sent or {}), **fields})
        exchange = self.session.send(call, self.session.admin)
        own = self.recognise(call, exchange)
        if own is None:
            raise refused(operation, exchange, " to a valid body")
        wanted = {name for link in operation.links.values() for name in link.get("parameters", {})}
        untold = sorted(wanted - set(own.path)) or ([] if "id" in own.record else ["id"])
        if untold:
            raise Unavailable(f"the answer of {operation.id} does not tell the {untold[0]} of what it created")
        return own

    def recognise(self, call: Call, exchange: Exchange) -> OwnRecord | None:
        """The created record of an answer; None when the answer is none."""
        found = recognise(call, exchange)
        return OwnRecord(found.record, call.sent if isinstance(call.sent, dict) else {}, found.path) if found else None

    def own(self, entity: str) -> OwnRecord:
        """A new record of our own."""
        return self.create(entity, {})

    def holding_nobody(self, entity: str) -> OwnRecord:
        """A new record of our own that holds no customer. Raises Unavailable where nothing tells how it is made."""
        create = self.contract.by_action(entity, "create")
        if create is None or not self._empty_fields(create):
            raise Unavailable(f"nothing tells how a {entity.replace('_', ' ')} holds nobody")
        return self.create(entity, self._holding_nobody(create))

    def parent(self, entity: str) -> OwnRecord:
        """A record of our own that others are hung below; one per kind for the whole run."""
        create = self.contract.by_action(entity, "create")
        key = entity, bool(self._to_nobody and create and self._empty_fields(create))
        if key not in self._parents:
            with self.session.ledger.lasting():
                self._parents[key] = self.own(entity)
        return self._parents[key]

    def _empty_fields(self, create: Operation) -> Mapping[str, Any]:
        """Fields that tell whom a record holds, with the schemas of the values that mean nobody."""
        properties = self.contract.resolved(create.body_schema or {}).get("properties", {})
        fields = {name: self.contract.resolved(field) for name, field in properties.items()}
        return {name: field[NOBODY] for name, field in fields.items() if NOBODY in field}

    def _holding_nobody(self, create: Operation) -> dict[str, Any]:
        return {name: self.sampler.value(schema, name) for name, schema in self._empty_fields(create).items()}

    def _parent_path(self, operation: Operation) -> dict[str, str]:
        path: dict[str, str] = {}
        by_reference = self._identified_by_reference(operation)
        for parameter in operation.path_parameters:
            if parameter.name in path:
                continue
            if self.contract.by_action(parameter.entity, "create") is None:
                path[parameter.name] = self.finder.parameter_value(parameter, operation, path)
                continue
            # A record known by what it refers to (a user's share) exists once per parent: each gets a parent of its
            # own.
            owner = self.own(parameter.entity) if by_reference else self.parent(parameter.entity)
            if parameter.name not in owner.path:
                raise Unavailable(f"the answer of create_{parameter.entity} does not tell the {parameter.name}")
            path[parameter.name] = owner.path[parameter.name]
        return path

    def _identified_by_reference(self, create: Operation) -> bool:
        delete = self.contract.by_action(create.entity, "delete")
        return bool(delete and delete.path_parameters and delete.path_parameters[-1].field != "id")

    def _own_path(self, operation: Operation) -> OwnRecord:
        """Path parameters for an operation that changes something, and the record it is about."""
        if not operation.path_parameters:
            return OwnRecord({}, {}, {})
        target = operation.path_parameters[-1]
        if operation.action in ("create", "start"):
            return OwnRecord({}, {}, self._parent_path(operation))
        if self.contract.by_action(target.entity, "create") is not None:
            own = self.own(target.entity)
            missing = [p.name for p in operation.path_parameters if p.name not in own.path]
            if missing:
                # The links tell the id under the parameter names of other operations.
                told = str(self._field_of(own.record, "id", target.entity))
                own = OwnRecord(own.record, own.sent, {**own.path, **dict.fromkeys(missing, told)})
            return own
        path = self.finder.find_path(operation)
        listing = self.contract.by_action(target.entity, "list")
        record: Mapping[str, Any] = {}
        if listing is not None:
            records = self.finder.records(listing, self.finder.shared(listing, path))
            known = (r for r in records if isinstance(r, dict))
            record = next((r for r in known if str(r.get(target.field)) == path[target.name]), {})
        return OwnRecord(record, {}, path)

    # --- references of the contract --------------------------------------------------------------------------------

    def _reference(self, schema: Mapping[str, Any]) -> Any:
        if "x-credential" in schema:
            return self._credential(schema["x-credential"])
        if "x-value-from" in schema:
            # Made up, it would name nothing that is there, or be written over what the instance has.
            value = self.finder.value_from(schema["x-value-from"], {})
            if value is None and not self.session.target.disposable:
                raise Unavailable(f"{schema['x-value-from']['operation']} shows no value that could be sent again")
            return value
        entity = schema["x-entity"]
        field = schema.get("x-field", "id")
        if schema.get("type") == "array" and not schema.get("minItems"):
            return self._where_there_is_one(entity, field)
        return self._one_of(entity, field)

    def _one_of(self, entity: str, field: str) -> Any:
        """A field of a record to refer to: of one of our own where they can be made."""
        if self.contract.by_action(entity, "create") is not None:
            return self._field_of(self.parent(entity).record, field, entity)
        listing = self.contract.by_action(entity, "list")
        if listing is None:
            raise Unavailable(f"no operation lists a {entity.replace('_', ' ')} to refer to")
        records = self.finder.records(listing, self.finder.shared(listing, {}))
        if not records:
            raise Unavailable(f"{listing.id} holds no record to refer to")
        return self._field_of(records[len(records) // 2 if self.finder.steady else 0], field, entity)

    def _where_there_is_one(self, entity: str, field: str) -> Any:
        """What a list that may be empty refers to; None on a target that makes no such records: a part of the API may
        not be there, and what does not need it is judged nevertheless."""
        if entity in self._not_made:
            return None
        try:
            return self._one_of(entity, field)
        except Unavailable:
            self._not_made.add(entity)
            return None

    @staticmethod
    def _field_of(record: Any, field: str, entity: str) -> Any:
        """What is referred to; the form of records may be other than assumed."""
        if not isinstance(record, Mapping) or record.get(field) is None:
            raise Unavailable(f"the {entity.replace('_', ' ')} to refer to shows no {field}")
        return record[field]

    def _credential(self, kind: str) -> str:
        """E-mail, password or a fresh token of a user made for logging in and out."""
        if kind == "oidc_code":
            raise Unavailable("an authorization code comes from the identity provider of the instance only")
        if not self.credentials:
            password = self.session.secrets.add(new_password())
            with self.session.ledger.lasting():
                role = self.create("user_role", {"features": [], "invisible_attributes_tag_ids": []})
                user = self.create("user", {"role_id": role.record["id"], "password": password})
            self.credentials = {"email": user.sent["email"], "password": password}
        if kind == "token":
            operation = self.contract.operations["login_user"]
            call = Call(operation).sending(dict(self.credentials))
            exchange = self.session.send(call, self.session.admin, judged=False)
            token = exchange.json.get("token") if isinstance(exchange.json, dict) else None
            if not token:
                raise Unavailable(f"the login {exchange.answered()}")
            return self.session.secrets.add(str(token))
        return self.credentials[kind]
