"""LIFE-03: when a record was made and whose it is stays what it was, also where a change comes from somebody else and
later than in the same second."""

from __future__ import annotations

from time import sleep

from contracts.calls import Call
from contracts.checks import NotExercised
from contracts.conventions.life.model import CREATED, READ
from contracts.conventions.life.values import Values
from contracts.finding import Unavailable
from contracts.subject import Subject, require

_USER = "user"
_LATER_S = 1.1  # timestamps are known to have a resolution of a second


def created_stays(s: Subject) -> None:
    """A record of the run's own is changed a while after it was made, by another caller where there is one."""
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
    change = own.call(s.operation).sending(body)
    if not _changed_by_another(s, change) and not s.bench.execute(change).ok:
        return
    record, exchange = s.bench.read_back(own, read)
    for name in [f.field for f in read.sub_entities if f.entity == _USER and not f.field.endswith("modified_by")]:
        told = f"{name} was {before.get(name)!r:.60}, and after a change by another user it is {record.get(name)!r:.60}"
        steps = f"create; another user's update ({', '.join(body)}); read"
        require(name in body or record.get(name, before.get(name)) == before.get(name), told, exchange, steps)
    sentence = f"{CREATED} was {before[CREATED]!r:.60}, and after a change it is {record.get(CREATED)!r:.60}"
    same = record.get(CREATED, before[CREATED]) == before[CREATED]
    require(same, sentence, exchange, f"create; a second later update ({', '.join(body)}); read")
    s.exercised()


def _changed_by_another(s: Subject, change: Call) -> bool:
    """Whether another user, whose role holds every feature, has made the change."""
    try:
        caller = s.bench.identities.holding(frozenset(s.session.contract.feature_names), "another-user")
    except NotExercised:
        return False
    return s.session.send(change, caller, judged=False).ok
