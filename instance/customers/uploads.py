"""Asynchronous uploads of events: gzipped CSV, kept in the database until it has been taken in or refused.

An upload is read twice: the first time every row is checked and nothing stored, the second time its rows are stored
in slices, each with a note of how far it got. So an upload with an error stores none of its rows, one that was cut off
by the server's death goes on where it stopped, and the event loop is never held for long.
"""

from __future__ import annotations

import asyncio
import codecs
import csv
import sys
import traceback
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import uuid4

from instance.calls import Call, Refusal, Reply
from instance.customers.definitions import Definitions, definitions
from instance.customers.events import Event, EventError, check, store_events
from instance.customers.schema import canonical_id, stamp
from instance.handlers import handles
from instance.store import Store

COLUMNS = ("source_id", "type", "version", "user_identifier", "event_time", "payload")
LARGEST_BODY = 64 << 20
LARGEST_TEXT = 512 << 20
LONGEST_LINE = 1 << 20
MOST_ROWS = 2_000_000

_SLICE = 200
_PIECE = 1 << 16
_TASK = "customers.uploads.task"
_FIELDS = ("id", "status", "count", "message", "created")


class UploadError(ValueError):
    """An upload that is refused; the text is its message."""


@handles("upload_customer_events_async")
def upload_customer_events_async(call: Call) -> Reply:
    """`POST /customer_events/async`: keeps the body and answers the waiting upload. An empty body is a 400."""
    body: bytes = call.body or b""
    if not body:
        raise Refusal(400, "The body is empty; a gzipped CSV is expected.", "body")
    if len(body) > LARGEST_BODY:
        raise Refusal(413, f"The body is larger than {LARGEST_BODY} bytes.", "body")
    id = str(uuid4())
    with call.store.transaction() as connection:
        connection.execute(
            "INSERT INTO upload (id, status, created, body) VALUES (?, 'waiting', ?, ?)",
            (id, stamp(call.store, "upload"), body),
        )
    resume(call.store)
    return Reply(201, state(call.store, id))


@handles("get_customer_events_async_upload")
def get_customer_events_async_upload(call: Call) -> Reply:
    """`GET /customer_events/async/{id}`."""
    found = state(call.store, call.path["id"])
    if found is None:
        raise Refusal(404, "No such upload.", f"id: {call.path['id']}")
    if found["status"] in ("waiting", "running"):
        resume(call.store)
    return Reply(200, found)


def state(store: Store, id: str) -> dict[str, Any] | None:
    """The AsyncUpload record, or None."""
    row = store.connection.execute(
        f"SELECT {', '.join(_FIELDS)} FROM upload WHERE id=?", (canonical_id(id),)
    ).fetchone()
    return None if row is None else dict(zip(_FIELDS, row, strict=True))


def resume(store: Store) -> None:
    """Start working on the uploads that are not done, if nobody is. Without a running event loop it does nothing."""
    task: asyncio.Task[None] | None = store.cache.get(_TASK)
    if task is not None and not task.done():
        return
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
        store.cache[_TASK] = loop.create_task(work(store))


async def stop(store: Store) -> None:
    """End the work on uploads; what is not done goes on with the next `resume`."""
    task: asyncio.Task[None] | None = store.cache.pop(_TASK, None)
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def work(store: Store) -> None:
    """Bring all open uploads to an end state, one after the other, oldest first."""
    while True:
        row = store.connection.execute(
            "SELECT pk, rows_stored, body FROM upload WHERE status IN ('waiting', 'running') ORDER BY pk LIMIT 1"
        ).fetchone()
        if row is None:
            return
        pk, stored, body = row
        _set(store, pk, "status='running'")
        try:
            known = definitions(store)
            if not stored:
                await _check_all(known, body)
            await _store_all(store, known, pk, body, stored)
            _set(store, pk, "status='finished', count=(SELECT rows_stored), body=NULL")
        except UploadError as error:
            _set(store, pk, "status='error', message=?, body=NULL", str(error))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            _set(store, pk, "status='error', message=?, body=NULL", "Internal error")
        del body


def _set(store: Store, pk: int, assignments: str, *values: object) -> None:
    with store.transaction() as connection:
        connection.execute(f"UPDATE upload SET {assignments} WHERE pk=?", (*values, pk))


async def _check_all(known: Definitions, body: bytes) -> None:
    """Check every row. Raises `UploadError` naming the first bad one, or if there are none."""
    events = parse(known, body)
    count = 0
    while part := sum(1 for _ in islice(events, _SLICE)):
        count += part
        await asyncio.sleep(0)
    if not count:
        raise UploadError("the file holds no rows")


async def _store_all(store: Store, known: Definitions, pk: int, body: bytes, stored: int) -> None:
    """Store the rows after the first `stored`, noting the progress in the transaction that stores them."""
    events = parse(known, body)
    for _ in islice(events, stored):
        pass
    while part := list(islice(events, _SLICE)):
        with store.transaction() as connection:
            store_events(store, part)
            connection.execute("UPDATE upload SET rows_stored = rows_stored + ? WHERE pk=?", (len(part), pk))
        await asyncio.sleep(0)


def parse(known: Definitions, body: bytes) -> Iterator[Event]:
    """The events of a gzipped CSV. Raises `UploadError` at the first thing that is wrong; rows count from 1."""
    rows = csv.reader(lines(body), strict=True)
    number = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise UploadError(f"row {number + 1}: {error}") from None
        if not row:
            continue
        number += 1
        if number > MOST_ROWS:
            raise UploadError(f"the file holds more than {MOST_ROWS} rows")
        if len(row) != len(COLUMNS):
            raise UploadError(f"row {number}: {len(COLUMNS)} columns expected ({', '.join(COLUMNS)}), {len(row)} found")
        try:
            yield check(known, *row)
        except EventError as error:
            raise UploadError(f"row {number}: {error.field} {error.reason}") from None


def lines(body: bytes) -> Iterator[str]:
    """Lines of the text in a gzip file, ends kept, without ever holding more than one line and one piece of it.

    Raises `UploadError` for anything that is not whole, valid gzip of UTF-8 within the limits.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    try:
        for piece in _inflate(body):
            text = rest + decoder.decode(piece)
            start = 0
            while (end := text.find("\n", start)) >= 0:
                yield text[start : end + 1]
                start = end + 1
            rest = text[start:]
            if len(rest) > LONGEST_LINE:
                raise UploadError(f"a line is longer than {LONGEST_LINE} characters")
        rest += decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UploadError("the text is not UTF-8") from None
    if rest:
        yield rest


def _inflate(body: bytes) -> Iterator[bytes]:
    """The content of all members of a gzip file in small pieces. Raises `UploadError`."""
    total = position = 0
    member = None
    data = b""
    while True:
        if not data and position < len(body):
            data = body[position : position + _PIECE]
            position += len(data)
        if member is None:
            # Padding with zeros after a member is allowed.
            data = data.lstrip(b"\0") if total else data
            if not data and position >= len(body):
                return
            member = zlib.decompressobj(wbits=31)
        try:
            piece = member.decompress(data, _PIECE)
        except zlib.error:
            raise UploadError("the body is not a valid gzip file") from None
        data = member.unused_data if member.eof else member.unconsumed_tail
        total += len(piece)
        if total > LARGEST_TEXT:
            raise UploadError(f"the text is larger than {LARGEST_TEXT} bytes")
        if piece:
            yield piece
        if member.eof:
            member = None
        elif not piece and not data and position >= len(body):
            raise UploadError("the gzip file ends too early")
