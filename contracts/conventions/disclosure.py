"""What an error must not tell: records, and traces, queries and paths of the server's inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from cdp.contract import Contract, Operation
from cdp.http import Exchange
from contracts.answers import names_within
from contracts.conventions.backends import BACKENDS, told_in_a_header

INTERNALS = {
    "a stack trace": re.compile(
        r'Traceback \(most recent call last\)|File "[^"]+", line \d+|goroutine \d+ \[|'
        r"\bat [\w$.<>]+ ?\([^()]*\.(java|kt|js|ts|go|cs):\d+|\w\.(php|py|rb|pl)\b\W+(on )?line \d+"
    ),
    "an exception's class": re.compile(
        r"\b[a-z_]{1,60}\.[a-z_.]{0,120}(exceptions?|errors?)\.[A-Z]\w+|\b(sqlite3|psycopg2?|asyncpg|pymysql|sqlalchemy)\b|"
        r"\b[A-Z]\w{1,80}Exception\b|"
        r"\b(Key|Value|Type|Name|Index|Attribute|Assertion|Runtime|Reference|Range|Integrity|Operational)Error: "
    ),
    "SQL": re.compile(
        r"\b(SELECT\s.{1,500}?\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)\b|syntax error at or near|near "
        r'".{0,200}?": syntax error|error in your SQL syntax|\b(UNIQUE|FOREIGN KEY|NOT NULL|CHECK) constraint failed|'
        r"\bduplicate key value violates|\binvalid input syntax for type|\bno such (table|column): |\bSQLSTATE\b|"
        r'\bORA-\d{5}|\b(relation|column) \\?"[^"]+" does not exist',
        re.S,
    ),
    "a file path": re.compile(
        r"(?<![\w/])/(usr|home|var|opt|app|srv|root|etc|tmp)/[\w./-]+|[A-Z]:\\\\?(Users|Windows|Program)"
    ),
}


_LOOKED_THROUGH = 200_000  # bytes of an error: more than any message, and no work for hours


def what_was_sent(exchange: Exchange) -> str:
    """Address and body of a request, which its answer may repeat."""
    return unquote_plus(exchange.url) + " " + (exchange.request_body or b"").decode("utf-8", "replace")


def internals(exchange: Exchange) -> str:
    """Which kind of internals an answer shows; empty when none. What the request itself held is no disclosure."""
    text = exchange.body[:_LOOKED_THROUGH].decode("utf-8", "replace")
    sent = what_was_sent(exchange)
    if told := told_in_a_header(exchange):
        return told
    for kind, pattern in (*INTERNALS.items(), *BACKENDS):
        for found in pattern.finditer(text):
            if found.group(0) not in sent:
                return f"{kind} ({found.group(0)[:60]})"
    return ""


# Members of error objects (JSON:API, RFC 9457) and of the requests that they tell of: an object with these alone is no
# record, though it has an id.
OF_ERRORS = frozenset(("code", "detail", "errors", "id", "instance", "links", "message", "meta", "method", "name")) | {
    *("path", "reason", "source", "status", "time", "timestamp", "title", "type", "url", "value")
}
_OF_DATA = frozenset(("data", "item", "items", "record", "records", "result", "results"))


def record_within(contract: Contract, operation: Operation, body: Mapping[str, Any]) -> str | None:
    """The key of an error's body under which a record stands, or a list with one; None where there is none. A record
    has an id, and stands under a word for data, or has another field that the operation's records have (any, where the
    contract does not show those)."""
    fields = names_within(contract, operation.response_schema(operation.success_status) or {}) - OF_ERRORS
    data = _OF_DATA | {operation.entity, f"{operation.entity}s"}
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, dict) or "id" not in each:
                continue
            if name in data or (set(each) & fields if fields else set(each) - OF_ERRORS):
                return name
    return None
