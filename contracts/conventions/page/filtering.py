"""PAGE under filters (PAGE-10), and values that a filter takes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from contracts.applicability import FILTERS
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.listing import (
    DEFAULT_LIMIT,
    REFERENCE_PAGE,
    Page,
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
from contracts.conventions.page.filter_forms import BY_NAME, FIELDS, Form, filter_value, form_of, holders
from contracts.conventions.page.found_by import (
    finds_changed,
    finds_everything,
    finds_holders,
    finds_whole_names,
    held,
    sorted_beside,
)
from contracts.conventions.page.hidden import own_hidden_comes
from contracts.conventions.page.parts_shown import shows_parts
from contracts.conventions.page.switches import hides_without_switch, slices_under_switches
from contracts.observing import identity, rows_of
from contracts.subject import Subject


@check("PAGE-10")
def paging_under_filters(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 3, "a filter with something to leave out")
    unknown: list[str] = []
    hides_without_switch(s, reference)
    hidden = s.evidence
    for name in [n for n in FILTERS if s.operation.query(n)]:
        unknown += [] if _filtered(s, name, reference) else [name]
        if s.quick and s.evidence > hidden:
            return
    if not s.quick:
        slices_under_switches(s, reference)
        shows_parts(s, reference)
        for name in [n for n in ("name_filter", "name_search") if s.operation.query(n)]:
            finds_changed(s, name)  # it writes: what was read before is not the same any more
        own_hidden_comes(s)
    if not s.evidence and unknown:
        raise NotExercised(
            f"how a list stands in {' and '.join(unknown)} is not documented; no usual form has an effect"
        )
    if not s.evidence:
        raise NotExercised("no record has a value that one of the operation's filters takes")


def _filtered(s: Subject, name: str, reference: Walk) -> bool:
    """Hold a filter to its rules. Answers whether it is known how it is written."""
    value, matches = filter_value(name, reference.records)
    if value is None:
        return True
    most = min(matches - 1, REFERENCE_PAGE) if s.quick and matches > 1 else REFERENCE_PAGE
    form = form_of(s, name, value, reference, most)
    if form is None:
        return False
    matches = matches if form == Form(name, value) else 1
    base, example = list_call(s).asking((form.name, form.value)), f"{form.name}={form.value}"
    found = _found(s, form, base, reference, most if s.quick and matches > 1 else None)
    if not found.records:
        sentence = f"{form.name} with a value taken from a record brings nothing"
        differs(s, reference, sentence, found.exchange, example)
    field = FIELDS.get(name)
    if field is not None and form.name != "search_text":
        page_of_it = Page(found.records, None, found.exchange)
        finds_holders(s, field, value, page_of_it, reference, whole=found.complete and not s.quick)
    _no_strangers(s, form, found, reference)
    s.exercised()
    if not s.quick:
        _looked_at_closely(s, form, field, base, found, reference)
    return True


def _looked_at_closely(s: Subject, form: Form, field: str | None, base: Call, found: Walk, reference: Walk) -> None:
    """What else is true of a filter, which takes more requests. `field`: where records hold what it takes."""
    _nobody(s, form, base)
    _gone_again(s, form, base, reference)
    if field is not None and form.name != "search_text":
        _a_part_of_another(s, field, form, reference)
    _beside_it(s, form.name, base, found.records, reference)
    sorted_beside(s, base, found, reference)
    if form.name in BY_NAME:
        finds_whole_names(s, form.name, form.value, found, reference)
    if form.name in ("name_filter", "name_search"):
        finds_everything(s, form.name, reference)
    if found.records:
        _pages_of_it(s, form, base, found, reference)


def _found(s: Subject, form: Form, base: Call, reference: Walk, most: int | None) -> Walk:
    """What the filter finds: all of it, or, within one request, `most` records, which is a limit it has to keep."""
    if most is None:
        return walk(s, base=base, confirm=not s.quick)
    first = page(s, ("limit", most), base=base)
    if len(first.records) > most:
        sentence = f"limit={most} beside {form.name} brought {len(first.records)} records"
        differs(s, reference, sentence, first.exchange, f"{form.name}={form.value}&limit={most}")
    return Walk(first.records, False, first.exchange)


def _no_strangers(s: Subject, form: Form, found: Walk, reference: Walk) -> None:
    """Whatever a filter finds stands in the list without it, too."""
    if not reference.complete or form.name == "search_text":
        return
    known = {str(identity(r)) for r in reference.records}
    stranger = next((r for r in found.records if str(identity(r)) not in known), None)
    if stranger is not None:
        sentence = f"{form.name} brings {identity(stranger)!r:.60}, which the unfiltered list does not hold"
        differs(s, reference, sentence, found.exchange, f"{form.name}={form.value}")


def _pages_of_it(s: Subject, form: Form, base: Call, found: Walk, reference: Walk) -> None:
    """A page under a filter is a slice of what it finds: from where that and the whole list part, and of a single
    record, too, because a filter may be put to a page of the whole list."""
    records = found.records
    parted = (n for n in range(1, len(records)) if records[n : n + 1] != reference.records[n : n + 1])
    half, start = max(1, len(records) // 2), next(parted, min(1, len(records) - 1))
    got = page(s, ("limit", half), ("offset", start), base=base)
    if got.records != records[start : start + half]:
        sentence = f"paging under {form.name} is not a slice of the filtered walk"
        differs(s, reference, sentence, got.exchange, f"{form.name}={form.value}&limit={half}&offset={start}")
    s.exercised()


def _a_part_of_another(s: Subject, field: str, form: Form, reference: Walk) -> None:
    """An id that another one has in it, as 1 is in 21, finds who holds it alone."""
    ids = sorted({id for record in reference.records for id in held(record, field) or ()}, key=len)
    part = next((id for id in ids if any(id != other and id in other for other in ids)), None)
    if part is not None:
        got = page(s, ("limit", REFERENCE_PAGE), base=list_call(s).asking((form.name, form.around.format(part))))
        finds_holders(s, field, part, got, reference, whole=False)


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
    _default_of(s, name, base, found, reference)
    if len(found) <= DEFAULT_LIMIT and name in BY_NAME and (part := _common_part(name, reference.records, len(found))):
        wider = list_call(s).asking((name, part))
        exchange = s.session.read(wider.asking(("limit", REFERENCE_PAGE)), s.caller())
        rows = rows_of(s.operation, exchange) or []  # what is as short may be refused, or be no word
        if len(rows) > len(found):
            _default_of(s, name, wider, rows, reference)


def _default_of(s: Subject, name: str, base: Call, found: list[Any], reference: Walk) -> None:
    """Without a limit twenty come of what a filter finds."""
    got = page(s, base=base)
    if got.records != found[:DEFAULT_LIMIT]:
        sentence = (
            f"beside {name} and without limit {len(got.records)} records came, not the first {DEFAULT_LIMIT} of them"
        )
        differs(s, reference, sentence, got.exchange, describe(*base.query))
    s.exercised()


def _common_part(name: str, records: list[Any], more_than: int) -> str:
    """Three letters that stand in most of the values that a filter could take; empty where no more than so many have
    any."""
    counts: Counter[str] = Counter()
    for text, holding in holders(name, records).items():
        parts = {text[i : i + 3].casefold() for i in range(len(text) - 2)}
        counts.update({part: holding for part in parts if part.isascii() and part.isalpha()})
    part, most = max(counts.items(), key=lambda each: (each[1], each[0]), default=("", 0))
    return part if most > more_than else ""


def _nobody(s: Subject, form: Form, base: Call) -> None:
    """A filter with a value that no record has brings none. What takes ids may refuse an unknown one."""
    unknown = form.unknown(s)
    exchange = s.session.read(base.asking((form.name, unknown), ("limit", 5)), s.caller())
    if not exchange.ok:
        return
    example = f"{form.name}={unknown}"
    found = as_page(s, exchange, example)
    if found.records:
        raise Broken(
            f"{form.name} with a value that no record has brings {len(found.records)} records", exchange, example
        )
    s.exercised()


def _gone_again(s: Subject, form: Form, base: Call, reference: Walk) -> None:
    """A filter counts for the call that it is sent with: the next one is answered as before (CWE-488)."""
    before = page(s)
    unknown = base.asking((form.name, form.unknown(s)), ("limit", 5))
    if not s.session.read_again(unknown, s.caller()).ok:
        return
    after = s.session.read_again(list_call(s), s.caller())
    if after.ok and as_page(s, after, "").records != before.records:
        sentence = f"a call without {form.name} is not answered as before, once another one had it"
        differs(s, reference, sentence, after, "without parameters")
    s.exercised()
