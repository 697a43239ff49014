"""The documented filters of lists as SQL conditions."""

from __future__ import annotations

from typing import Any

from instance import acl
from instance.calls import Call, Caller
from instance.contract import EXPORT_PATTERN, Operation
from instance.schemas import SchemaBook
from instance.store import Store

# Settings that only holders of settings/global may see.
RESTRICTED_SETTINGS = ("smtp_password", "sso_client_secret", "webhook_signing_key")
SETTINGS_FEATURE = "settings/global"

# With cascade_is_hidden a record is hidden with its source, too.
SHOWN_WITH_SOURCE = (
    "json_extract(r.body, '$.is_hidden')=0 AND NOT EXISTS (SELECT 1 FROM record s WHERE s.entity='source' "
    "AND s.parent='' AND s.id=json_extract(r.body, '$.source_id') AND json_extract(s.body, '$.is_hidden')=1)"
)

Condition = tuple[str, list[Any]]


def conditions(call: Call) -> list[Condition]:
    """What the caller may see and what he asked for, as SQL over `record r`."""
    found = list(visible(call.store, call.operation, call.caller, call.query))
    for name, value in call.query.items():
        condition = _filter(call.store.contract.book, call.operation, name, value, call.query)
        if condition is not None:
            found.append(condition)
    return found


def _filter(book: SchemaBook, operation: Operation, name: str, value: Any, query: dict[str, Any]) -> Condition | None:
    if name in ("name_filter", "name_search"):
        return ("holds(r.body -> '$.name', ?)", [value.casefold()]) if value else None
    if name == "searched_text":
        return _searched(book, operation, value) if value else None
    if name == "tag_ids":
        if not value:
            return None
        marks = ",".join("?" * len(value))
        return (
            f"EXISTS (SELECT 1 FROM json_each(r.body, '$.tags') WHERE CAST(value AS TEXT) IN ({marks}))",
            [str(id) for id in value],
        )
    if name == "source_ids":
        if not value:
            return None
        return f"json_extract(r.body, '$.source_id') IN ({','.join('?' * len(value))})", list(value)
    if name == "show_hidden" and not value:
        if query.get("cascade_is_hidden"):
            return SHOWN_WITH_SOURCE, []
        return "json_extract(r.body, '$.is_hidden')=0", []
    return None


def _searched(book: SchemaBook, operation: Operation, text: str) -> Condition:
    """Any text field of the record holds the text; ids and times are no text."""
    assert operation.item_schema is not None
    names = [
        name
        for name, schema in book.properties(operation.item_schema).items()
        if book.kind(schema) == "string" and book.name(schema) is None and not name.endswith("id")
    ]
    tests = [f"holds(r.body -> '$.{name}', ?)" for name in names]
    return "(" + " OR ".join(tests or ["0"]) + ")", [text.casefold()] * len(tests)


def visible(store: Store, operation: Operation, caller: Caller | None, query: dict[str, Any]) -> list[Condition]:
    """What the caller may see of the collection."""
    del store
    if caller is None:
        return []
    if operation.entity == "segment":
        return [_segments(caller, query)]
    if operation.entity in ("global_setting", "global_setting_history") and SETTINGS_FEATURE not in caller.features:
        marks = ",".join("?" * len(RESTRICTED_SETTINGS))
        return [(f"json_extract(r.body, '$.key') NOT IN ({marks})", list(RESTRICTED_SETTINGS))]
    if operation.entity == "notification":
        return [("json_extract(r.body, '$.user_id')=?", [caller.user_id])]
    return []


def _segments(caller: Caller, query: dict[str, Any]) -> Condition:
    """Own, shared and foreign segments; foreign ones only with one of the foreign_segments features."""
    foreign = acl.sees_foreign_segments(caller)
    mine = query.get("show_my", 1)
    shared = query.get("show_shared_with_me", 1)
    others = query.get("show_foreign", 1) and foreign
    if mine and shared and others:
        return "1", []
    own = "json_extract(r.body, '$.user_id')=?"
    share = "EXISTS (SELECT 1 FROM record a WHERE a.entity='segment_user' AND a.parent=r.id AND a.id=? AND a.deleted=0)"
    tests: list[str] = []
    values: list[Any] = []
    if mine:
        tests.append(own)
        values.append(caller.user_id)
    if shared:
        tests.append(f"({share} AND NOT {own})")
        values += [str(caller.user_id), caller.user_id]
    if others:
        tests.append(f"NOT ({own} OR {share})")
        values += [caller.user_id, str(caller.user_id)]
    return "(" + " OR ".join(tests or ["0"]) + ")", values


def export_destinations(call: Call) -> list[str] | None:
    """The destinations whose exports the caller may see or start; None = all of them.

    `segments/export/<id>` in a role stands for that destination only.
    """
    assert call.caller is not None
    features = call.caller.features
    if not call.operation.features.isdisjoint(features):
        return None
    named = [name.rsplit("/", 1)[-1] for name in features if EXPORT_PATTERN.match(name)]
    if call.operation.extra_access and acl.extra_access(call.store, call.operation, call.caller, call.path):
        return None
    return named
