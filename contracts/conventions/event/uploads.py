"""EVENT-04, EVENT-05: uploads of events are followed to their end."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from cdp.uploads import with_every_cell_quoted
from contracts.checks import NotExercised, check
from contracts.conventions.event.wrong_events import broken_uploads
from contracts.ingestion import Events, events_of
from contracts.subject import Subject, require

UNIX_LINES = "line feeds alone at the ends of rows"


@check("EVENT-04")
def upload_ends(s: Subject) -> None:
    s.control()
    events = events_of(s.bench, s.operation)
    events.begin()
    identifier = events.identifier("upload")
    size = 5 if s.quick else 500
    rows = [events.row(identifier) for _ in range(size)]
    what = f"{size} rows"
    exchange = events.send(rows, judged=True)
    require(exchange.ok, f"an upload of {what} got {exchange.outcome()}", exchange, what)
    record, ended = events.ended(exchange, patiently=True)
    require(ended.ok, f"the state of the upload got {ended.outcome()}", ended, what)
    state = record.get(events.state.field)
    if reason := events.not_told(state):
        events.ways()
        done = state in events.state.open and len(events.stored_now(identifier)[0]) >= size
        sentence = f"all {what} can be read, and the upload is still {state!r} after {events.longest_s:g} s"
        require(not done, sentence, ended, what)
        raise NotExercised(reason)
    told = record.get(events.state.message)
    require(state in events.state.done, f"a valid upload ends in {state}: {told!s:.80}", ended, what)
    count = record.get(events.state.count)
    require(count in (None, size), f"{events.state.count} is {count!r} after an upload of {what}", ended, what)
    s.exercised()
    again, shown = events.ended(exchange)
    require(again.get(events.state.field) == state, f"the upload was {state} and is no more", shown, what)
    events.ways()
    stored, shown = events.stored(identifier, size)
    require(len(stored) == size, f"{len(stored)} of {what} can be read after the end", shown, what)
    s.exercised()
    if not s.quick:
        _written_otherwise(s, events)


def _written_otherwise(s: Subject, events: Events) -> None:
    """The same rows in other forms of CSV (RFC 4180, section 2.2) and of gzip (RFC 1952, section 2.2). Lines that end
    as Unix tools end them may be refused; what is taken in is taken in whole."""
    forms: tuple[tuple[str, Callable[[list[bytes]], bytes]], ...] = (
        ("no line end behind the last row", lambda lines: gzip.compress(b"".join(lines).rstrip(), mtime=0)),
        ("every cell in quotes", lambda lines: gzip.compress(with_every_cell_quoted(b"".join(lines)), mtime=0)),
        ("several members of gzip", lambda lines: b"".join(gzip.compress(line, mtime=0) for line in lines)),
        (UNIX_LINES, lambda lines: gzip.compress(b"".join(lines).replace(b"\r\n", b"\n"), mtime=0)),
    )
    for what, packed in forms:
        identifier = events.identifier("form")
        rows = [events.row(identifier) for _ in range(3)]
        exchange = events.send_raw(packed([events.table([row]) for row in rows]))
        if what == UNIX_LINES and exchange.client_error:
            continue
        require(exchange.ok, f"an upload with {what} got {exchange.outcome()}", exchange, what)
        record, ended = events.ended(exchange)
        state, told = record.get(events.state.field), record.get(events.state.message)
        if events.not_told(state) or (what == UNIX_LINES and state in events.state.failed):
            continue
        require(state in events.state.done, f"an upload with {what} ends in {state}: {told!s:.80}", ended, what)
        stored, shown = events.stored(identifier, len(rows))
        sentence = f"{len(stored)} of {len(rows)} rows of an upload with {what} can be read after the end"
        require(len(stored) == len(rows), sentence, shown, what)
        s.exercised()


@check("EVENT-05")
def broken_upload_ends_in_an_error(s: Subject) -> None:
    s.control()
    events = events_of(s.bench, s.operation)
    events.begin()
    valid = events.send([events.row(events.identifier("valid"))])
    if not valid.ok or events.ended(valid)[0].get(events.state.field) not in events.state.done:
        raise NotExercised("a valid upload does not end well either")
    sent = [(what, events.send_raw(body)) for what, body in broken_uploads(events)]
    reason = ""
    for what, exchange in sent:
        if exchange.client_error:
            message = exchange.json.get(events.state.message) if isinstance(exchange.json, dict) else None
            require(bool(message), f"{what} is refused with {exchange.status} without a message", exchange, what)
            s.exercised()
            continue
        require(exchange.ok, f"{what} got {exchange.outcome()}", exchange, what)
        record, ended = events.ended(exchange)
        state = record.get(events.state.field)
        if untold := events.not_told(state):
            reason = reason or untold
            continue
        require(state in events.state.failed, f"{what} ends in {state!r} instead of an error", ended, what)
        require(bool(record.get(events.state.message)), f"{what} ends in {state} without a message", ended, what)
        s.exercised()
    state = events.ended(valid)[0].get(events.state.field)
    require(state in events.state.done, f"a valid upload is told as {state} after others were broken", valid, "valid")
    if not s.evidence:
        raise NotExercised(reason)
