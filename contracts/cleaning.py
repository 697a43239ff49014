"""Removing what runs left on a target, after a run and after runs that were killed.

Two sources tell what there is: the ledgers, and the target's own collections, in which the suite's records are known by
the prefix that their names start with. Nothing without the prefix is touched, whatever a ledger says: the address may
be another instance's by now.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cdp.contract import Contract, Operation
from cdp.http import TOKEN_HEADER, Exchange
from cdp.ledger import Created, Intent, Ledger, LeftLedger
from cdp.prefixes import prefix_in
from contracts.books import ledger_target, own_prefix
from contracts.calls import Call
from contracts.session import Obstacle, Session

RUN_DEADLINE_S = 60.0  # a run cleans up after itself so long at most
NEWEST_PAGES = 3  # after a run its records are among the newest
ALL_PAGES = 500
_PAGE = 100
_ROUNDS = 3  # what others refer to can only be removed after them
_SILENCE = 3  # so many requests without an answer: the target is gone
_GONE = (404, 410)
_FORBIDDEN = 403  # who may not read a list could not write to it either, unless a ledger says so
_TOKEN_REFUSED = 401
_NO_SUCH_OPERATION = (404, 405, 501)


@dataclass(frozen=True)
class Record:
    """A record of the suite on the target."""

    delete: Operation
    record_id: str
    url: str
    prefix: str = ""
    made: datetime | None = None


@dataclass(frozen=True)
class Kept:
    """A record that is still there: the operation, the id, and why."""

    operation: str
    record_id: str
    why: str = ""
    url: str = ""

    def __str__(self) -> str:
        return f"{self.operation} {self.record_id}" + (f": {self.why}" if self.why else "")


@dataclass
class Outcome:
    """What became of the records. `left`: could be removed and was not; `stays`: the API has no operation that removes
    it; `notes`: what could not be looked through."""

    removed: list[Record] = field(default_factory=list)
    left: list[Kept] = field(default_factory=list)
    stays: list[Kept] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    blind: bool = False  # a list that may hold records of ours could not be looked through

    @property
    def kept(self) -> set[str]:
        """Addresses of the records that are still there."""
        return {kept.url for kept in (*self.left, *self.stays) if kept.url}


class Lists:
    """The collections whose records can be created and deleted, and what the suite has in them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.contract = session.contract
        self._silent = 0

    def entities(self) -> list[str]:
        """Kinds of records that stand in a list of their own, those that refer to others first."""
        names = [
            operation.entity
            for operation in self.contract.operations.values()
            if operation.action == "delete" and self._list(operation.entity)
        ]
        return sorted(names, key=lambda name: -depth(self.contract, name))

    def _list(self, entity: str) -> Operation | None:
        listing = self.contract.by_action(entity, "list")
        if listing is None or listing.collection is None or listing.path_parameters:
            return None
        return listing if self.contract.by_action(entity, "create") else None

    def find(self, entity: str, pages: int, outcome: Outcome) -> Iterator[Record]:
        """The suite's records of one kind, the newest first."""
        listing, delete = self._list(entity), self.contract.by_action(entity, "delete")
        create = self.contract.by_action(entity, "create")
        assert listing is not None and delete is not None and create is not None
        parameter = delete.path_parameters[-1]
        for record in self._records(listing, pages, outcome):
            prefix = own_prefix(self.contract, create, record)
            record_id = record.get(parameter.field)
            if prefix and record_id is not None:
                url = Call(delete, {parameter.name: str(record_id)}).url(self.session.target)
                collection = listing.collection
                made = _moment(record.get(collection.timestamp or "")) if collection else None
                yield Record(delete, str(record_id), url, prefix, made)

    def _records(self, listing: Operation, pages: int, outcome: Outcome) -> Iterator[dict[str, Any]]:
        collection = listing.collection
        assert collection is not None
        call = Call(listing).asking(*((("show_hidden", 1),) if listing.query("show_hidden") else ()))
        seen: set[str] = set()
        for _ in range(pages):
            asked = call.asking(("limit", _PAGE), ("offset", len(seen))) if collection.paging else call
            exchange = self.ask("GET", asked.url(self.session.target))
            body = exchange.json
            page = body if collection.key is None else body.get(collection.key) if isinstance(body, dict) else None
            if not exchange.ok or not isinstance(page, list):
                if not (listing.provenance == "assumed" and exchange.status in _NO_SUCH_OPERATION):
                    outcome.notes.append(f"{listing.id} answered {exchange.outcome()} and was not looked through")
                    outcome.blind |= exchange.status != _FORBIDDEN
                return
            fresh = [r for r in page if isinstance(r, dict) and str(r.get("id")) not in seen]
            seen.update(str(r.get("id")) for r in fresh)
            yield from fresh
            if not collection.paging or not fresh:
                return
        if pages == ALL_PAGES:
            outcome.notes.append(f"{listing.id} holds more than {len(seen)} records; the rest was not looked through")
            outcome.blind = True

    def reading_url(self, record: Record) -> str:
        """Where one record can be read; empty when the API has no operation for that."""
        read = self.contract.by_action(record.delete.entity, "read")
        return record.url if read is not None and read.path == record.delete.path else ""

    def ask(self, method: str, url: str) -> Exchange:
        """Send one request as the run's own caller. Raises Obstacle when the target does not answer any more."""
        headers = {"Accept": "application/json", TOKEN_HEADER: self.session.admin.token}
        exchange = self.session.client.send(method, url, headers=headers, operation="clean")
        self._silent = self._silent + 1 if exchange.failure else 0
        if self._silent >= _SILENCE:
            raise Obstacle(f"{self.session.target.base_url} does not answer: {exchange.detail}")
        if exchange.status == _TOKEN_REFUSED:
            raise Obstacle(f"{self.session.target.base_url} refused the token (401); check it, or log in again")
        return exchange

    def remove(
        self, records: Iterable[Record], outcome: Outcome, deadline: float, done: Callable[[Record], None]
    ) -> None:
        """Delete records in the order given, and again what was refused, because something may have to go first."""
        waiting = list(records)
        why: dict[str, str] = {}
        for _ in range(_ROUNDS):
            refused = []
            for record in waiting:
                if time.monotonic() > deadline:
                    why[record.url] = "there was no time left"
                    refused.append(record)
                    continue
                exchange = self.ask("DELETE", record.url)
                if exchange.ok or self._gone(record, exchange):
                    outcome.removed.append(record)
                    done(record)
                else:
                    why[record.url] = f"answered {exchange.outcome()}"
                    refused.append(record)
            if not refused or len(refused) == len(waiting):
                waiting = refused
                break
            waiting = refused
        for record in waiting:
            self._keep(record, why[record.url], outcome)

    def _gone(self, record: Record, exchange: Exchange) -> bool:
        """Whether "not found" is about the record, and not about an operation that the target does not have."""
        if exchange.status not in _GONE:
            return False
        url = self.reading_url(record)
        return not url or not self.ask("GET", url).ok

    def _keep(self, record: Record, why: str, outcome: Outcome) -> None:
        missing = any(why == f"answered {status}" for status in _NO_SUCH_OPERATION)
        if missing and record.delete.provenance == "assumed":
            why = f"the target has no such operation ({why})"
            outcome.stays.append(Kept(record.delete.id, record.record_id, why, record.url))
        else:
            outcome.left.append(Kept(record.delete.id, record.record_id, why, record.url))


def depth(contract: Contract, entity: str) -> int:
    """How many records stand above one of this kind: its parents, and those that it refers to when it is made."""

    @cache
    def of(name: str) -> int:
        if name in busy:
            return 0
        busy.add(name)
        create = contract.by_action(name, "create")
        above = {p.entity for p in create.path_parameters} if create else set()
        if create and create.body_schema:
            fields = contract.resolved(create.body_schema).get("properties", {}).values()
            above |= {contract.resolved(schema).get("x-entity", "") for schema in fields}
        found = max((1 + of(other) for other in above if other and other != name), default=0)
        busy.discard(name)
        return found

    busy: set[str] = set()
    return of(entity)


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def in_trash(contract: Contract, removed: Collection[Record]) -> list[Kept]:
    """What of the removed lies in a trash that no operation empties."""
    counts = Counter(record.delete.entity for record in removed)
    found = []
    for entity, number in counts.items():
        trash = contract.by_action(entity, "trash")
        if trash is not None:
            found.append(Kept(trash.id, f"({number} removed)", "kept in the trash"))
    return found


# --- after a run -----------------------------------------------------------------------------------------------------


def clean_after_run(session: Session, ledger: Ledger) -> Outcome:
    """Remove the run's own records, then look through the lists that it wrote to: what got no answer may be there."""
    outcome, lists = Outcome(), Lists(session)
    deadline = time.monotonic() + RUN_DEADLINE_S
    contract = session.contract
    created = {record.delete_url: record for record in ledger.open_records if record.delete_url}
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
        for number, intent in ledger.pending.items():
            entity = contract.operations[intent.operation].entity
            if contract.by_action(entity, "delete") is None:
                outcome.stays.append(Kept(intent.operation, intent.name, "sent, no answer"))
            if entity not in unread:  # looked for, or gone with the record that it belonged to
                ledger.settled(number)
    for entry in ledger.open_records:
        if not entry.delete_url:
            outcome.stays.append(Kept(entry.operation, entry.record_id))
        elif entry.delete_url not in outcome.kept:
            outcome.left.append(Kept(_deleting(contract, entry).id, entry.record_id, "not tried", entry.delete_url))
    for intent in ledger.pending.values():
        outcome.left.append(Kept(intent.operation, intent.name, "sent, no answer, and not looked for"))
    outcome.stays += in_trash(contract, outcome.removed)
    return outcome


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
            self.outcome.stays.append(Kept(entry.operation, entry.record_id))
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
        if exchange.status in _GONE:
            self._gone.add(record.url)
        elif exchange.ok and prefix in _prefixes(exchange.json):
            found[record.url] = record
        elif exchange.ok:
            self._left(entry, "does not carry the prefix, so it is not touched")
        else:
            self._left(entry, f"reading it answered {exchange.outcome()}")

    def _left(self, entry: Created, why: str) -> None:
        self.outcome.left.append(Kept(entry.operation, entry.record_id, why, entry.delete_url))

    def _unanswered(self, intent: Intent) -> None:
        """What was sent without an answer stands in the lists if it was done; what has no list may be there."""
        operation = self.contract.operations.get(intent.operation)
        if operation is None or self.contract.by_action(operation.entity, "delete") is None:
            self.outcome.stays.append(Kept(intent.operation, intent.name, "sent, no answer"))

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
                    self.outcome.left.append(Kept(record.delete.id, record.record_id, why, record.url))

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
