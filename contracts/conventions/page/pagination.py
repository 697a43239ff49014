"""PAGE: limit and offset, 20 by default (overview page, Pagination)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cdp.http import Exchange
from contracts.cells import NO_FEATURES
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.at_once import pages_of_their_own
from contracts.conventions.listing import (
    DEFAULT_LIMIT,
    REFERENCE_PAGE,
    Walk,
    as_page,
    describe,
    differs,
    held_still,
    list_call,
    needing,
    page,
    repeated,
    walk,
)
from contracts.conventions.page.far_pages import by_cursor, far_behind, more_than_walked
from contracts.exploration import heed
from contracts.observing import identity, rows_of
from contracts.subject import Subject, require

PAST_THE_END = 1_000_000_000
SHORT = 2**16  # what an integer of 16 bits takes for 0
LONGEST_PAGE = 60  # of those that are drawn
BEYOND = 9  # records that a drawn page may ask for behind the end
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


@check("PAGE-01")
def default_limit(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, DEFAULT_LIMIT + 1, "a default page that is full")
    first = page(s)
    if len(first.records) != DEFAULT_LIMIT:
        sentence = (
            f"without limit {len(first.records)} records came instead of {DEFAULT_LIMIT} (there are at "
            f"least {len(reference)})"
        )
        differs(s, reference, sentence, first.exchange, "without parameters")
    s.exercised()
    if not s.quick:
        _default_beside(s, reference)
        if not s.operation.features.needed:
            _default_for_others(s)


def _default_for_others(s: Subject) -> None:
    """The default is the same whoever asks, where a token is enough."""
    try:
        caller = s.bench.identities.holding(frozenset(), NO_FEATURES)
    except NotExercised:
        return
    more = s.session.read(list_call(s).asking(("limit", DEFAULT_LIMIT + 1)), caller)
    first = s.session.read(list_call(s), caller)
    rows, most = rows_of(s.operation, first), rows_of(s.operation, more)
    if rows is None or most is None or len(most) <= DEFAULT_LIMIT:
        return  # he may see fewer, or none
    sentence = f"without limit {len(rows)} records came to a role without features instead of {DEFAULT_LIMIT}"
    require(len(rows) == DEFAULT_LIMIT, sentence, first, "without parameters")
    s.exercised()


def _default_beside(s: Subject, reference: Walk) -> None:
    """The default holds whatever else is asked for."""
    order = s.operation.query("order_by")
    schema = s.session.contract.resolved(order.schema) if order else {}
    beside = [("order_by", name) for name in (*schema.get("examples", ()), *schema.get("enum", ()))[:1]]
    if s.operation.query("load_full_structure"):
        beside.append(("load_full_structure", "1"))
    for asked in beside:
        exchange = s.session.read(list_call(s).asking(asked), s.caller())
        if asked[0] == "order_by" and exchange.client_error and not schema.get("examples"):
            continue  # which columns can be sorted by is not documented
        got = as_page(s, exchange, describe(asked))
        if len(got.records) != DEFAULT_LIMIT:
            sentence = f"without limit {len(got.records)} records came beside {asked[0]} instead of {DEFAULT_LIMIT}"
            differs(s, reference, sentence, got.exchange, describe(asked))
        s.exercised()


@check("PAGE-02")
def limit_is_kept(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 2, "a page shorter than the collection")
    count = len(reference)
    if reference.short is not None:
        sentence = f"limit={REFERENCE_PAGE} brought {len(reference.short.records)} records although more are left"
        differs(s, reference, sentence, reference.short.exchange, f"limit={REFERENCE_PAGE}")
    if reference.complete and _can_offset(s):
        s.exercised()  # the walk has asked for what comes behind its end

    def rule(asked: tuple[int, int]) -> None:
        limit, offset = asked
        query = (("limit", limit),) if not _can_offset(s) else (("limit", limit), ("offset", offset))
        left = count - (offset if _can_offset(s) else 0)
        got = page(s, *query)
        expected = min(limit, left)
        if len(got.records) != expected:
            differs(
                s,
                reference,
                f"limit={limit} brought {len(got.records)} records instead of {expected}",
                got.exchange,
                describe(*query),
            )
        s.exercised()

    rule(_tail(count))
    if count > DEFAULT_LIMIT and not s.quick:
        rule((DEFAULT_LIMIT, 0))  # said, it means what it means unsaid
    if count > REFERENCE_PAGE:
        _more_than_a_hundred(s, reference)
        if not s.quick and _can_offset(s):
            more_than_walked(s, reference, LARGE_LIMIT)
    elif count > DEFAULT_LIMIT and reference.complete and not s.quick:
        _more_than_there_are(s, reference)
    if s.session.profile.examples > 1:
        beyond = BEYOND if reference.complete else 0
        if beyond and _can_offset(s):
            rule(_over_the_end(count))
        s.for_all(_windows(count, beyond), rule, of=_pages_in(count, beyond))
        _no_records(s)


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


def _tail(count: int) -> tuple[int, int]:
    """A page in the second half: most ways to get paging wrong show where a page comes near the end."""
    return max(1, count // 3), count // 2


def _can_offset(s: Subject) -> bool:
    return s.operation.query("offset") is not None


def _over_the_end(count: int) -> tuple[int, int]:
    """A page of the last records that asks for more than there are."""
    start = count - max(1, count // 3)
    return count - start + 3, start


def _pages_in(count: int, beyond: int = 0) -> int:
    """How many different pages `_windows` can draw."""
    return sum(min(left + beyond, LONGEST_PAGE) for left in range(1, count + 1))


def _windows(count: int, beyond: int = 0) -> st.SearchStrategy[tuple[int, int]]:
    """Pages that begin in the walk: (limit, offset), asking for up to so many records more than the walk holds."""
    return st.integers(min_value=0, max_value=max(0, count - 1)).flatmap(
        lambda offset: st.tuples(
            st.integers(min_value=1, max_value=max(1, min(count - offset + beyond, LONGEST_PAGE))), st.just(offset)
        )
    )


@check("PAGE-03")
def page_is_a_slice(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 3, "a page inside the collection")

    def rule(asked: tuple[int, int]) -> None:
        limit, offset = asked
        query = (("limit", limit), ("offset", offset))
        got = page(s, *query)
        expected = reference.records[offset : offset + limit]
        if got.records != expected:
            sentence = (
                f"limit={limit}&offset={offset} is not the slice [{offset}:{offset + limit}] of the "
                f"walk: {_first_difference(got.records, expected)}"
            )
            differs(s, reference, sentence, got.exchange, describe(*query))
        s.exercised()

    rule(_tail(len(reference)))
    if s.session.profile.examples > 1:
        count, beyond = len(reference), BEYOND if reference.complete else 0
        if beyond:
            rule(_over_the_end(count))
        s.for_all(_windows(count, beyond), rule, of=_pages_in(count, beyond))
        far_behind(s, reference)
        if not s.quick:
            pages_of_their_own(s, len(reference))


def _first_difference(got: list[Any], expected: list[Any]) -> str:
    for number, (one, other) in enumerate(zip(got, expected, strict=False)):
        if one != other:
            same = identity(one) == identity(other)
            return (
                f"record {number} has other content"
                if same
                else f"record {number} is {identity(one)!r:.60} instead of {identity(other)!r:.60}"
            )
    return f"{len(got)} records instead of {len(expected)}"


@check("PAGE-04")
def walks_agree(s: Subject) -> None:
    s.control()
    if not _can_offset(s):
        return by_cursor(s)
    reference = walk(s)
    row = repeated(reference.records)
    if row is not None:
        sentence = f"walking by 100 brings {identity(row)!r:.60} twice"
        differs(s, reference, sentence, reference.exchange, f"limit={REFERENCE_PAGE}")
    needing(s, reference, DEFAULT_LIMIT + 2, "a second page")
    whole = len(reference) // DEFAULT_LIMIT + (1 if reference.complete else 0)
    pages = 2 if s.quick else whole
    records: list[Any] = []
    walked: list[Exchange] = []
    for number in range(pages):
        query = (("offset", number * DEFAULT_LIMIT),) if number else ()
        got = page(s, *query)
        records += got.records
        walked.append(got.exchange)
    expected = reference.records[: len(records)]
    ids = [identity(r) for r in records]
    twice = next((i for n, i in enumerate(ids) if i in ids[:n] and [identity(r) for r in expected].count(i) < 2), None)
    if twice is not None:
        sentence = f"walking by {DEFAULT_LIMIT} brings {twice!r:.60} twice"
        differs(s, reference, sentence, got.exchange, describe(*query), *walked[:-1])
    missing = [i for i in (identity(r) for r in expected) if i not in ids]
    if missing or len(records) != min(pages * DEFAULT_LIMIT, len(reference)):
        what = f"misses {missing[0]!r:.60}" if missing else f"brings {len(records)} records"
        sentence = f"walking by {DEFAULT_LIMIT} {what}, walking by 100 does not"
        differs(s, reference, sentence, got.exchange, describe(*query), *walked[:-1])
    held_still(s, reference)
    s.exercised(pages)


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


@check("PAGE-06")
def parameters_alone(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 2, "telling one page from another")
    default = page(s)
    # load_full_structure=0 rides along to save a request; if it matters, it is left out before anything is said.
    query: tuple[tuple[str, Any], ...] = (("limit", DEFAULT_LIMIT), ("offset", 0))
    plain = (("load_full_structure", 0),) if s.operation.query("load_full_structure") else ()
    explicit = page(s, *query, *plain)
    if explicit.records != default.records and plain:
        explicit = page(s, *query)
    if explicit.records != default.records:
        sentence = (
            f"the default call does not equal limit=20&offset=0: {_first_difference(default.records, explicit.records)}"
        )
        differs(s, reference, sentence, explicit.exchange, describe(*query), default.exchange)
    s.exercised()
    if len(reference) > 2:
        start = DEFAULT_LIMIT if len(reference) > DEFAULT_LIMIT else len(reference) // 2
        offset_alone = page(s, ("offset", start))
        expected = reference.records[start : start + DEFAULT_LIMIT]
        if offset_alone.records != expected:
            sentence = (
                f"offset={start} alone is not the slice [{start}:{start + DEFAULT_LIMIT}] of the walk: "
                f"{_first_difference(offset_alone.records, expected)}"
            )
            differs(s, reference, sentence, offset_alone.exchange, f"offset={start}")
        held_still(s, reference)
        s.exercised()
    if not s.quick:
        limit_alone = page(s, ("limit", 1))
        if limit_alone.records != reference.records[:1]:
            differs(s, reference, "limit=1 alone is not the first record", limit_alone.exchange, "limit=1")
        s.exercised()


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
        call = base.asking(*form) if len(form) == 1 else base.__class__(**{**base.__dict__, "query": base.query + form})
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
