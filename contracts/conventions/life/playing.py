"""LIFE: steps played on a target and compared with a model of what has to be there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cdp.contract import Operation
from cdp.http import Exchange
from cdp.ledger import Created
from cdp.verdicts import Cell
from contracts.arrangement import OwnRecord
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import NotExercised
from contracts.conventions.harmless import unknown_id
from contracts.conventions.life.bystanders import Bystanders
from contracts.conventions.life.inner_values import inner_values
from contracts.conventions.life.model import (
    CREATE,
    CREATED,
    DELETE,
    LIST,
    MARK,
    MOST_DELETED,
    READ,
    RECORDS,
    RESTORE,
    TRASH,
    UPDATE,
    Finding,
    Kept,
    Key,
    Step,
    same,
)
from contracts.conventions.life.values import FEW, MANY
from contracts.finding import Unavailable
from contracts.subject import Subject


class Life(Bystanders):
    """One sequence of steps on the target and in the model."""

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
                self.tell(f"create {len(self.records) + 1}")
                self._create(full=step.action == CREATE and step.pick % 2 == 1)
            if step.action == CREATE:
                return
        number = step.record % len(self.records)
        kept = self.records[number]
        takers: dict[str, Callable[[], None]] = {
            READ: lambda: self.look(kept),
            LIST: lambda: self.look_at_list(kept),
            UPDATE: lambda: self._update(kept, step.pick, alone=step.alone),
            DELETE: lambda: self._delete(kept),
            TRASH: lambda: self.look_at_trash(kept),
            RESTORE: lambda: self._restore(kept),
        }
        action = self._seen_by(step.action)
        if self._possible(action, kept):
            self.tell(f"{action} {number + 1}")
            takers[action]()

    def _seen_by(self, action: str) -> str:
        """A step; where records are not read one by one, and there is time, the list is looked at in place of that."""
        listed = action == READ and READ not in self.entity and self.session.profile.lives
        return LIST if listed else action

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

    # --- writes ----------------------------------------------------------------------------------------------------

    def _create(self, full: bool) -> None:
        """Create a record; a full one with what may be sent beside what must, as much as the target takes."""
        try:
            own = (self._created_in_full() if full else None) or self.bench.arrangement.own(self.entity.name)
        except Unavailable as error:
            raise NotExercised(f"no record could be created: {error}") from None
        kept = Kept(own, dict(own.sent), switched=any(isinstance(value, int) for value in own.sent.values()))
        self.records.append(kept)
        self.event(kept, CREATE)

    def another(self) -> Kept:
        """One more record, made with what must be sent."""
        self._create(full=False)
        return self.records[-1]

    def writers(self) -> Mapping[str, Callable[[Kept], None]]:
        """How a record is changed and deleted."""
        return {UPDATE: lambda kept: self._update(kept, 0), DELETE: self._delete}

    def _created_in_full(self) -> OwnRecord | None:
        create = self.entity[CREATE]
        inner = inner_values(self.bench, self.entity, self.values.fields(create))
        for fields in self.values.of_a_create(create, inner):
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

    def _update(self, kept: Kept, pick: int, *, alone: bool = False) -> None:
        operation = self.entity[UPDATE]
        if not kept.alive:
            self._change_what_is_gone(kept)
            return
        many = pick % 2 == 1 and not alone
        body = self.values.of_a_change(operation, self._now(kept), pick, MANY if many else 1)
        if not body:
            self.outcome.refused.setdefault(UPDATE, f"{operation.id} takes no field that can be changed without harm")
            return
        exchange = self.send(operation, kept, body)
        if exchange.client_error and len(body) > FEW:  # one field that means more than its schema says spoils all
            body = self.values.of_a_change(operation, self._now(kept), pick - 1, FEW)
            exchange = self.send(operation, kept, body)
        self.told[-1] += f" ({', '.join(body)})"
        if not exchange.ok:
            self.outcome.refused[UPDATE] = f"{operation.id} {exchange.answered()} to {', '.join(body)}"
            return
        self._changed(kept, body)
        kept.switched = kept.switched or any(isinstance(value, int) for value in body.values())
        self._answer_shows(kept, body, exchange)
        if many:
            self._update_inside(kept)

    def _changed(self, kept: Kept, body: Mapping[str, Any]) -> None:
        """Note a change that was taken, and the values that it replaced."""
        before = {name: kept.values[name] for name in body if name in kept.values}
        kept.sends(body)
        self.event(kept, UPDATE, dict.fromkeys(body) | before)

    def _answer_shows(self, kept: Kept, body: Mapping[str, Any], exchange: Exchange) -> None:
        """What the answer to a change shows of it is what was sent."""
        answered = self.record(self.entity[UPDATE], exchange) or {}
        for name, value in body.items():
            if name not in answered:
                continue
            self.seen("LIFE-03", UPDATE)
            if not same(value, answered[name]) or kept.left_of_before(name, answered[name]):
                sentence = f"{name} was changed to {value!r:.60}, and the answer shows {answered[name]!r:.60}"
                self.broken(("LIFE-03", UPDATE), sentence, exchange)

    def _update_inside(self, kept: Kept) -> None:
        """Change what stands inside the record, to what stands in others; where all of it is refused, a part of it.
        Once it was changed, to what has fewer keys, where that is taken."""
        operation = self.entity[UPDATE]
        now = {name: value for name, value in self._now(kept).items() if name in kept.shown.get(READ, {})}
        fields = self.values.fields(operation)
        body = inner_values(self.bench, self.entity, fields, now)
        less = inner_values(self.bench, self.entity, fields, now, fewer=True) if kept.inside else body
        for part in (*([less] if less != body else []), body, dict(list(body.items())[:1]) if len(body) > 1 else {}):
            if not part:
                return
            exchange = self.send(operation, kept, part)
            if exchange.ok:
                self._changed(kept, part)
                kept.inside = True
                self.told[-1] += f" ({', '.join(part)})"
                # What is worked out from the inside may be another now.
                stays = {*self.values.fields(operation), CREATED, self.identity()}
                kept.shown = {way: {n: v for n, v in seen.items() if n in stays} for way, seen in kept.shown.items()}
                return

    def _change_what_is_gone(self, kept: Kept) -> None:
        operation = self.entity[UPDATE]
        body = self.values.of_a_change(operation, self._now(kept), 0, 1)
        if not body:
            return
        exchange = self.send(operation, kept, body)
        self.seen("LIFE-04", DELETE)
        if not exchange.ok or self._kept_as_gone(kept, operation, exchange):
            return
        if not self._never_there(operation, kept, body).ok:
            sentence = f"a deleted {self.entity.words} can still be changed: {operation.id} {exchange.answered()}"
            self.broken(("LIFE-04", DELETE), sentence, exchange)

    def _delete(self, kept: Kept) -> None:
        exchange = self.send(self.entity[DELETE], kept)
        if not kept.alive:
            if exchange.gone:
                self.seen("LIFE-06", DELETE)
            elif exchange.outcome() != self._never_there(self.entity[DELETE], kept).outcome():
                sentence = f"deleting a {self.entity.words} again got {exchange.outcome()} instead of 404"
                self.broken(("LIFE-06", DELETE), sentence, exchange)
            else:
                self.outcome.refused[DELETE] = f"any unknown id gets {exchange.outcome()}, not only what was deleted"
        elif exchange.ok:
            self._gone(kept)
            self.event(kept, DELETE)
        else:
            self.outcome.refused[DELETE] = f"{self.entity[DELETE].id} {exchange.answered()}"

    def _gone(self, kept: Kept) -> None:
        """Note a record that was deleted, to look at it again later."""
        if kept.alive and len(self.outcome.deleted) < MOST_DELETED:
            self.outcome.deleted.append((kept, time.monotonic()))
        kept.alive = False

    def _never_there(self, operation: Operation, kept: Kept, body: Any = None) -> Exchange:
        """The answer about a record that never was: what it is told alike is the matter of status codes."""
        s = Subject(Cell("LIFE", operation.id, ADMIN), operation, self.bench)
        call = unknown_id(s, kept.own.call(operation))
        return self.session.send(call if body is None else call.sending(body), self.session.admin, judged=False)

    def _restore(self, kept: Kept) -> None:
        if RESTORE in self.entity:
            exchange = self.send(self.entity[RESTORE], kept)
            if not exchange.ok:
                sentence = f"restoring a deleted {self.entity.words} got {exchange.outcome()}"
                self.broken(self.entity.held(RESTORE), sentence, exchange)
        else:
            schema = self.values.fields(self.entity[UPDATE])[MARK]
            exchange = self.send(self.entity[UPDATE], kept, {MARK: False if schema.get("type") == "boolean" else 0})
        if exchange.ok:  # that a change restores is said nowhere, so its refusal is no fault
            kept.alive = kept.restored = True
            self.event(kept, RESTORE)

    def _clear(self) -> None:
        """Delete what is left and take it out of the ledger: lists stay as short as they were."""
        delete = self.entity.operations.get(DELETE)
        for kept in self.records:
            if delete is not None and (not kept.alive or self.send(delete, kept).ok):
                self._gone(kept)
                own = kept.own
                path = {p.name: own.path.get(p.name) or str(own.record.get(p.field)) for p in delete.path_parameters}
                url = Call(delete, path).url(self.session.target)
                self.session.ledger.removed(Created(self.entity[CREATE].id, str(own.record.get("id", "")), url))
