"""Events of the run's own: sent under identifiers that carry the run's prefix, and looked for until they are seen."""

from __future__ import annotations

import gzip
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from cdp.contract import Operation
from cdp.contract.operation import Ingestion, UploadState
from cdp.http import Exchange
from cdp.uploads import csv_table
from contracts.books import recognise, value_at
from contracts.calls import Call
from contracts.checks import NotExercised
from contracts.finding import Unavailable
from contracts.observing import record_of
from contracts.subject import Workbench

Row = dict[str, Any]
POLL_S = 0.05
_PAGE = 100
_FIRST_EVENT = datetime(2024, 5, 17, 8, 30)
# Once events have come late in a run, so long is waited for others: a multiple of what the first ones took.
_PATIENCE, _LEAST_PATIENCE_S = 20, 1.0


class Events:
    """One operation that takes events in, and the lists that show them again."""

    def __init__(self, bench: Workbench, operation: Operation) -> None:
        assert operation.ingestion is not None
        self.bench = bench
        self.session = bench.session
        self.operation = operation
        self.ingestion: Ingestion = operation.ingestion
        self.patience_s = self.session.target.timeout_s
        self._numbers = itertools.count(1)
        self._template: Row = {}
        self._owner: Call | None = None
        self._ways: list[Operation] | None = None
        bench.forgetting.append(self._forget_template)

    def _forget_template(self) -> None:
        self._template = {}

    # --- sending ---------------------------------------------------------------------------------------------------

    def identifier(self, what: str) -> str:
        """A new identifier of the run's own."""
        share = f"{self.session.share}-" if self.session.share else ""
        return f"{self.session.prefix}-{share}{self.operation.order}-{what}-{next(self._numbers)}"

    def row(self, identifier: str, payload: Any = None, **fields: Any) -> Row:
        """A valid event; each has a time of its own. Raises NotExercised where nothing tells what it may be of."""
        if not self._template:
            schema = self.session.contract.document["components"]["schemas"][self.ingestion.rows]
            try:
                self._template = self.bench.arrangement.sampler.body(schema)
            except Unavailable as error:
                raise NotExercised(str(error)) from None
        number = next(self._numbers)
        moment = _FIRST_EVENT + timedelta(seconds=number)
        own = {
            self.ingestion.identifier: identifier,
            self.ingestion.payload: {"number": number} if payload is None else payload,
            self.ingestion.time: f"{moment:%Y-%m-%d %H:%M:%S}",
        }
        return {**self._template, **own, **fields}

    def send(self, rows: Sequence[Any], judged: bool = False) -> Exchange:
        """Send events, as JSON or as a file of rows."""
        call = Call(self.operation)
        if self.ingestion.key:
            call = call.sending({self.ingestion.key: list(rows)})
        else:
            call = call.sending_raw(gzip.compress(self.table(rows), mtime=0), self.operation.body_media_type)
        return self.session.send(call, self.session.admin, judged=judged)

    def send_raw(self, body: bytes) -> Exchange:
        call = Call(self.operation).sending_raw(body, self.operation.body_media_type)
        return self.session.send(call, self.session.admin, judged=False)

    def table(self, rows: Sequence[Row]) -> bytes:
        """Events as CSV, the columns in the contract's order."""
        return csv_table(row.values() for row in rows)

    # --- the state of an upload ------------------------------------------------------------------------------------

    def ended(self, upload: Exchange) -> tuple[Mapping[str, Any], Exchange]:
        """Ask for an upload's state until it has ended or the time is up; the last record and its exchange."""
        state, read = self.state, self.session.contract.by_action(self.operation.entity, "read")
        found = recognise(Call(self.operation), upload)
        if read is None or found is None:
            return {}, upload
        call = Call(read, {p.name: found.path.get(p.name, "") for p in read.path_parameters})
        deadline = time.monotonic() + self.session.target.timeout_s
        while True:
            exchange = self.session.send(call, self.session.admin, judged=False)
            record = record_of(read, exchange)
            record = record if exchange.ok and isinstance(record, dict) else {}
            if record.get(state.field) in (*state.done, *state.failed) or time.monotonic() > deadline:
                return record, exchange
            time.sleep(POLL_S)

    @property
    def state(self) -> UploadState:
        assert self.ingestion.state is not None
        return self.ingestion.state

    # --- reading back ----------------------------------------------------------------------------------------------

    def ways(self) -> list[Operation]:
        """Lists that show what was taken in, found out with an event of the run's own. Raises NotExercised when none
        does."""
        if self._ways is None:
            self._ways = []
            identifier = self.identifier("control")
            exchange = self.send([self.row(identifier)])
            if not exchange.ok:
                raise NotExercised(f"{self.operation.id} answered {exchange.outcome()} to a valid event")
            if self.ingestion.state is not None:
                self.ended(exchange)
            started = time.monotonic()
            lists = [self.session.contract.operations[name] for name in self.ingestion.read_back]
            self.until(lambda: any(self._shown(way, identifier) for way in lists))
            took = time.monotonic() - started
            self._ways = [way for way in lists if self._shown(way, identifier)]
            self.patience_s = min(self.session.target.timeout_s, max(_LEAST_PATIENCE_S, _PATIENCE * took))
        if not self._ways:
            shown = " nor ".join(self.ingestion.read_back)
            raise NotExercised(f"neither {shown} shows an event that was taken in")
        return self._ways

    def until(self, seen: Callable[[], bool]) -> bool:
        """Look until something is seen, or as long as patience lasts; whether it was seen."""
        deadline = time.monotonic() + self.patience_s
        while not seen():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def stored(self, identifier: str, enough: int = 1) -> tuple[list[Row], Exchange]:
        """The events of an identifier, once there are enough or the time is up, and the exchange that shows them."""
        way = self.ways()[0]
        found: list[tuple[list[Row], Exchange]] = []

        def seen() -> bool:
            found.append(self._rows(way, identifier))
            return len(found[-1][0]) >= enough

        if not self.until(seen):
            self.patience_s = min(self.patience_s, 4 * POLL_S)  # what is missing once is not waited for at length again
        return found[-1]

    def stored_now(self, identifier: str) -> tuple[list[Row], Exchange]:
        """The events of an identifier that are seen without waiting."""
        return self._rows(self.ways()[0], identifier)

    def _shown(self, way: Operation, identifier: str) -> bool:
        try:
            return bool(self._rows(way, identifier)[0])
        except NotExercised:
            return False

    def _rows(self, way: Operation, identifier: str) -> tuple[list[Row], Exchange]:
        """The events of an identifier that a list shows now."""
        path: dict[str, str] = {}
        if way.path_parameters:
            owner = self.owner(identifier)
            found = value_at(owner, self._pointer) if owner.ok else None
            if found is None:
                return [], owner
            path = {way.path_parameters[-1].name: str(found)}
        rows: list[Row] = []
        while True:
            call = Call(way, path).asking(("limit", _PAGE), ("offset", len(rows)))
            exchange = self.session.send(call, self.session.admin, judged=False)
            collection, body = way.collection, exchange.json
            assert collection is not None
            page = body.get(collection.key) if collection.key and isinstance(body, dict) else body
            page = [r for r in page if isinstance(r, dict)] if exchange.ok and isinstance(page, list) else []
            own = [r for r in page if r.get(self.ingestion.identifier) == identifier]
            rows += page
            # A list of one customer's events is read to its end, one of everybody's as far as it is the run's.
            if len(page) < _PAGE or not own:
                return [r for r in rows if r.get(self.ingestion.identifier) == identifier], exchange

    @property
    def _pointer(self) -> str:
        return self.ingestion.owner[2] if self.ingestion.owner else ""

    def owner(self, identifier: str) -> Exchange:
        """Whose an identifier is, as the operation answers that tells it."""
        assert self.ingestion.owner is not None
        name, parameter, _ = self.ingestion.owner
        if self._owner is None:
            operation = self.session.contract.operations[name]
            try:
                self._owner = Call(operation, {}, self.bench.arrangement.finder.required_query(operation))
            except Unavailable as error:
                raise NotExercised(str(error)) from None
        return self.session.send(self._owner.asking((parameter, identifier)), self.session.admin, judged=False)

    def payload(self, row: Mapping[str, Any]) -> Any:
        """What an event carries, decoded where it stands as a text."""
        value = row.get(self.ingestion.payload)
        if isinstance(value, str):
            try:
                return orjson.loads(value)
            except orjson.JSONDecodeError:
                return value
        return value


def events_of(bench: Workbench, operation: Operation) -> Events:
    """The events of an operation, shared by all its cells."""
    known: dict[str, Events] = bench.memory.setdefault("events", {})
    if operation.id not in known:
        known[operation.id] = Events(bench, operation)
    return known[operation.id]
