"""Reads everything back that a run sent: customer by customer, and from the list of all events what is missing then.

Whose an identifier is, is asked first; then the list of that customer's events is read, the newest first, until its
records are older than the run. What is acknowledged and not there is looked for again until the deadline, because
targets take events in asynchronously.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import gevent
import numpy as np

from cdp.prefixes import PREFIX
from load.audit.ledger import ACKNOWLEDGED
from load.audit.owners import Owners, Ways
from load.audit.reading import PARALLEL, NotThere, ReadError, Reading, Row, in_parallel
from load.audit.sent import Sent
from load.audit.tally import ELSEWHERE, INTACT, Copy, Tally, moment_s
from load.scenarios.data import Integers

_MARGIN_S = 60.0
_CLOCKS_APART_S = 26 * 3600.0  # a target's clock may show another zone, and be off
_CONTROLS = 20
_LATEST = 20  # events that were acknowledged last
_NEWEST = 1000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
WHOLE_LIST = 200_000  # up to so many events, the list of all events is read even when nothing is missing
SAID_EVERY_S = 5.0


class Group(NamedTuple):
    """Events about one identifier: their indices."""

    identifier: str
    indices: Integers


@dataclass
class Customer:
    """A customer, and all identifiers of the run that belong to him."""

    id: str
    identifiers: set[str] = field(default_factory=set)


@dataclass
class Readback:
    """One reading back. `lasted_s`: how long the run sent, and what it sent was taken in, at most; `deadline_s`: how
    long after the start of the reading something acknowledged may take to be seen; `say`: told how it goes."""

    sent: Sent
    ways: Ways
    reading: Reading
    lasted_s: float
    deadline_s: float
    say: Callable[[str], None] = lambda line: None
    parallel: int = PARALLEL

    def __post_init__(self) -> None:
        self.tally = Tally(self.sent, self.ways)
        self.everywhere = Tally(self.sent, self.ways)  # what the list of all events shows
        self.whole_list_read = False
        self.looked_up: set[str] = set()  # identifiers whose owner was found
        self.control = False  # whether the lists have proved to show events
        self._customers: dict[str, Customer] = {}
        self._newest_s: float | None = None
        self._wanted = 0
        self._began_s = time.monotonic()
        self._said_s = self._began_s
        self._until_s = self._began_s + self.deadline_s
        self.waited_s = 0.0

    def read(self) -> None:
        """Read everything. Raises ReadError when that is not possible, Stopped when it is not wanted any more."""
        groups = list(self._groups())
        self._wanted = len(groups)
        if self.ways.of_customer is not None:
            self._prepare_owners(groups)
        if self.ways.of_customer is None and self.ways.of_all is None:
            raise ReadError("; ".join(self.ways.notes) or "the contract names no list that shows events again")
        if self.ways.of_customer is not None:
            self._wait_for_the_latest()
            in_parallel(self._look_up, groups, self.parallel)
            in_parallel(self._read_customer, list(self._customers.values()), self.parallel)
            self._look_again(groups)
        if self.ways.of_all is not None and (self.ways.of_customer is None or self._list_is_wanted()):
            self._read_all()
            while self.ways.of_customer is None and self._missing().size and self._time_left():
                gevent.sleep(_LONGEST_PAUSE_S / 2)
                self.everywhere = Tally(self.sent, self.ways)
                self._read_all()
        self.tally.match_unreadable(self._missing())

    # --- what there is to read

    def _groups(self) -> Iterator[Group]:
        """The events that may be there, by identifier."""
        by_rank: dict[tuple[int, int], list[Integers]] = {}
        for worker, indices, ranks in self.sent.customers():
            order = np.argsort(ranks, kind="stable")
            values, starts = np.unique(ranks[order], return_index=True)
            for rank, part in zip(values.tolist(), np.split(indices[order], starts[1:]), strict=True):
                if rank >= 0:
                    by_rank.setdefault((worker, rank), []).append(part)
            for index in indices[ranks < 0].tolist():
                yield Group(self.sent.identifier_of(index), np.array([index], dtype=np.int64))
        for parts in by_rank.values():
            indices = np.concatenate(parts)
            yield Group(self.sent.identifier_of(int(indices[0])), indices)

    def _acknowledged(self, indices: Integers) -> Integers:
        return indices[self.sent.states[indices] == ACKNOWLEDGED]

    def _missing(self) -> Integers:
        """Acknowledged events of which no record was found."""
        tally = self.tally if self.ways.of_customer is not None else self.everywhere
        found = tally.copies
        return np.flatnonzero((self.sent.states == ACKNOWLEDGED) & (found == 0))

    def _list_is_wanted(self) -> bool:
        return self.sent.size <= WHOLE_LIST or bool(self._missing().size)

    # --- whose identifiers are

    def _prepare_owners(self, groups: list[Group]) -> None:
        """Find out whether it can be told whose an identifier is: a few of those must be found that should be there."""
        assert self.ways.of_customer is not None
        self.owners = Owners(self.reading, self.ways)
        try:
            self.owners.prepare(self.sent.customers_known)
            tried = [each for each in groups if self._acknowledged(each.indices).size]
            known = {text for writer in self.sent.writers.values() for text in writer.known_identifiers}
            tried.sort(key=lambda each: each.identifier not in known)
            if not tried:
                return
            for each in tried[:_CONTROLS]:
                customer = self.owners.of(each.identifier)
                if customer is not None:
                    self._control(customer, known=each.identifier in known)
                    break
            else:
                while self._time_left() and self.owners.of(tried[0].identifier) is None:
                    gevent.sleep(_LONGEST_PAUSE_S / 2)
            if not self.owners.found:
                count = len(tried[:_CONTROLS])
                raise ReadError(f"{self.owners.name} knows none of {count} identifiers that events were sent for")
        except ReadError as error:
            if self.ways.of_all is None:
                raise
            self.ways.without_customers(str(error))

    def _control(self, customer: str, *, known: bool) -> None:
        """Look whether the list of a customer shows events with what they carry. Raises ReadError when it does not."""
        assert self.ways.of_customer is not None
        rows = self.reading.newest(self.ways.of_customer, self.ways.customer_path(customer), _NEWEST)
        if rows and not any(self.ways.ingestion.payload in row for row in rows):
            raise ReadError(f"{self.ways.of_customer.id} does not show {self.ways.ingestion.payload}")
        self.control = known and bool(rows)

    def _look_up(self, group: Group) -> Customer | None:
        owner = self.owners.of(group.identifier)
        if owner is None:
            return None
        self.looked_up.add(group.identifier)
        customer = self._customers.setdefault(owner, Customer(owner))
        customer.identifiers.add(group.identifier)
        self._progress()
        return customer

    # --- a customer's events

    def _wait_for_the_latest(self) -> None:
        """Wait until the events can be seen that were acknowledged last, or the time is up."""
        waiting: dict[str, set[str]] = {}
        for index in np.flatnonzero(self.sent.states == ACKNOWLEDGED)[-_LATEST:].tolist():
            waiting.setdefault(self.sent.identifier_of(index), set()).add(str(self.sent.mark_of(index)))
        began_s, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while waiting and self._time_left():
            in_parallel(lambda each: self._see(waiting, each), list(waiting), self.parallel)
            if waiting:
                gevent.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
        self.waited_s = time.monotonic() - began_s

    def _see(self, waiting: dict[str, set[str]], identifier: str) -> None:
        """Take from those that are waited for what is among the newest events of the customer."""
        assert self.ways.of_customer is not None
        owner = self.owners.of(identifier)
        if owner is None:
            return
        marks = waiting[identifier]
        try:
            rows = self.reading.newest(self.ways.of_customer, self.ways.customer_path(owner), _NEWEST)
        except NotThere:
            return
        for row in rows:
            marks.difference_update(self.tally.marks_in(row))
        if not marks:
            del waiting[identifier]

    def _read_customer(self, customer: Customer) -> None:
        self._take(customer, only_new=False)

    def _take(self, customer: Customer, only_new: bool) -> None:
        """Read the events of a customer to the run's beginning, and count them."""
        assert self.ways.of_customer is not None
        copies: list[Copy] = []
        others: list[Row] = []
        for row in self._rows_of(customer):
            copy = self.tally.recognise(row)
            identifier = row.get(self.ways.ingestion.identifier)
            if copy is None:
                if identifier in customer.identifiers and self._of_no_run(row):
                    others.append(row)
                continue
            if (
                copy.kind == INTACT
                and identifier not in customer.identifiers
                and not self._belongs(customer, identifier)
            ):
                copy = copy._replace(kind=ELSEWHERE, reason="it is shown as an event of another customer")
            copies.append(copy)
        self.tally.count(copies, only_new)
        if not only_new:
            self.tally.order(copies)
            self.tally.keep_unreadable(others)
        self._progress()

    def _of_no_run(self, row: Row) -> bool:
        """Whether a record that bears no mark may be one of this run all the same: no older, and of no other run."""
        created_s = _created_s(row)
        marked = PREFIX.search(str(row.get(self.ways.ingestion.payload)))
        return (marked is None or marked[0] == self.sent.run) and (created_s is None or created_s >= self._oldest_s)

    def _belongs(self, customer: Customer, identifier: object) -> bool:
        """Whether an identifier that nobody has asked for yet is this customer's."""
        if not isinstance(identifier, str) or self.owners.of(identifier) != customer.id:
            return False
        customer.identifiers.add(identifier)
        return True

    def _rows_of(self, customer: Customer) -> Iterator[Row]:
        """The records of a customer, each once, newest first; those from before the run are left out."""
        assert self.ways.of_customer is not None
        path = self.ways.customer_path(customer.id)
        try:
            yield from self._walk(self.reading.pages(self.ways.of_customer, path))
        except NotThere:
            return  # joined with another customer meanwhile; who that is will be asked again

    def _walk(self, pages: Iterator[list[Row]]) -> Iterator[Row]:
        """Records of pages, until a page holds nothing of the run and is older than it.

        New records push others on to the next page, which then begins with what the page before ended with; those are
        left out. Whatever else stands twice is there twice.
        """
        seen: set[str] = set()
        ordered, before_s = True, float("inf")
        for page in pages:
            keys = [_key(row) for row in page]
            again = next((place for place, key in enumerate(keys) if key not in seen), len(page))
            own, last_s = False, None
            seen.update(keys)
            for row in page[again:]:
                mine, last_s = self.sent.run in str(row.get(self.ways.ingestion.payload)), _created_s(row)
                own = own or mine
                if last_s is not None:
                    ordered = ordered and last_s <= before_s
                    before_s = last_s
                    if mine:
                        self._newest_s = max(last_s, self._newest_s or last_s)
                yield row
            nothing_new = bool(page) and again == len(page)
            older = ordered and not own and last_s is not None and last_s < self._oldest_s
            if nothing_new or older:
                return

    @property
    def _oldest_s(self) -> float:
        """What is older was there before the run: by the target's own clock, as soon as an event of it was seen."""
        if self._newest_s is not None:
            return self._newest_s - self.lasted_s - _MARGIN_S
        return self.sent.started_s - _CLOCKS_APART_S

    # --- what is missing

    def _look_again(self, groups: list[Group]) -> None:
        """Look for what is acknowledged and missing until it is there or the time is up."""
        pause_s = _FIRST_PAUSE_S
        while self._missing().size:
            began_s = time.monotonic()
            wanted = np.zeros(self.sent.size, dtype=np.bool_)
            wanted[self._missing()] = True
            concerned = [each for each in groups if wanted[each.indices].any()]
            customers: dict[str, Customer] = {}

            def look_up(group: Group, found: dict[str, Customer] = customers) -> None:
                customer = self._look_up(group)
                if customer is not None:
                    found[customer.id] = customer

            in_parallel(look_up, concerned, self.parallel)
            in_parallel(lambda each: self._take(each, only_new=True), list(customers.values()), self.parallel)
            if not self._time_left():
                return
            gevent.sleep(max(pause_s, time.monotonic() - began_s))  # half of the time the target is left alone
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    def _time_left(self) -> bool:
        return time.monotonic() < self._until_s

    # --- the list of all events

    def _read_all(self) -> None:
        assert self.ways.of_all is not None
        try:
            copies: list[Copy] = []
            others: list[Row] = []
            identifiers = {each for customer in self._customers.values() for each in customer.identifiers}
            rows: list[Row] = []
            for row in self._walk(self.reading.pages(self.ways.of_all)):
                rows = rows or [row]
                copy = self.everywhere.recognise(row)
                if copy is not None:
                    copies.append(copy)
                elif row.get(self.ways.ingestion.identifier) in identifiers and self._of_no_run(row):
                    others.append(row)
            self.everywhere.count(copies)
            self.everywhere.order(copies)
            if self.ways.of_customer is None:
                self.tally.keep_unreadable(others)
            if rows and not any(self.ways.ingestion.payload in row for row in rows):
                raise ReadError(f"{self.ways.of_all.id} does not show {self.ways.ingestion.payload}")
            self.whole_list_read = True
        except ReadError as error:
            if self.ways.of_customer is None:
                raise
            self.ways.without_all(str(error))

    def _progress(self) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= SAID_EVERY_S:
            self._said_s = now_s
            noted = int((self.sent.states > 0).sum())
            found = f"{len(self.looked_up):,} of {self._wanted:,} identifiers found"
            self.say(f"audit: {found}, {self.tally.records:,} of {noted:,} events read back")


def _created_s(row: Row) -> float | None:
    """When a record says that it was made, in seconds; None where it does not."""
    created = row.get("created")
    return moment_s(created) if isinstance(created, str) else None


def _key(row: Row) -> str:
    """What tells a record from the others of its list: its id, where it has one, else all of it."""
    id = row.get("id")
    return str(id) if isinstance(id, str | int) else repr(row)
