"""Events as a file: the CSV that an asynchronous upload takes, gzipped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import orjson


def csv_table(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as CSV (RFC 4180, UTF-8, no header); what is no text is written as JSON."""
    text = io.StringIO()
    csv.writer(text).writerows([v if isinstance(v, str) else orjson.dumps(v).decode() for v in row] for row in rows)
    return text.getvalue().encode()


def with_every_cell_quoted(table: bytes) -> bytes:
    """The same table with quotes around every cell, which are needed around few (RFC 4180 section 2.5)."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(csv.reader(io.StringIO(table.decode(), newline="")))
    return text.getvalue().encode()
