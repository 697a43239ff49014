"""Pages behind what a walk reads, and pages that go by the last record that was seen in place of an offset (PAGE-02,
PAGE-03, PAGE-04)."""

from __future__ import annotations

from typing import Any

from contracts.checks import Broken, Moved, NotExercised
from contracts.conventions.listing import REFERENCE_PAGE, Page, Walk, as_page, describe, differs, list_call, page
from contracts.observing import identity
from contracts.subject import Subject, require

FAR = (1000, 500)  # offsets; the first that the list reaches
_STEP, _STEPS = 4, 3


def far_behind(s: Subject, reference: Walk) -> None:
    """Behind the walk, too, each offset is one record further on."""
    for offset in FAR if not reference.complete else ():
        asked = (("limit", 2), ("offset", offset))
        got = page(s, *asked)
        if len(got.records) < 2:
            continue
        further = page(s, ("limit", 1), ("offset", offset + 1))
        if further.records != got.records[1:2]:
            sentence = f"the record at offset {offset + 1} is another alone than behind the one before it"
            differs(s, reference, sentence, further.exchange, describe(("limit", 1), ("offset", offset + 1)))
        known = [r for r in reference.records if isinstance(r, dict) and "id" in r and offset >= len(reference)]
        if any(identity(r) == identity(got.records[0]) for r in known):
            sentence = f"offset={offset} brings {identity(got.records[0])!r:.60}, which stands before"
            differs(s, reference, sentence, got.exchange, describe(*asked))
        s.exercised()
        return


def more_than_walked(s: Subject, reference: Walk, limit: int) -> None:
    """A limit beyond what a walk reads is kept, too, or cut to one that the answer tells."""
    query = ("limit", limit)
    exchange = s.session.read(list_call(s).asking(query), s.caller())
    if reference.complete or exchange.client_error:
        return
    got = as_page(s, exchange, describe(query))
    told = (got.settings or {}).get("limit")
    if len(got.records) >= limit or (isinstance(told, int) and told == len(got.records)):
        return
    behind = page(s, ("limit", 1), ("offset", len(got.records)))
    if behind.records:
        sentence = f"{describe(query)} brought {len(got.records)} records although more are left"
        differs(s, reference, sentence, got.exchange, describe(query))


def by_cursor(s: Subject) -> None:
    """Pages that go by the last record that was seen: each goes on behind the one before, and what is told of a page is
    true of it."""
    collection = s.operation.collection
    assert collection is not None and collection.cursor is not None
    whole = page(s, ("limit", REFERENCE_PAGE)).records
    if len(whole) <= _STEP:
        raise NotExercised(f"{s.operation.id} holds {len(whole)} records; a second page needs {_STEP + 1}")
    names = [identity(r) for r in whole]
    query: tuple[tuple[str, Any], ...] = (("limit", _STEP),)
    for number in range(min(_STEPS, len(whole) // _STEP)):
        got = page(s, *query)
        found = [identity(r) for r in got.records]
        wanted = names[number * _STEP : (number + 1) * _STEP]
        if found != wanted:
            raise _unless_moved(s, whole, f"page {number + 1} is not what comes there in a page of all", got, query)
        query = (("limit", _STEP), (collection.cursor, _told(found, got, query, whole)))
        s.exercised()


def _unless_moved(
    s: Subject, whole: list[Any], sentence: str, got: Page, query: tuple[tuple[str, Any], ...]
) -> Exception:
    """The verdict on a page of a list to which more may have come meanwhile."""
    now = as_page(s, s.session.read_again(list_call(s).asking(("limit", REFERENCE_PAGE)), s.caller()), "").records
    return Moved() if now != whole else Broken(sentence, got.exchange, describe(*query))


def _told(found: list[Any], got: Page, query: tuple[tuple[str, Any], ...], whole: list[Any]) -> Any:
    """Beside the records stand how many they are, and the id of the last one, which is the next page's cursor. Whether
    the records of the page or of the whole list are counted is not documented."""
    body, last = got.exchange.json, got.records[-1]
    meta = body.get("meta") if isinstance(body, dict) else None
    if not isinstance(meta, dict):
        return found[-1]
    known = {
        "result_count": len(found),
        **({"oldest_id": last["id"]} if isinstance(last, dict) and "id" in last else {}),
    }
    for name, value in known.items():
        told = meta.get(name, value)
        if name == "result_count" and isinstance(told, int) and told >= len(whole):
            continue  # more than are known to be there may have come meanwhile
        sentence = f"{name} is {told!r:.60}, and the page is one of {value!r:.60}"
        require(str(told) == str(value), sentence, got.exchange, describe(*query))
    return meta.get("oldest_id", found[-1])
