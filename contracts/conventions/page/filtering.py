"""PAGE under filters (PAGE-10), and values that a filter takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from cdp.texts import timestamp
from contracts.applicability import FILTERS, HIDDEN, HIDING
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
from contracts.observing import identity, rows_of
from contracts.subject import Subject

BY_NAME = ("name_filter", "name_search", "searched_text")
FIELDS = {"event_ids": "event_id", "source_ids": "source_id", "tag_ids": "tags", "search_text": "value"}
_PART = 300
_TEXTS_OF, _TEXTS = 2, 6  # records whose other texts are searched for where their names find nothing, and texts


@check("PAGE-10")
def paging_under_filters(s: Subject) -> None:
    s.control()
    reference = walk(s)
    needing(s, reference, 3, "a filter with something to leave out")
    unknown: list[str] = []
    _hides(s, reference)
    hidden = s.evidence
    for name in [n for n in FILTERS if s.operation.query(n)]:
        unknown += [] if _filtered(s, name, reference) else [name]
        if s.quick and s.evidence > hidden:
            return
    if not s.quick:
        _under_switches(s, reference)
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
    form = _form_of(s, name, value, reference, most)
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
    if s.quick:
        return True
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
    return True


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


def _under_switches(s: Subject, reference: Walk) -> None:
    """Pages are slices of the walk under a switch, too, such as show_hidden=1."""
    for parameter in s.operation.query_parameters:
        if not is_switch(s, parameter.schema) or parameter.required or parameter.name == "load_full_structure":
            continue
        base = list_call(s).asking((parameter.name, 1))
        found = walk(s, base=base).records
        if parameter.name == HIDING:
            _shows_hidden(s, found, reference)
        if len(found) < 3:
            continue
        start = max(1, len(found) // 2 - 1)
        # No more than servers that cap the limit still give; and of a longer list a part will do.
        wanted = min(len(found) - start, _PART)
        got = page(s, ("limit", wanted), ("offset", start), base=base)
        if len(found) <= s.session.profile.window and got.records != found[start : start + wanted]:
            example = f"{parameter.name}=1&limit={wanted}&offset={start}"
            sentence = f"paging under {parameter.name} is not a slice of the walk under it"
            differs(s, reference, sentence, got.exchange, example)
        s.exercised()


def _shows_hidden(s: Subject, found: list[Any], reference: Walk) -> None:
    """Under the switch comes what comes without it, and beside it nothing but what is hidden."""
    known = {str(identity(r)) for r in reference.records}
    lost = known - {str(identity(r)) for r in found}
    if reference.complete and len(found) < s.session.profile.window and lost:
        sentence = f"{HIDING}=1 does not bring {min(lost)!r:.60}, which comes without it"
        differs(s, reference, sentence, reference.exchange, f"{HIDING}=1")
    if s.operation.query("cascade_is_hidden"):
        return  # what is hidden with its source may come, too
    for record in found if reference.complete else ():
        if isinstance(record, dict) and str(identity(record)) not in known and record.get(HIDDEN) in (0, False):
            sentence = f"{HIDING}=1 brings {identity(record)!r:.60}, which is not hidden and does not come without it"
            differs(s, reference, sentence, reference.exchange, f"{HIDING}=1")


def _hides(s: Subject, reference: Walk) -> None:
    """Without the switch nothing comes that is hidden."""
    rows = [r for r in reference.records if isinstance(r, dict) and HIDDEN in r]
    if s.operation.query(HIDING) is None or not rows:
        return
    shown = next((r for r in rows if r[HIDDEN] in (1, True)), None)
    if shown is not None:
        sentence = f"without {HIDING} {identity(shown)!r:.60} comes, which is hidden"
        differs(s, reference, sentence, reference.exchange, "without parameters")
    s.exercised()


def is_switch(s: Subject, schema: Any) -> bool:
    """Whether a parameter takes 0 and 1 alone."""
    found = s.session.contract.resolved(schema)
    return found.get("enum") == [0, 1] or any(is_switch(s, part) for part in found.get("allOf", ()))


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
    for text, holding in _holders(name, records).items():
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


@dataclass(frozen=True)
class Form:
    """A way to write a filter: the parameter's name and its value."""

    name: str
    value: str
    around: str = "{}"

    def unknown(self, s: Subject) -> str:
        """A value that no record has, written the same way."""
        bare = self.value[1:-1].strip('"') if self.around != "{}" else self.value
        unknown = f"cdp{s.number}nobody" if not bare.isdigit() else "987654321"
        return self.around.format(unknown)


def _form_of(s: Subject, name: str, value: str, reference: Walk, most: int) -> Form | None:
    """The way to write a filter that the target takes. Only where the usual one shows nothing others are tried: how
    texts are matched is said nowhere, so a whole name may be needed, and neither is how a list stands in a query.

    None where it is not known: a list that is refused, or has no effect, in every form. A text that finds nothing even
    as a whole name, and an empty answer, are findings: the usual form is answered then.
    """
    usual = Form(name, value)
    exchange = s.session.read(list_call(s).asking((name, value), ("limit", most)), s.caller())
    rows = rows_of(s.operation, exchange)
    if name in BY_NAME:
        if rows != []:
            return usual
        names = (text for text in _holders(name, reference.records) if value.casefold() in text.casefold())
        whole = Form(name, next(names, value))
        texts = _other_texts(reference.records) if name == "searched_text" else []
        forms = [whole, *(Form(name, text) for text in texts)]
        return next((form for form in forms if texts and _finds(s, form)), whole)
    if not name.endswith("_ids") or exchange.refused_access or not (exchange.ok or exchange.client_error):
        return usual
    if exchange.ok and ((s.quick and rows) or _tells(s, usual)):
        return usual
    text = "{}" if value.isdigit() else '"{}"'
    others = (Form(f"{name}[]", value), Form(name, f"[{text.format(value)}]", f"[{text}]"))
    return next((form for form in others if _tells(s, form)), usual if exchange.ok and not rows else None)


def _other_texts(records: list[Any]) -> list[str]:
    """Texts of some records beside their names: which fields a searched text is sought in is said nowhere."""
    texts = [
        text
        for record in records[:_TEXTS_OF]
        if isinstance(record, dict)
        for field, text in record.items()
        if field not in ("id", "name") and isinstance(text, str) and 3 <= len(text) <= 100 and timestamp(text) is None
    ]
    return list(dict.fromkeys(texts))[:_TEXTS]


def _finds(s: Subject, form: Form) -> bool:
    exchange = s.session.read(list_call(s).asking((form.name, form.value), ("limit", REFERENCE_PAGE)), s.caller())
    return bool(rows_of(s.operation, exchange))


def _tells(s: Subject, form: Form) -> bool:
    """Whether a filter that takes ids has an effect: it finds records, and with an id that no record has none."""
    base = list_call(s)
    found, none = (
        s.session.read(base.asking((form.name, value), ("limit", limit)), s.caller())
        for value, limit in ((form.value, REFERENCE_PAGE), (form.unknown(s), 5))
    )
    return bool(rows_of(s.operation, found)) and not rows_of(s.operation, none)


def _holders(name: str, records: list[Any]) -> dict[str, int]:
    """The values that a filter could take, as texts, and how many records hold each."""
    holders: dict[str, int] = {}
    for record in records:
        value = record.get(FIELDS.get(name, "name")) if isinstance(record, dict) else None
        for text in {
            str(v)
            for v in (value if isinstance(value, list) else [value])
            if v not in (None, "") and not isinstance(v, dict)
        }:
            holders[text] = holders.get(text, 0) + 1
    return holders


def filter_value(name: str, records: list[Any]) -> tuple[str | None, int]:
    """A value for a filter that some records meet, not all of them if possible, and how many meet it for sure."""
    holders = _holders(name, records)
    if name == "search_text":
        return next(((text, 1) for text in holders if len(text) >= 3), (None, 0))
    if name in BY_NAME:
        words = {w for text in holders for w in text.split() if w.isascii() and w.isalnum() and len(w) >= 3}
        counts = {w: sum(n for text, n in holders.items() if w.casefold() in text.casefold()) for w in sorted(words)}
    else:
        counts = holders
    some = {value: n for value, n in counts.items() if n < len(records)} or counts
    best = max(some, key=lambda value: some[value], default=None)
    return best, some[best] if best is not None else 0
