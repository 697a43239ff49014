"""PAGE under filters (PAGE-10), and values that a filter takes."""

from __future__ import annotations

from typing import Any

from contracts.applicability import FILTERS
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.listing import (
    DEFAULT_LIMIT,
    REFERENCE_PAGE,
    Walk,
    as_page,
    descent_ends,
    describe,
    differs,
    list_call,
    needing,
    page,
    times_of,
    walk,
)
from contracts.conventions.parts_shown import shows_parts
from contracts.observing import identity
from contracts.subject import Subject


@check("PAGE-10")
def paging_under_filters(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 3, "a filter with something to leave out")
    for name in [n for n in FILTERS if s.operation.query(n)]:
        _filtered(s, name, reference)
        if s.quick and s.evidence:
            return
    if not s.quick:
        _under_switches(s, reference)
        shows_parts(s, reference)
    if not s.evidence:
        raise NotExercised("no record has a value that one of the operation's filters takes")


def _filtered(s: Subject, name: str, reference: Walk) -> None:
    value, matches = filter_value(name, reference.records)
    if value is None:
        return
    base = list_call(s).asking((name, value))
    example = f"{name}={value}"
    if s.quick and matches > 1:
        # One request for both: nearly all that the filter finds, and a limit that it has to keep.
        most = min(matches - 1, REFERENCE_PAGE)
        first = page(s, ("limit", most), base=base)
        found, exchange = first.records, first.exchange
        if len(found) > most:
            sentence = f"limit={most} beside {name} brought {len(found)} records"
            differs(s, reference, sentence, exchange, f"{example}&limit={most}")
    else:
        filtered = walk(s, base=base, confirm=not s.quick)
        found, exchange = filtered.records, filtered.exchange
    if not found:
        differs(s, reference, f"{name} with a value taken from a record brings nothing", exchange, example)
    if not s.quick:
        _nobody(s, name, base, value)
    if reference.complete and name != "search_text":
        known = {str(identity(r)) for r in reference.records}
        stranger = next((r for r in found if str(identity(r)) not in known), None)
        if stranger is not None:
            differs(
                s,
                reference,
                f"{name} brings {identity(stranger)!r:.60}, which the unfiltered list does not hold",
                exchange,
                example,
            )
    s.exercised()
    if not s.quick:
        _beside_it(s, name, base, found, reference)
    if len(found) > 2 and not s.quick:
        half = len(found) // 2
        got = page(s, ("limit", half), ("offset", 1), base=base)
        if got.records != found[1 : 1 + half]:
            differs(
                s,
                reference,
                f"paging under {name} is not a slice of the filtered walk",
                got.exchange,
                f"{example}&limit={half}&offset=1",
            )
        s.exercised()


def _under_switches(s: Subject, reference: Walk) -> None:
    """Pages are slices of the walk under a switch, too, such as show_hidden=1."""
    for parameter in s.operation.query_parameters:
        if not _is_switch(s, parameter.schema) or parameter.required or parameter.name == "load_full_structure":
            continue
        base = list_call(s).asking((parameter.name, 1))
        found = walk(s, base=base).records
        if len(found) < 3:
            continue
        start = max(1, len(found) // 2 - 1)
        got = page(s, ("limit", len(found)), ("offset", start), base=base)
        if len(found) <= s.session.profile.window and got.records[: len(found) - start] != found[start:]:
            example = f"{parameter.name}=1&limit={len(found)}&offset={start}"
            sentence = f"paging under {parameter.name} is not a slice of the walk under it"
            differs(s, reference, sentence, got.exchange, example)
        s.exercised()


def _is_switch(s: Subject, schema: Any) -> bool:
    """Whether a parameter takes 0 and 1 alone."""
    found = s.session.contract.resolved(schema)
    return found.get("enum") == [0, 1] or any(_is_switch(s, part) for part in found.get("allOf", ()))


def _beside_it(s: Subject, name: str, base: Call, found: list[Any], reference: Walk) -> None:
    """What a filter finds comes newest first, where the list does, and without a limit twenty come of it."""
    field = s.operation.collection.timestamp if s.operation.collection else None
    example = describe(*base.query)

    def newest_first(records: list[Any]) -> bool:
        return descent_ends(times_of(records, field or "")) is None

    if field and name != "search_text" and newest_first(reference.records):
        if not newest_first(found):
            got = page(s, ("limit", REFERENCE_PAGE), base=base)
            sentence = f"beside {name} records do not come newest first, as they do without it"
            differs(s, reference, sentence, got.exchange, example)
        s.exercised()
    got = page(s, base=base)
    if got.records != found[:DEFAULT_LIMIT]:
        sentence = (
            f"beside {name} and without limit {len(got.records)} records came, not the first {DEFAULT_LIMIT} of them"
        )
        differs(s, reference, sentence, got.exchange, example)
    s.exercised()


def _nobody(s: Subject, name: str, base: Call, value: str) -> None:
    """A filter with a value that no record has brings none. What takes ids may refuse an unknown one."""
    unknown = f"cdp{s.number}nobody" if not value.isdigit() else "987654321"
    exchange = s.session.read(base.asking((name, unknown), ("limit", 5)), s.caller())
    if not exchange.ok:
        return
    found = as_page(s, exchange, f"{name}={unknown}")
    if found.records:
        raise Broken(
            f"{name} with a value that no record has brings {len(found.records)} records", exchange, f"{name}={unknown}"
        )
    s.exercised()


def filter_value(name: str, records: list[Any]) -> tuple[str | None, int]:
    """A value for a filter that some records meet, not all of them if possible, and how many meet it for sure."""
    fields = {"event_ids": "event_id", "source_ids": "source_id", "tag_ids": "tags", "search_text": "value"}
    holders: dict[str, int] = {}
    for record in records:
        value = record.get(fields.get(name, "name")) if isinstance(record, dict) else None
        for text in {
            str(v)
            for v in (value if isinstance(value, list) else [value])
            if v not in (None, "") and not isinstance(v, dict)
        }:
            holders[text] = holders.get(text, 0) + 1
    if name == "search_text":
        return next(((text, 1) for text in holders if len(text) >= 3), (None, 0))
    if name in ("name_filter", "name_search", "searched_text"):
        words = {w for text in holders for w in text.split() if w.isascii() and w.isalnum() and len(w) >= 3}
        counts = {w: sum(n for text, n in holders.items() if w.casefold() in text.casefold()) for w in sorted(words)}
    else:
        counts = holders
    some = {value: n for value, n in counts.items() if n < len(records)} or counts
    best = max(some, key=lambda value: some[value], default=None)
    return best, some[best] if best is not None else 0
