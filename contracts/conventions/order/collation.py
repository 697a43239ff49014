"""Which orders of texts are none: what any usual collation agrees on.

No page names a collation. Databases compare texts by bytes or by language, with or without case, accents and
punctuation; they sort numbers within texts as numbers or as texts, and choices between names as they were defined. So
two texts tell an order only where they part at two letters, or two digits, on which all of these agree.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from cdp.texts import timestamp

_REACH = 10  # how many texts behind it each is compared with: neighbours alone may tell nothing
_FEW = 2  # records per value from which on it may be a choice between names


def fold(value: Any) -> Any:
    """A value as collations without case and accents take it: what is alike there may come in any order."""
    if not isinstance(value, str):
        return value
    return "".join(c for c in unicodedata.normalize("NFKD", value).casefold() if not unicodedata.combining(c))


def may_be_choices(values: Sequence[Any]) -> bool:
    """Whether texts come back so often that a database may hold them as choices between names."""
    texts = [v for v in values if isinstance(v, str)]
    return bool(texts) and len(texts) == len(values) and len(set(texts)) * _FEW <= len(texts)


def texts_in_order(texts: Sequence[str]) -> bool:
    """Whether texts may be sorted, ascending, by some collation."""
    if may_be_choices(texts) and len(list(groupby(texts))) == len(set(texts)):
        return True
    forms = (list(texts), [unicodedata.normalize("NFC", text).casefold() for text in texts])
    return any(
        not any(_comes_after(a, b) for n, a in enumerate(form) for b in form[n + 1 : n + 1 + _REACH]) for form in forms
    )


def _comes_after(one: str, other: str) -> bool:
    """Whether the first text stands behind the second in every collation that compares these letters."""
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if at is None:  # what is longer comes later, unless it is longer by what some collations do not see
        return any(c.isalnum() for c in one[len(other) :])
    a, b = one[at], other[at]
    if a.isascii() and b.isascii() and a.isdigit() and b.isdigit():
        return a > b and _number(one, at) > _number(other, at)
    if not (a.isascii() and b.isascii() and a.isalpha() and b.isalpha()) or _digraph(one, at) or _digraph(other, at):
        return False
    return a > b


def _number(text: str, at: int) -> int:
    """The number that a digit is part of."""
    start = end = at
    while start and text[start - 1].isascii() and text[start - 1].isdigit():
        start -= 1
    while end < len(text) and text[end].isascii() and text[end].isdigit():
        end += 1
    return int(text[start:end][:4000])


def _digraph(text: str, at: int) -> bool:
    """Whether a letter is part of ch, which is a letter of its own in Czech and Slovak."""
    return "ch" in (text[at : at + 2].casefold(), text[max(0, at - 1) : at + 1].casefold())


def in_order(values: list[Any], descending: bool) -> bool:
    """Whether values are sorted. Nulls may stand at either end; texts may follow any usual collation."""
    present = [v for v in values if v is not None]
    if descending:
        present.reverse()
    if all(isinstance(v, bool | int | float) for v in present):
        return all(a <= b for a, b in pairwise(present))
    if all(timestamp(v) for v in present):
        times = [timestamp(v) for v in present]
        return all(a <= b for a, b in pairwise(times) if a and b)
    return texts_in_order([str(v) for v in present])
