"""ORDER-01, ORDER-02: newest to oldest by timestamp, and what was created now comes first (overview page,
Pagination)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from time import sleep, time
from typing import Any

from cdp.texts import timestamp
from contracts.arrangement import OwnRecord
from contracts.calls import Call
from contracts.checks import Broken, Moved, NotExercised, Unconfirmed, check
from contracts.conventions.listing import (
    REFERENCE_PAGE,
    Page,
    as_page,
    descent_ends,
    list_call,
    page,
    still,
    times_of,
    walk,
)
from contracts.finding import Unavailable
from contracts.observing import MAKERS, canonical, identity, own_marks, record_of
from contracts.subject import Subject

TICK_S = 0.05  # behind a full second


@check("ORDER-01")
def newest_first(s: Subject) -> None:
    s.control()
    collection = s.operation.collection
    assert collection is not None and collection.timestamp is not None
    if collection.paging:
        reference = walk(s)
        records, exchange = reference.records, reference.exchange
        default = page(s).records
        if len(reference) > len(default):
            records = default + reference.records[len(default) :]  # the default page is what the rule is about
    else:
        found = page(s)
        records, exchange = found.records, found.exchange
    times = times_of(records, collection.timestamp)
    if len(set(times)) < 2:
        raise NotExercised(
            f"{s.operation.id} holds {len(set(times))} different {collection.timestamp} values; 2 are needed"
        )
    wrong = descent_ends(times)
    if wrong is None:
        s.exercised(len(times) - 1)
        return
    sentence = (
        f"record {wrong} ({collection.timestamp} {times[wrong]:%Y-%m-%d %H:%M:%S}) is newer than the one "
        f"before it ({times[wrong - 1]:%Y-%m-%d %H:%M:%S})"
    )
    if collection.timestamp_provenance == "assumed":
        other = _other_timestamp(records, collection.timestamp)
        if other:
            raise Broken(
                f"{sentence}; the list is ordered by {other}, {collection.timestamp} is only assumed",
                exchange,
                softly=True,
            )
    if collection.documented_order:
        sentence += (
            f" (the section's example shows {collection.documented_order.partition(' in ')[0]}; the overview page wins)"
        )
    error = Broken(sentence, exchange)
    raise still(s, walk(s), error) if collection.paging else error


def _other_timestamp(records: list[Any], field: str) -> str | None:
    """Another field of the records that holds times in descending order."""
    names = [n for n in (records[0] if isinstance(records[0], dict) else {}) if n != field]
    for name in names:
        times = times_of(records, name)
        if len(set(times)) > 1 and len(times) == len(records) and descent_ends(times) is None:
            return name
    return None


@check("ORDER-02")
def created_now_comes_first(s: Subject) -> None:
    s.control()
    collection = s.operation.collection
    assert collection is not None and collection.timestamp is not None
    # In a short run both would be of one second, and a tie tells nothing of either.
    older = older_of(s) if not s.quick else None  # before the newest one is created
    own = created(s)
    if older is not None:
        own = of_other_seconds(s, older, own)
    call = Call(s.operation, _parents(s, own), list_call(s).query)
    if older is not None and not s.bench.execute(older.change, judged=False).ok:
        older = None
    got = page(s, base=call)
    if not got.records:
        raise Broken("a record created now is not in the list", got.exchange)
    first_time = (
        timestamp(got.records[0].get(collection.timestamp))
        if got.records and isinstance(got.records[0], dict)
        else None
    )
    wanted = identity(own.record)
    leading = _leading(s, call, got, first_time, str(wanted))
    if str(wanted) not in leading:
        _newer_by_others(s, call, got, own)
        sentence = f"a record created now ({wanted!r:.60}) does not come first; {identity(got.records[0])!r:.60} does"
        raise Broken(sentence, got.exchange)
    if older is not None:
        _stays_behind(s, got, older.change)
    s.exercised()
    if s.quick:
        return
    moved = collection.timestamp != "created" and _moves_up(s, call, own)
    _whose_it_is(s, call, got, later=moved or older is not None)


def _whose_it_is(s: Subject, call: Call, before: Page, *, later: bool) -> None:
    """What somebody else creates a second later comes before our own: whose a record is does not matter. `later`: the
    second is over."""
    create, collection = s.session.contract.by_action(s.operation.entity, "create"), s.operation.collection
    if create is None or collection is None or not collection.timestamp:
        return
    if collection.timestamp_provenance == "assumed" or descent_ends(times_of(before.records, collection.timestamp)):
        return  # it may be sorted by something else
    try:
        caller = s.bench.identities.another_creator()
        made = s.bench.valid_call(create, "another's record")
    except NotExercised:
        return
    made = replace(made, path={**made.path, **{n: v for n, v in call.path.items() if n in made.path}})
    if not (later or _ours_of_before(s, before, collection.timestamp)):
        _next_second()
    if not s.session.send(made, caller, judged=False).ok:
        return
    got = page(s, base=call)
    times = times_of(got.records, collection.timestamp)
    wrong = descent_ends(times)
    if wrong is not None:
        if s.session.read_again(call, s.caller()).json != got.exchange.json:
            raise Moved()
        raise Broken(f"record {wrong} is newer than the one before it, once somebody else made one", got.exchange)
    s.exercised()


def _ours_of_before(s: Subject, before: Page, field: str) -> bool:
    """Whether a record of the run's own is older than the newest one: who puts our own first puts that one first, too.
    Where times tell more than seconds, all of them are."""
    times, rows = times_of(before.records, field), [r for r in before.records if isinstance(r, dict)]
    ours = [r for r in rows if s.session.prefix in canonical(r) and all(r.get(n) == rows[0].get(n) for n in MAKERS)]
    return any(time.microsecond for time in times) or any(time < times[0] for time in times_of(ours, field))


def _parents(s: Subject, own: OwnRecord) -> dict[str, str]:
    """The part of the list's path that tells what the record is below."""
    return {p.name: own.path[p.name] for p in s.operation.path_parameters}


def created(s: Subject) -> OwnRecord:
    """A new record; beside another one where it is below a parent of our own, because alone it would always be the
    first."""
    try:
        own = s.bench.arrangement.own(s.operation.entity)
        path = _parents(s, own)
        return _sibling(s, own, path) if path else own
    except Unavailable as error:
        raise NotExercised(f"no record could be created: {error}") from None


@dataclass(frozen=True)
class Older:
    """A record of our own by the change of it, and when it was created, as the server tells it."""

    change: Call
    made: datetime | None


def of_other_seconds(s: Subject, older: Older, own: OwnRecord) -> OwnRecord:
    """A record of a later second than the older one, a second ago: timestamps tell no more than that, and ties come in
    any order."""
    assert s.operation.collection is not None and s.operation.collection.timestamp is not None
    made = timestamp(own.record.get(s.operation.collection.timestamp))
    if made is None or made.microsecond:
        return own
    if older.made is None or made <= older.made:
        _next_second()
        own = created(s)
    _next_second()
    return own


def _next_second() -> None:
    sleep(1 - time() % 1 + TICK_S)


def older_of(s: Subject) -> Older | None:
    """A record of our own, which is created here if it is not there yet; None where no change of it is known."""
    update, collection = s.session.contract.by_action(s.operation.entity, "update"), s.operation.collection
    if update is None or collection is None or collection.timestamp != "created":
        return None
    if collection.timestamp_provenance == "assumed":
        return None  # the list may be ordered by the last change
    try:
        change, answer = s.bench.control(update)
    except (NotExercised, Unconfirmed):
        return None
    if not answer.ok:
        return None
    record = record_of(update, answer)
    return Older(change, timestamp(record.get(collection.timestamp)) if isinstance(record, dict) else None)


def _stays_behind(s: Subject, got: Page, change: Call) -> None:
    """Order is by creation: what was only changed does not come before what is newer."""
    assert s.operation.collection is not None and s.operation.collection.timestamp is not None
    known_by = change.operation.path_parameters[-1]
    field, value = known_by.field, change.path[known_by.name]
    rows = [r for r in got.records if isinstance(r, dict)]
    place = next((n for n, r in enumerate(rows) if str(r.get(field)) == value), None)
    if place is None:
        return
    made = timestamp(rows[place].get(s.operation.collection.timestamp))
    later = times_of(rows[place + 1 :], s.operation.collection.timestamp)
    if made is not None and any(made < time for time in later):
        raise Broken("an older record comes before newer ones as soon as it is changed", got.exchange)


def _moves_up(s: Subject, call: Call, own: OwnRecord) -> bool:
    """Where the order is by the last change, a record that is changed stands among those of its new moment. Answers
    whether that was looked at, for which a second was waited."""
    update, field = s.session.contract.by_action(s.operation.entity, "update"), s.operation.collection
    if update is None or field is None or field.timestamp is None:
        return False
    try:
        change, answer = s.bench.control(update)
    except (NotExercised, Unconfirmed):
        return False
    record = record_of(update, answer)
    if not answer.ok or not isinstance(record, dict):
        return False
    of_other_seconds(s, Older(change, timestamp(record.get(field.timestamp))), own)
    if not s.bench.execute(change, judged=False).ok:
        return False
    got = page(s, base=call)
    times = times_of(got.records, field.timestamp)
    wrong = descent_ends(times)
    if wrong is None:
        return True
    again = as_page(s, s.session.read_again(call, s.caller()), "")
    if descent_ends(times_of(again.records, field.timestamp)) is not None:
        sentence = f"when a record is changed, one of {times[wrong]:%Y-%m-%d %H:%M:%S} stands behind an older one"
        raise Broken(sentence, got.exchange, softly=field.timestamp_provenance == "assumed")
    return True


def _leading(s: Subject, call: Call, first: Page, time: datetime | None, wanted: str) -> list[str]:
    """The records that share the newest time, page by page until the wanted one is among them: ties come in any
    order."""
    collection = s.operation.collection
    assert collection is not None and collection.timestamp is not None
    records, found = list(first.records), first.records
    while True:
        leading = [r for r in records if isinstance(r, dict) and timestamp(r.get(collection.timestamp)) == time]
        names = [str(identity(r)) for r in leading]
        ended = len(leading) < len(records) or not found or not (collection.paging and s.operation.query("offset"))
        if wanted in names or ended or time is None or len(records) >= s.session.profile.window:
            return names
        found = page(s, ("limit", REFERENCE_PAGE), ("offset", len(records)), base=call).records
        records += found


def _newer_by_others(s: Subject, call: Call, got: Page, own: OwnRecord) -> None:
    """Raise Moved when nothing but records of others that came later stands before the record."""
    field = s.operation.collection.timestamp if s.operation.collection else None
    assert field is not None
    names = [str(identity(r)) for r in got.records]
    wanted, made = str(identity(own.record)), timestamp(own.record.get(field))
    before = got.records[: names.index(wanted)] if wanted in names else got.records
    later = made is not None and all((t := timestamp(r.get(field))) is not None and t >= made for r in before)
    is_own = own_marks(s.session.prefix)
    if later and not any(map(is_own, before)) and (_comes_first(s) or s.bench.others_at_work(call)):
        raise Moved()


def _comes_first(s: Subject) -> bool:
    """Whether one more record comes first: who created something between a record and a look at it does not do so each
    time."""
    own = created(s)
    got = page(s, base=Call(s.operation, _parents(s, own), list_call(s).query)).records
    return bool(got) and str(identity(got[0])) == str(identity(own.record))


def _sibling(s: Subject, own: OwnRecord, path: dict[str, str]) -> OwnRecord:
    """A second record below the same parent, with references of its own where the first one's would clash."""
    arrangement = s.bench.arrangement
    create = s.session.contract.by_action(s.operation.entity, "create")
    assert create is not None and create.body_schema is not None
    fields = {}
    for name, schema in s.session.contract.resolved(create.body_schema).get("properties", {}).items():
        entity = schema.get("x-entity")
        if (
            entity
            and s.session.contract.by_action(entity, "create")
            and schema.get("type") != "array"
            and name in own.sent
        ):
            wanted = arrangement.own(entity).record["id"]
            fields[name] = int(wanted) if schema.get("type") == "integer" else wanted
    return arrangement.create(s.operation.entity, fields, path)
