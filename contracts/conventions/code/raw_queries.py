"""Queries with bytes that are no text, and with long ones: what decodes them early, or has room for so many characters,
must not stumble."""

from __future__ import annotations

from dataclasses import replace

from contracts.applicability import FILTERS
from contracts.conventions.breakdown import broken_down
from contracts.subject import Subject, require

# U+0000, a byte that UTF-8 does not have, and a text that addresses still hold.
RAW = ("%00", "%ff", "x" * 3000)


def raw_queries(s: Subject) -> None:
    """A filter or a search with such a text may be refused, or find nothing."""
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
        require(not how, f"{texts[0]}={value:.9} got {how}", exchange, f"{texts[0]}={value}")
        s.exercised()
