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

import orjson
from hypothesis import strategies as st

from cdp.verdicts import Cell
from contracts.arrangement import is_step
from contracts.cells import ADMIN
from contracts.checks import Broken, Check, NotExercised, TargetLost, check
from contracts.conventions.life.changed_at_once import changes_of_their_own
from contracts.conventions.life.dates import created_stays
from contracts.conventions.life.granted import features_are_kept
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
    Kept,
    Key,
    Outcome,
    Step,
    usable,
)
from contracts.conventions.life.namesakes import namesakes
from contracts.conventions.life.parents import deleted_with_what_is_below, restored_with_what_is_below
from contracts.conventions.life.passwords import changed_password_counts
from contracts.conventions.life.playing import Life
from contracts.conventions.life.references import changed_references, deleted_while_referred_to
from contracts.conventions.life.steps import step_is_kept
from contracts.conventions.life.ties import assigned_again, beside_each_other
from contracts.conventions.life.values import Values
from contracts.conventions.life.watched import Watched
from contracts.examples import KeptExamples
from contracts.exploration import heed
from contracts.finding import Unavailable
from contracts.subject import Subject, require
from contracts.workbench import Workbench

_MOST_ALONE = 12  # fields that are changed one by one
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


def each_alone(count: int) -> list[Step]:
    """A record with all that it may have, of which so many fields are changed and emptied, one at a time: a change of
    one may empty another, and what is empty may be taken for nothing that was sent."""
    picks = [2 * n + odd for odd in (0, 1) for n in range(count)]
    changes = [step for pick in picks for step in (Step(UPDATE, 0, pick, alone=True), Step(READ, 0))]
    return [Step(CREATE, pick=1), Step(READ, 0), *changes]


def there_and_back() -> list[Step]:
    """Records that nothing is done to but to delete and restore them: one with what must be sent, which nothing may
    keep from the list, and one with all that it may have, which has to have it again."""
    both = [Step(action, record) for action in (READ, DELETE, RESTORE, READ) for record in (0, 1)]
    return [Step(CREATE), Step(CREATE, pick=1), Step(LIST), *both, Step(LIST), Step(TRASH)]


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
    if profile.lives and UPDATE in entity and READ in entity:
        look(each_alone(min(_MOST_ALONE, len(Values(s.bench).fields(entity[UPDATE])))))
    if profile.lives and RESTORE in actions and LIST in entity:
        look(there_and_back())
    if profile.lives and len(actions) > 1:
        step = st.builds(Step, st.sampled_from(actions), st.integers(0, RECORDS - 1), st.integers(0, 7))
        s.for_all(st.lists(step, min_size=3, max_size=profile.steps), try_out, profile.lives)


def _kept_lives(kept: KeptExamples) -> Iterator[tuple[bytes, list[Step]]]:
    """The sequences of steps that broke something in an earlier run, the shortest first; what is none is dropped."""
    for stored in sorted(kept.fetch(b""), key=lambda text: (len(text), text)):
        try:
            parts = orjson.loads(stored)
            steps = [Step(str(action), int(record), int(pick), bool(alone)) for action, record, pick, alone in parts]
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
    record, exchange = s.bench.read_back(new, read)
    shown_name = record.get("name")
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


def _deleted(s: Subject, outcome: Outcome, entity: Entity) -> list[tuple[Kept, float]]:
    """Records that were deleted, and when. What is seen only in a list below another record, which may be gone by now,
    is made and deleted anew."""
    if READ in entity or LIST not in entity or not entity[LIST].path_parameters:
        return [(kept, since) for kept, since in outcome.deleted if not kept.alive]
    try:
        own = s.bench.arrangement.own(entity.name)
    except Unavailable:
        return []
    gone = s.bench.execute(own.call(s.operation)).ok
    return [(Kept(own, dict(own.sent), alive=False), monotonic())] if gone else []


# What is looked at beside the machine: always, and where there is time, before it goes and once it has found nothing.
_ALWAYS: Mapping[str, tuple[Check, ...]] = {"LIFE-01": (features_are_kept,)}
_BEFORE: Mapping[str, tuple[Check, ...]] = {
    "LIFE-01": (_made_again, namesakes),
    "LIFE-02": (assigned_again,),
    "LIFE-03": (
        changed_references,
        beside_each_other,
        changes_of_their_own,
        marked_is_kept,
        changed_password_counts,
        created_stays,
    ),
    "LIFE-04": (namesakes, beside_each_other),
    "LIFE-06": (restored_with_what_is_below,),
}
_AFTER: Mapping[str, tuple[Check, ...]] = {
    "LIFE-04": (deleted_with_what_is_below, deleted_while_referred_to, _stay_away),
}


def _told(s: Subject) -> None:
    """Say what the machine saw of the cell's rule; a step beside the usual ones is looked at alone."""
    if is_step(s.operation) and s.cell.requirement == "LIFE-03":
        return step_is_kept(s)
    s.control()
    before = () if s.quick else _BEFORE.get(s.cell.requirement, ())
    for look in (*_ALWAYS.get(s.cell.requirement, ()), *before):
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
