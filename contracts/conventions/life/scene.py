"""LIFE: what the steps of one sequence share: the target, the records, what is told of the steps and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdp.contract import Operation
from cdp.http import Exchange
from contracts.calls import Call
from contracts.conventions.breakdown import broken_down
from contracts.conventions.life.model import (
    CREATE,
    DELETE,
    HELD_BY,
    LIST,
    READ,
    UPDATE,
    Entity,
    Event,
    Finding,
    Kept,
    Key,
    Outcome,
)
from contracts.conventions.life.values import Values
from contracts.observing import identity, record_of
from contracts.workbench import Workbench


class Scene:
    """One sequence of steps: the records that it is played with, as the model knows them, and what is told of it."""

    def __init__(self, bench: Workbench, entity: Entity, outcome: Outcome) -> None:
        self.bench = bench
        self.session = bench.session
        self.entity = entity
        self.outcome = outcome
        self.values = Values(bench)
        self.records: list[Kept] = []
        self.found: dict[Key, Finding] = {}
        self.told: list[str] = []
        self.written: list[str] = []  # what was done since the list was looked at last

    def tell(self, step: str) -> None:
        """Note a step, for whoever reads of a finding."""
        self.told.append(step)

    def broken(self, key: Key | None, sentence: str, exchange: Exchange) -> None:
        """A rule is broken; the first time counts, and without a key nobody is to blame."""
        if key is not None and key not in self.found:
            self.found[key] = Finding(sentence, exchange, "; ".join(self.told))

    def seen(self, *key: str) -> None:
        """A rule was looked at, whatever came of it."""
        self.outcome.evidence[key[0], key[1]] += 1

    def send(
        self, operation: Operation, kept: Kept, body: Any = None, query: tuple[tuple[str, Any], ...] = ()
    ) -> Exchange:
        """Call an operation about a record, as the one who may do everything."""
        own = kept.own
        path = {p.name: own.path.get(p.name) or str(own.record.get(p.field, "")) for p in operation.path_parameters}
        call = Call(operation, path).asking(*query)
        exchange = self.session.send(call if body is None else call.sending(body), self.session.admin, judged=False)
        self._stands(operation, kept, exchange)
        return exchange

    def _stands(self, operation: Operation, kept: Kept, exchange: Exchange) -> None:
        """No step may bring the target down. A look at a list is told with the write before it; looks at one record,
        and what becomes of writes to a deleted one, are judged where they are made."""
        how = broken_down(exchange)
        action = next((action for action, known in self.entity.operations.items() if known is operation), READ)
        if not how or action == READ or (action in (UPDATE, DELETE) and not kept.alive):
            return
        key = self.entity.held(action) if action in HELD_BY else self.blamed(kept, LIST)
        self.broken(key or ("LIFE-02", LIST), f"{operation.id} got {how} in the life of a record", exchange)

    def event(self, kept: Kept, action: str, before: Mapping[str, Any] | None = None) -> None:
        """A write happened to a record; `before`: the values that it replaced."""
        self.written.append(action)
        for other in self.records:
            other.happened(Event(action, other is kept, before or {}))

    def record(self, operation: Operation, exchange: Exchange) -> Mapping[str, Any] | None:
        """The record of an answer; how it is wrapped is the matter of other families."""
        if not operation.answers_item:
            return None
        found = record_of(operation, exchange)
        return found if isinstance(found, dict) else None

    def blamed(self, kept: Kept, way: str) -> Key | None:
        """The last write that can have to do with how a record looks now: to itself, else to another one."""
        events = [e for e in kept.since[way] if e.own] or [e for e in kept.since[way] if e.action != CREATE]
        return self.entity.held(events[-1].action) if events else None

    def identity(self) -> str:
        """The field that a record is addressed by."""
        operation = next((self.entity[a] for a in (READ, DELETE, UPDATE) if a in self.entity), None)
        return operation.path_parameters[-1].field if operation and operation.path_parameters else "id"

    def name(self, record: Mapping[str, Any]) -> str:
        """What a record of a list is told from others by."""
        return str(record.get(self.identity(), identity(record)))
