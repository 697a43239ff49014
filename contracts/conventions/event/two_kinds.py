"""EVENT-02: events of two kinds in one batch: what was read of the first must not be written of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdp.http import Exchange
from contracts.checks import NotExercised, TargetLost, Unconfirmed
from contracts.ingestion import Events, Row
from contracts.observing import rows_of
from contracts.subject import Subject

_TRIED = 3  # kinds at most: one that is hidden, or wants another payload, is refused
_SHUT = ("is_hidden", "is_disabled", "hidden", "disabled", "deleted")


def two_kinds(s: Subject, events: Events) -> tuple[list[Row], list[Row], Exchange] | None:
    """What was sent and what is stored of a batch of two kinds; None where no second kind is taken, or not all of it is
    stored, which is told elsewhere."""
    if events.ingestion.state is not None:
        return None
    for beside in list(_other_kinds(s, events))[:_TRIED]:
        identifier = events.identifier("kinds")
        rows = [events.row(identifier), events.row(identifier, **beside), events.row(identifier)]
        if not events.send(rows).ok:
            continue
        stored, exchange = events.stored(identifier, len(rows))
        return (rows, stored, exchange) if len(stored) == len(rows) else None
    return None


def _other_kinds(s: Subject, events: Events) -> Iterator[Mapping[str, Any]]:
    """Other kinds of events than the usual one, as the operation shows them that tells of kinds."""
    schemas = s.session.contract.document["components"]["schemas"]
    fields = s.session.contract.resolved(schemas[events.ingestion.rows]).get("properties", {})
    told = {name: field["x-value-from"] for name, field in fields.items() if "x-value-from" in field}
    operations = {source["operation"] for source in told.values()}
    if len(operations) != 1:
        return
    operation = s.session.contract.operations[operations.pop()]
    try:
        known = rows_of(operation, s.bench.control(operation)[1]) or []
    except (NotExercised, Unconfirmed, TargetLost):
        return
    usual = events.row("")
    open_ones = [r for r in known if isinstance(r, dict) and not any(r.get(mark) for mark in _SHUT)]
    kinds = [{name: record.get(source["field"]) for name, source in told.items()} for record in open_ones]
    kinds = [kind for kind in kinds if all(isinstance(value, str) and value for value in kind.values())]
    # Those first that have nothing in common with the usual one.
    kinds.sort(key=lambda kind: sum(usual[name] == value for name, value in kind.items()))
    yield from (kind for kind in kinds if any(usual[name] != value for name, value in kind.items()))
