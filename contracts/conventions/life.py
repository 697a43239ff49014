"""LIFE: steps played on a target and compared with a model of what has to be there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cdp.contract import Operation
from cdp.http import Exchange
from cdp.ledger import Created
from cdp.texts import timestamp
from cdp.verdicts import Cell
from contracts.arrangement import OwnRecord
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import NotExercised
from contracts.conventions.harmless import unknown_id
from contracts.conventions.life_model import (
    CREATE,
    CREATED,
    DELETE,
    GONE,
    LIST,
    MARK,
    MOST_PAGES,
    READ,
    RECORDS,
    RESTORE,
    TRASH,
    UPDATE,
    Entity,
    Event,
    Finding,
    Kept,
    Key,
    Outcome,
    Step,
    same,
)
from contracts.conventions.life_values import FEW, MANY, Values
from contracts.conventions.listing import REFERENCE_PAGE, asked_about, describe
from contracts.finding import Unavailable
from contracts.observing import identity, record_of, rows_of
from contracts.subject import Subject, Workbench


class Life:
    """One sequence of steps on the target and in the model."""

    def __init__(self, bench: Workbench, entity: Entity, outcome: Outcome) -> None:
        self.bench = bench
        self.session = bench.session
        self.entity = entity
        self.outcome = outcome
        self.values = Values(bench)
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
                self._create(full=step.action == CREATE and step.pick % 2 == 1)
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
        # A change may be the way out of a trash.
        return action in self.entity and (
            action != UPDATE or kept.alive or (TRASH not in self.entity and not self._marks())
        )

    def _marks(self) -> bool:
        """Whether a change may take a record out of the trash."""
        return UPDATE in self.entity and MARK in self.values.fields(self.entity[UPDATE])

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

    def _create(self, full: bool) -> None:
        """Create a record; a full one with what may be sent beside what must, as much as the target takes."""
        try:
            own = (self._created_in_full() if full else None) or self.bench.arrangement.own(self.entity.name)
        except Unavailable as error:
            raise NotExercised(f"no record could be created: {error}") from None
        kept = Kept(own, dict(own.sent), switched=any(isinstance(value, int) for value in own.sent.values()))
        self.records.append(kept)
        self._event(kept, CREATE)

    def _created_in_full(self) -> OwnRecord | None:
        for fields in self.values.of_a_create(self.entity[CREATE]):
            try:
                own = self.bench.arrangement.create(self.entity.name, fields)
            except Unavailable:
                continue  # what a field means beyond its schema is not known: a target may refuse it
            self.told[-1] += f" ({', '.join(fields)})"
            return own
        return None

    def _now(self, kept: Kept) -> dict[str, Any]:
        """The fields of a record as they are known."""
        return {**kept.shown.get(READ, {}), **kept.values}

    def _update(self, kept: Kept, pick: int) -> None:
        operation = self.entity[UPDATE]
        if not kept.alive:
            self._change_what_is_gone(kept)
            return
        body = self.values.of_a_change(operation, self._now(kept), pick, MANY if pick % 2 else 1)
        if not body:
            self.outcome.refused.setdefault(UPDATE, f"{operation.id} takes no field that can be changed without harm")
            return
        exchange = self._send(operation, kept, body)
        if exchange.client_error and len(body) > FEW:  # one field that means more than its schema says spoils all
            body = self.values.of_a_change(operation, self._now(kept), pick - 1, FEW)
            exchange = self._send(operation, kept, body)
        self.told[-1] += f" ({', '.join(body)})"
        if not exchange.ok:
            self.outcome.refused[UPDATE] = f"{operation.id} answered {exchange.outcome()} to {', '.join(body)}"
            return
        before = {name: kept.values[name] for name in body if name in kept.values}
        kept.values.update(body)
        kept.switched = kept.switched or any(isinstance(value, int) for value in body.values())
        self._event(kept, UPDATE, dict.fromkeys(body) | before)
        answered = self._record(operation, exchange) or {}
        for name, value in body.items():
            if name in answered:
                self._kept("LIFE-03", UPDATE)
                if not same(value, answered[name]):
                    sentence = f"{name} was changed to {value!r:.60}, and the answer shows {answered[name]!r:.60}"
                    self._broken(("LIFE-03", UPDATE), sentence, exchange)

    def _change_what_is_gone(self, kept: Kept) -> None:
        operation = self.entity[UPDATE]
        body = self.values.of_a_change(operation, self._now(kept), 0, 1)
        if not body:
            return
        exchange = self._send(operation, kept, body)
        self._kept("LIFE-04", DELETE)
        if exchange.ok and not self._never_there(operation, kept, body).ok:
            sentence = (
                f"a deleted {self.entity.words} can still be changed: {operation.id} answered {exchange.outcome()}"
            )
            self._broken(("LIFE-04", DELETE), sentence, exchange)

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

    def _never_there(self, operation: Operation, kept: Kept, body: Any = None) -> Exchange:
        """The answer about a record that never was: what it is told alike is the matter of status codes."""
        s = Subject(Cell("LIFE", operation.id, ADMIN), operation, self.bench)
        call = unknown_id(s, kept.own.call(operation))
        return self.session.send(call if body is None else call.sending(body), self.session.admin, judged=False)

    def _restore(self, kept: Kept) -> None:
        if RESTORE in self.entity:
            exchange = self._send(self.entity[RESTORE], kept)
            if not exchange.ok:
                sentence = f"restoring a deleted {self.entity.words} got {exchange.outcome()}"
                self._broken(self.entity.held(RESTORE), sentence, exchange)
        else:
            schema = self.values.fields(self.entity[UPDATE])[MARK]
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
        found = record_of(operation, exchange)
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
        taken = self.values.fields(self.entity[UPDATE]) if UPDATE in self.entity else {}
        if not own:
            return name in taken
        times = [v for v in (before, now) if timestamp(v)]
        noted = name.endswith("modified_by") or (bool(times) and all(v is None or timestamp(v) for v in (before, now)))
        return name != MARK and (name in taken or name == CREATED or not noted)

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
            if len(pages) >= MOST_PAGES:
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
                self._alone(peer, pages, exchange)
                twice = max(sum(self._name(r) == name for r in page) for page in pages) > 1
                if twice:
                    self._broken(("LIFE-02", LIST), f"a {self.entity.words} stands in the list twice", exchange)
            elif rows and not (TRASH in self.entity and rows[0].get(MARK)):
                self._kept("LIFE-04", DELETE)
                self._broken(("LIFE-04", DELETE), f"a deleted {self.entity.words} is still in the list", exchange)
            elif whole or peer.listed:
                self._kept("LIFE-04", DELETE)
        gone = [k for k in peers if not k.alive]
        if gone and ("LIFE-04", DELETE) not in self.found:
            self._gone_otherwise(operation, gone)

    def _gone_otherwise(self, operation: Operation, gone: list[Kept]) -> None:
        """What was deleted is not in the list either when that is asked for in other ways."""
        for query in asked_about(self.session.contract, operation, gone[-1].values.get("name")):
            exchange = self._send(operation, gone[-1], query=query)
            rows = [r for r in rows_of(operation, exchange) or [] if isinstance(r, dict)]
            for peer in gone:
                row = next((r for r in rows if self._name(r) == self._name(peer.own.record)), None)
                if row is not None and not (TRASH in self.entity and row.get(MARK)):
                    sentence = f"a deleted {self.entity.words} is in the list for {describe(*query)}"
                    self._broken(("LIFE-04", DELETE), sentence, exchange)

    def _alone(self, peer: Kept, pages: list[list[Any]], exchange: Exchange) -> None:
        """No other record may hold a text that was sent for this one alone: it would have been stored twice."""
        texts = {n: v for n, v in peer.values.items() if isinstance(v, str) and v.startswith(f"{self.session.prefix} ")}
        name = self._name(peer.own.record)
        for row in (r for page in pages for r in page if self._name(r) != name):
            field = next((n for n, text in texts.items() if row.get(n) == text), None)
            if field is not None:
                sentence = (
                    f"a {self.entity.words} that was created once is in the list twice: {name:.60} and "
                    f"{self._name(row):.60} have the same {field}"
                )
                self._broken(("LIFE-02", LIST), sentence, exchange)

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
