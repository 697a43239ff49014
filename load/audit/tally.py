"""Counts the records that are read back, event by event, and keeps an example of everything that is not as it was sent.

A record is told by the mark in its payload. Its checksum covers all that was sent, so that what fits it is unchanged
(see `load.marks`). What bears no mark that can be read is compared by customer, time and kind with what is missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
import orjson

from load.audit.owners import Ways
from load.audit.reading import Row
from load.audit.sent import Sent
from load.marks import MARK, SUM, Mark, read_mark, verify
from load.scenarios.data import Integers

Counts = npt.NDArray[np.uint16]
INTACT, ELSEWHERE, CHANGED = "intact", "elsewhere", "changed"
_MOST_UNREADABLE = 10_000
_MOST_NOTES = 10_000  # examples are taken from them; what is counted is counted in the arrays


class Copy(NamedTuple):
    """One record that bears a mark of the run. `event`: the index of its event, -1 where the run has none of this mark;
    `kind`: intact, elsewhere (with another customer than its own), or changed; `reason` in a few words; `id`: of the
    record, empty where it has none."""

    event: int
    kind: str
    mark: str
    created: str
    reason: str = ""
    id: str = ""


@dataclass
class Tally:
    """What was found of a run. `intact`, `elsewhere` and `changed`: of each event, how many records; `strays`: marks of
    the run that no event has; `unreadable`: records of identifiers of the run whose mark cannot be read; `disordered`:
    events that are not in the order sent; `unshown`: fields that the lists do not show."""

    sent: Sent
    ways: Ways
    strays: list[str] = field(default_factory=list)
    unreadable: list[Row] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    disordered: set[int] = field(default_factory=set)
    unshown: set[str] = field(default_factory=set)
    records: int = 0

    def __post_init__(self) -> None:
        self.intact: Counts = np.zeros(self.sent.size, dtype=np.uint16)
        self.elsewhere: Counts = np.zeros(self.sent.size, dtype=np.uint16)
        self.changed: Counts = np.zeros(self.sent.size, dtype=np.uint16)
        self._ids: npt.NDArray[np.uint32] = np.zeros(self.sent.size, dtype=np.uint32)
        own = self.ways.ingestion
        self._identifier, self._payload = own.identifier, own.payload
        self._searched = re.compile(re.escape(self.sent.run) + r"-\d{1,6}-\d{1,18}(?![\w-])")

    @property
    def copies(self) -> npt.NDArray[np.int64]:
        """Of each event, how many records there are."""
        return self.intact.astype(np.int64) + self.elsewhere + self.changed

    def found(self, index: int) -> bool:
        """Whether a record of an event has been counted."""
        return index >= 0 and bool(self.intact[index] or self.elsewhere[index] or self.changed[index])

    def recognise(self, row: Row) -> Copy | None:
        """What a record is; None when it bears no mark of the run. Whose list it stands in is not looked at."""
        payload = row.get(self._payload)
        told = _told(payload)
        if self.sent.run not in told:
            return None
        created = _text(row.get("created"))
        verified = verify(payload, {name: row.get(name) for name in self.ways.columns})  # type: ignore[misc]
        if not isinstance(verified, Mark) and not all(name in row for name in self.ways.columns):
            row = self._completed(row, self._mark_in(payload, told))
            verified = verify(payload, {name: row.get(name) for name in self.ways.columns})  # type: ignore[misc]
        mark = verified if isinstance(verified, Mark) else self._mark_in(payload, told)
        if mark is None or mark.run != self.sent.run:
            return None
        if mark.worker in self.sent.missing:
            return None
        index = self.sent.index_of(mark)
        if isinstance(verified, Mark) or index < 0:
            id = row.get("id")
            return Copy(index, INTACT, str(mark), created, id=str(id) if isinstance(id, str | int) else "")
        if self._is_another(row, payload, index):
            return None
        if self._only_the_identifier(row, payload, index):
            return Copy(index, ELSEWHERE, str(mark), created, "its identifier is another one than was sent")
        return Copy(index, CHANGED, str(mark), created, self._difference(row, payload, index) or verified.reason)

    def _completed(self, row: Row, mark: Mark | None) -> Row:
        """A record with the fields that its list does not show, as they were sent: they cannot be compared."""
        index = self.sent.index_of(mark) if mark is not None and mark.run == self.sent.run else -1
        if index < 0:
            return row
        absent = {name: value for name, value in self.sent.fields_of(index).items() if name not in row}
        self.unshown.update(absent)
        return {**absent, **row}

    def marks_in(self, row: Row) -> list[str]:
        """The marks of the run that a payload holds, whether or not it is as it was sent."""
        told = _told(row.get(self._payload))
        return self._searched.findall(told) if self.sent.run in told else []

    def _mark_in(self, payload: Any, told: str) -> Mark | None:
        """The mark of a payload that is not whole."""
        decoded = _decoded(payload)
        mark = read_mark(decoded.get(MARK)) if isinstance(decoded, dict) else None
        if mark is None:
            found = self._searched.search(told)
            # Digits at the end of a text that was cut may be the beginning of another number.
            mark = read_mark(found[0]) if found and found.end() < len(told) else None
        return mark

    def _is_another(self, row: Row, payload: Any, index: int) -> bool:
        """Whether nothing but its mark says that a record is this event: then the mark is what was changed."""
        sent = self.sent.fields_of(index)
        decoded = _decoded(payload)
        if not isinstance(decoded, dict) or self._alike(row) == self._alike(sent):
            return False
        return bool(decoded.get(SUM) != orjson.loads(sent[self._payload])[SUM])

    def _only_the_identifier(self, row: Row, payload: Any, index: int) -> bool:
        fields: dict[str, Any] = {name: row.get(name) for name in self.ways.columns}
        sent = self.sent.identifier_of(index)
        if fields.get(self._identifier) == sent:
            return False
        return isinstance(verify(payload, {**fields, self._identifier: sent}), Mark)

    def _difference(self, row: Row, payload: Any, index: int) -> str:
        """Which field of a record is not as it was sent."""
        fields = self.sent.fields_of(index)
        for name in self.ways.columns:
            if name != self.ways.ingestion.time and row.get(name) != fields[name]:
                return f"{name} is not what was sent"
        try:
            decoded = orjson.loads(payload) if isinstance(payload, str) else payload
        except orjson.JSONDecodeError:
            return f"the payload is no JSON; {len(payload)} characters of {len(fields[self._payload])}"
        expected = orjson.loads(fields[self._payload])
        if not isinstance(decoded, dict):
            return "the payload is no object"
        for name in expected:
            if decoded.get(name) != expected[name]:
                return f"{name} of the payload is not what was sent"
        return f"{self.ways.ingestion.time} is not what was sent" if decoded == expected else "the payload holds more"

    def count(self, copies: Iterable[Copy], only_new: bool = False) -> None:
        """Take the records of a list into the counts. `only_new`: events that were found before are left out.

        A record that was with its customer in another list before is no second one: the customers have been joined.
        """
        by_kind: dict[str, list[int]] = {INTACT: [], ELSEWHERE: [], CHANGED: []}
        for copy in [each for each in copies if not self._counted(each, only_new)]:
            if copy.event < 0:
                if len(self.strays) < _MOST_NOTES:
                    self.strays.append(copy.mark)
                self.records += 1
                continue
            self.records += 1
            by_kind[copy.kind].append(copy.event)
            if copy.id:
                self._ids[copy.event] = crc32(copy.id.encode())
            if copy.reason and len(self.reasons) < _MOST_NOTES:
                self.reasons.setdefault(copy.event, copy.reason)
        for kind, indices in by_kind.items():
            np.add.at(getattr(self, kind), np.array(indices, dtype=np.int64), 1)

    def _counted(self, copy: Copy, only_new: bool) -> bool:
        if not self.found(copy.event):
            return False
        return only_new or (bool(copy.id) and copy.kind == INTACT and self._ids[copy.event] == crc32(copy.id.encode()))

    def order(self, copies: list[Copy]) -> None:
        """Look whether the records of one customer, as far as they were sent in one batch, are in the order sent.

        Only times tell: what was created at the same moment may stand in any order. An event that is there more than
        once was created more than once, and says nothing of an order.
        """
        times = Counter(copy.event for copy in copies)
        known = [
            copy
            for copy in copies
            if copy.event >= 0 and copy.kind == INTACT and copy.created and times[copy.event] == 1
        ]
        if len(known) < 2:
            return
        known.sort(key=lambda copy: copy.event)
        batches = self.sent.batches_of(np.array([copy.event for copy in known], dtype=np.int64)).tolist()
        latest: Copy | None = None
        batch = -1
        for copy, own in zip(known, batches, strict=True):
            if own < 0:
                continue
            if own != batch or latest is None:
                latest, batch = copy, own
            elif len(copy.created) == len(latest.created) and copy.created < latest.created:
                self.disordered.add(copy.event)
            else:
                latest = copy

    def keep_unreadable(self, rows: Iterable[Row]) -> None:
        """Keep records without a mark that stand under an identifier which the run sent events to."""
        for row in rows:
            if len(self.unreadable) < _MOST_UNREADABLE:
                self.unreadable.append(row)

    def match_unreadable(self, missing: Integers) -> None:
        """Find out which of the missing events the records without a mark are: same customer, time and kind."""
        if not self.unreadable or not missing.size:
            return
        wanted: dict[tuple[str, ...], list[int]] = {}
        for index in missing[:_MOST_UNREADABLE].tolist():
            wanted.setdefault(self._alike(self.sent.fields_of(index)), []).append(index)
        for row in self.unreadable:
            found = wanted.get(self._alike(row))
            if found:
                index = found.pop(0)
                self.changed[index] += 1
                self.records += 1
                self.reasons[index] = "its payload bears no mark of it"

    def _alike(self, fields: Row) -> tuple[str, ...]:
        time = self.ways.ingestion.time
        return tuple(
            re.sub(r"\D", "", str(fields.get(name)))[:14] if name == time else str(fields.get(name))
            for name in self.ways.columns
        )


def moment_s(text: str) -> float | None:
    """A date and time in seconds of the epoch, taken for UTC where it names no zone; None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _decoded(payload: Any) -> Any:
    """What a payload holds; None where it is no JSON."""
    try:
        return orjson.loads(payload) if isinstance(payload, str) else payload
    except orjson.JSONDecodeError:
        return None


def _told(payload: Any) -> str:
    """The text of a payload, whatever it is."""
    if isinstance(payload, str):
        return payload
    try:
        return orjson.dumps(payload).decode()
    except (TypeError, ValueError):
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
