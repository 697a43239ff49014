"""Ids in forms that parsers take, and clients do not see: numbers beyond 32 bits and beyond 64, UUIDs written in other
ways than the API does."""

from __future__ import annotations

import uuid

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


def uuids_in_other_forms(s: Subject, call: Call) -> None:
    """A UUID has one form as an id (RFC 9562 section 4), be it in small or capital letters. What reads others, too,
    finds a record at more than one address."""
    parameter = s.operation.path_parameters[-1]
    known = call.path.get(parameter.name, "")
    if s.session.contract.resolved(parameter.schema).get("format") != "uuid" or len(known) != len(
        str(uuid.UUID(int=0))
    ):
        return
    for value in (known.replace("-", ""), f"{{{known}}}", f"urn:uuid:{known}"):
        exchange = s.session.send(call.at(**{parameter.name: value}), s.session.admin)
        sentence = f"an id of the wrong form got {exchange.outcome()} instead of 404 or 400"
        require(exchange.status in (400, 404), sentence, exchange, value)
        s.exercised()
