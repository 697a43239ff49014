"""PAGE-01, PAGE-06: what a list brings where parameters are left out."""

from __future__ import annotations

from typing import Any

from contracts.cells import NO_FEATURES
from contracts.checks import NotExercised, check
from contracts.conventions.listing import (
    DEFAULT_LIMIT,
    Walk,
    as_page,
    describe,
    differs,
    first_difference,
    held_still,
    list_call,
    needing,
    page,
    walk,
)
from contracts.observing import rows_of
from contracts.subject import Subject, require


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
            f"the default call does not equal limit=20&offset=0: {first_difference(default.records, explicit.records)}"
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
                f"{first_difference(offset_alone.records, expected)}"
            )
            differs(s, reference, sentence, offset_alone.exchange, f"offset={start}")
        held_still(s, reference)
        s.exercised()
    if not s.quick:
        limit_alone = page(s, ("limit", 1))
        if limit_alone.records != reference.records[:1]:
            differs(s, reference, "limit=1 alone is not the first record", limit_alone.exchange, "limit=1")
        s.exercised()
