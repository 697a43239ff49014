"""One way to read every list: pages, walks and selection settings, shared by the families that look at collections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cdp.contract import Contract, Operation
from cdp.http import Exchange
from cdp.texts import timestamp
from contracts.applicability import FILTERS
from contracts.calls import Call
from contracts.checks import Broken, Moved, NotExercised, Unconfirmed
from contracts.observing import canonical, identity, rows_of
from contracts.subject import Subject

DEFAULT_LIMIT = 20
REFERENCE_PAGE = 100
_OTHERWISE = {"limit": 2, "offset": 1, "load_full_structure": 1}
# What a browser, an old client or a spreadsheet asks for; and all of them in one.
ANY_BUT_JSON = "text/html, application/xml;q=0.9, text/csv;q=0.8"
_CHANGED = "the collection changed while it was read; a quieter target would make it checkable"
ACCEPTS = ("text/html", "application/xml", "text/csv", "image/png, text/html;q=0.9")


@dataclass(frozen=True)
class Page:
    """A page of a collection as it was answered."""

    records: list[Any]
    settings: dict[str, Any] | None
    exchange: Exchange


def list_call(s: Subject) -> Call:
    """The valid call of a list operation, without paging parameters."""
    return s.call().asking(without=("limit", "offset"))


def page(s: Subject, *query: tuple[str, Any], base: Call | None = None) -> Page:
    """Read a page; Broken when the answer is no page, NotExercised when the caller may not read it."""
    exchange = s.session.read((base or list_call(s)).asking(*query), s.caller())
    return as_page(s, exchange, describe(*query))


def as_page(s: Subject, exchange: Exchange, example: str) -> Page:
    """The page in an answer. Where the operation or its key is not documented, a list under another key is none of the
    target's faults."""
    collection = s.operation.collection
    assert collection is not None
    if exchange.refused_access:
        raise NotExercised(f"the caller is refused with {exchange.status}")
    body, records = exchange.json, rows_of(s.operation, exchange)
    if records is None:
        where = f"under {collection.key}" if collection.key else "as an array"
        sentence = f"a valid list request got {exchange.outcome()} without a list {where}"
        provenance = s.operation.provenance
        found = _elsewhere(body) if exchange.ok and provenance != "documented" else None
        if found is not None:
            raise Unconfirmed(f"{sentence}, which is only {provenance}; one stands {found}")
        raise Broken(sentence, exchange, example, softly=provenance == "assumed")
    settings = body.get("selection_settings") if isinstance(body, dict) else None
    return Page(records, settings if isinstance(settings, dict) else None, exchange)


def _elsewhere(body: Any) -> str | None:
    """Where else in a body a list of records stands, in words."""
    if isinstance(body, list):
        return "for itself"
    names = [name for name, value in body.items() if isinstance(value, list)] if isinstance(body, dict) else []
    return f"under {names[0]}" if names else None


def asked_again(s: Subject) -> Exchange:
    """The list without parameters, asked once more and under an Accept header without JSON: one request that tells in
    a short profile whether equal calls are answered alike (PAGE-09) and whether only JSON comes (MEDIA-05)."""
    headers = {"Accept": ANY_BUT_JSON}
    return s.bench.once(f"again/{s.operation.id}", lambda: s.session.send(list_call(s), s.session.admin, headers))


def repeated(records: list[Any], key: str = "id") -> Any:
    """A record that stands among the records twice, all its fields alike; None where there is none. Rows without the
    key, which says what they are about, may be alike."""
    seen: set[str] = set()
    for record in records:
        if isinstance(record, dict) and record.get(key) is not None:
            text = canonical(record)
            if text in seen:
                return record
            seen.add(text)
    return None


def asked_otherwise(s: Subject, call: Call, *, filtered: bool = False) -> Call:
    """The same call with other parameters than usual: another page, the full structure, the last choice of each, and
    where that is wanted with filters."""
    told: list[tuple[str, Any]] = []
    for parameter in s.operation.query_parameters:
        choices = s.session.contract.resolved(parameter.schema).get("enum")
        if parameter.name in _OTHERWISE:
            told.append((parameter.name, _OTHERWISE[parameter.name]))
        elif parameter.name in FILTERS and filtered and parameter.name not in dict(call.query):
            told.append((parameter.name, 1 if parameter.name.endswith("_ids") else "a"))
        elif choices and not parameter.required:
            told.append((parameter.name, choices[-1]))
    return call.asking(*told)


def asked_about(contract: Contract, operation: Operation, name: Any) -> list[tuple[tuple[str, Any], ...]]:
    """Other ways to ask for a list in which a record that was made lately would stand: sorted and full, and by its
    name."""
    found: list[tuple[tuple[str, Any], ...]] = []
    beside: list[tuple[str, Any]] = []
    order = operation.query("order_by")
    choices = contract.resolved(order.schema).get("enum", ()) if order is not None else ()
    newest = next((n for n in ("created", "id") if n in choices), None)
    if newest is not None:
        beside.append(("order_by", newest))
        beside += [("order_dir", "DESC")] if operation.query("order_dir") else []
    beside += [("load_full_structure", 1)] if operation.query("load_full_structure") else []
    paging = [("limit", REFERENCE_PAGE)] if operation.query("limit") else []
    if beside:
        found.append((*paging, *beside))
    by_name = next((n for n in ("name_filter", "name_search", "searched_text") if operation.query(n)), None)
    if by_name is not None and isinstance(name, str) and name:
        found.append((*paging, (by_name, name)))
    return found


def first_difference(got: list[Any], expected: list[Any]) -> str:
    """Where records are others than they should be, in words."""
    for number, (one, other) in enumerate(zip(got, expected, strict=False)):
        if one != other:
            same = identity(one) == identity(other)
            return (
                f"record {number} has other content"
                if same
                else f"record {number} is {identity(one)!r:.60} instead of {identity(other)!r:.60}"
            )
    return f"{len(got)} records instead of {len(expected)}"


def describe(*query: tuple[str, Any]) -> str:
    """Parameters in words."""
    return "&".join(f"{name}={value}" for name, value in query) or "without parameters"


@dataclass(frozen=True)
class Walk:
    """Records from the start of a collection; `complete` when the end was reached, `first` = records of the first page.

    `short`: a page that brought fewer records than were asked for, although more came behind it.
    """

    records: list[Any]
    complete: bool
    exchange: Exchange
    short: Page | None = None
    first: int = REFERENCE_PAGE

    def __len__(self) -> int:
        return len(self.records)


def walk(s: Subject, step: int = REFERENCE_PAGE, base: Call | None = None, *, confirm: bool = True) -> Walk:
    """Read a collection page by page, up to the profile's window.

    A page that is not full need not be the last, because a server may cut the limit: `confirm` asks for what comes
    behind it. Where there is no offset, the walk ends with the first page.
    """
    window = s.session.profile.window
    offset = s.operation.query("offset") is not None
    limited = s.operation.query("limit") is not None  # unknown parameters may be refused
    records: list[Any] = []
    short = None
    first = -1
    while True:
        query: list[tuple[str, Any]] = [("limit", step)] if limited else []
        if records:
            query.append(("offset", len(records)))
        found = page(s, *query, base=base)
        records += found.records
        first = len(records) if first < 0 else first
        if len(found.records) < step:
            if not (confirm and offset and records and len(records) < window and _more(s, step, base, records)):
                return Walk(records, True, found.exchange, short, first)
            short = short or found
        if len(records) >= window or not offset:
            return Walk(records, False, found.exchange, short, first)


def _more(s: Subject, step: int, base: Call | None, records: list[Any]) -> bool:
    """Whether records that are not known yet come behind those that are. An answer that is no page counts as the end
    here."""
    behind = s.session.read((base or list_call(s)).asking(("limit", step), ("offset", len(records))), s.caller())
    try:
        found = as_page(s, behind, "").records
    except (Broken, NotExercised):
        return False
    known = {canonical(identity(r)) for r in records}
    return bool(found) and not known.intersection(canonical(identity(r)) for r in found)


def needing(s: Subject, records: Walk, count: int, what: str) -> None:
    """Raise NotExercised unless the walk holds at least so many records."""
    if len(records) < count:
        raise NotExercised(f"{s.operation.id} holds {len(records)} records; {what} needs {count}")


def still(s: Subject, reference: Walk, error: Broken, *beside: Exchange) -> Exception:
    """The verdict on a difference between two reads: it only counts when the collection held still meanwhile.
    `beside`: answers that it rests on, beside the walk and the error's own."""
    before = reference.records[: reference.first]
    again = s.session.send(_start(s), s.caller())
    now = as_page(s, again, "").records if again.ok else before
    if now != before:
        if s.bench.may_be_edits(before, now):
            return Moved()
        return NotExercised(_CHANGED)
    if _moved_behind(s, reference):
        return Moved()
    return _doubted(s, error, beside)


def _start(s: Subject) -> Call:
    """The call by which a walk begins."""
    return list_call(s).asking(*((("limit", REFERENCE_PAGE),) if s.operation.query("limit") else ()))


def _moved_behind(s: Subject, reference: Walk) -> bool:
    """Whether other people have changed what comes behind the first page of a walk since."""
    before = reference.records[reference.first :]
    now: list[Any] = []
    while before and len(now) < len(before):
        query = (("limit", REFERENCE_PAGE), ("offset", reference.first + len(now)))
        found = s.session.send(list_call(s).asking(*query), s.caller())
        rows = rows_of(s.operation, found)
        if not rows:
            break
        now += rows
    now = now[: len(before)]
    return now != before and s.bench.may_be_edits(before, now)


def differs(s: Subject, reference: Walk, sentence: str, exchange: Exchange, example: str, *beside: Exchange) -> None:
    """Raise the verdict on an answer that is another than the walk says."""
    raise still(s, reference, Broken(sentence, exchange, example), *beside)


def _doubted(s: Subject, error: Broken, beside: tuple[Exchange, ...] = ()) -> Exception:
    """An error that others could have caused, where they are at work: what they created and deleted again is gone by
    the time the start of the list is looked at, but then the answers that the error rests on do not come again."""
    error.doubtful = s.bench.others_at_work(list_call(s))
    answers = [*beside, *([error.exchange] if error.exchange is not None else [])]
    if error.doubtful and not all(_comes_again(s, answer) for answer in answers):
        moved = Moved()
        moved.doubtful = True
        return moved
    return error


def _comes_again(s: Subject, answer: Exchange) -> bool:
    """Whether the list answers the same when it is asked the same."""
    again = _same_again(s, answer)
    return again is None or again == rows_of(s.operation, answer)


def _same_again(s: Subject, answer: Exchange) -> list[Any] | None:
    """What the list answers when it is asked for an answer of its own again; None where that is none of a list."""
    rows, asked, call = rows_of(s.operation, answer), urlsplit(answer.url), list_call(s)
    if rows is None or urlsplit(call.url(s.session.target)).path != asked.path:
        return None
    call = replace(call, query=tuple(parse_qsl(asked.query, keep_blank_values=True)))
    found = rows_of(s.operation, s.session.send(call, s.caller()))
    return [] if found is None else found


def held_still(s: Subject, reference: Walk) -> None:
    """Raise Moved when others, who are known to be at work, changed the collection since: what came may make up for
    what is lost."""
    if s.bench.others_known:
        again = s.session.send(_start(s), s.caller())
        if again.ok and as_page(s, again, "").records != reference.records[: reference.first]:
            raise Moved()


def settled(s: Subject, before: list[Any], error: Broken, *query: tuple[str, Any]) -> Exception:
    """The verdict on a difference between records that were read earlier and the error's answer: other people's doing,
    if one of the two does not come again; else the error."""
    again = s.session.send(list_call(s).asking(*query), s.caller())
    now = as_page(s, again, "").records if again.ok else before
    pairs = [(before, now)]
    if error.exchange is not None and (then := _same_again(s, error.exchange)) is not None:
        pairs.append((rows_of(s.operation, error.exchange) or [], then))
    moved = [pair for pair in pairs if pair[0] != pair[1]]
    if any(s.bench.may_be_edits(*pair) for pair in moved):
        return Moved()
    return NotExercised(_CHANGED) if moved else _doubted(s, error)


def times_of(records: list[Any], field: str) -> list[datetime]:
    """The timestamps of records, where they have any that can be read."""
    return [t for r in records if isinstance(r, dict) and (t := timestamp(r.get(field)))]


def descent_ends(times: list[datetime]) -> int | None:
    """Position of the first time that is newer than the one before it; None when there is none."""
    return next((n for n in range(1, len(times)) if times[n] > times[n - 1]), None)
