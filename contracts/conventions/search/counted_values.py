"""SEARCH-01 where nothing that is usually searched for finds anybody: values that somebody has, as another operation
counts them, are searched for before it is believed that there is nobody to be found."""

from __future__ import annotations

from typing import Any

from cdp.contract.operation import Searches
from contracts.calls import Call
from contracts.checks import Broken
from contracts.conventions.listing import page
from contracts.observing import rows_of
from contracts.subject import Subject

_KINDS, _OF_A_KIND = 20, 2  # of values: which ones are searched is not documented
_FEWEST = 6  # values that find nobody, before a search is said to find nobody


def found_by_counted_values(s: Subject, name: str, searches: Searches, length: range) -> list[dict[str, Any]]:
    """What the first of the counted values that finds somebody finds; nothing where no value is known. `name`: the
    parameter that takes the text; `length`: of texts that are searched for. Raises Broken when every one finds
    nobody."""
    values = _counted(s, searches, length)
    for value in values:
        found = page(s, (name, value))
        rows = [r for r in found.records if isinstance(r, dict)]
        if rows:
            return rows
    if len(values) >= _FEWEST:
        raise Broken(
            f"nobody is found by any of {len(values)} values that somebody has, as {searches.counted} tells",
            found.exchange,
            values[-1],
        )
    return []


def _counted(s: Subject, searches: Searches, length: range) -> list[str]:
    """Values that somebody has, a few of each kind."""
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
