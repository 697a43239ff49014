"""Handlers of the embedded instance called without a server, their answers held to the contract."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson

from instance.calls import Call, Reply
from instance.contract import Contract, Operation
from instance.handlers import HANDLERS
from instance.store import Store


def validator_of(contract: Contract, operation: Operation) -> jsonschema_rs.Validator | None:
    """A validator of the operation's success answer; None where it has no body."""
    return None if operation.answer is None else contract.book.validator(operation.answer)


def call(store: Store, operation_id: str, path: dict[str, str] | None = None, body: Any = None, **query: Any) -> Reply:
    """Call a handler as the server would."""
    operation = store.contract.operations[operation_id]
    defaults = {name: p.default for name, p in operation.query_parameters.items() if p.has_default}
    reply = HANDLERS[operation_id](Call(operation, path or {}, {**defaults, **query}, body, None, store, "192.0.2.7"))
    validator = validator_of(store.contract, operation)
    if validator is not None and reply.status == operation.status:
        problems = [error.message for error in validator.iter_errors(orjson.loads(orjson.dumps(reply.body)))]
        assert not problems, problems[:3]
    return reply


def answer(store: Store, operation_id: str, path: dict[str, str] | None = None, **query: Any) -> Any:
    """The body of a successful answer."""
    return call(store, operation_id, path, **query).body
