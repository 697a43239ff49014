"""Which operations a requirement applies to: named predicates over the contract, no section or operation by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cdp.contract import Contract, Operation

Predicate = Callable[[Contract, Operation], bool]

FILTERS = ("name_filter", "name_search", "searched_text", "search_text", "event_ids", "tag_ids", "source_ids")
HIDING, HIDDEN = "show_hidden", "is_hidden"  # a switch: hidden records come, too; the mark of one


def settings_keys(contract: Contract, operation: Operation) -> frozenset[str]:
    """Keys that the contract expects in `selection_settings`; empty when the answer has none."""
    schema = operation.response_schema(operation.success_status)
    if not operation.collection or schema is None:
        return frozenset()
    settings = contract.resolved(schema).get("properties", {}).get("selection_settings")
    return frozenset(_properties(contract, settings)) if settings else frozenset()


def _properties(contract: Contract, schema: Mapping[str, Any]) -> dict[str, Any]:
    schema = contract.resolved(schema)
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        found |= _properties(contract, part)
    return found


def text_fields(contract: Contract, operation: Operation) -> list[str]:
    """Fields of the JSON body that take free text: no format, pattern, enumeration or reference to a record."""
    if operation.body_media_type != "application/json" or operation.body_schema is None:
        return []
    found = []
    for name, schema in _properties(contract, operation.body_schema).items():
        schema = contract.resolved(schema)
        constraints = {"format", "pattern", "enum", "contentMediaType", "x-entity", "x-value-from", "x-credential"}
        if schema.get("type") == "string" and not constraints.intersection(schema) and name != "password":
            found.append(name)
    return found


def credential_fields(contract: Contract, operation: Operation) -> dict[str, str]:
    """Fields of the JSON body that hold credentials of a user, by what they hold: email, password, token."""
    found = {name: schema.get("x-credential") for name, schema in body_fields(contract, operation).items()}
    return {kind: name for name, kind in found.items() if isinstance(kind, str)}


def body_fields(contract: Contract, operation: Operation) -> dict[str, Mapping[str, Any]]:
    """Schemas of the JSON body's fields; none where it has no such body."""
    if operation.body_media_type != "application/json" or operation.body_schema is None:
        return {}
    fields = _properties(contract, operation.body_schema)
    return {name: contract.resolved(schema) for name, schema in fields.items()}


def _renews(contract: Contract, o: Operation) -> bool:
    """A token is all that it takes, and what it gives."""
    answer = o.response_schema(o.success_status)
    gives = answer is not None and "token" in _properties(contract, answer)
    return gives and set(credential_fields(contract, o)) == {"token"}


def _guarded(_: Contract, o: Operation) -> bool:
    return o.auth == "token"


def _changes(o: Operation) -> bool:
    return o.safety != "read" and o.observe is not None


def _featured(_: Contract, o: Operation) -> bool:
    return o.auth == "token" and o.features.needed


def _refusable(contract: Contract, o: Operation) -> bool:
    return _featured(contract, o) and (bool(o.path_parameters) or o.body_schema is not None)


def _paged(_: Contract, o: Operation) -> bool:
    return o.collection is not None and o.collection.paging


def _limited(_: Contract, o: Operation) -> bool:
    return o.collection is not None and o.query("limit") is not None


def _structured(_: Contract, o: Operation) -> bool:
    """What answers records that refer to others, plain or full: a list, or one record."""
    answers = o.collection is not None or o.action in ("read", "create", "update")
    return answers and o.query("load_full_structure") is not None and bool(o.sub_entities)


def _switchable(_: Contract, o: Operation) -> bool:
    return o.safety == "read" and o.query("load_full_structure") is not None


def _identified(contract: Contract, o: Operation) -> bool:
    """A path parameter points to a stored record, and the operation is about that record or what lies below it; or a
    query parameter does."""
    return any(p.entity for p in o.path_parameters) or any(
        p.get("x-finds") for p in contract.raw(o).get("parameters", ())
    )


def _creatable(contract: Contract, o: Operation) -> bool:
    return bool(
        o.collection and o.collection.timestamp and o.action == "list" and contract.by_action(o.entity, "create")
    )


def _readable(contract: Contract, o: Operation) -> bool:
    return o.action == "read" and contract.by_action(o.entity, "list") is not None and o.answers_item


def _text_writes(contract: Contract, o: Operation) -> bool:
    return o.action in ("create", "update") and o.answers_item and bool(text_fields(contract, o))


def _of_record(contract: Contract, o: Operation, *actions: str) -> bool:
    """Whether the operation takes a part in the life of a record that can be created and looked at again."""
    looked = any(contract.by_action(o.entity, action) for action in ("read", "list"))
    return o.action in actions and looked and contract.by_action(o.entity, "create") is not None


def _stepped(contract: Contract, o: Operation) -> bool:
    """Whether it takes a record on in its life, beside creating and changing it and the like, and answers it."""
    known = ("", "create", "read", "list", "update", "delete", "trash", "restore")
    about = o.path_parameters and o.path_parameters[-1].entity == o.entity
    return bool(o.method == "POST" and o.action not in known and o.answers_item and about) and all(
        contract.by_action(o.entity, action) is not None for action in ("create", "read")
    )


PREDICATES: dict[str, Predicate] = {
    "every": lambda c, o: True,
    "guarded": _guarded,
    "open": lambda c, o: o.auth != "token",
    "logins": lambda c, o: {"email", "password"} <= set(credential_fields(c, o)),
    "renewals": _renews,
    "guarded_changes": lambda c, o: _guarded(c, o) and _changes(o),
    "featured": _featured,
    "featured_refusable": _refusable,
    "featured_changes": lambda c, o: _featured(c, o) and _changes(o),
    "role_judged": lambda c, o: o.auth == "token" and not o.features.unknown,
    "collections": lambda c, o: o.collection is not None,
    "limited": _limited,
    "bounded": lambda c, o: o.collection is not None and any(p.get("x-bounds") for p in c.raw(o).get("parameters", ())),
    "lists_below": lambda c, o: o.collection is not None and bool(o.path_parameters and o.path_parameters[-1].entity),
    "paged": _paged,
    "walked": lambda c, o: _paged(c, o) or bool(o.collection and o.collection.cursor),
    "paged_settings": lambda c, o: _paged(c, o) and {"limit", "offset"} <= settings_keys(c, o),
    "filtered": lambda c, o: _paged(c, o) and any(o.query(name) for name in (*FILTERS, HIDING)),
    "timestamped": lambda c, o: bool(o.collection and o.collection.timestamp),
    "timestamped_creatable": _creatable,
    "orderable": lambda c, o: o.collection is not None and o.query("order_by") is not None,
    "orderable_both": lambda c, o: (
        o.collection is not None and o.query("order_by") is not None and o.query("order_dir") is not None
    ),
    "ordered_settings": lambda c, o: {"order_by", "order_dir"} <= settings_keys(c, o),
    "structured": _structured,
    "structured_reads": lambda c, o: o.safety == "read" and _structured(c, o),
    "switchable": _switchable,
    "reads": lambda c, o: o.method == "GET",
    "bodies": lambda c, o: o.body_media_type is not None,
    "json_bodies": lambda c, o: o.body_media_type == "application/json",
    "text_writes": _text_writes,
    "identified": _identified,
    "described": lambda c, o: o.response_schema(o.success_status) is not None,
    "wrapped": lambda c, o: bool(o.collection and o.collection.key) or bool(o.item_key),
    "readable": _readable,
    "created_records": lambda c, o: _of_record(c, o, "create"),
    "listed_records": lambda c, o: _of_record(c, o, "list"),
    "changed_records": lambda c, o: _of_record(c, o, "update") or _stepped(c, o),
    "deleted_records": lambda c, o: _of_record(c, o, "delete"),
    "ended_records": lambda c, o: _of_record(c, o, "delete", "restore"),
    "safe_reads": lambda c, o: o.method == "GET" and o.safety == "read",
    "search": lambda c, o: o.collection is not None and any(p.searches for p in o.query_parameters),
    "conditions": lambda c, o: "x-conditions" in c.raw(o),
    "ingestion": lambda c, o: o.ingestion is not None,
    "batches": lambda c, o: bool(o.ingestion and o.ingestion.key),
    "uploads": lambda c, o: bool(o.ingestion and o.ingestion.state),
}
