"""Keeping the books: what a request will create is noted before it is sent, and what came of it after.

Every name that the suite writes starts with the run's prefix (`cdp.prefixes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdp.contract import Contract, Operation
from cdp.http import Exchange
from cdp.ledger import Created, Intent, Ledger
from cdp.prefixes import letters_of, prefix_in
from cdp.targets import Target
from contracts.calls import Call

# The field that a record is known by, the first that a body has.
NAMING = ("name", "title", "email", "label", "email_address", "phone_number", "id", "value", "content")
_MAKING = ("create", "start")


def naming_field(contract: Contract, create: Operation) -> str:
    """The field of an operation's body that names the new record; empty when it holds references only."""
    if create.body_schema is None:
        return ""
    fields = contract.resolved(create.body_schema).get("properties", {})
    return next((name for name in NAMING if name in fields), "")


def own_prefix(contract: Contract, create: Operation, record: Mapping[str, Any]) -> str:
    """The prefix of the run that created a record, told by the field that names it; empty for anybody else's."""
    return prefix_in(record.get(naming_field(contract, create) or "name"))


@dataclass(frozen=True)
class Recognised:
    """The record that an answer brings, and the path parameters that lead to it."""

    record: Mapping[str, Any]
    path: Mapping[str, str]


def recognise(call: Call, exchange: Exchange) -> Recognised | None:
    """The created record of an answer; None when the answer is none."""
    operation = call.operation
    if not exchange.ok or not isinstance(exchange.json, dict):
        return None
    record = exchange.json.get(operation.item_key) if operation.item_key else exchange.json
    return Recognised(record, recognise_path(call, exchange)) if isinstance(record, dict) else None


def recognise_path(call: Call, exchange: Exchange) -> dict[str, str]:
    """Path parameters that lead to the record of an answer: the call's own, and those that the contract's links
    tell."""
    path = dict(call.path)
    for link in call.operation.links.values():
        for name, expression in link.get("parameters", {}).items():
            value = _evaluate(expression, exchange, call)
            if value is not None:
                path[name] = str(value)
    return path


def _evaluate(expression: str, exchange: Exchange, call: Call) -> Any:
    """A runtime expression of OpenAPI links, of the two forms that the contract uses. In a full answer data may stand
    in place of an id: what the new record refers to was sent."""
    if expression.startswith("$response.body#"):
        pointer = expression.removeprefix("$response.body#")
        told, name = value_at(exchange, pointer), pointer.rsplit("/", 1)[-1]
        if isinstance(told, str | int) or name == "id" or not isinstance(call.sent, dict):
            return told
        return call.sent.get(name)
    if expression.startswith("$request.path."):
        return call.path.get(expression.removeprefix("$request.path."))
    return None


def value_at(exchange: Exchange, pointer: str) -> Any:
    """The value at a JSON pointer of the answer; None when it is not there."""
    node = exchange.json
    for part in pointer.split("/")[1:]:
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            return None
    return node


class Books:
    """The books of a run on its target."""

    def __init__(self, contract: Contract, target: Target, ledger: Ledger, prefix: str) -> None:
        self.contract = contract
        self.target = target
        self.ledger = ledger
        self.prefix = prefix
        self._marks = (prefix.encode(), letters_of(prefix).encode())

    def leaves_something(self, call: Call, method: str) -> bool:
        """Whether the request may leave something new on the target: it creates or starts something, or carries the
        run's prefix to a place that is no record of its own."""
        operation = call.operation
        if (
            operation.safety == "read"
            or method != operation.method
            or self.contract.operations.get(operation.id) is None
        ):
            return False
        if operation.action in _MAKING:
            return True
        elsewhere = not operation.entity and operation.auth == "token" and call.body is not None
        return elsewhere and any(mark in (call.body or b"") for mark in self._marks)

    def intend(self, call: Call, method: str) -> str:
        """Note a request that may create something; answers its number, empty for any other request."""
        if not self.leaves_something(call, method):
            return ""
        path = call.url(self.target).removeprefix(self.target.origin)
        return self.ledger.intend(
            Intent(call.operation.id, path, self._name(call), self.prefix, ledger_target(self.target))
        )

    def _name(self, call: Call) -> str:
        """The name that will be written; for what has none the ids that it connects, for uploads the prefix."""
        if not isinstance(call.sent, dict):
            return self.prefix
        field = naming_field(self.contract, call.operation)
        if isinstance(call.sent.get(field), str):
            return str(call.sent[field])
        ids = [f"{name}={value}" for name, value in call.sent.items() if isinstance(value, str | int)]
        return ", ".join(ids)[:200] if ids and call.operation.action in _MAKING else self.prefix

    def answered(self, number: str, call: Call, exchange: Exchange) -> None:
        """Note what came of it. What got no answer, or one that tells no id, stays open to be looked for."""
        if exchange.client_error or (300 <= exchange.status < 400):
            self.ledger.refused(number)
            return
        if not exchange.ok:
            return
        operation = call.operation
        delete = self.contract.by_action(operation.entity, "delete") if operation.action in _MAKING else None
        found = recognise(call, exchange)
        record_id = str(found.record.get("id", "")) if found else ""
        if delete is None:
            self.ledger.created(number, Created(operation.id, record_id or self._name(call), ""))
        elif found is not None and all(p.name in found.path for p in delete.path_parameters):
            url = Call(delete, {p.name: found.path[p.name] for p in delete.path_parameters}).url(self.target)
            self.ledger.created(number, Created(operation.id, record_id, url))


def ledger_target(target: Target) -> str:
    """How a target is told apart in ledgers. The address of a thrown-away instance may be another's tomorrow."""
    return f"{target.base_url} (thrown away)" if target.disposable else target.base_url
