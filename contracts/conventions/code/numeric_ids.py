"""Ids between what people see and what no column holds: beyond 32 bits, and beyond 64."""

from __future__ import annotations

from contracts.calls import Call
from contracts.subject import Subject, require

BEYOND_COLUMNS = ("3000000000", str(2**63))


def beyond_columns(s: Subject, call: Call) -> None:
    """An id that is a number and fits no column is unknown, or none at all."""
    parameter = s.operation.path_parameters[-1]
    if s.session.contract.resolved(parameter.schema).get("type") != "integer":
        return
    for value in BEYOND_COLUMNS:
        exchange = s.session.send(call.at(**{parameter.name: value}), s.session.admin)
        require(
            exchange.status in (400, 404), f"the id {value} got {exchange.outcome()} instead of 404", exchange, value
        )
        s.exercised()
