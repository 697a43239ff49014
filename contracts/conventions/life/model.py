"""LIFE: what a model knows of records and of the steps that are done to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cdp.contract import Operation
from cdp.http import Exchange
from cdp.texts import same_time
from contracts.answers import DELETED, fields
from contracts.arrangement import OwnRecord
from contracts.checks import NotExercised, TargetLost, Unconfirmed
from contracts.observing import canonical
from contracts.workbench import Workbench

CREATE, READ, LIST, UPDATE, DELETE, TRASH, RESTORE = "create", "read", "list", "update", "delete", "trash", "restore"
ACTIONS = (READ, LIST, UPDATE, DELETE, TRASH, RESTORE, CREATE)
MARK = DELETED  # the field in which records of sections with a trash carry whether they are in it
CREATED = "created"  # the time that no later write may change
RECORDS = 3  # at once
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
MOST_REPLAYS = 40
MOST_PAGES = 10
MOST_DELETED = 3  # that are looked at again later
# The requirement that a write is held to by what is seen after it, and the action on whose operation it stands.
Key = tuple[str, str]
HELD_BY = {CREATE: "LIFE-01", UPDATE: "LIFE-03", DELETE: "LIFE-04", RESTORE: "LIFE-06"}


@dataclass(frozen=True)
class Step:
    """One step: what is done to which record. `pick` chooses what a change sends: an even one another value for one
    field, an odd one values for many, and nothing for those that may be empty; `alone`: for one field in any case."""

    action: str
    record: int = 0
    pick: int = 0
    alone: bool = False


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
    past: dict[str, frozenset[str]] = field(default_factory=dict)  # keys of objects that were sent earlier, by field
    inside: bool = False  # what stands inside it was changed
    switched: bool = False  # more than a text of it was changed, which may hide it from the list
    shown: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    since: dict[str, list[Event]] = field(default_factory=lambda: {READ: [], LIST: []})

    def sends(self, values: Mapping[str, Any]) -> None:
        """Note values that a change sends, and the keys that they replace."""
        for name in values.keys() & self.values.keys():
            keys = keys_of(self.values[name])
            if keys:
                self.past[name] = self.past.get(name, frozenset()) | keys
        self.values.update(values)

    def left_of_before(self, name: str, got: Any) -> frozenset[str]:
        """Keys of an object that were sent earlier and not in its last value, and are there all the same."""
        return (keys_of(got) & self.past.get(name, frozenset())) - keys_of(self.values[name])

    def happened(self, event: Event) -> None:
        for events in self.since.values():
            events.append(event)


@dataclass
class Entity:
    """The operations of an entity that the target really has, by action."""

    name: str
    operations: dict[str, Operation]
    marks: bool = False  # whether its records carry the mark of deleted ones

    def __getitem__(self, action: str) -> Operation:
        return self.operations[action]

    def __contains__(self, action: object) -> bool:
        return action in self.operations

    @property
    def soft(self) -> bool:
        """Whether a deleted record may still be shown, marked as such: in sections with a trash, and where records
        carry the mark at all."""
        return TRASH in self or self.marks

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")

    def held(self, action: str) -> Key:
        """Where what a write does wrong is told; a restoration by PATCH stands on the operation that deletes."""
        return HELD_BY[action], DELETE if action == RESTORE and RESTORE not in self else action


@dataclass
class Outcome:
    """What the machine saw of an entity. `deleted`: the first records that it deleted, and when."""

    found: dict[Key, Finding] = field(default_factory=dict)
    evidence: Counter[Key] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    entity: Entity | None = None
    deleted: list[tuple[Kept, float]] = field(default_factory=list)


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
    return Entity(name, found, MARK in fields(contract, name))


def _text(value: Any) -> str:
    return canonical(value) if isinstance(value, dict | list) else str(value)


def same(sent: Any, got: Any) -> bool:
    """Whether a value came back as it was sent: an id may come as a number or a text, JSON as text or decoded, a time
    in any form and, where it was sent without a zone, by the clock of any, a UUID in capitals (RFC 9562, section 4), an
    object with more keys than were sent, because a target may fill in what was left out, and an empty one as null, as
    an empty text may."""
    if sent == got or (not isinstance(sent, dict | list | bool | None) and str(sent) == str(got)):
        return True
    if got is None or sent is None:
        return {} in (sent, got) or sent == ""
    if isinstance(sent, dict) and isinstance(got, dict):
        return all(name in got and same(value, got[name]) for name, value in sent.items())
    if isinstance(sent, str) != isinstance(got, str):
        text, other = (sent, got) if isinstance(sent, str) else (got, sent)
        told = decoded(text)
        return told != text and (same(told, other) if text is sent else same(other, told))
    if isinstance(sent, list) and isinstance(got, list):
        in_turn = len(sent) == len(got) and all(map(same, sent, got))
        return in_turn or sorted(map(_text, sent)) == sorted(map(_text, got))
    if isinstance(sent, str) and _UUID.fullmatch(sent):
        return sent.lower() == got.lower()
    return same_time(sent, got)


def keys_of(value: Any) -> frozenset[str]:
    """The keys of an object, as it is or as a text."""
    told = decoded(value)
    return frozenset(told) if isinstance(told, dict) else frozenset()


def decoded(value: Any) -> Any:
    """What a text of JSON says; any other value as it is."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value
