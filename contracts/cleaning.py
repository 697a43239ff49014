"""Removing what runs left on a target, after a run and after runs that were killed.

Two sources tell what there is: the ledgers, and the target's own collections, in which the suite's records are known by
the prefix that their names start with. Nothing without the prefix is touched, whatever a ledger says: the address may
be another instance's by now.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdp.contract import Contract, Operation
from cdp.ledger import Created, Intent, Ledger, LeftLedger
from cdp.prefixes import prefix_in
from contracts.books import ledger_target
from contracts.budget import LEAST_CLEAN_UP_S, removal_s
from contracts.leftovers import ALL_PAGES, Leftover, Lists, Outcome, Record, depth, in_trash
from contracts.parallel.footprint import CALLERS
from contracts.session import Obstacle, Session

NEWEST_PAGES = 3  # after a run its records are among the newest


# --- after a run -----------------------------------------------------------------------------------------------------


def clean_after_run(session: Session, ledger: Ledger) -> Outcome:
    """Remove the run's own records, then look through the lists that it wrote to: what got no answer may be there."""
    outcome, lists = Outcome(), Lists(session)
    contract = session.contract
    created = {record.delete_url: record for record in _callers_first(contract, ledger) if record.delete_url}
    # As long as there is something to remove and it can be: a deadline is for targets that have become slow.
    needed_s = removal_s(len(created), len(ledger.operations), session.answer_s, session.target.max_rps)
    deadline = time.monotonic() + max(LEAST_CLEAN_UP_S, needed_s)
    touched = {contract.operations[operation].entity for operation in ledger.operations}

    def note(record: Record) -> None:
        if record.url in created:
            ledger.removed(created[record.url])

    with _obstacles(outcome):
        known = [Record(_deleting(contract, entry), entry.record_id, url) for url, entry in created.items()]
        lists.remove(known, outcome, deadline, note)
        unread: set[str] = set()
        for entity in [e for e in lists.entities() if e in touched]:
            notes = len(outcome.notes)
            found = [r for r in lists.find(entity, NEWEST_PAGES, outcome) if r.prefix == session.prefix]
            lists.remove([r for r in found if r.url not in outcome.kept], outcome, deadline, note)
            if len(outcome.notes) > notes:
                unread.add(entity)
        lists.remove_what_was_in_use(outcome, deadline, note)
        _settle(contract, ledger, outcome, unread)
    _note_what_is_left(contract, ledger, outcome)
    return outcome


def _settle(contract: Contract, ledger: Ledger, outcome: Outcome, unread: set[str]) -> None:
    """Settle what was sent without an answer and has been looked for; `unread`: kinds whose lists could not be read."""
    for number, intent in ledger.pending.items():
        entity = contract.operations[intent.operation].entity
        if contract.by_action(entity, "delete") is None:
            outcome.stays.append(Leftover(intent.operation, intent.name, "sent, no answer"))
        if entity not in unread:  # looked for, or gone with the record that it belonged to
            ledger.settled(number)


def _note_what_is_left(contract: Contract, ledger: Ledger, outcome: Outcome) -> None:
    """Tell of what the ledger still holds, and of what lies in a trash."""
    for entry in ledger.open_records:
        if not entry.delete_url:
            outcome.stays.append(Leftover(entry.operation, entry.record_id))
        elif entry.delete_url not in outcome.kept:
            outcome.left.append(Leftover(_deleting(contract, entry).id, entry.record_id, "not tried", entry.delete_url))
    for intent in ledger.pending.values():
        outcome.left.append(Leftover(intent.operation, intent.name, "sent, no answer, and not looked for"))
    outcome.stays += in_trash(contract, outcome.removed)


def _callers_first(contract: Contract, ledger: Ledger) -> list[Created]:
    """The open records, the newest first, but users and their roles before all others: they are made first, and if
    anything has to be left, then not accounts that can log in."""
    ranks = {name: rank for rank, name in enumerate(CALLERS)}
    return sorted(
        ledger.open_records, key=lambda record: ranks.get(contract.operations[record.operation].entity, len(ranks))
    )


def _deleting(contract: Contract, entry: Created) -> Operation:
    delete = contract.by_action(contract.operations[entry.operation].entity, "delete")
    assert delete is not None
    return delete


@contextmanager
def _obstacles(outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except Obstacle as obstacle:
        outcome.notes.append(str(obstacle))


# --- after runs that died --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """Which runs are cleaned up after: all, one by its prefix, those older than a moment; never one that still goes."""

    prefix: str = ""
    before: datetime | None = None
    alive: frozenset[str] = frozenset()

    def takes(self, prefix: str, made: datetime | None) -> bool:
        if prefix in self.alive or (self.prefix and prefix != self.prefix):
            return False
        return self.before is None or (made is not None and made < self.before)


class Cleaning:
    """A clean-up of one target: `find` first, then `remove`, or nothing more."""

    def __init__(self, session: Session, ledgers: list[LeftLedger], prefix: str, before: datetime | None) -> None:
        here = ledger_target(session.target)
        self.session = session
        self.lists = Lists(session)
        self.contract = session.contract
        self.outcome = Outcome()
        mine = [ledger for ledger in ledgers if here in ledger.entries.targets]
        alive = frozenset(p for ledger in mine if ledger.alive for p in ledger.entries.prefixes)
        self.wanted = Wanted(prefix, before, alive)
        self.running = sum(ledger.alive for ledger in mine)
        self.ledgers = [
            ledger for ledger in mine if not (ledger.alive or ledger.entries.settled) and self._takes(ledger)
        ]
        self._gone: set[str] = set()

    def _takes(self, ledger: LeftLedger) -> bool:
        return any(self.wanted.takes(prefix, ledger.started) for prefix in ledger.entries.prefixes)

    @property
    def blind(self) -> bool:
        """Whether something may be there that was not seen."""
        return self.outcome.blind or (
            bool(self.outcome.notes) and not all(ledger.entries.settled for ledger in self.ledgers)
        )

    def find(self) -> list[Record]:
        """Everything of the wanted runs, in the order in which it can be removed."""
        began = {p: ledger.started for ledger in self.ledgers for p in ledger.entries.prefixes}
        found: dict[str, Record] = {}
        for entity in self.lists.entities():
            for record in self.lists.find(entity, ALL_PAGES, self.outcome):
                if self.wanted.takes(record.prefix, began.get(record.prefix) or record.made):
                    found.setdefault(record.url, record)
        for ledger in self.ledgers:
            for entry in reversed(ledger.entries.open.values()):
                self._from_ledger(ledger, entry, found)
            for intent in ledger.entries.pending.values():
                self._unanswered(intent)
        return sorted(found.values(), key=lambda record: -depth(self.contract, record.delete.entity))

    def _from_ledger(self, ledger: LeftLedger, entry: Created, found: dict[str, Record]) -> None:
        """Take a record that a ledger names, unless it is gone, or not the suite's."""
        if not entry.delete_url:
            self.outcome.stays.append(Leftover(entry.operation, entry.record_id))
            return
        if entry.delete_url in found:
            return
        target, operation = self.session.target, self.contract.operations.get(entry.operation)
        ours = entry.delete_url.startswith((target.base_url + "/", target.origin + "/"))
        delete = self.contract.by_action(operation.entity, "delete") if operation else None
        if not ours or delete is None:
            self._left(entry, "the contract has no operation that deletes it")
            return
        prefix = next(iter(ledger.entries.prefixes), "")
        record = Record(delete, entry.record_id, entry.delete_url, prefix)
        if len(delete.path_parameters) > 1:
            # Known by its parent, which is ours; where the parent is gone, so is this.
            if any(_same_record(url, _above(record.url)) for url in found):
                found[record.url] = record
            return
        if not self.lists.reading_url(record):
            return
        exchange = self.lists.ask("GET", record.url)
        if exchange.gone:
            self._gone.add(record.url)
        elif exchange.ok and prefix in _prefixes(exchange.json):
            found[record.url] = record
        elif exchange.ok:
            self._left(entry, "does not carry the prefix, so it is not touched")
        else:
            self._left(entry, f"reading it {exchange.answered()}")

    def _left(self, entry: Created, why: str) -> None:
        self.outcome.left.append(Leftover(entry.operation, entry.record_id, why, entry.delete_url))

    def _unanswered(self, intent: Intent) -> None:
        """What was sent without an answer stands in the lists if it was done; what has no list may be there."""
        operation = self.contract.operations.get(intent.operation)
        if operation is None or self.contract.by_action(operation.entity, "delete") is None:
            self.outcome.stays.append(Leftover(intent.operation, intent.name, "sent, no answer"))

    def remove(self, records: list[Record]) -> Outcome:
        """Delete what was found, look whether it is gone, and note it in the ledgers."""
        outcome = self.outcome
        try:
            self.lists.remove(records, outcome, float("inf"), lambda record: None)
            self._look_again()
        finally:
            self._settle()
        outcome.stays += in_trash(self.contract, outcome.removed)
        return outcome

    def _look_again(self) -> None:
        """A target may say that it deleted, and not have done so."""
        gone = {record.url: record for record in self.outcome.removed}
        touched = {record.delete.entity for record in gone.values()}
        for entity in [e for e in self.lists.entities() if e in touched]:
            for record in self.lists.find(entity, ALL_PAGES, Outcome()):
                if record.url in gone:
                    self.outcome.removed.remove(gone[record.url])
                    why = "said to be deleted, still there"
                    self.outcome.left.append(Leftover(record.delete.id, record.record_id, why, record.url))

    def _settle(self) -> None:
        """Where every list was looked through, what is neither there nor kept is gone."""
        gone = self._gone | {record.url for record in self.outcome.removed}
        kept, whole = self.outcome.kept, not self.outcome.notes
        for ledger in self.ledgers:
            entries = [e for e in ledger.entries.open.values() if e.delete_url and e.delete_url not in kept]
            done = [e for e in entries if whole or e.delete_url in gone]
            ledger.settle(done, list(ledger.entries.pending) if whole else [])


def _above(url: str) -> str:
    return url.rsplit("/", 2)[0]


def _same_record(url: str, other: str) -> bool:
    """Whether two addresses name one record, though below other paths: /segments/5 and /acl/segments/5."""
    return url.rsplit("/", 2)[1:] == other.rsplit("/", 2)[1:]


def _prefixes(body: Any) -> set[str]:
    """The prefixes that texts of a record start with, a wrapper around it or not."""
    if not isinstance(body, dict):
        return set()
    values = list(body.values())
    values += [inner for value in values if isinstance(value, dict) for inner in value.values()]
    return {prefix for prefix in map(prefix_in, values) if prefix}
