"""Events as they are sent: about kinds that the target defines and customers that it knows or not, each with a mark.

An event is a pure function of the seed and its number; it is written as bytes at once, because many go into a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import orjson

from cdp.contract import Contract
from load.marks import MARK, SUM, TEXT
from load.scenario import ScenarioError
from load.scenarios.data import CHUNK, SCRIPTS, Draws, Floats, Integers, Zipf
from load.scenarios.discovery import Known, reference_fields
from load.scenarios.hot import Context, Ingesting

_TEXTS = 512
_LEAST_TEXT, _MOST_TEXT = 20, 400  # characters of filling in a payload, mostly few
_LETTERS = "abcdefghijklmnopqrstuvwxyz    0123456789.-" + SCRIPTS  # nothing that JSON would escape
_DAYS, _DAY_S = 7, 86_400


class Event(NamedTuple):
    """What an event is about: the rank of its kind, that of its customer (-1: a new one), and its filling."""

    kind: int
    customer: int
    text: int


class _Kind(NamedTuple):
    """A kind of event: its fixed fields, the beginning of its JSON, and the form of what its checksum begins with."""

    fields: dict[str, str]
    json: bytes
    summed: bytes


class _Parts(NamedTuple):
    """One event in pieces: its identifier as a text in UTF-8 and as JSON, its time, and its payload as JSON."""

    kind: _Kind
    identifier: bytes
    quoted: bytes
    time: bytes
    payload: bytes


class EventWriter:
    """Writes the events of a run. `new_customers`: the share of those about customers that the target does not know."""

    def __init__(self, context: Context, taking: Ingesting, known: Known, *, new_customers: float, zipf: float) -> None:
        assert taking.batch.ingestion is not None
        self._own = taking.batch.ingestion
        self._columns = row_fields(context.contract, taking)
        self._prefix = f"{context.run}-{context.worker}-".encode()
        self._new_customers = new_customers
        self._sorted = sorted(name for name in self._columns if name != self._own.payload)
        self._time_first = self._sorted.index(self._own.time) < self._sorted.index(self._own.identifier)
        self._kinds = [self._kind(definition) for definition in known.definitions]
        self.known_identifiers = known.identifiers
        self._identifiers = [(text.encode(), orjson.dumps(text)) for text in known.identifiers]
        self._kind_popularity = Zipf(len(self._kinds), zipf)
        self._popularity = Zipf(len(self._identifiers), zipf) if self._identifiers else None
        self._texts = _fillings(context.seed)
        days = [(context.day - timedelta(days=back)).isoformat() for back in range(_DAYS)]
        self._days = [(day.encode(), day.replace("-", "").encode()) for day in days]
        self._content = f'{{"{MARK}":"%b%d","{TEXT}":"%b"}}'.encode()
        self._payload = f'{{"{MARK}":"%b%d","{SUM}":"%08x","{TEXT}":"%b"}}'.encode()
        own = self._own
        self._rest = f'"{own.identifier}":%b,"{own.time}":"%b","{own.payload}":%b}}'.encode()
        self._draws = Draws(context.seed, "events", 4, self._plan)

    def _kind(self, definition: dict[str, str]) -> _Kind:
        own = (self._own.identifier, self._own.payload, self._own.time)
        fixed = {n: definition.get(n, value) for n, value in self._columns.items() if n not in own}
        start = orjson.dumps(fixed)[:-1] + (b"," if fixed else b"")
        summed = [fixed[n].encode().replace(b"%", b"%%") if n in fixed else b"%b" for n in self._sorted]
        return _Kind(fixed, start, b"\x1f".join([*summed, b""]))

    def _plan(self, chunk: int, uniform: Floats) -> list[Event]:
        kinds = self._kind_popularity.ranks(uniform[:, 0])
        customers = self._customers(uniform)
        texts = np.floor(uniform[:, 3] * _TEXTS).astype(np.int64)
        columns = (kinds, customers, texts)
        return list(map(Event._make, zip(*(column.tolist() for column in columns), strict=True)))

    def _customers(self, uniform: Floats) -> Integers:
        customers = np.full(CHUNK, -1, dtype=np.int64)
        if self._popularity is not None:
            known = uniform[:, 1] >= self._new_customers
            customers[known] = self._popularity.ranks(uniform[known, 2])
        return customers

    def customers(self, chunk: int) -> Integers:
        """Whom the events `chunk * CHUNK` and following are about: ranks of identifiers, -1 for new customers."""
        return self._customers(self._draws.uniform(chunk))

    def identifier(self, seq: int) -> str:
        """The identifier of the customer whom event number `seq` is about."""
        return self._parts(seq).identifier.decode()

    def rarest(self, first: int, size: int) -> int:
        """Of the events `first` and following, one about a new customer, else the one about the least popular."""
        ranks = [self._draws[seq].customer for seq in range(first, first + size)]
        return first + (ranks.index(-1) if -1 in ranks else ranks.index(max(ranks)))

    def mark(self, seq: int) -> str:
        """The mark of event number `seq`, as it stands in its payload's JSON."""
        return f'"{self._prefix.decode()}{seq}"'

    def json(self, seq: int) -> bytes:
        """Event number `seq` of the run as JSON."""
        parts = self._parts(seq)
        return parts.kind.json + self._rest % (parts.quoted, parts.time, parts.payload)

    def fields(self, seq: int) -> dict[str, str]:
        """The same by its fields, in the contract's order; the payload as a JSON text."""
        parts = self._parts(seq)
        own = {
            self._own.identifier: parts.identifier.decode(),
            self._own.time: parts.time.decode(),
            self._own.payload: parts.payload.decode(),
        }
        return {name: own[name] if name in own else parts.kind.fields[name] for name in self._columns}

    def _parts(self, seq: int) -> _Parts:
        rank, customer, number = self._draws[seq]
        kind, text = self._kinds[rank], self._texts[number]
        if customer < 0:
            identifier = b"%bcustomer-%d" % (self._prefix, seq)
            quoted = b'"%b"' % identifier
        else:
            identifier, quoted = self._identifiers[customer]
        days, second = divmod(seq, _DAY_S)
        minutes, second = divmod(second, 60)
        clock = (*divmod(minutes, 60), second)
        day, digits = self._days[days % _DAYS]
        moment = b"%b%02d%02d%02d" % (digits, *clock)
        head = kind.summed % ((moment, identifier) if self._time_first else (identifier, moment))
        total = crc32(self._content % (self._prefix, seq, text), crc32(head))
        payload = self._payload % (self._prefix, seq, total, text)
        return _Parts(kind, identifier, quoted, b"%b %02d:%02d:%02d" % (day, *clock), payload)


def row_fields(contract: Contract, taking: Ingesting) -> dict[str, str]:
    """The fields of an event in the contract's order, each with its value where it is always the same.

    Raises ScenarioError when one is needed and nothing says what could stand in it.
    """
    own = taking.batch.ingestion
    assert own is not None
    schema = contract.resolved({"$ref": f"#/components/schemas/{own.rows}"})
    varied = {own.identifier, own.payload, own.time, *reference_fields(contract, taking)}
    fields = {}
    for name, described in schema.get("properties", {}).items():
        if name in varied:
            fields[name] = ""
        elif name in schema.get("required", ()):
            described = contract.resolved(described)
            examples = [described.get("const"), described.get("default"), *described.get("enum", ())]
            value = next((v for v in (*examples, *described.get("examples", ())) if isinstance(v, str)), None)
            if value is None:
                raise ScenarioError(f"{own.rows} needs {name}, and the contract gives no example of it")
            fields[name] = value
    return fields


@lru_cache(4)
def _fillings(seed: int) -> tuple[bytes, ...]:
    """Texts for payloads, in UTF-8."""
    return tuple(_made(seed))


def _made(seed: int) -> Iterator[bytes]:
    numbers: Draws[float] = Draws(seed, "fillings", 1, lambda chunk, uniform: uniform[:, 0].tolist())
    letters = np.array(list(_LETTERS))
    for number in range(_TEXTS):
        uniform = numbers.uniform(number)[:, 0]
        length = _LEAST_TEXT + int((_MOST_TEXT - _LEAST_TEXT) * uniform[0] ** 2)
        yield "".join(letters[np.floor(uniform[1 : length + 1] * len(letters)).astype(np.int64)]).encode()
