"""More than anybody asks for, or less: a parameter that does not exist, one without a value, a filter that is sent
twice. Such requests may be taken or refused; what hands on all that it gets, or turns a text into a number without a
look, must not break (CWE-235)."""

from __future__ import annotations

from collections.abc import Iterator

from cdp.http import DROPPED
from contracts.applicability import FILTERS
from contracts.calls import Call
from contracts.conventions.harmless import touching_call
from contracts.subject import Subject, require


def overdone(s: Subject) -> None:
    """Raise Broken where such a request is a failure of the server."""
    for what, call in _too_much(s, touching_call(s)):
        exchange = s.session.send(call, s.session.admin)
        failed = exchange.failure == DROPPED or exchange.status >= 500
        require(not failed, f"{what} got {exchange.outcome()}", exchange, what)
        s.exercised()


def _too_much(s: Subject, call: Call) -> Iterator[tuple[str, Call]]:
    if s.operation.safety == "read":
        yield "a query parameter that does not exist", call.asking(("cdp_no_such_parameter", 1))
        for name in [n for n in ("limit", "offset") if s.operation.query(n)]:
            yield f"{name} without a value", call.asking((name, ""))
        for name in [n for n in FILTERS if s.operation.query(n)][:1]:
            yield f"{name} sent twice", call.asking((name, "cdpone"), (name, "cdptwo"))
