"""EVENT-03, EVENT-05: events and uploads that cannot be taken in, each wrong in one way."""

from __future__ import annotations

import gzip
from typing import Any

from contracts.ingestion import Events, Row


def wrong_events(events: Events, good: Row) -> list[tuple[str, Any]]:
    """Events that are wrong in one way each."""
    ingestion = events.ingestion
    forms: list[tuple[str, Any]] = [
        (f"no {name}", {n: v for n, v in good.items() if n != name})
        for name in (ingestion.identifier, ingestion.payload, ingestion.time)
    ]
    forms.append((f"a number as {ingestion.identifier}", {**good, ingestion.identifier: 7}))
    forms += [(f"null as {name}", {**good, name: None}) for name in (ingestion.identifier, ingestion.payload)]
    forms.append((f"an empty {ingestion.identifier}", {**good, ingestion.identifier: ""}))
    forms.append((f"no moment as {ingestion.time}", {**good, ingestion.time: "2024-02-30 25:61:00"}))
    forms.append((f"a day that no month has as {ingestion.time}", {**good, ingestion.time: "2023-02-30 10:00:00"}))
    forms.append((f"a list as {ingestion.payload}", {**good, ingestion.payload: [1]}))
    # What is done about a source, type or version that is not defined is not documented: it may be taken in, or made.
    return [*forms, ("a text in place of an event", "event")]


def broken_uploads(events: Events) -> list[tuple[str, bytes]]:
    """Uploads that cannot be taken in, each with the words that describe it."""
    identifier = events.identifier("broken")
    good = [events.row(identifier) for _ in range(40)]
    table = events.table(good)
    lines = table.split(b"\r\n")
    packed = gzip.compress(table, mtime=0)
    bad = events.table([good[0], {**good[1], events.ingestion.time: "yesterday"}])
    return [
        ("plain CSV instead of gzip", table),
        ("an empty body", b""),
        ("a gzip of nothing", gzip.compress(b"", mtime=0)),
        ("a row of five columns", gzip.compress(lines[0] + b"\r\n" + lines[1].partition(b",")[2] + b"\r\n", mtime=0)),
        ("a row of seven columns", gzip.compress(lines[0] + b"\r\n" + lines[1] + b",more\r\n", mtime=0)),
        (f"a row without a moment in {events.ingestion.time}", gzip.compress(bad, mtime=0)),
        ("a gzip that was cut off", packed[: len(packed) // 2]),
        ("a gzip with a damaged checksum", packed[:-8] + b"\x00" * 8),
        ("bytes that are no text", gzip.compress(b"\xff\xfe\x00,\x80\r\n", mtime=0)),
    ]
