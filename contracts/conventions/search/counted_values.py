"""Values that somebody has, as another operation counts them: what to search for where nothing that is usually searched
for finds anybody (SEARCH-01)."""

from __future__ import annotations

from cdp.contract.operation import Searches
from contracts.calls import Call
from contracts.observing import rows_of
from contracts.subject import Subject

_KINDS, _OF_A_KIND = 20, 2  # of values: which ones are searched is not documented


def counted_values(s: Subject, searches: Searches, length: range) -> list[str]:
    """A few values of each kind that somebody has; none where nothing tells of them. `length`: of texts that are
    searched for."""
    contract = s.session.contract
    counting = contract.operations.get(searches.counted)
    kind = next((p for p in counting.query_parameters if p.required), None) if counting is not None else None
    sub = next((sub for sub in s.operation.sub_entities if kind is not None and sub.field == kind.name), None)
    listing = contract.by_action(sub.entity, "list") if sub is not None else None
    if counting is None or kind is None or listing is None:
        return []
    kinds = rows_of(listing, s.session.read(Call(listing).asking(("limit", 100)), s.session.admin)) or []
    found: list[str] = []
    for id in [str(r["id"]) for r in kinds if isinstance(r, dict) and "id" in r]:
        rows = rows_of(counting, s.session.read(Call(counting).asking((kind.name, id)), s.session.admin)) or []
        values = [r.get(searches.field) for r in rows if isinstance(r, dict)]
        found += [v for v in values if isinstance(v, str) and v == v.strip() and len(v) in length][:_OF_A_KIND]
        if len(found) >= _KINDS * _OF_A_KIND:
            break
    return list(dict.fromkeys(found))
