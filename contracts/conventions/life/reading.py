"""LIFE-05: what is read is the same after it was read."""

from __future__ import annotations

from typing import Any

from cdp.contract import Contract, Operation
from cdp.http import Exchange
from contracts.calls import Call
from contracts.checks import Broken, Moved, NotExercised, TargetLost, Unconfirmed, check
from contracts.conventions.life.model import LIST, READ
from contracts.conventions.listing import REFERENCE_PAGE, asked_again, asked_otherwise, describe
from contracts.observing import canonical, identity, rows_of, shown
from contracts.subject import Subject

_AGAIN = 5  # readings that have to change something, each of them
_OTHERS = 3  # records that have to be another after their first reading, each of them


def _witness(s: Subject) -> Call | None:
    """Another operation that shows the records which the read brings: the list of what is read, a record of what is
    listed."""
    contract, call = s.session.contract, s.call()
    other = contract.by_action(s.operation.entity, LIST if s.operation.action == READ else READ)
    if other is None or other is s.operation or s.operation.action not in (READ, LIST):
        return None
    try:
        if not s.bench.control(other)[1].ok:
            return None
    except (NotExercised, Unconfirmed, TargetLost):
        return None
    if other.action == LIST:
        found = Call(other, {p.name: call.path[p.name] for p in other.path_parameters if p.name in call.path})
        return found.asking(("limit", REFERENCE_PAGE)) if other.collection and other.collection.paging else found
    rows = rows_of(s.operation, s.session.read(call, s.session.admin), bare=True)
    parameter = other.path_parameters[-1]
    if not rows:
        return None
    row = rows[len(rows) // 2 if s.bench.others_known else 0]  # theirs are the newest, and may go at any time
    if not isinstance(row, dict) or parameter.field not in row:
        return None
    path = {**call.path, parameter.name: str(row[parameter.field])}
    return Call(other, path) if all(p.name in path for p in other.path_parameters) else None


def _state(contract: Contract, exchange: Exchange, operation: Operation) -> Any:
    """What an answer shows: of a list its records by what tells them apart, so that their order does not matter."""
    rows = rows_of(operation, exchange)
    if rows is None:
        return shown(contract, operation, exchange)
    return {canonical(identity(r)): r for r in rows}


def _difference(before: Any, after: Any) -> str:
    """What has changed between two states, in words; empty when nothing has. New records are the target's own life."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, record in before.items():
            if name not in after:
                return f"{name:.60} is gone"
            if record != after[name]:
                fields = [n for n in record if record[n] != after[name].get(n)] if isinstance(record, dict) else []
                return f"{fields[0] if fields else 'the value'} of {name:.60} has changed"
        return ""
    return "" if before == after else "the answer has changed"


@check("LIFE-05")
def reading_changes_nothing(s: Subject) -> None:
    s.control()
    call, asked = s.call(), asked_otherwise(s, s.call())
    # In a short profile a list has been read in many ways by now, and its last answer without parameters is known.
    again = asked_again(s) if s.operation.collection and s.session.profile.list_forms == 1 else None
    if again is not None and again.ok:
        before = _state(s.session.contract, s.session.read(call, s.session.admin), s.operation)
        _unchanged(s, call, before, again, call)
        return
    witness = _witness(s)
    looks = [look for look in (witness, call) if look is not None]
    contract = s.session.contract
    states = [_state(contract, s.session.read(look, s.session.admin), look.operation) for look in looks]
    # What a first reading leaves behind can be seen only on a record that was not read before.
    for reading in (asked, call, *_unread(s, asked, 1)):
        s.session.read_again(reading, s.session.admin)
    for look, state in zip(looks, states, strict=True):
        _unchanged(s, look, state, s.session.read_again(look, s.session.admin), asked)


def _unchanged(s: Subject, look: Call, before: Any, exchange: Exchange, asked: Call) -> None:
    """What a look shows now is what it showed before the reading."""
    after = _state(s.session.contract, exchange, look.operation)
    what = _difference(before, after)
    if what:
        _confirmed(s, look, before, after, what, asked, exchange)
    s.exercised()


def _confirmed(s: Subject, look: Call, before: Any, after: Any, what: str, asked: Call, exchange: Exchange) -> None:
    """Whether it was the reading: what goes on changing while nothing but the look itself is repeated cannot tell."""
    again, last = (
        _state(s.session.contract, s.session.read_again(look, s.session.admin), look.operation) for _ in range(2)
    )
    by_itself = any(_difference(after, each) or not _difference(before, each) for each in (again, last))
    if by_itself and not s.bench.others_known:
        raise NotExercised(f"what {look.operation.id} answers changes by itself from one call to the next")
    if isinstance(before, dict) and isinstance(after, dict):
        others = s.bench.may_be_others(list(before.values()), list(after.values()))
        if others and s.bench.others_at_work(look):
            raise Moved(f"what {look.operation.id} shows")
    if by_itself:
        raise NotExercised(f"what {look.operation.id} answers changes by itself from one call to the next")
    if not _every_time(s, look, asked):
        raise Moved(f"what {look.operation.id} shows")
    error = Broken(f"reading changed what {look.operation.id} shows: {what}", exchange, describe(*asked.query))
    # A record of theirs may be gone: a list shows whether there is anybody.
    gone = s.operation.action == LIST and isinstance(after, tuple) and after[0] == 404
    error.doubtful = s.bench.others_known or (gone and s.bench.others_at_work(s.call()))
    raise error


def _every_time(s: Subject, look: Call, asked: Call) -> bool:
    """Whether the reading changes something again, each time on the same record or once on every other one: somebody
    who edits a record in between does not come with every reading."""
    if all(_changes(s, look, asked) for _ in range(_AGAIN)):
        return True
    fresh = _unread(s, asked, _OTHERS)
    return bool(fresh) and all(_changes_once(s, call) for call in fresh)


def _unread(s: Subject, asked: Call, most: int) -> list[Call]:
    """The reading of a few other records of the list, as it was asked, each of which is handed out once."""
    listing = s.session.contract.by_action(s.operation.entity, LIST) if s.operation.action == READ else None
    parameter = s.operation.path_parameters[-1] if s.operation.path_parameters else None
    if listing is None or parameter is None or any(p.name not in asked.path for p in listing.path_parameters):
        return []
    look = Call(listing, {p.name: asked.path[p.name] for p in listing.path_parameters})
    rows = rows_of(listing, s.session.read_again(look, s.session.admin)) or []
    values = [str(r[parameter.field]) for r in rows if isinstance(r, dict) and r.get(parameter.field) is not None]
    taken: set[str] = s.bench.memory.setdefault(f"first readings of {s.operation.id}", {asked.path[parameter.name]})
    # The newest may have been looked at by other checks.
    fresh = [v for v in reversed(values) if v not in taken][:most]
    taken.update(fresh)
    return [asked.at(**{parameter.name: v}) for v in fresh]


def _changes_once(s: Subject, call: Call) -> bool:
    """Whether a record is another after its first reading, and stays so."""
    first, second, third = (
        _state(s.session.contract, s.session.read_again(call, s.session.admin), call.operation) for _ in range(3)
    )
    return bool(_difference(first, second)) and not _difference(second, third)


def _changes(s: Subject, look: Call, asked: Call) -> bool:
    """Whether what a look shows is the same twice, and another after the reading."""
    contract, admin = s.session.contract, s.session.admin
    first, before = (_state(contract, s.session.read_again(look, admin), look.operation) for _ in range(2))
    if _difference(first, before):
        return False
    for reading in dict.fromkeys((asked.query, s.call().query)):
        s.session.read_again(Call(asked.operation, asked.path, reading), admin)
    return bool(_difference(before, _state(contract, s.session.read_again(look, admin), look.operation)))
