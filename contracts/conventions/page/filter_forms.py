"""How a filter is written, and values that it takes: neither is documented of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdp.texts import timestamp
from contracts.conventions.listing import REFERENCE_PAGE, Walk, list_call
from contracts.observing import rows_of
from contracts.subject import Subject

BY_NAME = ("name_filter", "name_search", "searched_text")
FIELDS = {"event_ids": "event_id", "source_ids": "source_id", "tag_ids": "tags", "search_text": "value"}
_TEXTS_OF, _TEXTS = 2, 6  # records whose other texts are searched for where their names find nothing, and texts


@dataclass(frozen=True)
class Form:
    """A way to write a filter: the parameter's name and its value."""

    name: str
    value: str
    around: str = "{}"

    def unknown(self, s: Subject) -> str:
        """A value that no record has, written the same way."""
        bare = self.value[1:-1].strip('"') if self.around != "{}" else self.value
        unknown = f"cdp{s.number}nobody" if not bare.isdigit() else "987654321"
        return self.around.format(unknown)


def form_of(s: Subject, name: str, value: str, reference: Walk, most: int) -> Form | None:
    """The way to write a filter that the target takes. Only where the usual one shows nothing others are tried: how
    texts are matched is said nowhere, so a whole name may be needed, and neither is how a list stands in a query.

    None where it is not known: a list that is refused, or has no effect, in every form. A text that finds nothing even
    as a whole name, and an empty answer, are findings: the usual form is answered then.
    """
    usual = Form(name, value)
    exchange = s.session.read(list_call(s).asking((name, value), ("limit", most)), s.caller())
    rows = rows_of(s.operation, exchange)
    if name in BY_NAME:
        return usual if rows != [] else _with_a_whole_text(s, usual, reference)
    if not name.endswith("_ids") or exchange.refused_access or not (exchange.ok or exchange.client_error):
        return usual
    if exchange.ok and ((s.quick and rows) or _tells(s, usual)):
        return usual
    text = "{}" if value.isdigit() else '"{}"'
    others = (Form(f"{name}[]", value), Form(name, f"[{text.format(value)}]", f"[{text}]"))
    return next((form for form in others if _tells(s, form)), usual if exchange.ok and not rows else None)


def _with_a_whole_text(s: Subject, usual: Form, reference: Walk) -> Form:
    """The form with the whole name that a word is from; for a text that may be sought elsewhere the first of some texts
    that finds anybody, if one does."""
    names = (text for text in holders(usual.name, reference.records) if usual.value.casefold() in text.casefold())
    whole = Form(usual.name, next(names, usual.value))
    if usual.name != "searched_text":
        return whole
    others = [Form(usual.name, text) for text in _other_texts(reference.records)]
    return next((form for form in (whole, *others) if others and _finds(s, form)), whole)


def _other_texts(records: list[Any]) -> list[str]:
    """Texts of some records beside their names: which fields a searched text is sought in is said nowhere."""
    texts = [
        text
        for record in records[:_TEXTS_OF]
        if isinstance(record, dict)
        for field, text in record.items()
        if field not in ("id", "name") and isinstance(text, str) and 3 <= len(text) <= 100 and timestamp(text) is None
    ]
    return list(dict.fromkeys(texts))[:_TEXTS]


def _finds(s: Subject, form: Form) -> bool:
    exchange = s.session.read(list_call(s).asking((form.name, form.value), ("limit", REFERENCE_PAGE)), s.caller())
    return bool(rows_of(s.operation, exchange))


def _tells(s: Subject, form: Form) -> bool:
    """Whether a filter that takes ids has an effect: it finds records, and with an id that no record has none."""
    base = list_call(s)
    found, none = (
        s.session.read(base.asking((form.name, value), ("limit", limit)), s.caller())
        for value, limit in ((form.value, REFERENCE_PAGE), (form.unknown(s), 5))
    )
    return bool(rows_of(s.operation, found)) and not rows_of(s.operation, none)


def holders(name: str, records: list[Any]) -> dict[str, int]:
    """The values that a filter could take, as texts, and how many records hold each."""
    counts: dict[str, int] = {}
    for record in records:
        value = record.get(FIELDS.get(name, "name")) if isinstance(record, dict) else None
        for text in {
            str(v)
            for v in (value if isinstance(value, list) else [value])
            if v not in (None, "") and not isinstance(v, dict)
        }:
            counts[text] = counts.get(text, 0) + 1
    return counts


def filter_value(name: str, records: list[Any]) -> tuple[str | None, int]:
    """A value for a filter that some records meet, not all of them if possible, and how many meet it for sure."""
    found = holders(name, records)
    if name == "search_text":
        return next(((text, 1) for text in found if len(text) >= 3), (None, 0))
    if name in BY_NAME:
        words = {w for text in found for w in text.split() if w.isascii() and w.isalnum() and len(w) >= 3}
        counts = {w: sum(n for text, n in found.items() if w.casefold() in text.casefold()) for w in sorted(words)}
    else:
        counts = found
    some = {value: n for value, n in counts.items() if n < len(records)} or counts
    best = max(some, key=lambda value: some[value], default=None)
    return best, some[best] if best is not None else 0
