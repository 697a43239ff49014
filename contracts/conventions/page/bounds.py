"""Parameters that bound what a list brings: the most rows of a kind, the first and the last day (PAGE-11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cdp.contract import Parameter
from contracts.applicability import settings_keys
from contracts.calls import Call
from contracts.checks import NotExercised, check
from contracts.conventions.listing import list_call
from contracts.conventions.page.switches import is_switch
from contracts.observing import rows_of
from contracts.subject import Subject, require

EACH, FROM, UNTIL = "each", "from", "until"
_MANY = 100  # rows of a kind that clients ask for


def bound_of(s: Subject, parameter: Parameter) -> Mapping[str, str]:
    """What a parameter bounds; nothing where it is no bound."""
    found: Mapping[str, str] = s.bench.arrangement.finder.raw_parameter(s.operation, parameter.name).get("x-bounds", {})
    return found


@check("PAGE-11")
def bounds_are_kept(s: Subject) -> None:
    s.control()
    bounds = [(p.name, how, field) for p in s.operation.query_parameters for how, field in bound_of(s, p).items()]
    for name, how, field in bounds:
        if how == EACH:
            _most_of_each(s, name, field)
    days = {how: (name, field) for name, how, field in bounds if how in (FROM, UNTIL)}
    if len(days) == 2:
        _within_days(s, days[FROM][0], days[UNTIL][0], days[FROM][1])
    _told_as_asked(s)
    if not s.evidence:
        raise NotExercised("the list holds too little for a bound to leave anything out")


def _rows(s: Subject, call: Call) -> tuple[list[Any], Any]:
    exchange = s.session.read(call, s.caller())
    if exchange.refused_access:
        raise NotExercised(f"the caller is refused with {exchange.status}")
    return [r for r in rows_of(s.operation, exchange) or [] if isinstance(r, dict)], exchange


def _most_of_each(s: Subject, name: str, field: str) -> None:
    """Of somebody who has several of a kind no more than so many come, of each kind that he has."""
    call = list_call(s)
    beside = s.bench.arrangement.finder.beside(s.operation, call.path) if call.path else []
    for path in [call.path, *beside]:
        about = call.at(**path)
        whole, _ = _rows(s, about.asking((name, _MANY)))
        counts = Counter(str(r.get(field)) for r in whole)
        if max(counts.values(), default=0) < 2:
            continue
        for most in (1, max(counts.values()) - 1):
            rows, exchange = _rows(s, about.asking((name, most)))
            if not exchange.ok:
                continue
            got = Counter(str(r.get(field)) for r in rows)
            more = next((kind for kind, count in got.items() if count > most), None)
            sentence = f"{name}={most} brings {got[more or '']} rows of {field} {more}"
            require(more is None, sentence, exchange, f"{name}={most}")
            lost = next((kind for kind in counts if not got[kind]), None)
            require(lost is None, f"{name}={most} brings no row of {field} {lost}", exchange, f"{name}={most}")
            s.exercised()
        return


def _told_as_asked(s: Subject) -> None:
    """Of a switch that is off by default selection_settings tell that it is off, and on where it is asked for."""
    keys = settings_keys(s.session.contract, s.operation)
    for name in [p.name for p in s.operation.query_parameters if p.name in keys and is_switch(s, p.schema)]:
        for query, on in (((), False), (((name, 1),), True)):
            _, exchange = _rows(s, list_call(s).asking(*query, without=(name,)))
            body = exchange.json if exchange.ok and isinstance(exchange.json, dict) else {}
            settings = body.get("selection_settings")
            told = settings.get(name) if isinstance(settings, dict) else None
            asked = f"{name}=1" if on else f"without {name}"
            require(told in (None, on), f"{asked} selection_settings tell that {name} is {told!r:.60}", exchange, asked)
            s.exercised(int(told is not None))


def _within_days(s: Subject, start: str, end: str, field: str) -> None:
    """No day before the first or after the last one that is asked for comes; those between them do."""
    call = list_call(s).asking(without=(start, end))
    days = sorted({str(r[field]) for r in _rows(s, call)[0] if r.get(field) is not None})
    if len(days) < 4:
        return
    first, last = days[len(days) // 3], days[2 * len(days) // 3]
    for query in (((start, first), (end, last)), ((start, first),), ((end, last),)):
        rows, exchange = _rows(s, call.asking(*query))
        if not exchange.ok:
            continue  # one alone may be refused
        asked = dict(query)
        got = {str(r.get(field)) for r in rows}
        example = "&".join(f"{name}={value}" for name, value in query)
        beyond = next((d for d in sorted(got) if d < asked.get(start, d) or d > asked.get(end, d)), None)
        require(beyond is None, f"{example} brings {beyond}", exchange, example)
        inner = [d for d in days if first < d < last]
        lost = next((d for d in inner if d not in got), None) if len(query) == 2 else None
        require(lost is None, f"{example} does not bring {lost}, which comes without it", exchange, example)
        s.exercised()
