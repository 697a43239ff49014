"""EVENT: events taken in, at once or as an upload, and read back: all of them, once, as they were sent."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from hypothesis import strategies as st

from cdp.http import Exchange
from cdp.texts import as_sent, same_time, timestamp
from cdp.uploads import with_every_cell_quoted
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.event.two_kinds import two_kinds
from contracts.conventions.event.wrong_events import broken_uploads, wrong_events
from contracts.ingestion import Events, Row, events_of
from contracts.observing import canonical
from contracts.subject import Subject, require

_EXACT = 2**53  # JSON numbers are kept exactly up to here
_FEWEST = 3
BATCHES = (3, 1, 12, 50)  # how many events may come at once is not documented: more than the first may be refused
LARGE_BATCH = 120
TOO_MANY = (400, 413, 422)
BEYOND = 1001
UNIX_LINES = "line feeds alone at the ends of rows"
# Letters of two bytes, some of which lie across the borders of any portion; 200 kB in so many events.
WIDE_TEXT = "Žluťoučký kůň " * 12
# A day that most years lack. No hour that clocks leave out in spring: whose clock a time without a zone is of is not
# documented.
ODD_MOMENTS = ("2024-02-29 23:59:59",)
# Before and after what a signed number of 32 bits holds of seconds since 1970.
FAR_MOMENTS = ("1969-12-31 23:59:58", "2038-01-19 03:14:09")
# Behind another customer's identifier: stores that cut names, or compare them by their start or without case, take the
# two for one, or the longer one for somebody else.
LONGER = ".Other-Customer-with+a_Name-longer-than-Hashes-are-by-far"
# Contents that stores get wrong: texts of many scripts, deep and empty ones, large numbers, names that mean something.
PAYLOADS: tuple[dict[str, Any], ...] = (
    {},
    {
        "text": "Žluťoučký kůň, 漢字, שלום \u202e, e\u0301, 👩‍👩‍👧, \u2028",
        "quotes": "\"'`\\ /",
        "markup": "<b>&amp;</b>",
    },
    {"largest": _EXACT - 1, "smallest": 1 - _EXACT, "fraction": 0.1, "zero": 0, "no": False, "none": None},
    {"inside": {"none": None, "no": False, "zero": 0, "": "", "list": [None, {}, [], {"none": None}]}},
    {"deep": [[[[{"a": [{"b": {}}, [], ""]}]]]], "": "", "id": "own", "payload": {"payload": "{}"}, "a.b": {"$c": 1}},
    {"lines": 'a,b\r\n"c";d\ttab\n', "blank": " ", "number as text": "007", "1": 1},
    # Texts that libraries take for times and numbers, and write anew.
    {"iso": "2024-05-17T10:00:00Z", "times": ["2024-05-17T12:00:00.000+02:00", "2024-05-17", "12:30"], "power": "1e5"},
    {"price": "12.50", "yes": "true", "address": "https://example.com/a%20b?c=1&d=%C5%BE", "base64": "Zm9v/+8="},
    {"long": "long text, " * 300},
    # Names that the fields around it have.
    {"source_id": "own", "type": "own", "version": "own", "user_identifier": "own", "event_time": "own", "created": ""},
    {"Case": 1, "case": 2, " blanks ": 3, "long fraction": 0.123456789, "a": {"b": {"c": {"d": "deep"}}}},
)
MANY_KEYS = {f"key {number}": number for number in range(120)}


def _texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


def _payloads() -> st.SearchStrategy[dict[str, Any]]:
    whole = st.integers(1 - _EXACT, _EXACT - 1)
    fractions = st.floats(-1e9, 1e9, allow_subnormal=False).map(lambda number: round(number, 6))
    plain = st.none() | st.booleans() | whole | fractions | _texts()
    nested = st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts(), inner, max_size=3), max_leaves=8
    )
    return st.dictionaries(_texts(), nested, max_size=4)


def _of(s: Subject) -> Events:
    return events_of(s.bench, s.operation)


def _begun(s: Subject) -> Events:
    """The events of a check that begins."""
    events = _of(s)
    events.begin()
    return events


def _not_told(s: Subject, state: Any) -> str:
    """Why an upload in a state tells nothing; empty where it has ended, well or not. The states are assumed, and
    nothing says how long an upload may take."""
    events = _of(s)
    if state in (*events.state.done, *events.state.failed):
        return ""
    if state in events.state.open:
        return f"an upload is still {state} after {events.longest_s:g} s; a target that is less busy would tell more"
    return f"an upload is {state!r}, which no page tells of; an overlay with its states would make it checkable"


def _listed(s: Subject, exchange: Exchange) -> list[Row]:
    """The events that an answer lists."""
    body = exchange.json
    rows = body.get(_of(s).ingestion.key) if isinstance(body, dict) else None
    return [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []


def _matches(events: Events, sent: Row, got: Mapping[str, Any]) -> str:
    """The first field of a sent event that did not come back as it was; empty when all did."""
    for name, value in sent.items():
        if name not in got:
            continue
        if name == events.ingestion.payload:
            same = _equal(value, events.payload(got))
        elif name == events.ingestion.time:
            same = same_time(value, got[name])
        else:
            same = value == got[name]
        if not same:
            return name
    return ""


def _equal(sent: Any, got: Any) -> bool:
    """Whether two JSON values are the same; Python alone takes True for 1."""
    if isinstance(sent, dict) and isinstance(got, dict):
        return sent.keys() == got.keys() and all(_equal(sent[name], got[name]) for name in sent)
    if isinstance(sent, list) and isinstance(got, list):
        return len(sent) == len(got) and all(map(_equal, sent, got))
    return isinstance(sent, bool) == isinstance(got, bool) and bool(sent == got)


@check("EVENT-01")
def answer_counts_and_lists(s: Subject) -> None:
    s.control()
    events = _begun(s)
    sizes = BATCHES[:2] if s.quick else BATCHES
    for size in sizes:
        owners = [events.identifier("order"), events.identifier("order")]
        rows = [events.row(owners[number % 2]) for number in range(size)]
        exchange = events.send(rows, judged=True)
        what = f"a batch of {size}"
        if size > BATCHES[0] and exchange.status in TOO_MANY:
            continue
        require(exchange.ok, f"{what} valid events got {exchange.outcome()}", exchange, what)
        count = exchange.json.get(events.ingestion.count) if isinstance(exchange.json, dict) else None
        require(count == size, f"{events.ingestion.count} is {count!r} for {what}", exchange, what)
        listed = _listed(s, exchange)
        require(len(listed) == size, f"the answer lists {len(listed)} events for {what}", exchange, what)
        for number, (sent, got) in enumerate(zip(rows, listed, strict=True)):
            name = _matches(events, sent, got)
            sentence = f"event {number} of the answer is not the event {number} that was sent: {name} differs"
            require(not name, sentence, exchange, what)
        s.exercised()


def _taken_in(s: Subject, rows: list[Row], example: str, *, may_be_refused: bool = False) -> Exchange | None:
    """Send events and see them acknowledged: by the answer, or by the end of the upload. None where they were refused,
    and may be."""
    events = _of(s)
    exchange = events.send(rows)
    if may_be_refused and exchange.client_error:
        return None
    require(exchange.ok, f"valid events got {exchange.outcome()}", exchange, example)
    if events.ingestion.state is not None:
        record, ended = events.ended(exchange)
        state = record.get(events.state.field)
        if may_be_refused and state not in events.state.done:
            return None
        if reason := _not_told(s, state):
            raise NotExercised(reason)
        told = record.get(events.state.message)
        require(state in events.state.done, f"valid events end in {state}: {told!s:.80}", ended, example)
    return exchange


@check("EVENT-02")
def read_back_once_and_unchanged(s: Subject) -> None:
    s.control()
    events = _begun(s)
    events.ways()

    def kept(payloads: list[dict[str, Any]], *, may_be_refused: bool = False) -> bool:
        identifier = events.identifier("kept")
        rows = [events.row(identifier, payload) for payload in payloads]
        example = ascii(orjson.dumps(payloads).decode())[1:-1]
        return _kept_once(s, rows, example, may_be_refused=may_be_refused)

    def rule(payloads: list[dict[str, Any]]) -> None:
        if not kept(payloads, may_be_refused=len(payloads) > BATCHES[0]):
            for number in range(0, len(payloads), BATCHES[0]):
                kept(payloads[number : number + BATCHES[0]])

    rule(list(PAYLOADS))
    # How many keys a payload may have is not documented: so many may be refused, but not cut.
    row = events.row(events.identifier("keys"), MANY_KEYS)
    _kept_once(s, [row], f"{len(MANY_KEYS)} keys", may_be_refused=True)
    _seen_elsewhere(s)
    _side_by_side(s)
    _far_away(s)
    mixed = two_kinds(s, events)
    if mixed is not None:
        _unchanged(events, *mixed, "events of two kinds in one batch")
        s.exercised(len(mixed[0]))
    if not s.quick:
        any(kept([{"number": n} for n in range(size)], may_be_refused=True) for size in (LARGE_BATCH, BATCHES[-1]))
        _beyond_a_thousand(s)
        s.for_all(st.lists(_payloads(), min_size=1, max_size=3), rule, max(_FEWEST, s.session.profile.examples))


def _kept_once(s: Subject, rows: list[Row], example: str, *, may_be_refused: bool = False) -> bool:
    """All events of one identifier, sent at once, are stored as they were; not if they may be refused, and are. Whether
    they were taken."""
    events = _of(s)
    answer = _taken_in(s, rows, example, may_be_refused=may_be_refused)
    if answer is None:
        return False
    stored, exchange = events.stored(rows[0][events.ingestion.identifier], len(rows))
    require(len(stored) >= len(rows), f"{len(rows) - len(stored)} of {len(rows)} events are missing", exchange, example)
    require(len(stored) == len(rows), f"{len(rows)} events are stored {len(stored)} times", exchange, example)
    _unchanged(events, rows, stored, exchange, example)
    ids = [row["id"] for row in _listed(s, answer) if "id" in row]
    if ids and all("id" in row for row in stored):
        kept = Counter(str(row["id"]) for row in stored)
        once = all(kept[str(number)] == 1 for number in ids)
        require(once, "an id of the answer is not the id of exactly one stored event", exchange, example)
    s.exercised(len(rows))
    return True


def _seen_elsewhere(s: Subject) -> None:
    """What the other lists show of some events is what was sent, and none of them twice. They may show fewer: nothing
    says how far back they go."""
    events = _of(s)
    time = events.ingestion.time
    identifier = events.identifier("elsewhere")
    rows = [events.row(identifier, payload) for payload in PAYLOADS[:2]]
    others = events.ways()[1:]
    if not others or _taken_in(s, rows, "two events", may_be_refused=True) is None:
        return
    for way in others:
        shown, exchange = events.stored(identifier, len(rows), way)
        for sent in rows:
            found = [row for row in shown if same_time(sent[time], row.get(time))]
            require(len(found) < 2, f"{way.id} shows an event {len(found)} times", exchange, "two events")
            name = _matches(events, sent, found[0]) if found else ""
            require(not name, f"{way.id} shows another {name} than was sent", exchange, "two events")
            s.exercised(len(found))


def _far_away(s: Subject) -> None:
    """Moments that clocks count badly. No page says that they are taken; what is taken in is kept."""
    events = _of(s)
    for moment in FAR_MOMENTS:
        row = events.row(events.identifier("far"), {"moment": moment}, **{events.ingestion.time: moment})
        _kept_once(s, [row], f"an event of {moment}", may_be_refused=True)


def _beyond_a_thousand(s: Subject) -> None:
    """More events than usual portions hold, and one with more than a column of text holds. How much may come at once
    is not documented."""
    events = _of(s)
    row = events.row(events.identifier("long"), {"long": WIDE_TEXT * 400})
    _kept_once(s, [row], "an event with a text of 67,200 characters", may_be_refused=True)
    identifier = events.identifier("many")
    rows = [events.row(identifier, {"number": number, "text": WIDE_TEXT}) for number in range(BEYOND)]
    _kept_once(s, rows, f"{BEYOND} events at once", may_be_refused=True)


def _side_by_side(s: Subject) -> None:
    """Two customers in one batch, and in a later one when both are known; two events of each at the same moment, and
    others at odd ones."""
    events = _of(s)
    time, payload = events.ingestion.time, events.ingestion.payload
    one = events.identifier("one")
    owners = [one, one + LONGER]
    sent: dict[str, list[Row]] = {owner: [] for owner in owners}
    for part in ("first", "later"):
        batch: list[Row] = []
        for number, moment in enumerate((ODD_MOMENTS[0], *ODD_MOMENTS) if part == "first" else ODD_MOMENTS[:1]):
            for owner in owners:
                batch.append(events.row(owner, {"part": part, "number": number, "of": owner}, **{time: moment}))
                sent[owner].append(batch[-1])
        _taken_in(s, batch, "two customers in one batch")
    for owner, rows in sent.items():
        stored, exchange = events.stored(owner, len(rows))
        moments = {timestamp(row[time]) for row in rows}
        wanted = Counter((timestamp(row[time]), canonical(row[payload])) for row in rows)
        got = Counter((as_sent(row.get(time), moments), canonical(events.payload(row))) for row in stored)
        for lacking, how in ((wanted - got, "is not stored"), (got - wanted, "is stored, which was not sent")):
            for at, content in lacking:
                sentence = f"of two customers' batches the event of {at} with the payload {content:.60} {how}"
                raise Broken(sentence, exchange, "two customers in one batch")
        s.exercised(len(rows))


def _unchanged(events: Events, rows: list[Row], stored: list[Row], exchange: Exchange, example: str) -> None:
    """Every event that was sent is one of those that are stored, told apart by their times."""
    time = events.ingestion.time
    moments = {timestamp(sent[time]) for sent in rows}
    by_time = {as_sent(row.get(time), moments): row for row in stored}
    for sent in rows:
        got = by_time.get(timestamp(sent[time]))
        if got is None:
            raise Broken(f"no stored event has the {time} {sent[time]}", exchange, example)
        name = _matches(events, sent, got)
        value = events.payload(got) if name == events.ingestion.payload else got.get(name)
        require(
            not name, f"{name} was sent as {sent.get(name)!r:.80} and is stored as {value!r:.80}", exchange, example
        )


@check("EVENT-03")
def invalid_event_refuses_its_batch(s: Subject) -> None:
    s.control()
    events = _begun(s)
    events.ways()
    identifier = events.identifier("refused")
    sent: list[tuple[str, Exchange]] = []
    for number, (what, wrong) in enumerate(wrong_events(events, events.row(identifier))):
        batch: list[Any] = [events.row(identifier), events.row(identifier)]
        batch.insert(1 + number % 2, wrong)  # in the middle or at the end, so that valid ones have gone before
        exchange = events.send(batch)
        require(exchange.client_error, f"a batch with {what} got {exchange.outcome()} instead of a 4xx", exchange, what)
        sent.append((what, exchange))
    later = events.identifier("later")
    if not events.send([events.row(later)]).ok or not events.stored(later)[0]:
        raise NotExercised("valid events that were sent after the invalid ones are not seen")
    stored, shown = events.stored_now(identifier)
    example = sent[0][0] if len(sent) == 1 else "; ".join(what for what, _ in sent)
    require(not stored, f"{len(stored)} events of refused batches are stored", shown, example)
    s.exercised(len(sent))


@check("EVENT-04")
def upload_ends(s: Subject) -> None:
    s.control()
    events = _begun(s)
    identifier = events.identifier("upload")
    size = 5 if s.quick else 500
    rows = [events.row(identifier) for _ in range(size)]
    what = f"{size} rows"
    exchange = events.send(rows, judged=True)
    require(exchange.ok, f"an upload of {what} got {exchange.outcome()}", exchange, what)
    record, ended = events.ended(exchange, patiently=True)
    require(ended.ok, f"the state of the upload got {ended.outcome()}", ended, what)
    state = record.get(events.state.field)
    if reason := _not_told(s, state):
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
        _written_otherwise(s)


def _written_otherwise(s: Subject) -> None:
    """The same rows in other forms of CSV (RFC 4180, section 2.2) and of gzip (RFC 1952, section 2.2). Lines that end
    as Unix tools end them may be refused; what is taken in is taken in whole."""
    events = _of(s)
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
        if _not_told(s, state) or (what == UNIX_LINES and state in events.state.failed):
            continue
        require(state in events.state.done, f"an upload with {what} ends in {state}: {told!s:.80}", ended, what)
        stored, shown = events.stored(identifier, len(rows))
        sentence = f"{len(stored)} of {len(rows)} rows of an upload with {what} can be read after the end"
        require(len(stored) == len(rows), sentence, shown, what)
        s.exercised()


@check("EVENT-05")
def broken_upload_ends_in_an_error(s: Subject) -> None:
    s.control()
    events = _begun(s)
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
        if not_told := _not_told(s, state):
            reason = reason or not_told
            continue
        require(state in events.state.failed, f"{what} ends in {state!r} instead of an error", ended, what)
        require(bool(record.get(events.state.message)), f"{what} ends in {state} without a message", ended, what)
        s.exercised()
    state = events.ended(valid)[0].get(events.state.field)
    require(state in events.state.done, f"a valid upload is told as {state} after others were broken", valid, "valid")
    if not s.evidence:
        raise NotExercised(reason)
