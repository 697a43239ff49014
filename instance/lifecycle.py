"""The life of a record: created, read, changed, deleted, restored; the same for every entity of the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from instance import records, structure
from instance.calls import Call, Caller, Refusal, Reply
from instance.entities import NOT_RECORDS, Entity, own_parameter
from instance.store import Store

Record = dict[str, Any]
MADE_NOW = frozenset({"created", "modified", "origin_created"})
MADE_BY_CALLER = frozenset({"user_id", "author_id", "modified_by", "last_modified_by"})
# What a new record starts with where the smallest value that fits would not be sensible.
FIRST_VALUES: dict[tuple[str, str], Any] = {
    ("segment", "segment_type"): "custom",
    ("push_notification", "ttl_seconds"): 2419200,
    ("push_notification", "frequency_cap"): {
        "ignore_channel_frequency_cap": False,
        "max_count": 1,
        "period": {"type": "days", "size": 1},
    },
    ("web_banner", "frequency_cap"): {"max_count": 1, "period": {"type": "days", "size": 1}},
}
LARGEST = 2**63


def check_ids(call: Call) -> None:
    """Refuse (404) a path that names a record which is not there. Done before the body is looked at."""
    operation = call.operation
    own = own_parameter(operation)
    parent = ""
    for parameter in operation.path_parameters:
        if parameter.entity is None or parameter.entity in NOT_RECORDS:
            continue
        id = call.path[parameter.name]
        entity = call.store.entities.entities.get(parameter.entity)
        if entity is None:
            continue
        under = parent if entity.parent is not None else ""
        deleted: bool | None = False
        if parameter.name == own:
            if operation.action == "restore":
                deleted = True
            elif operation.action == "update" and _takes_back(call.body):
                deleted = None
        if records.get_text(call.store, entity.name, id, under, deleted) is None:
            raise missing(entity.name)
        parent = id


def missing(entity: str) -> Refusal:
    """The refusal for a record that is not there."""
    words = entity.replace("_", " ")
    return Refusal(404, f"{words.capitalize()} not found.", f"No such {words}.")


def _takes_back(body: Any) -> bool:
    """Whether a change takes the record out of the trash."""
    return isinstance(body, dict) and body.get("deleted") in (0, False) and body.get("deleted") is not None


def create(call: Call) -> Reply:
    """Create a record from the body."""
    with call.store.transaction():
        record = make(call, call.body)
        return answer(call, record)


def make(call: Call, body: Record, given: Record | None = None) -> Record:
    """Store a new record made from a body; `given` fields are set by the server and win over the body."""
    assert call.operation.entity is not None
    entity = call.store.entities[call.operation.entity]
    parent = call.path[entity.parent_field] if entity.parent_field else ""
    now = call.store.clock()
    record = new_record(call.store, entity, body, call.caller, parent, now)
    record.update(given or {})
    deleted = bool(record.get("deleted"))
    records.insert(call.store, entity.name, parent, record, now, deleted, key=record[entity.key_field])
    return record


def new_record(store: Store, entity: Entity, body: Record, caller: Caller | None, parent: str, now: datetime) -> Record:
    """A complete record: fields of the body, those that the server makes, and plain values for the rest."""
    book = store.contract.book
    record: Record = {}
    for name, schemas in entity.fields.items():
        schema = schemas[0]
        if name in body:
            record[name] = fitting(store, entity, name, body[name])
        elif name == "id":
            record[name] = new_id(store, entity)
        elif name == entity.parent_field:
            record[name] = int(parent) if book.kind(schema) == "integer" else parent
        elif name in MADE_NOW and book.date_form(schema):
            record[name] = book.write_date(schema, now)
        elif name in MADE_BY_CALLER and caller is not None:
            record[name] = caller.user_id
        elif (entity.name, name) in FIRST_VALUES:
            record[name] = FIRST_VALUES[entity.name, name]
        else:
            record[name] = None if all(book.nullable(each) for each in schemas) else book.smallest(schema)
    return record


def new_id(store: Store, entity: Entity) -> int | str:
    """The next integer, or a new UUID, as the entity's id is typed."""
    if store.contract.book.kind(store.entities.schema(entity, "id")) == "integer":
        return records.next_integer_id(store, entity.name)
    return records.new_uuid()


def fitting(store: Store, entity: Entity, name: str, value: Any) -> Any:
    """A value of a request as the record holds it: objects that came as JSON text, single items of lists, whole numbers
    that came with a fraction. Raises `Refusal` 422."""
    book = store.contract.book
    types = book.types(store.entities.schema(entity, name))
    if isinstance(value, str) and "object" in types and "string" not in types:
        value = json_object(name, value)
    elif isinstance(value, dict) and "array" in types and "object" not in types:
        value = [value]
    elif isinstance(value, float) and "integer" in types and "number" not in types:
        if abs(value) >= LARGEST:
            raise Refusal(422, f"The field {name} is not valid: the number is too large.", name)
        value = int(value)
    return value


def json_object(name: str, text: str) -> Record:
    """The object in a field that carries JSON text. Raises `Refusal` 422."""
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(422, f"The field {name} is not valid: not a JSON object.", name)
    return value


def read(call: Call) -> Reply:
    """Answer one record."""
    return answer(call, load(call))


def load(call: Call, deleted: bool | None = False) -> Record:
    """The record that the path names. Raises `Refusal` 404."""
    assert call.operation.entity is not None
    entity, id, parent = address(call)
    record = records.get(call.store, entity.name, id, parent, deleted)
    if record is None:
        raise missing(entity.name)
    return record


def address(call: Call) -> tuple[Entity, str, str]:
    """Entity, key and parent of the record that the path names."""
    assert call.operation.entity is not None
    entity = call.store.entities[call.operation.entity]
    parent = call.path[entity.parent_field] if entity.parent_field else ""
    return entity, call.path[call.operation.path_parameters[-1].name], parent


def update(call: Call) -> Reply:
    """Change the fields that the body names, and no others."""
    with call.store.transaction():
        return answer(call, change(call, call.body))


def change(call: Call, body: Record) -> Record:
    """Apply a body to the record that the path names; answers the changed record."""
    entity, id, parent = address(call)
    record = load(call, None if _takes_back(body) else False)
    fields = {name: value for name, value in body.items() if name in entity.fields}
    if not fields:
        return record
    now = call.store.clock()
    for name, value in fields.items():
        record[name] = fitting(call.store, entity, name, value)
    touch(call, entity, record, now)
    moved = now if entity.timestamp == "modified" else None
    records.update(call.store, entity.name, id, record, parent, moved, bool(record.get("deleted")))
    return record


def touch(call: Call, entity: Entity, record: Record, now: datetime) -> None:
    """Note in the record that it was changed now and by whom."""
    book = call.store.contract.book
    if "modified" in record:
        record["modified"] = book.write_date(call.store.entities.schema(entity, "modified"), now)
    for name in ("modified_by", "last_modified_by"):
        if name in record and call.caller is not None:
            record[name] = call.caller.user_id


def delete(call: Call) -> Reply:
    """Delete a record: into the trash where there is one or records carry a mark, else for good with all below it."""
    entity, id, parent = address(call)
    with call.store.transaction() as connection:
        record = load(call)
        if entity.soft:
            mark(record, True)
            records.update(call.store, entity.name, id, record, parent, deleted=True)
        else:
            records.delete(call.store, entity.name, id, parent)
            for child in call.store.entities.entities.values():
                if child.parent == entity.name:
                    connection.execute("DELETE FROM record WHERE entity=? AND parent=?", (child.name, id))
    return done(call)


def restore(call: Call) -> Reply:
    """Take a record out of the trash, unchanged."""
    entity, id, parent = address(call)
    with call.store.transaction():
        record = load(call, deleted=True)
        mark(record, False)
        records.update(call.store, entity.name, id, record, parent, deleted=False)
        return answer(call, record)


def mark(record: Record, deleted: bool) -> None:
    """Set the record's own mark in the form it has, a boolean or a number."""
    if "deleted" in record:
        record["deleted"] = deleted if isinstance(record["deleted"], bool) else int(deleted)


def answer(call: Call, record: Record) -> Reply:
    """The record as the operation shows it, with its documented status."""
    full = bool(call.query.get("load_full_structure"))
    shown = structure.show(call.store, call.operation, record, full)
    return Reply(call.operation.status, structure.wrap(call.operation, shown))


def done(call: Call) -> Reply:
    """The plain confirmation."""
    return Reply(call.operation.status, {"message": "OK"})
