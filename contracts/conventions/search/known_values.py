"""Values that customers of the target have, as far as they can be known: what they ought to be found by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, TypeGuard

from contracts.checks import NotExercised
from contracts.conventions.listing import Page, page
from contracts.conventions.search.asking import find, kind_of, owners_of, read_values, search_of
from contracts.conventions.search.counted_values import counted_values
from contracts.conventions.traits import one_for_each
from contracts.subject import Subject

SHORTEST, LONGEST = 3, 100  # of texts that are searched: fields for them, indexes and addresses have an end
_OWNERS = 3
_FEWEST = 4
# Numbers alone, what is no letter of ASCII, several words, capitals, signs.
_TRAITS = tuple(map(re.compile, (r"^\d+$", r"[^\x00-\x7f]", r"\w \w", r"[A-Z]", r"^[a-z]+$", r"[^\w\s@.]")))


def searchable(value: Any) -> TypeGuard[str]:
    """Whether a value is a text that can be searched for."""
    return isinstance(value, str) and value == value.strip() and SHORTEST <= len(value) <= LONGEST


def _customers(s: Subject) -> list[dict[str, Any]]:
    """Rows of customers: those that usual texts find, or values that somebody has."""
    rows = page(s).records or next((got.records for _, got in counted(s) if got.records), [])
    return [r for r in rows if isinstance(r, dict)]


def counted(s: Subject) -> Iterator[tuple[str, Page]]:
    """Values that somebody has, as the contract's counting operation tells, and what each of them finds."""
    for value in counted_values(s, search_of(s), range(SHORTEST, LONGEST + 1)):
        yield value, find(s, value)


def known_values(s: Subject) -> list[tuple[str, str]]:
    """Values that found customers have, with their owners: texts of attributes that the search is known to look at."""
    known: dict[str, list[tuple[str, str]]] = s.bench.memory.setdefault("searched", {})
    if s.operation.id not in known:
        rows = _customers(s)
        looked_at = {kind_of(s, r) for r in rows}  # the kinds of values that customers have been found by
        field = search_of(s).field
        found: dict[str, str] = {}
        for owner in owners_of(s, rows)[:_OWNERS]:
            for row in read_values(s, owner):
                value = row.get(field)
                if searchable(value) and kind_of(s, row) in looked_at:
                    found.setdefault(value, owner)
        # The longest tell most: few others have them.
        known[s.operation.id] = sorted(found.items(), key=lambda item: (-len(item[0]), item[0]))
    if not known[s.operation.id]:
        raise NotExercised(f"no customer that was found has a text of {SHORTEST} to {LONGEST} characters")
    return known[s.operation.id]


def some_values(s: Subject) -> list[tuple[str, str]]:
    """Some of the values that are known, the longest; where there is time, one of each trait that searches stumble
    over, too."""
    known = known_values(s)
    some = known[: max(_FEWEST, s.session.profile.examples)]
    others = [] if s.quick else one_for_each(_TRAITS, known, itemgetter(0))
    return list(dict.fromkeys([*some, *others]))
