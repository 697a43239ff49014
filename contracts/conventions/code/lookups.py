"""CODE-03 of operations that are about whom a query parameter names: who is not there is a 404."""

from __future__ import annotations

from contracts.conventions.harmless import NO_SUCH, like
from contracts.finding import Unavailable
from contracts.subject import Subject, require


def nobody_found(s: Subject) -> None:
    """A value that nobody has, and a record that holds nobody, each beside what is in order."""
    call, known = s.call(), dict(s.call().query)
    for parameter in s.operation.query_parameters:
        raw = s.bench.arrangement.finder.raw_parameter(s.operation, parameter.name)
        if not raw.get("x-finds"):
            continue
        if "x-entity" in raw:
            try:
                held = s.bench.arrangement.holding_nobody(raw["x-entity"])
            except Unavailable:
                continue  # nothing may be made there
            value, what = str(held.record[raw.get("x-field", "id")]), f"a {raw['x-entity']} that holds nobody"
        else:
            value, what = like(known.get(parameter.name, ""), s.random) or NO_SUCH, "a value that nobody has"
        exchange = s.session.send(call.asking((parameter.name, value)), s.session.admin)
        require(exchange.status == 404, f"{what} got {exchange.outcome()} instead of 404", exchange, parameter.name)
        s.exercised()
