"""ORDER: newest to oldest by timestamp (overview page, Pagination), and order_by / order_dir where a section has
them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from time import sleep, time
from typing import Any

from cdp.texts import timestamp
from contracts.arrangement import OwnRecord
from contracts.calls import Call
from contracts.checks import Broken, Moved, NotExercised, Unconfirmed, check
from contracts.conventions.listing import (
    REFERENCE_PAGE,
    Page,
    Walk,
    descent_ends,
    list_call,
    needing,
    page,
    still,
    times_of,
    walk,
)
from contracts.exploration import heed
from contracts.finding import Unavailable
from contracts.observing import canonical, identity, own_marks, record_of
from contracts.subject import Subject, require

TICK_S = 0.05  # behind a full second
UNKNOWN = ((("order_by", "cdp_no_such_field"),), (("order_dir", "sideways"),))


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
    older = _older(s) if s.session.profile.name != "quick" else None  # before the newest one is created
    own = _created(s)
    if older is not None:
        own = _of_other_seconds(s, older, own)
    call = Call(s.operation, _parents(s, own), list_call(s).query)
    if older is not None and not s.bench.execute(older.change, judged=False).ok:
        older = None
    got = page(s, base=call)
    if collection.paging and not got.records:
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


def _parents(s: Subject, own: OwnRecord) -> dict[str, str]:
    """The part of the list's path that tells what the record is below."""
    return {p.name: own.path[p.name] for p in s.operation.path_parameters}


def _created(s: Subject) -> OwnRecord:
    """A new record; beside another one where it is below a parent of our own, because alone it would always be the
    first."""
    try:
        own = s.bench.arrangement.own(s.operation.entity)
        path = _parents(s, own)
        return _sibling(s, own, path) if path else own
    except Unavailable as error:
        raise NotExercised(f"no record could be created: {error}") from None


@dataclass(frozen=True)
class _Older:
    """A record of our own by the change of it, and when it was created, as the server tells it."""

    change: Call
    made: datetime | None


def _of_other_seconds(s: Subject, older: _Older, own: OwnRecord) -> OwnRecord:
    """A record of a later second than the older one, a second ago: timestamps tell no more than that, and ties come in
    any order."""
    assert s.operation.collection is not None and s.operation.collection.timestamp is not None
    made = timestamp(own.record.get(s.operation.collection.timestamp))
    if made is None or made.microsecond:
        return own
    if older.made is None or made <= older.made:
        _next_second()
        own = _created(s)
    _next_second()
    return own


def _next_second() -> None:
    sleep(1 - time() % 1 + TICK_S)


def _older(s: Subject) -> _Older | None:
    """A record of our own, which is created here if it is not there yet; None where no change of it is known."""
    update, collection = s.session.contract.by_action(s.operation.entity, "update"), s.operation.collection
    if update is None or collection is None or collection.timestamp != "created":
        return None
    try:
        change, answer = s.bench.control(update)
    except (NotExercised, Unconfirmed):
        return None
    if not answer.ok:
        return None
    record = record_of(update, answer)
    return _Older(change, timestamp(record.get(collection.timestamp)) if isinstance(record, dict) else None)


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
    if later and not any(map(is_own, before)) and s.bench.others_at_work(call):
        raise Moved()


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


Key = Callable[[str], str]
COLLATIONS: tuple[Key, ...] = (
    lambda text: text,
    str.casefold,
    lambda text: unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold(),
    lambda text: "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum()),
)


def in_order(values: list[Any], descending: bool) -> bool:
    """Whether values are sorted. Nulls may stand at either end; texts may follow any usual collation (bytes, without
    case, without accents)."""
    present = [v for v in values if v is not None]
    if descending:
        present.reverse()
    if all(isinstance(v, bool | int | float) for v in present):
        return all(a <= b for a, b in pairwise(present))
    if all(timestamp(v) for v in present):
        times = [timestamp(v) for v in present]
        return all(a <= b for a, b in pairwise(times) if a and b)
    texts = [str(v) for v in present]
    return any(all(key(a) <= key(b) for a, b in pairwise(texts)) for key in COLLATIONS)


def _fields(s: Subject) -> list[str]:
    """Fields to sort by: those that the contract lists and that hold different values of one kind; few in a short
    profile.

    Those that the default order does not sort anyway come first: on the others an order that is ignored would not
    show.
    """
    parameter = s.operation.query("order_by")
    assert parameter is not None
    schema = s.session.contract.resolved(parameter.schema)
    records = walk(s).records
    names = schema.get("enum") or [
        n
        for n, v in (records[0] if records and isinstance(records[0], dict) else {}).items()
        if not isinstance(v, dict | list)
    ]
    telling: list[str] = []
    others: list[str] = []
    numbers: list[str] = []
    for name in names:
        values = [r.get(name) for r in records if isinstance(r, dict)]
        kinds = {type(v) for v in values if v is not None}
        if len(set(map(str, values))) > 1 and len(kinds) == 1 and not kinds & {dict, list}:
            sorted_anyway = in_order(values, True) or in_order(values, False)
            (others if sorted_anyway else telling).append(name)
            if kinds == {int} and len({len(str(v)) for v in values if v is not None}) > 1:
                numbers.append(name)
    if not telling and not others:
        raise NotExercised(f"{s.operation.id} holds no field with different values to sort by")
    if s.session.profile.list_forms == 1:
        return s.forms(telling or others)
    fields = [*(s.forms(telling) if telling else ()), *(s.forms(others) if others else ())][:6]
    # Sorting numbers as texts shows on numbers of different lengths alone.
    return fields if not numbers or set(numbers) & set(fields) else [*fields, numbers[0]]


def _directions(s: Subject) -> tuple[str, str]:
    parameter = s.operation.query("order_dir")
    values = (
        s.session.contract.resolved(parameter.schema).get("enum", ["ASC", "DESC"]) if parameter else ["ASC", "DESC"]
    )
    return next(v for v in values if v.upper() == "ASC"), next(v for v in values if v.upper() == "DESC")


def _sorted_page(s: Subject, field: str, direction: str, limit: int = REFERENCE_PAGE) -> Page:
    limited = (("limit", limit),) if s.operation.query("limit") else ()
    return page(s, ("order_by", field), ("order_dir", direction), *limited)


def _both_ways(s: Subject, field: str, reference: Walk) -> tuple[Page, Page]:
    """The list by a field, ascending and descending. In a short run the second is a part only, because one that sorts
    nothing but the page looks sorted on a page that holds all."""
    ascending, descending = _directions(s)
    part = reference.complete and s.session.profile.name == "quick" and len(reference) > 3
    limit = len(reference) // 3 if part else REFERENCE_PAGE
    return _sorted_page(s, field, ascending), _sorted_page(s, field, descending, limit)


@check("ORDER-03")
def directions_mirror(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 2, "an order")
    ascending, descending = _directions(s)
    for field in _fields(s):
        up, down = _both_ways(s, field, reference)
        values = [[r.get(field) for r in p.records] for p in (up, down)]
        if reference.complete and len(up.records) == len(reference) and down.records:
            mirrored = values[0][::-1][: len(values[1])] == values[1]
        else:
            mirrored = values[0] != values[1] or len(set(map(str, values[0]))) == 1
        if not mirrored:
            sentence = f"order_dir={ascending} and {descending} by {field} are not each other's reverse"
            raise still(s, reference, Broken(sentence, up.exchange, f"order_by={field}"), down.exchange)
        s.exercised()


@check("ORDER-04")
def sorts_by_field(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 2, "an order")
    for field in _fields(s):
        pages = _both_ways(s, field, reference)
        for direction, got in zip(_directions(s), pages, strict=True):
            example = f"order_by={field}&order_dir={direction}"
            if not in_order([r.get(field) for r in got.records], direction.upper() == "DESC"):
                raise still(
                    s, reference, Broken(f"the records are not sorted by {field} {direction}", got.exchange, example)
                )
            s.exercised()
        _holds_all(s, field, pages[0], reference)
        if s.session.profile.name == "quick":
            _holds_the_last(s, field, *pages, reference)
        elif s.operation.query("limit") and s.operation.query("offset"):
            for direction, got in zip(_directions(s), pages, strict=True):
                _sorted_slice(s, field, direction, got)


def _holds_all(s: Subject, field: str, got: Page, reference: Walk) -> None:
    names = [sorted(canonical(identity(r)) for r in rows) for rows in (got.records, reference.records)]
    same = names[0] == names[1]
    if reference.complete and len(reference) < REFERENCE_PAGE and not reference.short and not same:
        sentence = f"sorted by {field} the list repeats or loses records"
        raise still(s, reference, Broken(sentence, got.exchange, f"order_by={field}"))


def _holds_the_last(s: Subject, field: str, up: Page, down: Page, reference: Walk) -> None:
    """A page under an order holds the first of the whole list, not of the page that came without the order."""
    whole, part = ([r.get(field) for r in p.records] for p in (up, down))
    if not reference.complete or len(whole) < len(reference) or None in whole:
        return
    if part != whole[::-1][: len(part)]:
        sentence = f"a page of {len(part)} sorted by {field} does not hold the first {len(part)} of the sorted list"
        raise still(s, reference, Broken(sentence, down.exchange, f"order_by={field}&limit={len(part)}"))
    s.exercised()


def _sorted_slice(s: Subject, field: str, direction: str, sorted_page: Page) -> None:
    """Under an order of its own, too, a page is a slice."""
    whole = sorted_page.records
    if len(whole) < 4:
        return
    limit, offset = len(whole) // 3, len(whole) // 2
    part = page(s, ("order_by", field), ("order_dir", direction), ("limit", limit), ("offset", offset))
    if part.records != whole[offset : offset + limit]:
        raise still(
            s,
            walk(s),
            Broken(
                f"paging under order_by={field}&order_dir={direction} is not a slice of the sorted list",
                part.exchange,
                f"limit={limit}&offset={offset}",
            ),
            sorted_page.exchange,
        )
    s.exercised()


@check("ORDER-05")
def unknown_order(s: Subject) -> None:
    s.control()
    forms = [f for f in UNKNOWN if s.operation.query(f[0][0])]
    for form in s.forms(forms):
        exchange = s.session.read(list_call(s).asking(*form), s.caller())
        require(
            exchange.client_error,
            f"an unknown {form[0][0]} got {exchange.outcome()} instead of a 4xx",
            exchange,
            f"{form[0][0]}={form[0][1]}",
        )
        s.exercised()
    heed(s)


@check("ORDER-06")
def settings_tell_order(s: Subject) -> None:
    s.control()
    default = page(s)
    require(default.settings is not None, "the answer has no selection_settings", default.exchange)
    assert default.settings is not None
    told = default.settings.get("order_by"), default.settings.get("order_dir")
    require(
        all(isinstance(t, str) and t for t in told),
        f"selection_settings tells no order by default: {told[0]!r}, {told[1]!r}",
        default.exchange,
    )
    s.exercised()
    if s.operation.query("order_by") is None:
        return
    field, direction = _fields(s)[0], _directions(s)[0]
    if s.session.profile.name != "quick":
        _told_alone(s, field)
    got = _sorted_page(s, field, direction)
    settings = got.settings or {}
    require(
        settings.get("order_by") == field and str(settings.get("order_dir")).upper() == direction.upper(),
        f"selection_settings tells {settings.get('order_by')!r} {settings.get('order_dir')!r}; asked for was "
        f"{field} {direction}",
        got.exchange,
        f"order_by={field}&order_dir={direction}",
    )
    s.exercised()


def _told_alone(s: Subject, field: str) -> None:
    """Which way order_by sorts by itself is open; it is the way that the settings tell."""
    limited = (("limit", REFERENCE_PAGE),) if s.operation.query("limit") else ()
    got = page(s, ("order_by", field), *limited)
    told = str((got.settings or {}).get("order_dir")).upper()
    if told not in ("ASC", "DESC"):
        return
    sentence = f"selection_settings tells {field} {told}, and the records are not sorted so"
    sorted_so = in_order([r.get(field) for r in got.records if isinstance(r, dict)], told == "DESC")
    require(sorted_so, sentence, got.exchange, f"order_by={field}")
    s.exercised()
