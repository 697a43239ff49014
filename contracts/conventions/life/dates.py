"""LIFE-03: when a record was made stays what it was, also where a change comes later than in the same second."""

from __future__ import annotations

from time import sleep

from contracts.conventions.life.model import CREATED, READ
from contracts.conventions.life.values import Values
from contracts.finding import Unavailable
from contracts.subject import Subject, require

_LATER_S = 1.1  # timestamps are known to have a resolution of a second


def created_stays(s: Subject) -> None:
    """A record of the run's own is changed a while after it was made."""
    read = s.session.contract.by_action(s.operation.entity, READ)
    if read is None or s.operation.entity is None:
        return
    try:
        own = s.bench.arrangement.own(s.operation.entity)
    except Unavailable:
        return
    before, _ = s.bench.read_back(own, read)
    body = Values(s.bench).of_a_change(s.operation, before, 0, 1)
    if CREATED not in before or not body:
        return
    sleep(_LATER_S)
    if not s.bench.execute(own.call(s.operation).sending(body)).ok:
        return
    record, exchange = s.bench.read_back(own, read)
    sentence = f"{CREATED} was {before[CREATED]!r:.60}, and after a change it is {record.get(CREATED)!r:.60}"
    same = record.get(CREATED, before[CREATED]) == before[CREATED]
    require(same, sentence, exchange, f"create; a second later update ({', '.join(body)}); read")
    s.exercised()
