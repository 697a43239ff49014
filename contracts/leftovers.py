"""What the suite has left on a target: how it is found in the target's own lists, and how it is removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cdp.contract import Contract, Operation
from cdp.http import TOKEN_HEADER, Exchange
from cdp.ledger import IN_THE_TRASH
from contracts.answers import marked
from contracts.books import own_prefix, recognise
from contracts.calls import Call
from contracts.observing import rows_of
from contracts.session import Obstacle, Session

ALL_PAGES = 500
_PAGE = 100
_ROUNDS = 9  # what others refer to can only be removed after them, as long as anything could be removed
_IN_USE = 409
_SILENCE = 3  # so many requests without an answer: the target is gone
_FORBIDDEN = 403  # who may not read a list could not write to it either, unless a ledger says so
_TOKEN_REFUSED = 401


@dataclass(frozen=True)
class Record:
    """A record of the suite on the target."""

    delete: Operation
    record_id: str
    url: str
    prefix: str = ""
    made: datetime | None = None


@dataclass(frozen=True)
class Leftover:
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
    it; `notes`: what could not be looked through; `pages`: how many pages of lists could be read."""

    removed: list[Record] = field(default_factory=list)
    left: list[Leftover] = field(default_factory=list)
    stays: list[Leftover] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pages: int = 0
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
        self._in_use: list[Record] = []  # what was not removed, because others refer to it

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
            page = rows_of(listing, exchange)
            if page is None:
                if not (listing.provenance == "assumed" and exchange.no_such_operation):
                    outcome.notes.append(f"{listing.id} {exchange.answered()} and was not looked through")
                    outcome.blind |= exchange.status != _FORBIDDEN
                return
            outcome.pages += 1
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
        exchange = self._ask(method, url)
        if exchange.status == _TOKEN_REFUSED and self.session.renewed(self.session.admin):
            exchange = self._ask(method, url)
        self._silent = self._silent + 1 if exchange.failure else 0
        if self._silent >= _SILENCE:
            raise Obstacle(f"{self.session.target.base_url} does not answer: {exchange.detail}")
        if exchange.status == _TOKEN_REFUSED:
            raise Obstacle(f"{self.session.target.base_url} refused the token (401); check it, or log in again")
        return exchange

    def _ask(self, method: str, url: str) -> Exchange:
        headers = {"Accept": "application/json", TOKEN_HEADER: self.session.admin.token}
        return self.session.client.send(method, url, headers=headers, operation="clean")

    def remove(
        self, records: Iterable[Record], outcome: Outcome, deadline: float, done: Callable[[Record], None]
    ) -> None:
        """Delete records in the order given, and again what was refused, because something may have to go first."""
        waiting = list(records)
        answers: dict[str, Exchange] = {}  # the last one about each record; none where there was no time to ask
        for _ in range(_ROUNDS):
            refused = []
            for record in waiting:
                answers.pop(record.url, None)
                if time.monotonic() > deadline:
                    refused.append(record)
                    continue
                exchange = answers[record.url] = self.ask("DELETE", record.url)
                if exchange.ok or self._gone(record, exchange):
                    outcome.removed.append(record)
                    done(record)
                else:
                    refused.append(record)
            any_removed = len(refused) < len(waiting)
            waiting = refused
            if not any_removed:
                break
        for record in waiting:
            answer = answers.get(record.url)
            self._keep(record, answer, outcome)
            if answer is not None and answer.status == _IN_USE:
                self._in_use.append(record)

    def remove_what_was_in_use(self, outcome: Outcome, deadline: float, done: Callable[[Record], None]) -> None:
        """Try those again that something referred to: it may be gone by now."""
        again, self._in_use = self._in_use, []
        urls = {record.url for record in again}
        outcome.left = [kept for kept in outcome.left if kept.url not in urls]
        self.remove(again, outcome, deadline, done)

    def _gone(self, record: Record, exchange: Exchange) -> bool:
        """Whether "not found" is about the record, and not about an operation that the target does not have. What is
        shown as deleted is gone, too."""
        if not exchange.gone:
            return False
        url = self.reading_url(record)
        shown = self.ask("GET", url) if url else None
        return shown is None or not shown.ok or self._marked(record, shown)

    def _marked(self, record: Record, shown: Exchange) -> bool:
        read = self.contract.by_action(record.delete.entity, "read")
        found = recognise(Call(read), shown) if read is not None else None
        return found is not None and marked(found.record)

    def _keep(self, record: Record, answer: Exchange | None, outcome: Outcome) -> None:
        """Note a record that is still there, with what the target answered when it was asked to delete it."""
        why = answer.answered() if answer is not None else "there was no time left"
        if answer is not None and answer.no_such_operation and record.delete.provenance == "assumed":
            why = f"the target has no such operation ({why})"
            outcome.stays.append(Leftover(record.delete.id, record.record_id, why, record.url))
        else:
            outcome.left.append(Leftover(record.delete.id, record.record_id, why, record.url))


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


def in_trash(contract: Contract, removed: Collection[Record]) -> list[Leftover]:
    """What of the removed lies in a trash that no operation empties."""
    found = []
    for record in removed:
        trash = contract.by_action(record.delete.entity, "trash")
        if trash is not None:
            found.append(Leftover(trash.id, record.record_id, IN_THE_TRASH))
    return found
