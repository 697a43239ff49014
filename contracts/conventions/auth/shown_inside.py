"""What a refusal gives away deeper inside, or in its words, of the record that it is about (AUTH-07, ROLE-08)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cdp.http import Exchange
from contracts.conventions.disclosure import OF_ERRORS, what_was_sent
from contracts.observing import canonical, own_marks, record_of, rows_of
from contracts.subject import Subject

# Texts that tell what a record is about. Short ones and single words may be in any sentence.
TELLING = ("name", "title", "subject", "description", "text", "note", "email")
LEAST = 8  # characters
_FEW = 2  # fields of the record, beside its id


def shown_inside(s: Subject, exchange: Exchange) -> str:
    """What a refusal brings of the record, or of the list's records, that the valid call answers; empty where it brings
    nothing."""
    records = _records(s)
    fields = {name for record in records for name in record} - OF_ERRORS
    for inner in _objects(exchange.json):
        if "id" in inner and len(fields & inner.keys()) >= _FEW:
            return "brings a record deeper inside"
    said, sent, is_own = canonical(exchange.json), what_was_sent(exchange), own_marks(s.session.prefix)
    for record in records:
        for name in TELLING:
            text = record.get(name)
            # A refusal may name the caller, who is one of the run's own.
            if not isinstance(text, str) or not _telling(text) or is_own(text):
                continue
            if text not in sent and canonical(text)[1:-1] in said:
                return f"tells the {name} of a record"
    return ""


def _records(s: Subject) -> list[dict[str, Any]]:
    known = s.bench.control(s.operation)[1]
    if not known.ok:
        return []
    rows = rows_of(s.operation, known) if s.operation.collection else [record_of(s.operation, known)]
    return [record for record in rows or [] if isinstance(record, dict)]


def _telling(text: str) -> bool:
    """Whether a text would hardly be in a refusal by chance: it is long, and more than one word or with a number."""
    return len(text) >= LEAST and any(character in " @-_" or character.isdigit() for character in text.strip())


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of an answer, itself included."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)
