"""Queries with bytes that are no text: what decodes them early must not stumble."""

from __future__ import annotations

from dataclasses import replace

from contracts.applicability import FILTERS
from contracts.conventions.breakdown import broken_down
from contracts.subject import Subject, require

RAW = ("%00", "%ff")  # U+0000, and a byte that UTF-8 does not have


def raw_queries(s: Subject) -> None:
    """A filter or a search with such bytes may be refused, or find nothing."""
    contract = s.session.contract
    filters = [p for p in s.operation.query_parameters if p.name in FILTERS]
    texts = [p.name for p in filters if contract.resolved(p.schema).get("type") == "string"]
    if s.operation.safety != "read" or not texts:
        return
    call = s.call()
    kept = "".join(f"&{name}={value}" for name, value in call.query if name != texts[0] and value.isalnum())
    for value in RAW:
        # Percent signs of a query are encoded; those of a path's template are left as they are.
        raw = replace(call.operation, path=f"{call.operation.path}?{texts[0]}={value}{kept}")
        exchange = s.session.send(replace(call, operation=raw, query=()), s.session.admin, judged=False)
        how = broken_down(exchange)
        require(not how, f"{texts[0]}={value} got {how}", exchange, f"{texts[0]}={value}")
        s.exercised()
