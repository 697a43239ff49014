"""LIFE: the life of a record. Sequences of steps on several records, compared with a model of what has to be there.

A machine per entity creates, reads, lists, changes, deletes and restores records of the run's own, in any order. It
looks at more than one requirement at once, so it is run once and tells every cell of the entity what it saw. The
sequence behind a finding is cut down to the steps without which the finding goes away.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from time import monotonic, sleep
from typing import Any

import orjson
from hypothesis import strategies as st

from cdp.contract import Contract, Operation
from cdp.http import Exchange
from cdp.verdicts import Cell
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import Broken, Check, Moved, NotExercised, TargetLost, Unconfirmed, check
from contracts.conventions.life.changed_at_once import changes_of_their_own
from contracts.conventions.life.marking import marked_is_kept
from contracts.conventions.life.model import (
    ACTIONS,
    CREATE,
    DELETE,
    LIST,
    MOST_REPLAYS,
    READ,
    RECORDS,
    RESTORE,
    TRASH,
    UPDATE,
    Entity,
    Finding,
    Key,
    Outcome,
    Step,
    usable,
)
from contracts.conventions.life.model import Kept as ModelOf
from contracts.conventions.life.namesakes import namesakes
from contracts.conventions.life.parents import deleted_with_what_is_below, restored_with_what_is_below
from contracts.conventions.life.playing import Life
from contracts.conventions.life.references import changed_references, deleted_while_referred_to
from contracts.conventions.life.ties import assigned_again, beside_each_other
from contracts.conventions.life.watched import Watched
from contracts.conventions.listing import REFERENCE_PAGE, asked_again, asked_otherwise, describe
from contracts.examples import Kept
from contracts.exploration import heed
from contracts.finding import Unavailable
from contracts.observing import canonical, identity, record_of, rows_of, shown
from contracts.subject import Subject, require
from contracts.workbench import Workbench

_LATER_S = 1.1  # after its deletion a record is looked at again

# --- the machine ----------------------------------------------------------------------------------------------------


def whole_life(rng: random.Random) -> list[Step]:
    """Two records through everything, each write looked at before the next; what varies is whose turn it is."""
    one, other = rng.sample((0, 1), 2)
    first, second = rng.sample([Step(READ, one), Step(READ, other)], 2)
    return [
        # The one that is changed later is made with all that it may have.
        *(Step(CREATE, pick=other), Step(CREATE, pick=one), first, second, Step(LIST, one)),
        *(Step(UPDATE, one), *rng.sample([Step(READ, one), Step(READ, other)], 2)),
        *(Step(UPDATE, one, 1), *rng.sample([Step(READ, one), Step(LIST, one)], 2)),
        # One field after several: what was set by the change before has to stay.
        *(Step(UPDATE, one), Step(READ, one)),
        # Once more all: what has a value by now may become null.
        *(Step(UPDATE, one, 1), Step(READ, one)),
        # And the other one, which is newer or older: a change may go to the newest, whatever its id.
        # Or to its neighbour: the one that was changed before is looked at, too.
        *(Step(UPDATE, other), Step(READ, other), Step(READ, one)),
        *(Step(DELETE, one), *rng.sample([Step(READ, one), Step(LIST, one), Step(TRASH, one)], 3), Step(DELETE, one)),
        *(Step(READ, other), Step(UPDATE, one)),
        *(Step(RESTORE, one), *rng.sample([Step(READ, one), Step(LIST, one), Step(TRASH, one)], 3)),
    ]


def life_of(s: Subject) -> Outcome:
    """What the machine saw of the entity of a cell; it is run for the first cell that asks, and once for each seed."""
    name = s.operation.entity, s.session.seed
    create = s.session.contract.by_action(s.operation.entity, CREATE)
    assert create is not None
    known: dict[tuple[str, int], Outcome] = s.bench.memory.setdefault("lives", {})
    if name not in known:
        outcome = known[name] = Outcome()
        about, s.session.about = s.session.about, create.id
        try:
            _run(Subject(Cell("LIFE", create.id, ADMIN), create, s.bench), outcome)
        except (NotExercised, TargetLost) as reason:
            outcome.stopped = str(reason)
        finally:
            s.session.about = about
    return known[name]


def _run(s: Subject, outcome: Outcome) -> None:
    s.control()
    entity = outcome.entity = usable(s.bench, s.operation.entity)
    profile = s.session.profile
    kept = s.bench.examples.of(s.cell, "steps") if s.bench.examples else None

    def look(steps: list[Step]) -> bool:
        found = Life(s.bench, entity, outcome).play(steps)
        for key, finding in found.items():
            if key not in outcome.found:
                outcome.found[key], fewest = _smallest(s.bench, entity, steps, key, finding)
                if kept is not None:
                    kept.save(b"", orjson.dumps([astuple(step) for step in fewest]))
        return bool(found)

    def try_out(steps: list[Step]) -> None:  # Hypothesis only draws: the machine looks for several rules at once
        look(steps)

    if kept is not None:
        for stored, steps in _kept_lives(kept):
            if not look(steps):
                kept.delete(b"", stored)
    look(whole_life(s.random))
    actions = [action for action in ACTIONS if action in entity or (action == RESTORE and TRASH in entity)]
    if profile.lives and len(actions) > 1:
        step = st.builds(Step, st.sampled_from(actions), st.integers(0, RECORDS - 1), st.integers(0, 7))
        s.for_all(st.lists(step, min_size=3, max_size=profile.steps), try_out, profile.lives)


def _kept_lives(kept: Kept) -> Iterator[tuple[bytes, list[Step]]]:
    """The sequences of steps that broke something in an earlier run, the shortest first; what is none is dropped."""
    for stored in sorted(kept.fetch(b""), key=lambda text: (len(text), text)):
        try:
            steps = [Step(str(action), int(record), int(pick)) for action, record, pick in orjson.loads(stored)]
        except (ValueError, TypeError):
            kept.delete(b"", stored)
        else:
            yield stored, steps


def _smallest(
    bench: Workbench, entity: Entity, steps: list[Step], key: Key, finding: Finding
) -> tuple[Finding, list[Step]]:
    """Leave out steps, from long stretches to single ones, as long as the same rule is still seen broken."""
    replays, size = 0, max(1, len(steps) // 2)
    while size:
        start = 0
        while start < len(steps) and replays < MOST_REPLAYS:
            fewer = steps[:start] + steps[start + size :]
            replays += 1
            again = Life(bench, entity, Outcome()).play(fewer).get(key)
            if again is None:
                start += size
            else:
                steps, finding = fewer, again
        size //= 2
    return finding, steps


def _made_again(s: Subject) -> None:
    """Who chooses the id may choose that of a deleted record, if the target takes it: the record is the new one."""
    contract, create = s.session.contract, s.operation
    read, delete = (contract.by_action(create.entity, action) for action in (READ, DELETE))
    required = contract.resolved(create.body_schema or {}).get("required", ()) if create.body_schema else ()
    if create.entity is None or read is None or delete is None or not {"id", "name"} <= set(required):
        return
    arrangement = s.bench.arrangement
    try:
        old = arrangement.own(create.entity)
        if not s.bench.execute(old.call(delete)).ok:
            return
        new = arrangement.create(create.entity, {"id": old.sent["id"]})
    except Unavailable:
        return  # an id may be good for once
    exchange = s.session.send(new.call(read), s.session.admin)
    record = record_of(read, exchange)
    shown_name = record.get("name") if exchange.ok and isinstance(record, dict) else None
    sentence = f"a record with the id of a deleted one was sent as {new.sent['name']!r:.60}, it is {shown_name!r:.60}"
    require(shown_name in (None, new.sent["name"]), sentence, exchange, "create; delete; create with the same id; read")
    s.exercised()


def _stay_away(s: Subject) -> None:
    """What was deleted is still gone a while later. By now much else was asked; a target that answers faster than that
    is waited for."""
    outcome = life_of(s)
    if outcome.entity is None:
        return
    watched = Watched(s.bench, outcome.entity, Outcome())
    for kept, since in _deleted(s, outcome, outcome.entity):
        sleep(max(0.0, since + _LATER_S - monotonic()))
        exchange = watched.shows_again(kept)
        after_s = monotonic() - since
        sentence = f"a {watched.entity.words} that was deleted {after_s:.0f} s ago is there again"
        require(exchange is None, sentence, exchange, "create; delete; look later")
        s.exercised()


def _deleted(s: Subject, outcome: Outcome, entity: Entity) -> list[tuple[ModelOf, float]]:
    """Records that were deleted, and when. What is seen only in a list below another record, which may be gone by now,
    is made and deleted anew."""
    if READ in entity or LIST not in entity or not entity[LIST].path_parameters:
        return [(kept, since) for kept, since in outcome.deleted if not kept.alive]
    try:
        own = s.bench.arrangement.own(entity.name)
    except Unavailable:
        return []
    gone = s.bench.execute(own.call(s.operation)).ok
    return [(ModelOf(own, dict(own.sent), alive=False), monotonic())] if gone else []


# What is looked at beside the machine where there is time: before it goes, and once it has found nothing.
_BEFORE: Mapping[str, tuple[Check, ...]] = {
    "LIFE-01": (_made_again, namesakes),
    "LIFE-02": (assigned_again,),
    "LIFE-03": (changed_references, beside_each_other, changes_of_their_own, marked_is_kept),
    "LIFE-04": (namesakes, beside_each_other),
    "LIFE-06": (restored_with_what_is_below,),
}
_AFTER: Mapping[str, tuple[Check, ...]] = {
    "LIFE-04": (deleted_with_what_is_below, deleted_while_referred_to, _stay_away),
}


def _told(s: Subject) -> None:
    """Say what the machine saw of the cell's rule."""
    s.control()
    for look in _BEFORE.get(s.cell.requirement, ()) if not s.quick else ():
        look(s)
    outcome = life_of(s)
    key = (s.cell.requirement, s.operation.action)
    s.exercised(outcome.evidence[key])
    if key in outcome.found:
        finding = outcome.found[key]
        raise Broken(finding.sentence, finding.exchange, finding.example)
    for look in _AFTER.get(s.cell.requirement, ()) if not s.quick else ():
        look(s)
    heed(s)
    if outcome.stopped and not s.evidence:
        raise NotExercised(outcome.stopped)
    if not s.evidence:
        refused = outcome.refused.get(s.operation.action)
        raise NotExercised(refused or "no other operation of the target shows what became of the record")


for _requirement in ("LIFE-01", "LIFE-02", "LIFE-03", "LIFE-04", "LIFE-06"):
    check(_requirement)(_told)


# --- GET changes nothing --------------------------------------------------------------------------------------------


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
    collection = s.operation.collection
    body = s.session.read(call, s.session.admin).json
    rows = body.get(collection.key) if collection and collection.key and isinstance(body, dict) else body
    parameter = other.path_parameters[-1]
    if not isinstance(rows, list) or not rows:
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
    for reading in (asked, call):
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
    fresh = _other_records(s, asked) if s.operation.action == READ else []
    return bool(fresh) and all(_changes_once(s, call) for call in fresh)


def _other_records(s: Subject, asked: Call) -> list[Call]:
    """The reading of a few other records of the list, as it was asked."""
    listing = s.session.contract.by_action(s.operation.entity, LIST)
    parameter = s.operation.path_parameters[-1] if s.operation.path_parameters else None
    if listing is None or parameter is None or any(p.name not in asked.path for p in listing.path_parameters):
        return []
    look = Call(listing, {p.name: asked.path[p.name] for p in listing.path_parameters})
    rows = rows_of(listing, s.session.read_again(look, s.session.admin)) or []
    values = [str(r[parameter.field]) for r in rows if isinstance(r, dict) and r.get(parameter.field) is not None]
    return [asked.at(**{parameter.name: v}) for v in values if v != asked.path[parameter.name]][:_OTHERS]


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
