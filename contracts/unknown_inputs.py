"""Inputs that nobody thought of: Schemathesis draws requests from the contract's schemas, valid and invalid ones.

The requests go through the run's own session, so that every answer is judged by the same requirements as any other.
What is drawn never decides which record is changed: a call that writes keeps the path of the run's own record, and the
text that names a record keeps the run's prefix. Calls that send something to people are not drawn at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import strategies as st

from cdp.contract import Contract, Operation
from contracts.applicability import text_fields
from contracts.calls import Call

if TYPE_CHECKING:
    from schemathesis import Case

_JSON = "application/json"


class UnknownInputs:
    """Strategies per operation, made of the whole contract once a run."""

    def __init__(self, contract: Contract, prefix: str) -> None:
        import schemathesis  # here, because it takes most of a second and a short run does without it

        self.contract = contract
        self.prefix = prefix
        self.schema = schemathesis.openapi.from_dict(contract.document)

    def calls(self, call: Call, *, valid: bool) -> st.SearchStrategy[Call] | None:
        """Calls like the given one with drawn parameters and body; None where nothing can or may be drawn."""
        from schemathesis.generation import GenerationMode

        operation = call.operation
        if operation.safety == "read":
            drawable = bool(operation.query_parameters or operation.path_parameters)
        else:
            own = operation.action == "create" or self.contract.by_action(operation.entity, "create") is not None
            drawable = own and operation.safety != "sends" and operation.body_media_type == _JSON
        if not drawable and not (operation.open and operation.body_media_type == _JSON):
            return None
        mode = GenerationMode.POSITIVE if valid else GenerationMode.NEGATIVE
        drawn = self.schema[operation.path][operation.method].as_strategy(generation_mode=mode)
        return drawn.map(lambda case: self._call(call, case, valid))

    def _call(self, call: Call, case: Case, valid: bool) -> Call:
        operation = call.operation
        if operation.safety == "read" and not valid and isinstance(case.path_parameters, dict):
            path = {
                name: str(value) for name, value in case.path_parameters.items() if str(value) not in ("", ".", "..")
            }
            call = call.at(**{name: value for name, value in path.items() if name in call.path})
        if operation.safety == "read" and isinstance(case.query, dict):
            query = [(name, _as_text(value)) for name, value in case.query.items() if value is not None]
            call = call.asking(*query, without=() if valid else [name for name, _ in call.query])
        if operation.body_media_type != _JSON:
            return call
        body: Any = case.body
        if type(body).__name__ == "NotSet":
            return call.sending_raw(b"", _JSON)
        if isinstance(body, dict):
            body = {**body, **self._own_names(operation, call, body)}
        try:
            return call.sending(body)
        except TypeError:  # integers of more than 64 bits and lone surrogates are for another day
            return call.sending_raw(orjson.dumps(str(body)[:200].encode("utf-8", "replace").decode()), _JSON)

    def _own_names(self, operation: Operation, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """What names and identifies a record stays the run's: texts keep the prefix, ids and references the values."""
        sent = call.sent if isinstance(call.sent, dict) else {}
        kept = {name: sent[name] for name in ("id", "email") if name in sent and isinstance(body.get(name), str)}
        for name in text_fields(self.contract, operation)[:1]:
            if isinstance(body.get(name), str):
                kept[name] = f"{self.prefix} {body[name]}"
        properties = self.contract.resolved(operation.body_schema or {}).get("properties", {})
        for name in body:
            if "x-entity" in self.contract.resolved(properties.get(name, {})) and name in sent:
                kept[name] = sent[name]
        return kept


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
