"""LIFE: the life of a record. Sequences of steps on several records, compared with a model of what has to be there.

A machine per entity creates, reads, lists, changes, deletes and restores records of the run's own, in any order. It
looks at more than one requirement at once, so it is run once and tells every cell of the entity what it saw. The
sequence behind a finding is cut down to the steps without which the finding goes away.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import strategies as st

from cdp.contract import Operation
from cdp.http import Exchange
from cdp.ledger import Created
from cdp.verdicts import Cell
from contracts.arrangement import OwnRecord
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import Broken, NotExercised, TargetLost, Unconfirmed, check
from contracts.conventions.listing import REFERENCE_PAGE, asked_again, identity
from contracts.conventions.ordering import timestamp
from contracts.conventions.roles import unknown_id
from contracts.finding import Unavailable
from contracts.subject import Subject, Workbench

CREATE, READ, LIST, UPDATE, DELETE, TRASH, RESTORE = "create", "read", "list", "update", "delete", "trash", "restore"
ACTIONS = (READ, LIST, UPDATE, DELETE, TRASH, RESTORE, CREATE)
MARK = "deleted"  # the field in which records of sections with a trash carry whether they are in it
RECORDS = 3  # at once
GONE = (404, 410)
_MOST_REPLAYS = 40
_MOST_PAGES = 10
# The requirement that a write is held to by what is seen after it, and the action on whose operation it stands.
Key = tuple[str, str]
HELD_BY = {CREATE: "LIFE-01", UPDATE: "LIFE-03", DELETE: "LIFE-04", RESTORE: "LIFE-06"}


@dataclass(frozen=True)
class Step:
    """One step: what is done to which record. `pick` chooses the fields of a change."""

    action: str
    record: int = 0
    pick: int = 0


@dataclass(frozen=True)
class Finding:
    """A rule that was seen broken, with the exchange that showed it and the steps that led there."""

    sentence: str
    exchange: Exchange
    example: str = ""


@dataclass(frozen=True)
class Event:
    """A write since a record was last looked at. `own`: to the record itself; `before`: values that it replaced."""

    action: str
    own: bool
    before: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Kept:
    """What the model knows of a record. `values`: as they were sent last; `shown` and `since`: by way of looking."""

    own: OwnRecord
    values: dict[str, Any]
    alive: bool = True
    restored: bool = False
    listed: bool = False
    switched: bool = False  # more than a text of it was changed, which may hide it from the list
    shown: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    since: dict[str, list[Event]] = field(default_factory=lambda: {READ: [], LIST: []})

    def happened(self, event: Event) -> None:
        for events in self.since.values():
            events.append(event)


@dataclass
class Entity:
    """The operations of an entity that the target really has, by action."""

    name: str
    operations: dict[str, Operation]

    def __getitem__(self, action: str) -> Operation:
        return self.operations[action]

    def __contains__(self, action: object) -> bool:
        return action in self.operations

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")

    def held(self, action: str) -> Key:
        """Where what a write does wrong is told; a restoration by PATCH stands on the operation that deletes."""
        return HELD_BY[action], DELETE if action == RESTORE and RESTORE not in self else action


@dataclass
class Outcome:
    """What the machine saw of an entity."""

    found: dict[Key, Finding] = field(default_factory=dict)
    evidence: Counter[Key] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    stopped: str = ""


def usable(bench: Workbench, name: str) -> Entity:
    """The entity with those of its operations that answer a valid call; what does not is left to other families."""
    contract = bench.session.contract
    found = {}
    for action in ACTIONS:
        operation = contract.by_action(name, action)
        try:
            if operation is not None and bench.control(operation)[1].ok:
                found[action] = operation
        except (NotExercised, Unconfirmed, TargetLost):
            continue
    return Entity(name, found)


def same(sent: Any, got: Any) -> bool:
    """Whether a value came back as it was sent: an id may come as a number or a text, JSON as text or decoded, a time
    in any form."""
    if sent == got or (not isinstance(sent, dict | list | bool) and str(sent) == str(got)):
        return True
    if isinstance(sent, str) != isinstance(got, str):
        text, value = (sent, got) if isinstance(sent, str) else (got, sent)
        try:
            return bool(orjson.loads(text) == value)
        except orjson.JSONDecodeError:
            return False
    if isinstance(sent, list) and isinstance(got, list):
        return sorted(map(str, sent)) == sorted(map(str, got))
    return timestamp(sent) is not None and timestamp(sent) == timestamp(got)


class Life:
    """One sequence of steps on the target and in the model."""

    def __init__(self, bench: Workbench, entity: Entity, outcome: Outcome) -> None:
        self.bench = bench
        self.session = bench.session
        self.entity = entity
        self.outcome = outcome
        self.records: list[Kept] = []
        self.found: dict[Key, Finding] = {}
        self.told: list[str] = []

    def play(self, steps: Iterable[Step]) -> dict[Key, Finding]:
        """Take the steps, remove what is left of the records, and answer what was found."""
        try:
            for step in steps:
                self._take(step)
        finally:
            self._clear()
        return self.found

    def _take(self, step: Step) -> None:
        if step.action == CREATE or not self.records:
            if len(self.records) < RECORDS:
                self._tell(f"create {len(self.records) + 1}")
                self._create()
            if step.action == CREATE:
                return
        number = step.record % len(self.records)
        kept = self.records[number]
        takers: dict[str, Callable[[], None]] = {
            READ: lambda: self._read(kept),
            LIST: lambda: self._list(kept),
            UPDATE: lambda: self._update(kept, step.pick),
            DELETE: lambda: self._delete(kept),
            TRASH: lambda: self._trash(kept),
            RESTORE: lambda: self._restore(kept),
        }
        if self._possible(step.action, kept):
            self._tell(f"{step.action} {number + 1}")
            takers[step.action]()

    def _possible(self, action: str, kept: Kept) -> bool:
        if action == RESTORE:
            return not kept.alive and TRASH in self.entity and (RESTORE in self.entity or self._marks())
        return action in self.entity and (action != UPDATE or kept.alive)

    def _marks(self) -> bool:
        """Whether a change may take a record out of the trash."""
        return UPDATE in self.entity and MARK in self._fields(self.entity[UPDATE])

    def _tell(self, step: str) -> None:
        self.told.append(step)

    def _broken(self, key: Key | None, sentence: str, exchange: Exchange) -> None:
        if key is not None and key not in self.found:
            self.found[key] = Finding(sentence, exchange, "; ".join(self.told))

    def _kept(self, *key: str) -> None:
        self.outcome.evidence[key[0], key[1]] += 1

    def _send(
        self, operation: Operation, kept: Kept, body: Any = None, query: tuple[tuple[str, Any], ...] = ()
    ) -> Exchange:
        own = kept.own
        path = {p.name: own.path.get(p.name) or str(own.record.get(p.field, "")) for p in operation.path_parameters}
        call = Call(operation, path).asking(*query)
        return self.session.send(call if body is None else call.sending(body), self.session.admin, judged=False)

    def _event(self, kept: Kept, action: str, before: Mapping[str, Any] | None = None) -> None:
        for other in self.records:
            other.happened(Event(action, other is kept, before or {}))

    # --- writes ----------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        try:
            own = self.bench.arrangement.own(self.entity.name)
        except Unavailable as error:
            raise NotExercised(f"no record could be created: {error}") from None
        kept = Kept(own, dict(own.sent))
        self.records.append(kept)
        self._event(kept, CREATE)

    def _fields(self, operation: Operation) -> dict[str, Mapping[str, Any]]:
        """Fields of an operation's body."""
        contract = self.session.contract
        if operation.body_media_type != "application/json" or operation.body_schema is None:
            return {}
        found = contract.resolved(operation.body_schema).get("properties", {})
        return {name: contract.resolved(schema) for name, schema in found.items()}

    def _changes(self, kept: Kept, pick: int) -> dict[str, Any]:
        """New values for one field or several. Only those that change nothing but the record: free texts, numbers, and
        choices between names or switches."""
        found: dict[str, Any] = {}
        held = self.session.contract.resolved(self.entity[UPDATE].body_schema or {})
        fields = self._fields(self.entity[UPDATE])
        for name, schema in fields.items():
            value = self._other_value(name, schema, kept)
            if name != MARK and value is not None:
                found[name] = value
        names = list(found)
        count = 1 if pick % 2 == 0 else 3
        chosen = {names[(pick // 2 + n) % len(names)] for n in range(min(count, len(names)))} if names else set()
        required = {
            name: kept.values.get(name, self.bench.arrangement.sampler.value(fields[name], name))
            for name in held.get("required", ())
        }
        return {**required, **{name: value for name, value in found.items() if name in chosen}}

    def _other_value(self, name: str, schema: Mapping[str, Any], kept: Kept) -> Any:
        now = kept.values.get(name, kept.shown.get(READ, {}).get(name))
        if "enum" in schema:
            others = [value for value in schema["enum"] if value != now]
            return others[0] if len(schema["enum"]) > 1 else None
        if any(key.startswith("x-") and key != "x-provenance" for key in schema) or name == "password":
            return None
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "string" and not {"format", "pattern", "contentMediaType", "maxLength"} & set(schema):
            return self.bench.arrangement.sampler.text(name)
        if kind == "integer" and not {"maximum", "format"} & set(schema):
            return max(int(schema.get("minimum", 1)), now + 1 if isinstance(now, int) else 1)
        return None

    def _update(self, kept: Kept, pick: int) -> None:
        operation = self.entity[UPDATE]
        body = self._changes(kept, pick)
        if not body:
            self.outcome.refused.setdefault(UPDATE, f"{operation.id} takes no field that can be changed without harm")
            return
        self.told[-1] += f" ({', '.join(body)})"
        exchange = self._send(operation, kept, body)
        if not exchange.ok:
            self.outcome.refused[UPDATE] = f"{operation.id} answered {exchange.outcome()} to {', '.join(body)}"
            return
        before = {name: kept.values[name] for name in body if name in kept.values}
        kept.values.update(body)
        kept.switched = kept.switched or not all(isinstance(value, str) for value in body.values())
        self._event(kept, UPDATE, dict.fromkeys(body) | before)
        answered = self._record(operation, exchange) or {}
        for name, value in body.items():
            if name in answered:
                self._kept("LIFE-03", UPDATE)
                if not same(value, answered[name]):
                    sentence = f"{name} was changed to {value!r:.60}, and the answer shows {answered[name]!r:.60}"
                    self._broken(("LIFE-03", UPDATE), sentence, exchange)

    def _delete(self, kept: Kept) -> None:
        exchange = self._send(self.entity[DELETE], kept)
        if not kept.alive:
            if exchange.status in GONE:
                self._kept("LIFE-06", DELETE)
            elif exchange.outcome() != self._never_there(self.entity[DELETE], kept).outcome():
                sentence = f"deleting a {self.entity.words} again got {exchange.outcome()} instead of 404"
                self._broken(("LIFE-06", DELETE), sentence, exchange)
            else:
                self.outcome.refused[DELETE] = f"any unknown id gets {exchange.outcome()}, not only what was deleted"
        elif exchange.ok:
            kept.alive = False
            self._event(kept, DELETE)
        else:
            self.outcome.refused[DELETE] = f"{self.entity[DELETE].id} answered {exchange.outcome()}"

    def _never_there(self, operation: Operation, kept: Kept) -> Exchange:
        """The answer about a record that never was: what it is told alike is the matter of status codes."""
        s = Subject(Cell("LIFE", operation.id, ADMIN), operation, self.bench)
        path = {p.name: kept.own.path.get(p.name, "") for p in operation.path_parameters}
        return self.session.send(unknown_id(s, Call(operation, path)), self.session.admin, judged=False)

    def _restore(self, kept: Kept) -> None:
        if RESTORE in self.entity:
            exchange = self._send(self.entity[RESTORE], kept)
            if not exchange.ok:
                sentence = f"restoring a deleted {self.entity.words} got {exchange.outcome()}"
                self._broken(self.entity.held(RESTORE), sentence, exchange)
        else:
            schema = self._fields(self.entity[UPDATE])[MARK]
            exchange = self._send(self.entity[UPDATE], kept, {MARK: False if schema.get("type") == "boolean" else 0})
        if exchange.ok:  # that a change restores is said nowhere, so its refusal is no fault
            kept.alive = kept.restored = True
            self._event(kept, RESTORE)

    def _clear(self) -> None:
        """Delete what is left and take it out of the ledger: lists stay as short as they were."""
        delete = self.entity.operations.get(DELETE)
        for kept in self.records:
            if delete is not None and (not kept.alive or self._send(delete, kept).ok):
                own = kept.own
                path = {p.name: own.path.get(p.name) or str(own.record.get(p.field)) for p in delete.path_parameters}
                url = Call(delete, path).url(self.session.target)
                self.session.ledger.removed(Created(self.entity[CREATE].id, str(own.record.get("id", "")), url))

    # --- looking ---------------------------------------------------------------------------------------------------

    def _record(self, operation: Operation, exchange: Exchange) -> Mapping[str, Any] | None:
        """The record of an answer; how it is wrapped is the matter of other families."""
        if not operation.answers_item:
            return None
        body = exchange.json
        found = body.get(operation.item_key) if operation.item_key and isinstance(body, dict) else body
        return found if isinstance(found, dict) else None

    def _blamed(self, kept: Kept, way: str) -> Key | None:
        """The last write that can have to do with how a record looks now: to itself, else to another one."""
        events = [e for e in kept.since[way] if e.own] or [e for e in kept.since[way] if e.action != CREATE]
        return self.entity.held(events[-1].action) if events else None

    def _read(self, kept: Kept) -> None:
        operation = self.entity[READ]
        exchange = self._send(operation, kept)
        if not kept.alive:
            marked = exchange.ok and TRASH in self.entity and (self._record(operation, exchange) or {}).get(MARK)
            self._kept("LIFE-04", DELETE)
            if exchange.status not in GONE and not marked:
                sentence = f"a deleted {self.entity.words} is read with {exchange.outcome()} instead of 404"
                self._broken(("LIFE-04", DELETE), sentence, exchange)
            return
        if not exchange.ok:
            sentence = f"a {self.entity.words} that should be there is read with {exchange.outcome()}"
            self._broken(self._blamed(kept, READ), sentence, exchange)
            return
        record = self._record(operation, exchange)
        if record is not None:
            self._compare(kept, record, READ, exchange)

    def _compare(self, kept: Kept, record: Mapping[str, Any], way: str, exchange: Exchange) -> None:
        """Hold a record to the values sent and to how it looked before."""
        events = kept.since[way]
        own = [e for e in events if e.own]
        seen = bool(kept.shown.get(way))
        for action in {e.action for e in events if e.own or (e.action == UPDATE and seen)}:
            self._kept(*self.entity.held(action))
        key = self._identity()
        if key in record and key in kept.own.record and not same(kept.own.record[key], record[key]):
            sentence = f"{key} is {record[key]!r:.60} instead of {kept.own.record[key]!r:.60}"
            self._broken(self._blamed(kept, way), sentence, exchange)
            return
        for name in kept.values.keys() & record.keys():
            if not same(kept.values[name], record[name]):
                changed = any(e.action == UPDATE and name in e.before for e in own)
                made = any(e.action == CREATE for e in own)
                blamed = self.entity.held(UPDATE if changed else CREATE) if changed or made else self._blamed(kept, way)
                sentence = f"{name} was sent as {kept.values[name]!r:.60} and is read as {record[name]!r:.60}"
                self._broken(blamed, sentence, exchange)
        before = kept.shown.get(way, {})
        for name in (before.keys() & record.keys()) - kept.values.keys():
            if before[name] != record[name] and self._has_to_stay(name, before[name], record[name], own):
                writes = own or [e for e in events if e.action != CREATE]
                if writes:
                    what = ("" if own else "another record's ") + writes[-1].action
                    sentence = f"{name} was {before[name]!r:.60} before {what}, it is {record[name]!r:.60} now"
                    self._broken(self.entity.held(writes[-1].action), sentence, exchange)
        kept.shown[way] = record
        events.clear()

    def _identity(self) -> str:
        """The field that a record is addressed by."""
        operation = next((self.entity[a] for a in (READ, DELETE, UPDATE) if a in self.entity), None)
        return operation.path_parameters[-1].field if operation and operation.path_parameters else "id"

    def _has_to_stay(self, name: str, before: Any, now: Any, own: list[Event]) -> bool:
        """Whether a field that nobody sent may not change: what the server notes about a write is free, and where only
        another record was written, what it works out from others."""
        taken = self._fields(self.entity[UPDATE]) if UPDATE in self.entity else {}
        if not own:
            return name in taken
        times = [v for v in (before, now) if timestamp(v)]
        noted = name.endswith("modified_by") or (bool(times) and all(v is None or timestamp(v) for v in (before, now)))
        return name != MARK and (name in taken or not noted)

    def _rows(self, operation: Operation, kept: Kept, wanted: set[str]) -> tuple[list[list[Any]], bool, Exchange]:
        """Pages of a list until all that is wanted stands in them or nothing new comes; whether that was all of it."""
        collection = operation.collection
        assert collection is not None
        pages: list[list[Any]] = []
        seen: set[str] = set()
        while True:
            paging: tuple[tuple[str, Any], ...] = ()
            if collection.paging:
                paging = (("limit", REFERENCE_PAGE), ("offset", sum(map(len, pages))))[: 2 if pages else 1]
            exchange = self._send(operation, kept, query=paging)
            body = exchange.json
            rows = body.get(collection.key) if collection.key and isinstance(body, dict) else body
            if not exchange.ok or not isinstance(rows, list):
                return pages, False, exchange
            found = [r for r in rows if isinstance(r, dict)]
            fresh = {self._name(r) for r in found} - seen
            seen |= fresh
            pages.append(found)
            if wanted <= seen or not fresh or not collection.paging:
                return pages, wanted <= seen or not collection.paging or len(rows) < REFERENCE_PAGE, exchange
            if len(pages) >= _MOST_PAGES:
                return pages, False, exchange

    def _name(self, record: Mapping[str, Any]) -> str:
        return str(record.get(self._identity(), identity(record)))

    def _neighbours(self, operation: Operation, kept: Kept) -> list[Kept]:
        """The records that stand in the same list."""
        names = [p.name for p in operation.path_parameters]
        return [k for k in self.records if all(k.own.path.get(n) == kept.own.path.get(n) for n in names)]

    def _list(self, kept: Kept) -> None:
        operation = self.entity[LIST]
        peers = self._neighbours(operation, kept)
        wanted = {self._name(k.own.record) for k in peers if k.alive and not k.switched}
        pages, whole, exchange = self._rows(operation, kept, wanted)
        if not pages:
            return
        for peer in peers:
            name = self._name(peer.own.record)
            rows = [r for page in pages for r in page if self._name(r) == name]
            if peer.alive:
                self._listed(peer, rows, whole, exchange)
                twice = max(sum(self._name(r) == name for r in page) for page in pages) > 1
                if twice:
                    self._broken(("LIFE-02", LIST), f"a {self.entity.words} stands in the list twice", exchange)
            elif rows and not (TRASH in self.entity and rows[0].get(MARK)):
                self._kept("LIFE-04", DELETE)
                self._broken(("LIFE-04", DELETE), f"a deleted {self.entity.words} is still in the list", exchange)
            elif whole or peer.listed:
                self._kept("LIFE-04", DELETE)

    def _listed(self, peer: Kept, rows: list[Mapping[str, Any]], whole: bool, exchange: Exchange) -> None:
        """A record that is there has to be in the list, as it was changed last."""
        if not rows:
            if whole and not peer.switched and not self._there_again(peer):
                blamed = self._blamed(peer, LIST) if peer.listed else None
                sentence = f"a {self.entity.words} that should be there is not in the list"
                self._kept("LIFE-02", LIST)
                self._broken(blamed or ("LIFE-02", LIST), sentence, exchange)
            return
        self._kept("LIFE-02", LIST)
        peer.listed = True
        if READ not in self.entity:
            self._compare(peer, rows[0], LIST, exchange)
            return
        earlier = peer.shown.get(LIST, {})
        for event in peer.since[LIST]:
            for name, value in event.before.items() if event.own and event.action == UPDATE else ():
                told = name in earlier and name in rows[0] and value is not None and same(value, earlier[name])
                if told and not same(peer.values[name], rows[0][name]):
                    sentence = f"{name} was changed to {peer.values[name]!r:.60}, the list shows {rows[0][name]!r:.60}"
                    self._broken(("LIFE-03", UPDATE), sentence, exchange)
        if any(e.own and e.action == RESTORE for e in peer.since[LIST]):
            self._kept(*self.entity.held(RESTORE))
        peer.shown[LIST] = rows[0]
        peer.since[LIST].clear()

    def _there_again(self, kept: Kept) -> bool:
        """Whether a second look at the list shows the record: a list that differs from call to call is the matter of
        others."""
        name = self._name(kept.own.record)
        pages, _, _ = self._rows(self.entity[LIST], kept, {name})
        return any(self._name(r) == name for page in pages for r in page)

    def _trash(self, kept: Kept) -> None:
        wanted = {self._name(k.own.record) for k in self.records if not k.alive}
        pages, whole, exchange = self._rows(self.entity[TRASH], kept, wanted)
        names = {self._name(r) for page in pages for r in page}
        for peer in self.records:
            there = self._name(peer.own.record) in names
            if not peer.alive and (there or whole):
                self._kept("LIFE-04", DELETE)
                if not there:
                    self._broken(("LIFE-04", DELETE), f"a deleted {self.entity.words} is not in the trash", exchange)
            elif peer.alive and peer.restored and (there or whole):
                self._kept(*self.entity.held(RESTORE))
                if there:
                    sentence = f"a restored {self.entity.words} is still in the trash"
                    self._broken(self.entity.held(RESTORE), sentence, exchange)


# --- the machine ----------------------------------------------------------------------------------------------------


def whole_life(rng: random.Random) -> list[Step]:
    """Two records through everything, each write looked at before the next; what varies is whose turn it is."""
    one, other = rng.sample((0, 1), 2)
    first, second = rng.sample([Step(READ, one), Step(READ, other)], 2)
    return [
        *(Step(CREATE), Step(CREATE), first, second, Step(LIST, one)),
        *(Step(UPDATE, one), *rng.sample([Step(READ, one), Step(READ, other)], 2)),
        *(Step(UPDATE, one, 1), *rng.sample([Step(READ, one), Step(LIST, one)], 2)),
        *(Step(DELETE, one), *rng.sample([Step(READ, one), Step(LIST, one), Step(TRASH, one)], 3), Step(DELETE, one)),
        *(Step(RESTORE, one), *rng.sample([Step(READ, one), Step(LIST, one), Step(TRASH, one)], 3)),
    ]


def life_of(s: Subject) -> Outcome:
    """What the machine saw of the entity of a cell; it is run for the first cell that asks."""
    name = s.operation.entity
    create = s.session.contract.by_action(name, CREATE)
    assert create is not None
    known: dict[str, Outcome] = s.bench.memory.setdefault("lives", {})
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
    entity = usable(s.bench, s.operation.entity)
    profile = s.session.profile

    def look(steps: list[Step]) -> None:
        for key, finding in Life(s.bench, entity, outcome).play(steps).items():
            if key not in outcome.found:
                outcome.found[key] = _smallest(s.bench, entity, steps, key, finding)

    look(whole_life(s.random))
    actions = [action for action in ACTIONS if action in entity or (action == RESTORE and TRASH in entity)]
    if profile.lives and len(actions) > 1:
        step = st.builds(Step, st.sampled_from(actions), st.integers(0, RECORDS - 1), st.integers(0, 7))
        s.for_all(st.lists(step, min_size=3, max_size=profile.steps), look, profile.lives)


def _smallest(bench: Workbench, entity: Entity, steps: list[Step], key: Key, finding: Finding) -> Finding:
    """Leave out steps, from long stretches to single ones, as long as the same rule is still seen broken."""
    replays, size = 0, max(1, len(steps) // 2)
    while size:
        start = 0
        while start < len(steps) and replays < _MOST_REPLAYS:
            fewer = steps[:start] + steps[start + size :]
            replays += 1
            again = Life(bench, entity, Outcome()).play(fewer).get(key)
            if again is None:
                start += size
            else:
                steps, finding = fewer, again
        size //= 2
    return finding


def _told(s: Subject) -> None:
    """Say what the machine saw of the cell's rule."""
    s.control()
    outcome = life_of(s)
    key = (s.cell.requirement, s.operation.action)
    s.exercised(outcome.evidence[key])
    if key in outcome.found:
        finding = outcome.found[key]
        raise Broken(finding.sentence, finding.exchange, finding.example)
    if outcome.stopped and not s.evidence:
        raise NotExercised(outcome.stopped)
    if not s.evidence:
        refused = outcome.refused.get(s.operation.action)
        raise NotExercised(refused or "no other operation of the target shows what became of the record")


for _requirement in ("LIFE-01", "LIFE-02", "LIFE-03", "LIFE-04", "LIFE-06"):
    check(_requirement)(_told)


# --- GET changes nothing --------------------------------------------------------------------------------------------


def _variation(s: Subject, call: Call) -> Call:
    """The same read with other parameters than usual."""
    told: list[tuple[str, Any]] = []
    for parameter in s.operation.query_parameters:
        values = {"limit": 2, "offset": 1, "load_full_structure": 1}
        choices = s.session.contract.resolved(parameter.schema).get("enum")
        if parameter.name in values:
            told.append((parameter.name, values[parameter.name]))
        elif choices and not parameter.required:
            told.append((parameter.name, choices[-1]))
    return call.asking(*told)


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
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict) or parameter.field not in rows[0]:
        return None
    path = {**call.path, parameter.name: str(rows[0][parameter.field])}
    return Call(other, path) if all(p.name in path for p in other.path_parameters) else None


def _state(exchange: Exchange, operation: Operation) -> Any:
    """What an answer shows: of a list its records by what tells them apart, so that their order does not matter."""
    collection, body = operation.collection, exchange.json
    if collection is None:
        return exchange.status, body
    rows = body.get(collection.key) if collection.key and isinstance(body, dict) else body
    return {repr(identity(r)): r for r in rows} if isinstance(rows, list) else (exchange.status, body)


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
    call, asked = s.call(), _variation(s, s.call())
    # In a short profile a list has been read in many ways by now, and its last answer without parameters is known.
    again = asked_again(s) if s.operation.collection and s.session.profile.list_forms == 1 else None
    if again is not None and again.ok:
        before = _state(s.session.read(call, s.session.admin), s.operation)
        _unchanged(s, call, before, again, call)
        return
    witness = _witness(s)
    looks = [look for look in (witness, call) if look is not None]
    states = [_state(s.session.read(look, s.session.admin), look.operation) for look in looks]
    for reading in (asked, call):
        s.session.read_again(reading, s.session.admin)
    for look, state in zip(looks, states, strict=True):
        _unchanged(s, look, state, s.session.read_again(look, s.session.admin), asked)


def _unchanged(s: Subject, look: Call, before: Any, exchange: Exchange, asked: Call) -> None:
    """What a look shows now is what it showed before the reading."""
    after = _state(exchange, look.operation)
    what = _difference(before, after)
    if what:
        _confirmed(s, look, before, after, what, asked, exchange)
    s.exercised()


def _confirmed(s: Subject, look: Call, before: Any, after: Any, what: str, asked: Call, exchange: Exchange) -> None:
    """Whether it was the reading: what goes on changing while nothing but the look itself is repeated cannot tell."""
    again = _state(s.session.read_again(look, s.session.admin), look.operation)
    if _difference(after, again) or not _difference(before, again):
        raise NotExercised(f"what {look.operation.id} answers changes by itself from one call to the next")
    example = "&".join(f"{name}={value}" for name, value in asked.query) or "without parameters"
    raise Broken(f"reading changed what {look.operation.id} shows: {what}", exchange, example)
