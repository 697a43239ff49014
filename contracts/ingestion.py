"""Events of the run's own: sent under identifiers that carry the run's prefix, and looked for until they are seen.

No page says how long it takes until events are seen, or until an upload ends, and pipelines work in bursts. So what is
missing is looked for again once an event that was sent after it is seen; and nothing that took little time makes the
suite less patient later on.
"""

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
from contracts.observing import record_of, rows_of
from contracts.patience import look_until, pause
from contracts.workbench import Workbench

Row = dict[str, Any]
_PAGE = 100
_FIRST_EVENT = datetime(2024, 5, 17, 8, 30)
LONGEST_S, _LONGEST_IN_TIMEOUTS = 60.0, 6  # what was sent is looked for so long at least, if it has to be
# At first others are looked for as long as the slowest took, several times over.
_PATIENCE, _LEAST_PATIENCE_S = 3, 1.0
_SHORT_S = 0.2  # once something is missing for certain


class Events:
    """One operation that takes events in, and the lists that show them again."""

    def __init__(self, bench: Workbench, operation: Operation) -> None:
        assert operation.ingestion is not None
        self.bench = bench
        self.session = bench.session
        self.operation = operation
        self.ingestion: Ingestion = operation.ingestion
        self.longest_s = max(LONGEST_S, _LONGEST_IN_TIMEOUTS * self.session.target.timeout_s)
        self._slowest_s = 0.0  # that an event took to be seen
        self._missing = False  # in the check under way: something is, for certain
        self._stuck = False  # an upload did not end, however long it was waited for
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

    def not_told(self, state: Any) -> str:
        """Why an upload in a state tells nothing; empty where it has ended, well or not. The states are assumed, and
        nothing says how long an upload may take."""
        if state in (*self.state.done, *self.state.failed):
            return ""
        if state in self.state.open:
            return f"an upload is still {state} after {self.longest_s:g} s; a target that is less busy would tell more"
        return f"an upload is {state!r}, which no page tells of; an overlay with its states would make it checkable"

    def ended(self, upload: Exchange, *, patiently: bool = False) -> tuple[Mapping[str, Any], Exchange]:
        """Ask for an upload's state until it has ended or the time is up; the last record and its exchange.

        An upload that is told as open may have much time, one whose state says nothing that is known has as much as an
        answer. Where one did not end in all the time, the others have less of it, unless they are asked `patiently`.
        """
        state, read = self.state, self.session.contract.by_action(self.operation.entity, "read")
        found = recognise(Call(self.operation), upload)
        if read is None or found is None:
            return {}, upload
        call = Call(read, {p.name: found.path.get(p.name, "") for p in read.path_parameters})
        timeout_s = self.session.target.timeout_s
        longest_s = self.longest_s if patiently or not self._stuck else timeout_s
        started = known = time.monotonic()
        while True:
            exchange = self.session.send(call, self.session.admin, judged=False)
            record = record_of(read, exchange)
            record = record if exchange.ok and isinstance(record, dict) else {}
            now, told = time.monotonic(), record.get(state.field)
            known = now if told in state.open else known
            if told in (*state.done, *state.failed) or now - started > longest_s or now - known > timeout_s:
                self._stuck |= told in state.open
                return record, exchange
            pause(started)

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
                raise NotExercised(f"{self.operation.id} {exchange.answered()} to a valid event")
            if self.ingestion.state is not None:
                self.ended(exchange)
            started = time.monotonic()
            lists = [self.session.contract.operations[name] for name in self.ingestion.read_back]
            if self.ingestion.owner is None:  # then nothing tells whose events are asked for
                lists = [way for way in lists if not way.path_parameters]
            if look_until(lambda: any(self._shown(way, identifier) for way in lists), self.longest_s):
                self._slowest_s = max(self._slowest_s, time.monotonic() - started)
            self._ways = [way for way in lists if self._shown(way, identifier)]
        if not self._ways:
            shown = " nor ".join(self.ingestion.read_back)
            if not shown:
                raise NotExercised("no operation of the contract lists events that were taken in")
            raise NotExercised(f"neither {shown} shows an event that was taken in")
        return self._ways

    def begin(self) -> None:
        """Be as patient as ever: another check, or the same once more, knows nothing of what was missing before."""
        self._missing = False

    @property
    def patience_s(self) -> float:
        """Seconds after which what is not seen seems to be missing."""
        if self._missing:
            return _SHORT_S
        return min(self.longest_s, max(_LEAST_PATIENCE_S, _PATIENCE * self._slowest_s))

    def soon(self, seen: Callable[[], bool]) -> bool:
        """Whether something is seen that need not be."""
        return look_until(seen, self.patience_s)

    def comes(self, seen: Callable[[], bool], shows: Callable[[str], bool] | None = None) -> bool:
        """Whether something is seen: soon, or else by the time when an event that is sent now is seen.

        `shows`: whether an event of an identifier is seen in the place where it is looked for; without it, in the lists
        of events.
        """
        if look_until(seen, self.patience_s):
            return True
        if self._missing:
            return False
        self._see_another(shows or (lambda identifier: self._shown(self.ways()[0], identifier)))
        self._missing = not look_until(seen, self.patience_s)
        return not self._missing

    def _see_another(self, shows: Callable[[str], bool]) -> None:
        """Send an event and look until it is seen, for as long as may be."""
        identifier, started = self.identifier("another"), time.monotonic()
        exchange = self.send([self.row(identifier)])
        if exchange.ok and self.ingestion.state is not None:
            self.ended(exchange)
        if exchange.ok and look_until(lambda: shows(identifier), self.longest_s):
            self._slowest_s = max(self._slowest_s, time.monotonic() - started)

    def stored(self, identifier: str, enough: int = 1, way: Operation | None = None) -> tuple[list[Row], Exchange]:
        """The events of an identifier, once there are enough or the time is up, and the exchange that shows them: by a
        list, the first that shows any without one."""
        way = way or self.ways()[0]
        found: list[tuple[list[Row], Exchange]] = []

        def seen() -> bool:
            found.append(self._rows(way, identifier))
            return len(found[-1][0]) >= enough

        self.comes(seen)
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
            page = [r for r in rows_of(way, exchange, bare=True) or () if isinstance(r, dict)]
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
