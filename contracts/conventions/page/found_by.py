"""What a filter finds, beside how it is paged: whom it fits and nobody else, in the order that is asked for, and what
was changed a moment ago (PAGE-10)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from cdp.http import Exchange
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, Unconfirmed
from contracts.conventions.listing import REFERENCE_PAGE, Page, Walk, as_page, describe, differs, list_call
from contracts.conventions.order.collation import in_order
from contracts.conventions.traits import one_for_each
from contracts.observing import canonical, identity, record_of, rows_of
from contracts.patience import PATIENCE_S, last_look
from contracts.subject import Subject

SENT_EMPTY = "sent empty"  # as the contract notes of a filter that clients send so, to ask for everything
_LONGEST = 100  # of names that are looked for
_WORD = re.compile(r"\b[A-Za-z]{3,}\b")
_TRAITS = tuple(map(re.compile, (r"\w \w", r"[&+#%;]", r"[^\x00-\x7f]", r"[A-Z]")))


def held(record: Any, field: str) -> set[str] | None:
    """The ids that a record holds under a name, as texts; None where it does not tell them."""
    value = record.get(field) if isinstance(record, dict) else None
    values = value if isinstance(value, list) else [value]
    if not isinstance(record, dict) or field not in record or any(isinstance(v, dict) for v in values):
        return None
    return {str(v) for v in values if v is not None}


def finds_holders(s: Subject, field: str, id: str, found: Page, reference: Walk, *, whole: bool) -> None:
    """A filter that takes an id finds records that hold it, and all of the list's where that is the `whole` answer."""
    example = urlsplit(found.exchange.url).query
    for record in found.records:
        ids = held(record, field)
        if ids is not None and id not in ids:
            sentence = f"{field} {id} is asked for, and {identity(record)!r:.60} is brought, which does not hold it"
            differs(s, reference, sentence, found.exchange, example)
    s.exercised()
    holds = [held(record, field) for record in reference.records]
    if not whole or not reference.complete or None in holds:
        return
    names = {str(identity(record)) for record in found.records}
    for record, ids in zip(reference.records, holds, strict=True):
        if ids is not None and id in ids and str(identity(record)) not in names:
            sentence = f"{field} {id} is asked for, and {identity(record)!r:.60}, which holds it, is not brought"
            differs(s, reference, sentence, found.exchange, example)


def sorted_beside(s: Subject, base: Call, filtered: Walk, reference: Walk) -> None:
    """order_by counts beside a filter, where it counts without one; and the filter counts beside order_by."""
    order = s.operation.query("order_by")
    if order is None or s.operation.query("order_dir") is None:
        return
    rows = [r for r in filtered.records if isinstance(r, dict)]
    choices = s.session.contract.resolved(order.schema).get("enum") or (list(rows[0]) if rows else [])
    names = [n for n in ("created", "name", "id") if n in choices]
    # An order that is not looked at would not show where they are sorted so anyway.
    for name in sorted(names, key=lambda n: in_order([r.get(n) for r in rows], False)):
        asked = (("order_by", name), ("order_dir", "ASC"), ("limit", REFERENCE_PAGE))
        answers = [s.session.read(call.asking(*asked), s.caller()) for call in (list_call(s), base)]
        if any(exchange.refused_as_invalid for exchange in answers):
            continue
        whole, part = (as_page(s, exchange, describe(*asked)) for exchange in answers)
        _finds_the_same(s, base, filtered, part, reference)
        values = [[r.get(name) for r in p.records if isinstance(r, dict)] for p in (whole, part)]
        if in_order(values[0], False):
            if not in_order(values[1], False):
                sentence = f"beside {describe(*base.query)} the records are not sorted by {name} ASC"
                differs(s, reference, sentence, part.exchange, describe(*base.query, *asked))
            s.exercised()
        return


def _finds_the_same(s: Subject, base: Call, filtered: Walk, part: Page, reference: Walk) -> None:
    """Under an order of its own a filter finds what it finds without one."""
    if not filtered.complete:
        return
    found, now = ({str(identity(r)) for r in records} for records in (filtered.records, part.records))
    if now - found or (len(part.records) < REFERENCE_PAGE and found - now):
        again = s.session.read_again(base.asking(("limit", REFERENCE_PAGE)), s.caller())
        if rows_of(s.operation, again) != filtered.records[: filtered.first]:
            return  # an index may come a moment later
        other = min(now - found or found - now)
        how = "is brought, which is not found" if now - found else "is not brought, which is found"
        sentence = f"beside an order {other:.60} {how} by {describe(*base.query)} alone"
        differs(s, reference, sentence, part.exchange, urlsplit(part.exchange.url).query, filtered.exchange)
    s.exercised()


def finds_whole_names(s: Subject, name: str, word: str, filtered: Walk, reference: Walk) -> None:
    """Who is looked for by the whole of his name is found by it: with the blanks in it, the signs that mean something
    in an address, the letters beyond ASCII. `filtered`: what a word of some names has found.

    Which fields a searched text is sought in is said nowhere: it has to have found all who have the word in their name,
    and some who have it nowhere else."""
    if name == "searched_text" and not (reference.complete and _looks_at_names(word, filtered, reference)):
        return
    for text in _telling_names(reference.records):
        _finds_whole_name(s, name, text, reference)


def _finds_whole_name(s: Subject, name: str, text: str, reference: Walk) -> None:
    call = list_call(s).asking((name, text), ("limit", REFERENCE_PAGE))
    exchange = s.session.read(call, s.caller())
    if exchange.client_error:
        return  # no page says that such a text is taken
    as_page(s, exchange, f"{name}={text}")

    def found(look: Exchange) -> bool:
        rows = rows_of(s.operation, look) or []
        return len(rows) >= REFERENCE_PAGE or any(isinstance(r, dict) and r.get("name") == text for r in rows)

    if not found(exchange) and not last_look(lambda: s.session.read_again(call, s.caller()), found, PATIENCE_S)[0]:
        differs(s, reference, f"a record is not found by its name, {text!r:.80}", exchange, f"{name}={text}")
    s.exercised()


def _looks_at_names(word: str, filtered: Walk, reference: Walk) -> bool:
    wanted = word.casefold()
    found = {str(identity(r)) for r in filtered.records}
    holders = [r for r in reference.records if isinstance(r, dict) and wanted in str(r.get("name")).casefold()]
    nowhere_else = [r for r in holders if wanted not in canonical({**r, "name": None}).casefold()]
    return bool(nowhere_else) and all(str(identity(r)) in found for r in holders)


def _telling_names(records: list[Any]) -> list[str]:
    """Names of some records, one for each trait. Every one has a plain word in it, without which programs that look for
    words find none."""
    names = [r["name"] for r in records if isinstance(r, dict) and isinstance(r.get("name"), str)]
    plain = [
        n for n in names if n == " ".join(n.split()) and len(n) <= _LONGEST and n.isprintable() and _WORD.search(n)
    ]
    return one_for_each(_TRAITS, plain, str)


def finds_everything(s: Subject, name: str, reference: Walk) -> None:
    """A filter without a text leaves nothing out. That is known of what clients send so; of another one only that it
    brings everything, or nothing, or refuses it."""
    exchange = s.session.read(list_call(s).asking((name, ""), ("limit", REFERENCE_PAGE)), s.caller())
    parameters = s.session.contract.raw(s.operation).get("parameters", ())
    known = any(p.get("name") == name and SENT_EMPTY in str(p.get("description")) for p in parameters)
    if exchange.client_error and not known:
        return
    got = as_page(s, exchange, f"{name}=")
    if got.records != reference.records[: reference.first] and (got.records or known):
        sentence = f"beside an empty {name} {len(got.records)} records came, without it {reference.first}"
        differs(s, reference, sentence, exchange, f"{name}=&limit={REFERENCE_PAGE}")
    s.exercised()


def finds_changed(s: Subject, name: str) -> None:
    """A record is found by the name that a change has given it. Its index may come a moment later."""
    update = s.session.contract.by_action(s.operation.entity, "update")
    if update is None or s.operation.action != "list" or s.operation.path_parameters:
        return
    try:
        change, answer = s.bench.control(update)
    except (NotExercised, Unconfirmed):
        return
    record = record_of(update, answer)
    text = (change.sent or {}).get("name")
    if not answer.ok or not isinstance(text, str) or not isinstance(record, dict) or record.get("name") != text:
        return
    if not s.bench.execute(change, judged=False).ok:
        return
    answered, (rows, exchange) = last_look(
        lambda: _looked_for(s, change, (name, text)), lambda look: look[0] != [], PATIENCE_S
    )
    if answered:
        s.exercised(1 if rows else 0)  # whether it is answered at all is looked at elsewhere
    elif _looked_for(s, change)[0]:
        raise Broken(f"a record is not found by the name that it was given {PATIENCE_S:g} s ago", exchange, text)


def _looked_for(s: Subject, change: Call, *query: tuple[str, str]) -> tuple[list[Any] | None, Exchange]:
    """What a page of the list, asked for anew, holds of the record that a change is about."""
    known_by = change.operation.path_parameters[-1]
    exchange = s.session.read_again(list_call(s).asking(*query, ("limit", REFERENCE_PAGE)), s.caller())
    rows = rows_of(s.operation, exchange)
    wanted = change.path[known_by.name]
    found = [r for r in rows or () if isinstance(r, dict) and str(r.get(known_by.field)) == wanted]
    return None if rows is None else found, exchange
