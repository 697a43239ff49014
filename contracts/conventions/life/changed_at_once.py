"""LIFE-03: what one change sets is not lost to another one at the same moment (CWE-362)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cdp.contract import Operation
from contracts.arrangement import OwnRecord
from contracts.conventions.at_once import ROUNDS
from contracts.conventions.life.model import same
from contracts.conventions.life.values import Values
from contracts.finding import Unavailable
from contracts.subject import Subject, require


def changes_of_their_own(s: Subject) -> None:
    """LIFE-03: of two changes of different fields at the same moment, which are both answered with success, none is
    lost: each changes the fields that it names and no other. Only where both show when one is made after the other."""
    contract = s.session.contract
    if s.operation.method != "PATCH" or contract.by_action(s.operation.entity, "create") is None:
        return
    read = contract.by_action(s.operation.entity, "read")
    if read is None:
        return
    with suppress(Unavailable):
        own, values = s.bench.arrangement.own(str(s.operation.entity)), Values(s.bench)
        for number in range(ROUNDS):
            now, _ = s.bench.read_back(own, read)
            body = values.of_a_change(s.operation, now, 2 * number, 2)
            changed = [name for name in body if name in now and not same(body[name], now[name])]
            beside = {name: value for name, value in body.items() if name not in changed}  # what has to be sent always
            if len(changed) < 2:
                return
            _both_are_kept(s, own, read, [{**beside, name: body[name]} for name in changed[:2]])


def _both_are_kept(s: Subject, own: OwnRecord, read: Operation, bodies: Sequence[dict[str, Any]]) -> None:
    calls = [own.call(s.operation).sending(body) for body in bodies]
    exchanges = s.session.send_at_once([(call, s.session.admin) for call in calls])
    if not exchanges or not all(exchange.ok for exchange in exchanges):
        return
    record, exchange = s.bench.read_back(own, read)
    lost = [name for body in bodies for name, value in body.items() if not same(value, record.get(name))]
    if lost and all(s.bench.execute(call).ok for call in calls):
        after, _ = s.bench.read_back(own, read)
        by_itself = all(same(value, after.get(name)) for body in bodies for name, value in body.items())
        sentence = f"of two changes at the same moment, both answered with success, that of {', '.join(lost)} is lost"
        require(not by_itself, sentence, exchange, "change two fields of a record at the same moment; read it")
    s.exercised()
