"""EVENT: events taken in, at once or as an upload, and read back: all of them, once, as they were sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
from hypothesis import strategies as st

from cdp.http import Exchange
from cdp.texts import as_sent, same_time, timestamp
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.event.samples import (
    FAR_MOMENTS,
    LONGER,
    MANY_KEYS,
    ODD_MOMENTS,
    PAYLOADS,
    WIDE_TEXT,
    drawn_payloads,
)
from contracts.conventions.event.two_kinds import two_kinds
from contracts.conventions.event.wrong_events import wrong_events
from contracts.ingestion import Events, Row, events_of
from contracts.observing import canonical
from contracts.subject import Subject, require

_FEWEST = 3
BATCHES = (3, 1, 12, 50)  # how many events may come at once is not documented: more than the first may be refused
LARGE_BATCH = 120
TOO_MANY = (400, 413, 422)
BEYOND = 1001


def _of(s: Subject) -> Events:
    return events_of(s.bench, s.operation)


def _begun(s: Subject) -> Events:
    """The events of a check that begins."""
    events = _of(s)
    events.begin()
    return events


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
        ids = [str(got["id"]) for got in listed if isinstance(got, dict) and got.get("id") is not None]
        require(len(set(ids)) == len(ids), f"two events in the answer to {what} have one id", exchange, what)
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
        if reason := _of(s).not_told(state):
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
        s.for_all(st.lists(drawn_payloads(), min_size=1, max_size=3), rule, max(_FEWEST, s.session.profile.examples))


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
