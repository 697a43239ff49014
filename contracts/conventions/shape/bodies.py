"""What a success must have, and what it must not: a body where one is described, and nothing of anybody's password."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cdp.http import Exchange
from cdp.texts import timestamp
from contracts.answers import data_of, names_within
from contracts.observing import record_of, rows_of
from contracts.subject import Subject, require

_BODILESS = (204, 205, 304)
_ROWS = 3
_SHORTEST = 8  # characters of what could be a secret
_OF_PASSWORDS = re.compile(r"passw(or)?d|\bpwd|(^|_)salt($|_)", re.IGNORECASE)
_OF_TOKENS = re.compile(r"(^|_)(token|secret|api_?key|private_?key)($|_)", re.IGNORECASE)


def has_its_body(s: Subject, exchange: Exchange) -> None:
    """A success whose JSON is documented does not come without any."""
    schema = s.operation.response_schema(exchange.status)
    if exchange.body or schema is None or exchange.status in _BODILESS or exchange.method == "HEAD":
        return
    if s.operation.responses[exchange.status].get("x-provenance", s.operation.provenance) != "assumed":
        require(False, f"a success with the status {exchange.status} has no body, JSON is documented", exchange)


def keeps_secrets(s: Subject, exchange: Exchange) -> None:
    """No record has a field that no page tells of and that is somebody's password, in whatever form, or where the
    record is a user's, his token (CWE-200, CWE-522)."""
    for record in _records(s, exchange):
        for name in record.keys() - _described(s):
            value = record[name]
            if not isinstance(value, str) or len(value) < _SHORTEST or timestamp(value):
                continue
            telling = bool(_OF_PASSWORDS.search(name)) or ("email" in record and bool(_OF_TOKENS.search(name)))
            if telling or s.session.secrets.redact(value) != value:
                require(False, f"{name:.40} is shown, which looks like a secret and stands on no page", exchange)


def _records(s: Subject, exchange: Exchange) -> Iterator[Mapping[str, Any]]:
    """Records of an answer and what is embedded in them; of a list a few, because all of them have the same columns."""
    rows = rows_of(s.operation, exchange)
    found: list[Any] = [record_of(s.operation, exchange)] if rows is None else [*rows[:_ROWS], *rows[_ROWS:][-_ROWS:]]
    for record in found:
        if isinstance(record, dict):
            yield record
            for sub in s.operation.sub_entities:
                yield from data_of(record, sub)


def _described(s: Subject) -> frozenset[str]:
    """Names of all fields that the contract tells of in the operation's answers."""
    known: dict[str, frozenset[str]] = s.bench.memory.setdefault("described fields", {})
    if s.operation.id not in known:
        schemas = [s.operation.response_schema(status) or {} for status in s.operation.responses]
        known[s.operation.id] = frozenset().union(*(names_within(s.session.contract, schema) for schema in schemas))
    return known[s.operation.id]
