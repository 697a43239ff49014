"""Watches a sample of acknowledged events while a run goes on, until each can be read: the time until it is visible."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from gevent.lock import Semaphore
from gevent.pool import Group
from gevent.queue import Empty, Queue

from cdp.contract import Contract
from cdp.targets import Target
from load.access import Access
from load.audit.owners import Owners, Ways
from load.audit.reading import ReadError, Reading, Stopped, rows_of
from load.marks import Mark, verify
from load.scenarios.events import EventWriter
from load.wire.origin import WireError
from load.wire.target import open_pool

_PARALLEL = 4  # requests at a time
_MOST_FOLLOWED = 32  # events at a time
_MOST_WAITING = 200
_LATEST_BEGIN_S = 1.0  # who is looked for later than that may have been there long before
_FIRST_POLL_S, _LONGEST_POLL_S = 0.02, 1.0
_FINENESS = 0.25  # of its age: how much later than it came an event may be seen
_FIRST_PAGE, _LARGEST_PAGE = 100, 1000
_PATIENCE_S = 5.0
_NO_MORE = -1


class VisibilityWatch:
    """Polls for one acknowledged event in `every`, and at least for the first, over connections of its own.

    `max_rps`: requests a second that it may send beside the run. An event that is not seen within `deadline_s` is
    counted, and left to the audit; one that was still not to be seen when the run ended counts with the age at which it
    was last looked for, because leaving out whoever is late makes a target look quick. `limits_s`: ages at which the
    answer decides, so that it is looked shortly before. What it cannot do is told as a note, and harms nobody.
    """

    def __init__(
        self,
        target: Target,
        contract: Contract,
        access: Access,
        writer: EventWriter,
        worker: int,
        *,
        every: int,
        deadline_s: float,
        max_rps: float | None,
        customers: list[str],
        limits_s: Sequence[float] = (),
    ) -> None:
        self.skipped = 0
        self._target, self._contract, self._access = target, contract, access
        self._writer, self._worker = writer, worker
        self.every = every
        self._deadline_s = deadline_s
        self._max_rps = max_rps
        self._customers = customers
        self._limits_s = limits_s
        self._waiting: Queue[tuple[int, int]] = Queue()
        self._times_ns: list[int] = []
        self._unseen_ns: list[int] = []
        self._open: dict[int, int | None] = {}  # of each event that is looked for, its age when it was last not there
        self._looks = Semaphore(_PARALLEL)
        self._followers = Group()
        self._never = 0
        self._notes: list[str] = []
        self._greenlets: list[Any] = []
        self._stopping = ""
        self._close: Callable[[], None] = lambda: None

    def acknowledged(self, first: int, size: int, at_ns: int) -> None:
        """See `load.scenarios.ingest.Watch`. The customer of whom there are fewest events is looked at."""
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put((self._writer.rarest(first, size), at_ns))
        else:
            self.skipped += 1

    def start(self) -> None:
        """Begin to watch."""
        try:
            pool = open_pool(self._target, max_connections=_PARALLEL)
        except WireError as error:
            self._notes.append(f"when events become visible was not watched: {error}")
            return
        self._close = pool.close
        self._ways = Ways(self._contract)
        self._reading = Reading(
            self._target,
            self._contract,
            pool,
            self._access,
            max_rps=self._max_rps,
            wanted=lambda: self._stopping,
            patience_s=_PATIENCE_S,
        )
        self._greenlets = [gevent.spawn(self._work)]

    def finish(self, grace_s: float) -> None:
        """Let what is being watched come to its end, for `grace_s`; then stop."""
        self._waiting.put((_NO_MORE, 0))
        gevent.joinall(self._greenlets, timeout=grace_s)
        self._stopping = "the run is over"
        gevent.killall(self._greenlets, block=True, timeout=1.0)
        self._followers.kill(timeout=1.0)
        self._close()
        self._unseen_ns += [age_ns for age_ns in self._open.values() if age_ns is not None]
        self.skipped += sum(age_ns is None for age_ns in self._open.values())
        self._open.clear()
        if self.skipped:
            self._notes.append(
                f"of the sample, {self.skipped:,} could not be watched: too many at a time, or of one customer"
            )

    def take(self) -> dict[str, Any]:
        """What was seen since this was asked last. `unseen_ns`: the ages of those that were not there at the end."""
        times, self._times_ns = self._times_ns, []
        unseen, self._unseen_ns = self._unseen_ns, []
        never, self._never = self._never, 0
        notes, self._notes = self._notes, []
        return {"visible_ns": times, "unseen_ns": unseen, "never": never, "notes": notes}

    def _work(self) -> None:
        try:
            if self._ways.of_customer is None:
                raise ReadError("the contract names no list of a customer's events")
            owners = Owners(self._reading, self._ways)
            owners.prepare(self._customers)
            self._serve(owners)
        except Stopped:
            return
        except ReadError as error:
            self._notes.append(f"when events become visible was not watched: {error}")

    def _serve(self, owners: Owners) -> None:
        """Begin with each event as soon as it is acknowledged: one that waits for another would look late."""
        while not self._stopping:
            try:
                seq, at_ns = self._waiting.get(timeout=_LONGEST_POLL_S)
            except Empty:
                continue
            if seq == _NO_MORE:
                self._followers.join()
                return
            late = time.monotonic_ns() - at_ns > _LATEST_BEGIN_S * 1e9
            if late or len(self._followers) >= _MOST_FOLLOWED:
                self.skipped += 1
            else:
                self._followers.spawn(self._follow, owners, seq, at_ns)

    def _follow(self, owners: Owners, seq: int, at_ns: int) -> None:
        self._open[seq] = None
        try:
            self._watch(owners, seq, at_ns)
        except Stopped:
            return  # it stays open
        except ReadError as error:
            if not self._notes:
                self._notes.append(f"some events were not watched until they were visible: {error}")
        del self._open[seq]

    def _watch(self, owners: Owners, seq: int, at_ns: int) -> None:
        """Poll for one event until it can be read."""
        identifier = self._writer.identifier(seq)
        page = _FIRST_PAGE
        owner: str | None = None
        while True:
            with self._looks:
                looked_ns = time.monotonic_ns()
                age_ns = looked_ns - at_ns
                owner = owner or owners.of(identifier)
                shown = self._shows(owner, seq, page) if owner is not None else False
            if shown:
                self._times_ns.append(time.monotonic_ns() - at_ns)
                return
            if shown is False:
                self._open[seq] = age_ns
            if time.monotonic_ns() - at_ns > self._deadline_s * 1e9:
                self._never += shown is False
                self.skipped += shown is None
                return
            if shown is None:
                page = min(_LARGEST_PAGE, 2 * page)
            now_ns = time.monotonic_ns()
            gevent.sleep(pause_s((now_ns - at_ns) / 1e9, (now_ns - looked_ns) / 1e9, self._limits_s))

    def _shows(self, owner: str, seq: int, count: int) -> bool | None:
        """Whether an event is among the newest of a customer; None when there are so many that it may be further on."""
        assert self._ways.of_customer is not None
        operation = self._ways.of_customer
        size = min(count, self._reading.page_size(operation))
        query = [("limit", size)] if size else []
        status, body = self._reading.get(operation, self._ways.customer_path(owner), query)
        if status == 404:
            return False
        wanted = self._writer.mark(seq).strip('"')
        rows = rows_of(operation, status, body)
        for row in rows:
            payload = row.get(self._ways.ingestion.payload)
            if isinstance(payload, str) and wanted not in payload:
                continue
            mark = verify(payload, {name: row.get(name) for name in self._ways.columns})  # type: ignore[misc]
            if isinstance(mark, Mark) and (mark.worker, mark.seq) == (self._worker, seq):
                return True
        return None if size and len(rows) >= size else False


def pause_s(age_s: float, took_s: float, limits_s: Sequence[float] = ()) -> float:
    """Until an event of an age is looked for again. `took_s`: how long that took last; `limits_s`: see
    `VisibilityWatch`. Whoever is looked for at longer and longer intervals seems late by up to one of them."""
    usual_s = min(max(_FIRST_POLL_S, _FINENESS * age_s), _LONGEST_POLL_S)
    before_s = [limit_s - 2 * took_s - age_s for limit_s in limits_s]
    return min([usual_s, *(each for each in before_s if each > 0)])
