"""What the contract says of each stored entity: its fields, its parent, its timestamp, and how it is deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from instance.schemas import Schema

if TYPE_CHECKING:
    from instance.contract import Contract, Operation
    from instance.store import Store

# Entities that are not kept in the record table: the customers' own tables, and fixed lists.
NOT_RECORDS = frozenset({"customer", "customer_event", "customer_participation", "async_upload", "channel", "tool"})
# Records that are addressed below their parent by another field than their own id.
KEY_FIELDS = {"segment_user": "user_id", "funnel_group_user": "user_id", "segment_tag": "tag_id"}

Compute = Callable[["Store", list[dict[str, Any]]], None]
# (entity, field) -> a function that sets the field in plain records that are about to be answered.
COMPUTED: dict[tuple[str, str], Compute] = {}


def computes(entity: str, name: str) -> Callable[[Compute], Compute]:
    """Register the decorated function as the source of a field that is not stored but worked out when read."""

    def register(function: Compute) -> Compute:
        COMPUTED[entity, name] = function
        return function

    return register


@dataclass(slots=True)
class Entity:
    """One stored entity. `fields` maps each field to the schemas that operations give it, strictest first.

    `plain` are the fields of the record as reading the entity gives it.
    """

    name: str
    parent: str | None = None
    parent_field: str | None = None
    key_field: str = "id"
    timestamp: str = "created"
    soft: bool = False
    fields: dict[str, list[Schema]] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()


class EntityBook:
    """All stored entities of a contract by name."""

    def __init__(self, contract: Contract) -> None:
        self.book = contract.book
        self.entities: dict[str, Entity] = {}
        for operation in contract.operations.values():
            if operation.entity and operation.entity not in NOT_RECORDS:
                self._learn(operation)
        for entity in self.entities.values():
            self._finish(entity, contract)

    def __getitem__(self, name: str) -> Entity:
        return self.entities[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entities

    def _learn(self, operation: Operation) -> None:
        assert operation.entity is not None
        entity = self.entities.setdefault(operation.entity, Entity(operation.entity))
        entity.key_field = KEY_FIELDS.get(entity.name, "id")
        if operation.action in ("list", "create", "start") and operation.path_parameters:
            entity.parent = operation.path_parameters[0].entity
            entity.parent_field = operation.path_parameters[0].name
        if operation.action == "trash":
            entity.soft = True
        if operation.action == "list" and operation.collection is not None and operation.collection.timestamp:
            entity.timestamp = operation.collection.timestamp
        if operation.item_schema is not None:
            for name, schema in self.book.properties(operation.item_schema).items():
                schemas = entity.fields.setdefault(name, [])
                if schema not in schemas:
                    schemas.append(schema)

    def _finish(self, entity: Entity, contract: Contract) -> None:
        for schemas in entity.fields.values():
            schemas.sort(key=self.book.nullable)
        if "deleted" in entity.fields:
            entity.soft = True
        for action in ("read", "list"):
            found = contract.of_entity(entity.name, action)
            if found and found[0].item_schema is not None:
                entity.plain = frozenset(self.book.properties(found[0].item_schema))
                break

    def schema(self, entity: Entity, name: str) -> Schema:
        """The strictest schema of a field."""
        return entity.fields[name][0]


def own_parameter(operation: Operation) -> str | None:
    """The path parameter that names the operation's own record, None where the path names only parents."""
    if not operation.path_parameters or operation.action in ("list", "create", "start", "trash"):
        return None
    last = operation.path_parameters[-1]
    return last.name if last.entity == operation.entity else None
