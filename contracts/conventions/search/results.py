"""SEARCH-04: what a search finds is a list like any other, paged and ordered."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from cdp.texts import timestamp
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.listing import repeated, walk
from contracts.conventions.search.asking import about_texts, find, telling_apart, text_call, text_parameter, values_of
from contracts.conventions.search.known_values import SHORTEST, known_values
from contracts.observing import canonical
from contracts.subject import Subject


@check("SEARCH-04")
def results_are_paged_and_ordered(s: Subject) -> None:
    s.control()
    about_texts(s)
    wanted = max(2, s.session.profile.examples)
    asked = dict(s.call().query).get(text_parameter(s).name, "")
    pieces = [piece for value, _ in known_values(s) for piece in value.replace("@", " ").split()]
    texts = dict.fromkeys(t for t in [*text_parameter(s).samples, *pieces] if t != asked and len(t) >= SHORTEST)
    for text in texts:
        reference = walk(s, base=text_call(s, text))
        if len(reference) < 2:
            continue
        _none_twice(s, text, reference.records, reference.exchange)
        _paged(s, text, reference.records, reference.complete)
        _ordered(s, text, reference.records, reference.exchange)
        wanted -= 1
        if not wanted:
            return
    if not s.evidence:
        raise NotExercised("no text that was tried finds two records or more")


def _none_twice(s: Subject, text: str, records: list[Any], exchange: Any) -> None:
    """A value of a customer is found once, however often others share it. Rows that do not tell which of his values
    they are about may be alike; and what a row tells is assumed."""
    fields = telling_apart(s)
    rows = [r for r in records if isinstance(r, dict) and fields and all(r.get(name) is not None for name in fields)]
    row = repeated(rows, values_of(s)[1].field)
    if row is not None:
        raise Broken(f"the results hold {canonical(row):.80} twice", exchange, text, softly=True)


def _paged(s: Subject, text: str, records: list[Any], complete: bool) -> None:
    """Slices of the results are slices of the whole walk, and a page past the end is empty."""
    count = len(records)
    size = s.random.randint(1, max(1, count // 2))
    start = s.random.randint(1, max(1, count - size))
    slices = [((), 0, 20), ((("limit", size), ("offset", start)), start, start + size)]
    if complete:
        slices.append(((("limit", size), ("offset", count)), count, count + size))
    for query, first, last in slices:
        got = find(s, text, *query)
        if got.records != records[first:last]:
            again = walk(s, base=text_call(s, text).asking(("cdp_again", 1)))
            if again.records != records:
                raise NotExercised("the results changed while they were read; a quieter target would make it checkable")
            told = "&".join(f"{n}={v}" for n, v in ((text_parameter(s).name, text), *query))
            raise Broken(f"a page of the results is not the slice [{first}:{last}] of them", got.exchange, told)
        s.exercised()


def _ordered(s: Subject, text: str, records: list[Any], exchange: Any) -> None:
    collection = s.operation.collection
    assert collection is not None
    field = collection.timestamp
    times = [t for r in records if field and isinstance(r, dict) and (t := timestamp(r.get(field)))]
    for earlier, later in pairwise(times):
        if later > earlier:
            softly = collection.timestamp_provenance == "assumed"
            sentence = f"a result of {later:%Y-%m-%d %H:%M:%S} stands behind one of {earlier:%Y-%m-%d %H:%M:%S}"
            raise Broken(sentence, exchange, text, softly=softly)
    if len(set(times)) > 1:
        s.exercised()
