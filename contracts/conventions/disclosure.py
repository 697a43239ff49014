"""What an error must not tell: traces, queries and paths of the server's inside."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from cdp.http import Exchange
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


def internals(exchange: Exchange) -> str:
    """Which kind of internals an answer shows; empty when none. What the request itself held is no disclosure."""
    text = exchange.body[:_LOOKED_THROUGH].decode("utf-8", "replace")
    sent = unquote_plus(exchange.url) + " " + (exchange.request_body or b"").decode("utf-8", "replace")
    if told := told_in_a_header(exchange):
        return told
    for kind, pattern in (*INTERNALS.items(), *BACKENDS):
        for found in pattern.finditer(text):
            if found.group(0) not in sent:
                return f"{kind} ({found.group(0)[:60]})"
    return ""
