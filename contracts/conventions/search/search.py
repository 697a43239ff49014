"""SEARCH: customers found by a text. Texts are values that customers of the target have, and texts that nobody has."""

from __future__ import annotations

import re
import string
from typing import Any

from cdp.texts import folded
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.listing import REFERENCE_PAGE, Page, page, walk
from contracts.conventions.search.asking import (
    about_texts,
    find,
    kind_of,
    owner_of,
    owners_of,
    read_values,
    search_of,
    text_call,
    without_strangers,
)
from contracts.conventions.search.known_values import SHORTEST, counted, searchable, some_values
from contracts.subject import Subject, require

_SHARING, _SHARED = 12, 6  # customers whose values are compared, and values that several of them have
_Value = tuple[str, tuple[str, ...]]  # and which of its customer's values it is
_ENOUGH = 6  # values that find nobody, before a search is said to find nobody


def _finds_somebody(s: Subject) -> None:
    """Where nothing that is usually searched for finds anybody, some of the values that somebody has does."""
    if page(s).records:
        return
    in_vain: list[tuple[str, Page]] = []
    for value, got in counted(s):
        if got.records:
            return
        in_vain.append((value, got))
    if len(in_vain) >= _ENOUGH:
        value, got = in_vain[-1]
        sentence = f"nobody is found by any of {len(in_vain)} values that somebody has, as {search_of(s).counted} tells"
        raise Broken(sentence, got.exchange, value)


@check("SEARCH-01")
def found_by_a_value(s: Subject) -> None:
    s.control()
    about_texts(s)
    _finds_somebody(s)
    for value, owner in some_values(s):
        got = find(s, value, ("limit", REFERENCE_PAGE))
        if not any(owner_of(s, r) == owner for r in got.records):
            whole = walk(s, base=text_call(s, value))
            if any(owner_of(s, r) == owner for r in whole.records) or not whole.complete:
                continue  # so many have it that he comes later, or beyond what is read
            if value not in [row.get(search_of(s).field) for row in read_values(s, owner)]:
                continue
            raise Broken(f"{owner:.60} has the value {value!r:.60} and is not found by it", got.exchange, value)
        without_strangers(s, value, got, literally=False)
        s.exercised()
    if not s.quick:
        _short_texts(s)
        _who_share_a_value(s)
    if not s.evidence:
        raise NotExercised("every value that is known stands in more records than are read")


def _who_share_a_value(s: Subject) -> None:
    """Of several customers who have the same value each is found by it, where somebody is: which values are looked at
    is not documented."""
    for (value, kind), owners in _shared_values(s)[:_SHARED]:
        found = walk(s, base=text_call(s, value))
        rows = [r for r in found.records if isinstance(r, dict)]
        if not found.complete or (value, kind) not in _values_and_kinds(s, rows):
            continue
        got = {owner_of(s, r) for r in found.records}
        lost = next((owner for owner in owners if owner not in got), None)
        if lost is not None and (value, kind) in _values_and_kinds(s, read_values(s, lost)):
            sentence = f"{lost:.60} has the value {value!r:.60}, as others do, and is not found by it"
            raise Broken(sentence, found.exchange, value)
        s.exercised()


def _shared_values(s: Subject) -> list[tuple[_Value, list[str]]]:
    """Values that several of some customers have, with these; what the fewest have comes first."""
    owners: dict[_Value, list[str]] = {}
    for owner in owners_of(s, page(s, ("limit", REFERENCE_PAGE)).records)[:_SHARING]:
        for value, kind in _values_and_kinds(s, read_values(s, owner)):
            if searchable(value):
                owners.setdefault((value, kind), []).append(owner)
    return sorted(((v, who) for v, who in owners.items() if len(who) > 1), key=lambda item: (len(item[1]), item[0]))


def _values_and_kinds(s: Subject, rows: list[dict[str, Any]]) -> set[_Value]:
    """The values that rows hold as texts."""
    field = search_of(s).field
    return {(value, kind_of(s, row)) for row in rows if isinstance(value := row.get(field), str)}


def _short_texts(s: Subject) -> None:
    """A text that is as short as texts may be finds what one finds that goes on by a letter. That tells of a search for
    parts of words alone: one for whole words finds neither, or the longer one where that is a word."""
    for value, _ in some_values(s):
        longer = value[: SHORTEST + 1]
        if not longer.isalpha() or not longer.isascii():
            continue
        found = find(s, longer, ("limit", REFERENCE_PAGE))
        rows = [str(r.get(search_of(s).field)) for r in found.records if isinstance(r, dict)]
        if not any(folded(longer) in folded(text) and not _as_a_word(longer, text) for text in rows):
            continue
        got = find(s, longer[:SHORTEST], ("limit", REFERENCE_PAGE))
        sentence = f"{longer[:SHORTEST]!r} finds nobody, {longer!r} finds {len(found.records)} records"
        require(bool(got.records), sentence, got.exchange, longer[:SHORTEST])
        s.exercised()


def _as_a_word(text: str, value: str) -> bool:
    """Whether a value has the text as a word of its own."""
    return folded(text) in re.split(r"[\W_]+", folded(value))


@check("SEARCH-02")
def nobody_has_it(s: Subject) -> None:
    s.control()
    about_texts(s)
    letters = "".join(s.random.choices(string.ascii_lowercase, k=24))
    for text in s.forms([letters, letters[:12] + " " + letters[12:], letters.upper() + "@example.com"]):
        got = find(s, text)
        require(got.exchange.status == 200, f"a text that nobody has got {got.exchange.outcome()}", got.exchange, text)
        require(not got.records, f"a text that nobody has brings {len(got.records)} records", got.exchange, text)
        s.exercised()
