"""Event ingestion: JSON batches, and gzipped CSV uploads that are followed to their end. Every event carries a mark."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cdp.contract import Operation
from cdp.contract.operation import Ingestion, UploadState
from cdp.uploads import csv_table
from load.answer import Answer
from load.audit.ledger import ACKNOWLEDGED, NEVER, REFUSED, SENT, UNKNOWN, UNSENT, Ledger, state_of
from load.marks import Corrupt, Mark, verify
from load.scenario import GOOD, Entries, Outcome, Shot
from load.scenarios.batches import Batch, Batches
from load.scenarios.data import Sizes
from load.scenarios.discovery import Known, discover
from load.scenarios.events import EventWriter, row_fields
from load.scenarios.hot import Context, Step, field_of, ingesting, searching
from load.scenarios.judging import Judge

COUNT = Outcome("the answer counts or lists another number of events than were sent", "EVENT-01")
ORDER = Outcome("the answer does not list the events in the order sent", "EVENT-01")
CHANGED = Outcome("an event of the answer is not the one that was sent", "EVENT-01")
UPLOAD_FAILED = Outcome("an upload of valid events ended in an error", "EVENT-04")
UPLOAD_OPEN = Outcome("an upload did not reach an end state in time", "EVENT-04")
UPLOAD_COUNT = Outcome("an upload that is finished counts other rows than were sent", "EVENT-04")
UPLOAD_DEADLINE_S = 60.0
_FIRST_POLL_S, _LONGEST_POLL_S = 0.2, 2.0
_COMPRESSION = 1  # fast: what is measured is the target


class Watch(Protocol):
    """Looks when events that were acknowledged become visible."""

    every: int

    def acknowledged(self, first: int, size: int, at_ns: int) -> None:
        """Of the events `first` and following, acknowledged at `at_ns`, one is to be watched. Must not block."""


class BatchAnswer:
    """Judges the answer to a batch: all events are counted and listed, in the order sent."""

    __slots__ = ("batch", "ingest")

    def __init__(self, ingest: IngestScenario, batch: Batch) -> None:
        self.ingest = ingest
        self.batch = batch

    def __call__(self, answer: Answer) -> Outcome:
        ingest, batch = self.ingest, self.batch
        body = ingest.judge.decode(answer)
        if type(body) is Outcome:
            return body
        listed = ingest.listed_of(body) or ()
        if ingest.count_of(body) != batch.size or len(listed) != batch.size:
            return COUNT
        if batch.sampled:
            outcome = ingest.judge.sample(answer)
            return outcome if outcome is not GOOD else self._in_full(listed)
        for place in (0, -1):
            payload = ingest.payload_of(listed[place])
            if isinstance(payload, str) and ingest.events.mark(batch.first + place % batch.size) not in payload:
                return ORDER
        return GOOD

    def _in_full(self, listed: Any) -> Outcome:
        ingest = self.ingest
        marks = [
            verify(ingest.payload_of(row), {name: get(row) for name, get in ingest.fields.items()}) for row in listed
        ]
        if any(isinstance(mark, Corrupt) for mark in marks):
            return CHANGED
        wanted = range(self.batch.first, self.batch.first + self.batch.size)
        return GOOD if marks == [Mark(ingest.context.run, ingest.context.worker, seq) for seq in wanted] else ORDER

    # As the entries of a ledger

    def begin(self) -> None:
        """See `load.scenario.Entries`, where the others stand, too."""
        batch, ledger = self.batch, self.ingest.ledger
        slot, size = batch.slot, batch.size
        if size != 1 or slot >= ledger.room:  # type: ignore[union-attr]  # without a ledger nobody begins
            ledger.begin(slot, size)  # type: ignore[union-attr]
        else:
            ledger.map[slot] = SENT  # type: ignore[union-attr]  # many send events one by one: a call less

    def withdraw(self) -> None:
        assert self.ingest.ledger is not None
        self.ingest.ledger.note(self.batch.slot, self.batch.size, UNSENT)

    def settle(self, answer: Answer) -> None:
        batch, ledger = self.batch, self.ingest.ledger
        size = batch.size
        if answer.status == 201 and size == 1:
            ledger.map[batch.slot] = ACKNOWLEDGED  # type: ignore[union-attr]  # without a ledger nobody settles
        else:
            state = state_of(answer)
            ledger.note(batch.slot, size, state)  # type: ignore[union-attr]
            if state != ACKNOWLEDGED:
                return
        ledger.unwatched -= size  # type: ignore[union-attr]
        if ledger.unwatched < 0:  # type: ignore[union-attr]
            self.ingest.watch_for(batch, answer)


class Upload:
    """One upload under way: judges the answers about its state until it has ended."""

    def __init__(self, ingest: IngestScenario, batch: Batch) -> None:
        self.ingest = ingest
        self.batch = batch
        self.path = ""
        self.deadline_ns = 0
        self.open = True
        self.pause_s = _FIRST_POLL_S

    def begun(self, answer: Answer) -> Outcome:
        """Judge the answer that starts it."""
        body = self.ingest.upload_judge.decode(answer)
        if type(body) is Outcome:
            return body
        self.path = self.ingest.state_path(body)
        self.deadline_ns = answer.done_ns + int(self.ingest.upload_deadline_s * 1e9)
        return self._judge(body, answer)

    def asked(self, answer: Answer) -> Outcome:
        """Judge an answer about its state."""
        body = self.ingest.state_judge.decode(answer)
        return body if type(body) is Outcome else self._judge(body, answer)

    def _judge(self, body: Any, answer: Answer) -> Outcome:
        state = self.ingest.state
        told = field_of(state.field)(body)
        count = field_of(state.count)(body)
        if told in state.failed:
            self._note(REFUSED, count if isinstance(count, int) else 0)
            return UPLOAD_FAILED
        if told in state.done:
            self.open = False
            self._note(ACKNOWLEDGED)
            if self.ingest.ledger is not None:
                self.ingest.ledger.unwatched -= self.batch.size
                if self.ingest.ledger.unwatched < 0:
                    self.ingest.watch_for(self.batch, answer)
            return GOOD if count in (None, self.batch.size) else UPLOAD_COUNT
        return UPLOAD_OPEN if answer.done_ns > self.deadline_ns else GOOD

    def next(self, answer: Answer) -> tuple[float, Step] | None:
        """After a good answer: when to ask again, and what; None at the end."""
        if not self.open or not self.path:
            return None
        pause_s, self.pause_s = self.pause_s, min(2 * self.pause_s, _LONGEST_POLL_S)
        operation = self.ingest.state_judge.operation
        return pause_s, self.ingest.request(operation, self.asked, followed_by=self.next, path=self.path)

    # As the entries of a ledger: what was taken in is known at the end of the upload, and until then it is unknown

    def _note(self, state: int, told: int = 0) -> None:
        """`told`: how many rows the target says it has taken in of an upload that failed; they may be there or not."""
        ledger, batch = self.ingest.ledger, self.batch
        if ledger is not None:
            ledger.note(batch.slot, batch.size, state)
            if told > 0:
                ledger.note(batch.slot, min(told, batch.size), UNKNOWN)

    def begin(self) -> None:
        assert self.ingest.ledger is not None
        self.ingest.ledger.begin(self.batch.slot, self.batch.size)

    def withdraw(self) -> None:
        self._note(UNSENT)

    def settle(self, answer: Answer) -> None:
        state = state_of(answer)
        self._note(UNKNOWN if state == ACKNOWLEDGED else state)


class IngestScenario:
    """Event ingestion. `sizes`: of batches and uploads; `uploads`: the share of uploads; `new_customers`: the share of
    events whose customer the target does not know; `active`: see `Batches`."""

    name = "ingest"

    def __init__(
        self,
        context: Context,
        *,
        sizes: str = "50",
        uploads: float = 0.02,
        new_customers: float = 0.1,
        zipf: float = 1.0,
        active: Callable[[int], npt.NDArray[np.bool_]] | None = None,
    ) -> None:
        self.context = context
        self.parts = ingesting(context.contract)
        if self.parts.upload is None:
            uploads = 0.0
        assert self.parts.batch.ingestion is not None
        self.ingestion: Ingestion = self.parts.batch.ingestion
        self.known = Known()
        self.new_customers = new_customers
        self.upload_deadline_s = UPLOAD_DEADLINE_S
        self.ledger: Ledger | None = None
        self.watch: Watch | None = None
        self.zipf = zipf
        stripe, stripes = context.worker, context.workers
        self.batches = Batches(context.seed, Sizes(sizes), uploads, context.check_every, active, stripe, stripes)
        self.batches_of_people = Batches(context.seed, Sizes(sizes), uploads, context.check_every)
        self.listed_of, self.count_of = field_of(self.ingestion.key), field_of(self.ingestion.count)
        self.payload_of = field_of(self.ingestion.payload)
        columns = row_fields(context.contract, self.parts)
        self.fields = {name: field_of(name) for name in columns if name != self.ingestion.payload}

    def prepare(self, known: Known | None = None) -> None:
        """Read kinds of events and identifiers, unless they are `known`. Raises ScenarioError in one line."""
        if known is None:
            needs_customers = self.new_customers < 1
            found = searching(self.context.contract) if needs_customers else None
            known = discover(self.context, found, self.parts, known_customers=needs_customers)
        self.known = known
        self.judge = Judge(self.context, self.parts.batch)
        if self.parts.upload is not None and self.parts.state is not None:
            assert self.parts.upload.ingestion is not None and self.parts.upload.ingestion.state is not None
            self.upload_judge = Judge(self.context, self.parts.upload)
            self.state_judge = Judge(self.context, self.parts.state)
            self.state: UploadState = self.parts.upload.ingestion.state
        taking = [operation for operation in (self.parts.batch, self.parts.upload) if operation is not None]
        self._paths = {operation.id: self.context.path(operation) for operation in taking}
        self.events = EventWriter(self.context, self.parts, known, new_customers=self.new_customers, zipf=self.zipf)

    def _rows_of(self, batch: Batch) -> range:
        return range(batch.first, batch.first + batch.size)

    # --- requests

    def shot(self, arrival: int) -> Shot:
        """The request of an arrival."""
        return self.step(arrival).shot(self.context.encode)

    def step(self, arrival: int) -> Step:
        """The same before it is encoded."""
        return self._send(self.batches[arrival])

    def sending(self, number: int) -> Step:
        """What a loader sends as number `number` of this process, from 0, where users and no arrivals send."""
        return self._send(self.batches_of_people[number])

    def _send(self, batch: Batch) -> Step:
        return self._upload(batch) if batch.upload else self._batch(batch)

    def _batch(self, batch: Batch) -> Step:
        rows = b",".join([self.events.json(seq) for seq in self._rows_of(batch)])
        body = b'{"%b":[%b]}' % (self.ingestion.key.encode(), rows)
        answer = BatchAnswer(self, batch)
        return self._noted(self.request(self.parts.batch, answer, body, batch.size), answer)

    def _upload(self, batch: Batch) -> Step:
        operation = self.parts.upload
        assert operation is not None
        rows = (self.events.fields(seq).values() for seq in self._rows_of(batch))
        body = gzip.compress(csv_table(rows), _COMPRESSION, mtime=0)
        upload = Upload(self, batch)
        return self._noted(self.request(operation, upload.begun, body, batch.size, upload.next), upload)

    def watch_for(self, batch: Batch, answer: Answer) -> None:
        """So many events were acknowledged that one is to be watched until it can be read."""
        assert self.ledger is not None
        if self.watch is None:
            self.ledger.unwatched = NEVER
            return
        self.ledger.unwatched = max(0, self.ledger.unwatched + self.watch.every)
        self.watch.acknowledged(batch.first, batch.size, answer.done_ns)

    def _noted(self, step: Step, entries: Entries) -> Step:
        """The step with its entries in the ledger, where there is one."""
        if self.ledger is not None:
            step.entries = entries
        return step

    def request(
        self,
        operation: Operation,
        judge: Callable[[Answer], Outcome],
        body: bytes = b"",
        events: int = 0,
        followed_by: Callable[[Answer], tuple[float, Step] | None] | None = None,
        path: str = "",
    ) -> Step:
        """A request of ingestion; `path` where its operation's own path has an id in it."""
        path = path or self._paths[operation.id]
        media_type = operation.body_media_type or "" if body else ""
        return Step(
            operation.method, operation.id, path, judge, body, media_type, events, followed_by, scenario=self.name
        )

    def state_path(self, body: Any) -> str:
        """Where the state of a started upload can be asked for, as the contract's links say."""
        upload, state = self.parts.upload, self.parts.state
        assert upload is not None and state is not None
        values = {}
        for link in upload.links.values():
            for name, expression in link.get("parameters", {}).items():
                value = body
                for part in expression.removeprefix("$response.body#/").split("/"):
                    value = field_of(part)(value)
                values[name] = value
        if any(values.get(p.name) in (None, "") for p in state.path_parameters):
            return ""
        return self.context.path(state, values)
