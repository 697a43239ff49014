"""What holds for one request holds beside others: who asks at the same moment as somebody else gets his own answer
(CWE-362, CWE-488).

A few reads at a time, a few times, in the longer profiles. A race shows by chance, so that one which is rare stays for
load runs. Nothing of it on a target whose entry names a rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cdp.http import Exchange
from contracts.calls import Call
from contracts.conventions.listing import describe, list_call
from contracts.observing import record_of, rows_of
from contracts.session import Identity
from contracts.subject import Subject, require

ROUNDS = 4
_TOGETHER = 4
_SHRINKS = 8  # a list may become so much shorter meanwhile
AT_ONCE = f"{_TOGETHER} requests at the same moment"


def _rounds(s: Subject, asked: Sequence[tuple[Call, Identity]]) -> Iterator[list[Exchange]]:
    """The answers to what is sent at the same moment, some times."""
    for _ in range(ROUNDS):
        exchanges = s.session.send_at_once(asked)
        if exchanges:
            yield exchanges


def _is_get(s: Subject) -> bool:
    return s.operation.safety == "read" and s.operation.method == "GET"


def never_too_many(s: Subject) -> None:
    """CODE-01: the same read, at once, is answered each time. The caller looks at what has come."""
    if not _is_get(s):
        return
    call, control = s.bench.control(s.operation)
    if control.ok:
        for _ in _rounds(s, [(call, s.session.admin)] * _TOGETHER):
            s.exercised()


def forbidden_beside_others(s: Subject, call: Call, caller: Identity, what: str) -> None:
    """ROLE-01: a caller is judged by his own role, whoever asks at the same moment."""
    if not _is_get(s):
        return
    for exchanges in _rounds(s, [(call, s.session.admin), (call, caller)] * (_TOGETHER // 2)):
        for exchange in exchanges[1::2]:
            sentence = f"{what} got {exchange.outcome()} instead of 403 while somebody who may was asking, too"
            require(exchange.status == 403, sentence, exchange, AT_ONCE)
        for exchange in exchanges[::2]:
            sentence = "the run's own role got 403 while somebody who may not was asking, too"
            require(exchange.status != 403, sentence, exchange, AT_ONCE)
        s.exercised()


def records_of_their_own(s: Subject, calls: Sequence[Call], parameter: str, field: str) -> None:
    """SHAPE-03: of several records, each of which is what it is called when read alone, none is taken for another one
    when they are read at once."""

    def is_itself(call: Call, exchange: Exchange) -> bool:
        record = record_of(s.operation, exchange)
        told = record.get(field) if exchange.ok and isinstance(record, dict) else None
        return told is None or str(told) == call.path[parameter]

    known = [call for call in calls if is_itself(call, s.session.read(call, s.session.admin))][:_TOGETHER]
    if len(known) < 2:
        return
    for exchanges in _rounds(s, [(call, s.session.admin) for call in known]):
        for call, exchange in zip(known, exchanges, strict=True):
            sentence = f"who asked for {field} {call.path[parameter]:.60} got another one, which was asked for, too"
            require(is_itself(call, exchange), sentence, exchange, AT_ONCE)
        s.exercised()


def pages_of_their_own(s: Subject, count: int) -> None:
    """PAGE-03: pages of different limits that are asked for at once have as many records as each was to have. `count`:
    how many records the list holds."""
    if count < _TOGETHER + _SHRINKS:
        return
    calls = [list_call(s).asking(("limit", limit)) for limit in range(1, _TOGETHER + 1)]
    for exchanges in _rounds(s, [(call, s.caller()) for call in calls]):
        for limit, exchange in enumerate(exchanges, start=1):
            rows = rows_of(s.operation, exchange) if exchange.ok else None
            if rows is None:
                continue
            sentence = f"limit={limit} brought {len(rows)} records, while others asked for other limits"
            require(len(rows) == limit, sentence, exchange, f"{describe(('limit', limit))}; {AT_ONCE}")
        s.exercised()
