"""AUTH-07: a refusal tells nothing but that it is one."""

from __future__ import annotations

from cdp.http import Exchange
from contracts.checks import NotExercised, check
from contracts.conventions.auth.attempts import try_call, with_ended_token
from contracts.conventions.auth.named_users import names_a_user
from contracts.conventions.auth.shown_inside import shown_inside
from contracts.conventions.disclosure import internals, record_within
from contracts.subject import Subject, require


@check("AUTH-07")
def refusal_tells_nothing(s: Subject) -> None:
    s.control()
    refusals = [e for e in s.session.seen(s.operation) if e.status == 401]
    if not refusals:  # the requirements that bring some about are not part of this run
        ended = None if s.quick else with_ended_token(s)
        refusals = [try_call(s), *([ended(s.bench.untouched_call(s.operation))] if ended else [])]
    for exchange in refusals:
        if exchange.status != 401:
            raise NotExercised(f"the call without a token got {exchange.outcome()} instead of 401")
        tells_nothing(s, exchange)
        told = names_a_user(s, exchange)
        require(not told, f"the refusal with 401 {told}", exchange)


def tells_nothing(s: Subject, exchange: Exchange) -> None:
    """A refusal is a JSON object without records and without anything of the server's inside."""
    body = exchange.json
    require(isinstance(body, dict), f"the refusal with {exchange.status} is no JSON object", exchange)
    keys = (s.operation.item_key, s.operation.collection.key if s.operation.collection else None, "selection_settings")
    data = sorted(key for key in keys if key is not None and body.get(key) is not None)
    require(not data, f"the refusal with {exchange.status} brings {', '.join(data)}", exchange)
    records = record_within(s.session.contract, s.operation, body)
    require(records is None, f"the refusal with {exchange.status} brings a record under {records!r:.60}", exchange)
    told = shown_inside(s, exchange)
    require(not told, f"the refusal with {exchange.status} {told}", exchange)
    found = internals(exchange)
    require(not found, f"the refusal with {exchange.status} shows internals: {found}", exchange)
    s.exercised()
