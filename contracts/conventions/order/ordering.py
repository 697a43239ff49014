"""ORDER: order_by and order_dir, where a section has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cdp.http import Exchange
from contracts.cells import ADMIN
from contracts.checks import Broken, Moved, NotExercised, check
from contracts.conventions.listing import (
    REFERENCE_PAGE,
    Page,
    Walk,
    as_page,
    describe,
    list_call,
    needing,
    page,
    still,
    walk,
)
from contracts.conventions.order.collation import fold, in_order
from contracts.conventions.order.own_records import columns_of, with_own_records
from contracts.conventions.order.sortable import fields_to_sort_by
from contracts.exploration import heed
from contracts.observing import canonical, identity
from contracts.subject import Subject, require

_ORDER = re.compile(r"order_by=(\w+)")  # as the contract notes what a page shows
UNKNOWN = ((("order_by", "cdp_no_such_field"),), (("order_dir", "sideways"),))
# What is in no form of a name may be left out where a name is refused; a number may be taken for a column's place.
ODD = ((("order_by", "No Such Field"),), (("order_by", "9"),), (("order_by", "?*"),), (("order_dir", "-1"),))


class _Refused(Exception):
    """A column that the target does not sort by."""

    def __init__(self, field: str, exchange: Exchange) -> None:
        super().__init__(field)
        self.field, self.exchange = field, exchange


def _promised(s: Subject) -> list[str]:
    """Columns that must be taken, because a page or a client shows them. Which others may be named is not
    documented."""
    parameter = s.operation.query("order_by")
    assert parameter is not None
    shown = s.session.contract.resolved(parameter.schema).get("examples", ())
    raw = s.session.contract.raw(s.operation)
    return [*shown, *_ORDER.findall(str(raw.get("x-collection", {}).get("documented-order", "")))]


def _by_each(s: Subject, look: Callable[[str], None], most: int | None = None) -> None:
    """Hold an order by each of some columns to a rule, `most` of them where it is given; one that is refused gives
    place to another."""
    chosen, others = fields_to_sort_by(s)
    waiting, taken, promised = chosen[:most], 0, _promised(s)
    spare = sorted([*chosen[len(waiting) :], *others], key=lambda name: name not in promised)
    refused: list[_Refused] = []
    while waiting:
        field = waiting.pop(0)
        try:
            look(field)
            taken += 1
        except _Refused as refusal:
            if field in promised:
                sentence = f"order_by={field}, which the documents show, got {refusal.exchange.outcome()}"
                raise Broken(sentence, refusal.exchange, f"order_by={field}") from None
            refused.append(refusal)
            waiting += [spare.pop(0)] if spare and not (s.quick and taken) else []
    if taken or not refused:
        return
    names = ", ".join(each.field for each in refused)
    sentence = f"order_by is refused for every column that was tried: {names}"
    if s.operation.provenance == "assumed":
        raise NotExercised(f"{sentence}; that this list can be sorted is assumed")
    raise Broken(sentence, refused[0].exchange, f"order_by={refused[0].field}")


def _directions(s: Subject) -> tuple[str, str]:
    parameter = s.operation.query("order_dir")
    values = (
        s.session.contract.resolved(parameter.schema).get("enum", ["ASC", "DESC"]) if parameter else ["ASC", "DESC"]
    )
    return next(v for v in values if v.upper() == "ASC"), next(v for v in values if v.upper() == "DESC")


def _sorted_page(s: Subject, field: str, direction: str, limit: int = REFERENCE_PAGE) -> Page:
    limited = (("limit", limit),) if s.operation.query("limit") else ()
    query = (("order_by", field), ("order_dir", direction), *limited)
    exchange = s.session.read(list_call(s).asking(*query), s.caller())
    if exchange.refused_as_invalid:
        raise _Refused(field, exchange)
    return as_page(s, exchange, describe(*query))


def _both_ways(s: Subject, field: str, reference: Walk) -> tuple[Page, Page]:
    """The list by a field, ascending and descending. In a short run the second is a part only, because one that sorts
    nothing but the page looks sorted on a page that holds all."""
    ascending, descending = _directions(s)
    part = reference.complete and s.quick and len(reference) > 3
    limit = len(reference) // 3 if part else REFERENCE_PAGE
    return _sorted_page(s, field, ascending), _sorted_page(s, field, descending, limit)


def _compared(page: Page, field: str) -> list[Any]:
    """What a page holds of a field, as two orders are compared: nulls may stand at the same end of both, and what is
    alike but for case and accents may come in any order."""
    return [fold(r.get(field)) for r in page.records if r.get(field) is not None]


@check("ORDER-03")
def directions_mirror(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 2, "an order")
    ascending, descending = _directions(s)

    def look(field: str) -> None:
        up, down = _both_ways(s, field, reference)
        values = [_compared(p, field) for p in (up, down)]
        if reference.complete and len(up.records) == len(reference) and down.records:
            mirrored = values[0][::-1][: len(values[1])] == values[1]
        else:
            mirrored = values[0] != values[1] or len(set(map(str, values[0]))) <= 1
        if not mirrored:
            sentence = f"order_dir={ascending} and {descending} by {field} are not each other's reverse"
            raise still(s, reference, Broken(sentence, up.exchange, f"order_by={field}"), down.exchange)
        s.exercised()

    _by_each(s, look)


@check("ORDER-04")
def sorts_by_field(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 2, "an order")
    _by_each(s, lambda field: _sorts_by(s, field, reference))
    if not s.quick and s.cell.role == ADMIN:
        _sorts_own_records(s)


def _sorts_own_records(s: Subject) -> None:
    """The list is sorted with records of the run's own in it, too; looked at once."""
    known: set[str] = s.bench.memory.setdefault("sorted with own records", set())
    columns = columns_of(s) if s.operation.id not in known else []
    found = with_own_records(s, columns) if columns else None
    if found is None:
        return
    for field in columns:
        if any(isinstance(r, dict) and field in r for r in found.records):
            with suppress(_Refused, NotExercised, Moved):  # what was there is in order, and that counts
                _sorts_by(s, field, found)
    known.add(s.operation.id)


def _sorts_by(s: Subject, field: str, reference: Walk) -> None:
    """Both directions hold all that the walk does, sorted; and so do their pages."""
    pages = _both_ways(s, field, reference)
    for direction, got in zip(_directions(s), pages, strict=True):
        example = f"order_by={field}&order_dir={direction}"
        if not in_order([r.get(field) for r in got.records], direction.upper() == "DESC"):
            sentence = f"the records are not sorted by {field} {direction}"
            raise still(s, reference, Broken(sentence, got.exchange, example))
        s.exercised()
    _holds_all(s, field, pages[0], reference)
    if s.quick:
        _holds_the_last(s, field, *pages, reference)
    elif s.operation.query("limit") and s.operation.query("offset"):
        for direction, got in zip(_directions(s), pages, strict=True):
            _sorted_slice(s, field, direction, got)
        _sorted_without_limit(s, field, pages[0])


def _holds_all(s: Subject, field: str, got: Page, reference: Walk) -> None:
    names = [sorted(canonical(identity(r)) for r in rows) for rows in (got.records, reference.records)]
    same = names[0] == names[1]
    if reference.complete and len(reference) < REFERENCE_PAGE and not reference.short and not same:
        sentence = f"sorted by {field} the list repeats or loses records"
        raise still(s, reference, Broken(sentence, got.exchange, f"order_by={field}"))


def _holds_the_last(s: Subject, field: str, up: Page, down: Page, reference: Walk) -> None:
    """A page under an order holds the first of the whole list, not of the page that came without the order."""
    whole, part = (_compared(p, field) for p in (up, down))
    if not reference.complete or len(whole) < len(reference):  # nulls may stand at either end
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


def _sorted_without_limit(s: Subject, field: str, sorted_page: Page) -> None:
    """Where no limit is sent, the order counts all the same; for one field, that the default order does not sort so."""
    direction = _directions(s)[0]
    asked = (("order_by", field), ("order_dir", direction))
    known: dict[str, str] = s.bench.memory.setdefault("sorted without limit", {})
    default = page(s).records
    if known.setdefault(s.cell.address, field) != field or default == sorted_page.records[: len(default)]:
        return
    got = page(s, *asked)
    # What is alike may come in any order: databases sort the first of a list by other means than all of it.
    first = replace(sorted_page, records=sorted_page.records[: len(got.records)])
    if _compared(got, field) != _compared(first, field):
        sentence = f"without a limit the list is not sorted by {field} {direction}, as it is beside one"
        raise still(s, walk(s), Broken(sentence, got.exchange, describe(*asked)), sorted_page.exchange)
    s.exercised()


@check("ORDER-05")
def unknown_order(s: Subject) -> None:
    s.control()
    forms = [f for f in (UNKNOWN if s.quick else UNKNOWN + ODD) if s.operation.query(f[0][0])]
    for form in s.forms(forms):
        exchange = s.session.read(list_call(s).asking(*form), s.caller())
        require(
            exchange.client_error,
            f"an unknown {form[0][0]} got {exchange.outcome()} instead of a 4xx",
            exchange,
            f"{form[0][0]}={form[0][1]}",
        )
        s.exercised()
    if not s.quick and s.operation.query("order_by") and s.operation.query("order_dir"):
        _in_small_letters(s)
    heed(s)


def _in_small_letters(s: Subject) -> None:
    """A direction in small letters may be refused like any other word, or taken for what it says; not for another."""
    ascending = _directions(s)[0]
    try:
        field = fields_to_sort_by(s)[0][0]
        up = _sorted_page(s, field, ascending)
        if ascending.islower() or not in_order([r.get(field) for r in up.records], descending=False):
            return
        small = _sorted_page(s, field, ascending.lower())
    except (NotExercised, _Refused):
        return
    if not in_order([r.get(field) for r in small.records], descending=False):
        example = f"order_by={field}&order_dir={ascending.lower()}"
        sentence = f"order_dir={ascending.lower()} is taken, and the records are not sorted by {field} {ascending}"
        raise still(s, walk(s), Broken(sentence, small.exchange, example), up.exchange)
    s.exercised()


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
    direction = _directions(s)[0]

    def look(field: str) -> None:
        got = _sorted_page(s, field, direction)
        if not s.quick:
            _told_alone(s, field)
        settings = got.settings or {}
        require(
            settings.get("order_by") == field and str(settings.get("order_dir")).upper() == direction.upper(),
            f"selection_settings tells {settings.get('order_by')!r} {settings.get('order_dir')!r}; asked for was "
            f"{field} {direction}",
            got.exchange,
            f"order_by={field}&order_dir={direction}",
        )
        s.exercised()

    _by_each(s, look, most=1)


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
