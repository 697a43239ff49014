"""A change that names no field is a change all the same: who may not change a record is refused it, before it is told
that there is nothing to do (ROLE-01)."""

from __future__ import annotations

from cdp.http import JSON
from contracts.session import Identity
from contracts.subject import Subject, require

EMPTY = "a change that names no field"


def refused_without_changing(s: Subject, caller: Identity) -> None:
    """Raise Broken when a caller who has to be refused is answered to an empty change. What is no success is left to
    ROLE-04, which looks at what comes before the role."""
    operation = s.operation
    if operation.action != "update" or operation.body_media_type != JSON or operation.body_schema is None:
        return
    call = s.bench.untouched_call(operation)
    if not isinstance(call.sent, dict) or not call.sent:
        return
    exchange = s.session.send(call.sending({}), caller)
    said = f"{EMPTY}, by a role without any feature, got {exchange.outcome()} instead of 403"
    require(not exchange.ok, said, exchange, EMPTY)
    s.exercised()
