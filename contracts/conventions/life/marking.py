"""LIFE-03: a change that marks a record as deleted, where changes may, is kept as any other is."""

from __future__ import annotations

from contracts.answers import marked
from contracts.conventions.life.model import MARK
from contracts.conventions.life.values import Values
from contracts.finding import Unavailable
from contracts.observing import record_of
from contracts.subject import Subject, require


def marked_is_kept(s: Subject) -> None:
    """A record of the run's own is marked as deleted; after that it is read with its mark, or not at all. A change may
    be refused, and one that is known by analogy alone may go by the mark: then its own answer shows none."""
    contract, values = s.session.contract, Values(s.bench)
    create, read = (contract.by_action(s.operation.entity, action) for action in ("create", "read"))
    field = values.fields(s.operation).get(MARK)
    if create is None or read is None or field is None or s.operation.method != "PATCH":
        return
    try:
        own = s.bench.arrangement.own(str(s.operation.entity))
    except Unavailable:
        return
    mark = True if field.get("type") == "boolean" else 1
    exchange = s.bench.execute(own.call(s.operation).sending({MARK: mark}))
    told = record_of(s.operation, exchange) if exchange.ok else None
    known = "assumed" not in (s.operation.provenance, field.get("x-provenance"))
    if not exchange.ok or not (known or marked(told if isinstance(told, dict) else {})):
        return
    record, seen = s.bench.read_back(own, read)
    sentence = (
        f"{MARK} was changed to {mark!r}, answered with {exchange.status}, and the record is read without that mark"
    )
    kept = seen.gone or MARK not in record or marked(record)
    require(kept, sentence, seen, f"create; change {MARK}; read")
    s.exercised()
