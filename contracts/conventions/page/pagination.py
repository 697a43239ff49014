"""PAGE: limit and offset, 20 by default (overview page, Pagination)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from cdp.http import Exchange
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.at_once import pages_of_their_own
from contracts.conventions.listing import (
    DEFAULT_LIMIT,
    REFERENCE_PAGE,
    Page,
    Walk,
    as_page,
    describe,
    differs,
    first_difference,
    held_still,
    list_call,
    needing,
    page,
    repeated,
    walk,
)
from contracts.conventions.page.far_pages import by_cursor, far_behind, more_than_walked
from contracts.conventions.page.windows import Window, can_offset, draw_windows, tail
from contracts.exploration import heed
from contracts.observing import identity
from contracts.subject import Subject, require

FAR_BEHIND = 1_000_000  # what few lists reach, and few servers refuse
PAST_THE_END = 1_000_000_000
SHORT = 2**16  # what an integer of 16 bits takes for 0
INVALID = (
    (("limit", "-1"),),
    (("offset", "-1"),),
    (("limit", "ten"),),
    (("offset", "ten"),),
    (("limit", "1.5"),),
    (("offset", "0.5"),),
    (("limit", "99999999999999999999"),),
    (("offset", "99999999999999999999"),),
)
# Texts that a parser of some language reads as a number all the same: up to the first letter, in another notation, with
# lines between digits, in digits of another script.
NEARLY = ("5cdp", "0x5", "1_0", "\u0665")

LARGE_LIMIT = 500  # what clients ask for who want everything
MOST_AT_ONCE = 300


@check("PAGE-02")
def limit_is_kept(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 2, "a page shorter than the collection")
    if reference.short is not None:
        sentence = f"limit={REFERENCE_PAGE} brought {len(reference.short.records)} records although more are left"
        differs(s, reference, sentence, reference.short.exchange, f"limit={REFERENCE_PAGE}")
    if reference.complete and can_offset(s):
        s.exercised()  # the walk has asked for what comes behind its end
    rule = partial(_brings_as_many, s, reference)
    rule(tail(len(reference)))
    if len(reference) > DEFAULT_LIMIT and not s.quick:
        rule((DEFAULT_LIMIT, 0))  # said, it means what it means unsaid
    _large_limits(s, reference)
    draw_windows(s, reference, rule)
    if s.session.profile.examples > 1:
        _no_records(s)


def _brings_as_many(s: Subject, reference: Walk, asked: Window) -> None:
    """A page holds as many records as are asked for, or as are left."""
    limit, offset = asked if can_offset(s) else (asked[0], 0)
    query = (("limit", limit), ("offset", offset)) if can_offset(s) else (("limit", limit),)
    got = page(s, *query)
    expected = min(limit, len(reference) - offset)
    if len(got.records) != expected:
        sentence = f"limit={limit} brought {len(got.records)} records instead of {expected}"
        differs(s, reference, sentence, got.exchange, describe(*query))
    s.exercised()


def _large_limits(s: Subject, reference: Walk) -> None:
    """Limits beyond those of a usual page, as far as the list has records for them."""
    if len(reference) > REFERENCE_PAGE:
        _more_than_a_hundred(s, reference)
        if not s.quick and can_offset(s):
            more_than_walked(s, reference, LARGE_LIMIT)
    elif len(reference) > DEFAULT_LIMIT and reference.complete and not s.quick:
        _more_than_there_are(s, reference)


def _no_records(s: Subject) -> None:
    """A limit of 0 is refused or brings nothing."""
    exchange = s.session.read(list_call(s).asking(("limit", 0)), s.caller())
    if exchange.ok and (found := as_page(s, exchange, "limit=0").records):
        raise Broken(f"limit=0 brought {len(found)} records", exchange, "limit=0", softly=True)
    s.exercised()


def _more_than_a_hundred(s: Subject, reference: Walk) -> None:
    """A limit that is cut to a lower one is fine as long as the answer says so."""
    limit = min(len(reference), MOST_AT_ONCE)
    got = page(s, ("limit", limit))
    told = (got.settings or {}).get("limit")
    expected = told if isinstance(told, int) and 0 < told < limit else limit
    if len(got.records) != expected:
        sentence = f"limit={limit} brought {len(got.records)} records instead of {expected}"
        differs(s, reference, sentence, got.exchange, f"limit={limit}")
    s.exercised()


def _more_than_there_are(s: Subject, reference: Walk) -> None:
    """A large limit brings all there is, and does not fall back to the default. Refusing it openly is fine."""
    query = ("limit", LARGE_LIMIT)
    exchange = s.session.read(list_call(s).asking(query), s.caller())
    if exchange.client_error:
        return
    got = as_page(s, exchange, describe(query))
    told = (got.settings or {}).get("limit")
    expected = min(told, len(reference)) if isinstance(told, int) and told > DEFAULT_LIMIT else len(reference)
    if len(got.records) != expected:
        sentence = f"{describe(query)} brought {len(got.records)} records instead of {expected}"
        differs(s, reference, sentence, got.exchange, describe(query))
    s.exercised()


@check("PAGE-03")
def page_is_a_slice(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 3, "a page inside the collection")
    rule = partial(_is_a_slice, s, reference)
    rule(tail(len(reference)))
    draw_windows(s, reference, rule)
    if s.session.profile.examples > 1:
        far_behind(s, reference)
        if not s.quick:
            pages_of_their_own(s, len(reference))


def _is_a_slice(s: Subject, reference: Walk, asked: Window) -> None:
    """A page holds what stands there in the walk."""
    limit, offset = asked
    query = (("limit", limit), ("offset", offset))
    got = page(s, *query)
    expected = reference.records[offset : offset + limit]
    if got.records != expected:
        sentence = (
            f"limit={limit}&offset={offset} is not the slice [{offset}:{offset + limit}] of the "
            f"walk: {first_difference(got.records, expected)}"
        )
        differs(s, reference, sentence, got.exchange, describe(*query))
    s.exercised()


@check("PAGE-04")
def walks_agree(s: Subject) -> None:
    s.control()
    if not can_offset(s):
        return by_cursor(s)
    reference = walk(s)
    row = repeated(reference.records)
    if row is not None:
        sentence = f"walking by 100 brings {identity(row)!r:.60} twice"
        differs(s, reference, sentence, reference.exchange, f"limit={REFERENCE_PAGE}")
    needing(s, reference, DEFAULT_LIMIT + 2, "a second page")
    count = 2 if s.quick else len(reference) // DEFAULT_LIMIT + (1 if reference.complete else 0)
    offsets = [number * DEFAULT_LIMIT for number in range(count)]
    pages = [page(s, *((("offset", offset),) if offset else ())) for offset in offsets]
    what = _told_otherwise(pages, reference)
    if what:
        *before, last = (found.exchange for found in pages)
        example = describe(("offset", offsets[-1]))
        differs(s, reference, f"walking by {DEFAULT_LIMIT} {what}", last, example, *before)
    held_still(s, reference)
    s.exercised(count)


def _told_otherwise(pages: list[Page], reference: Walk) -> str:
    """In what default pages, one behind the other, differ from the start of the walk; empty where they do not."""
    records = [record for found in pages for record in found.records]
    got, wanted = ([identity(r) for r in rows] for rows in (records, reference.records[: len(records)]))
    twice = next((i for n, i in enumerate(got) if i in got[:n] and wanted.count(i) < 2), None)
    if twice is not None:
        return f"brings {twice!r:.60} twice"
    missing = [i for i in wanted if i not in got]
    if missing:
        return f"misses {missing[0]!r:.60}, walking by {REFERENCE_PAGE} does not"
    if len(records) != min(len(pages) * DEFAULT_LIMIT, len(reference)):
        return f"brings {len(records)} records, walking by {REFERENCE_PAGE} does not"
    return ""


@check("PAGE-05")
def past_the_end(s: Subject) -> None:
    s.control()
    reference = walk(s)
    offsets = [PAST_THE_END]
    if reference.complete and not s.quick:
        offsets += [len(reference), len(reference) + 1, *([SHORT] if len(reference) < SHORT else [])]
    elif reference.complete:
        offsets = [len(reference)]
    for offset in offsets:
        # The walk has asked the same, where it came to the end.
        query = (("limit", REFERENCE_PAGE), ("offset", offset))
        exchange = s.session.read(list_call(s).asking(*query), s.caller())
        if offset > len(reference) + 1 and _refused_as_too_large(exchange):
            continue
        got = as_page(s, exchange, describe(*query))
        if got.records:
            differs(
                s,
                reference,
                f"offset={offset}, at or past the end, brought {len(got.records)} records",
                got.exchange,
                f"offset={offset}",
            )
        s.exercised()
    if not s.evidence:
        raise NotExercised(f"an offset of {PAST_THE_END} is refused, and the end of the list was not reached")


def _refused_as_too_large(exchange: Exchange) -> bool:
    """Whether an offset is refused in good order: no page names the largest one, and many engines have one."""
    return exchange.status in (400, 413, 416, 422) and isinstance(exchange.json, dict)


@check("PAGE-07")
def invalid_values(s: Subject) -> None:
    s.control()
    forms: list[tuple[tuple[str, str], ...]] = [f for f in INVALID if s.operation.query(f[0][0])]
    if s.session.profile.list_forms > 1:
        names = dict.fromkeys(form[0][0] for form in forms)
        forms += [((name, text),) for name in names for text in NEARLY]
        forms.append((("limit", "5"), ("limit", "7")))
    for form in s.forms(forms):
        base = list_call(s)
        call = base.asking(*form) if len(form) == 1 else replace(base, query=base.query + form)
        exchange = s.session.read(call, s.caller())
        require(
            exchange.client_error and isinstance(exchange.json, dict),
            f"an invalid {form[0][0]} got {exchange.outcome()} instead of a 4xx JSON error",
            exchange,
            describe(*form),
        )
        s.exercised()
    heed(s)


@check("PAGE-08")
def settings_tell_paging(s: Subject) -> None:
    s.control()
    reference = walk(s)
    asked: list[tuple[tuple[tuple[str, Any], ...], int, tuple[Any, ...]]] = [
        ((), DEFAULT_LIMIT, (0, None)),
        ((("limit", 100),), 100, (0, None)),
    ]
    if len(reference) > DEFAULT_LIMIT:
        asked.append(((("offset", DEFAULT_LIMIT),), DEFAULT_LIMIT, (DEFAULT_LIMIT,)))
    for query, limit, offsets in asked:
        got = page(s, *query)
        require(got.settings is not None, "the answer has no selection_settings", got.exchange, describe(*query))
        assert got.settings is not None
        told = got.settings.get("limit"), got.settings.get("offset")
        require(
            told[0] == limit and told[1] in offsets,
            f"selection_settings tells limit {told[0]!r} and offset {told[1]!r}; asked for were {limit} and "
            f"{offsets[0]}",
            got.exchange,
            describe(*query),
        )
        s.exercised()
    if not s.quick:
        _told_far_behind(s)


def _told_far_behind(s: Subject) -> None:
    """The limit that is told is the one that was asked for, not the number of records that came."""
    query = (("limit", REFERENCE_PAGE), ("offset", FAR_BEHIND))
    exchange = s.session.read(list_call(s).asking(*query), s.caller())
    if _refused_as_too_large(exchange):
        return
    got = as_page(s, exchange, describe(*query))
    told = (got.settings or {}).get("limit")
    sentence = f"far behind selection_settings tells limit {told!r:.60}; asked for was {REFERENCE_PAGE}"
    require(told == REFERENCE_PAGE, sentence, exchange, describe(*query))
