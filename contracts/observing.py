"""What an answer shows of the target, and which changes of it may be other people's doing.

A target has other users. Records of theirs come and go and are edited while a rule is looked at, and counts and times
move that the server works out; that is no fault of the target, and no proof that the rule was kept either. What tells
it from a fault: records that stayed are in the order in which they were, none that came is older than they are, and
none that came, went or was edited is the run's own. Whether a record was edited or badly answered cannot be told from
two answers: a fault does it again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import orjson

from cdp.contract import Contract, Operation
from cdp.http import Exchange
from cdp.prefixes import letters_of
from cdp.texts import timestamp
from contracts.calls import Call

Record = Any
State = tuple[int, Any]
_CREATED = "created"
MAKERS = ("user_id", "author_id")  # fields that tell whose a record is
_GZIP = b"\x1f\x8b"
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def identity(record: Record) -> Any:
    """What tells a record from the others: its id, else all of it."""
    if isinstance(record, dict):
        return record["id"] if "id" in record else canonical(record)
    return record


def canonical(value: Any) -> str:
    """A JSON value as one text, whatever the order of its keys."""
    try:
        return orjson.dumps(value, option=_CANONICAL).decode()
    except TypeError:  # an integer beyond 64 bits, or a lone surrogate
        return repr(value)


def rows_of(operation: Operation, exchange: Exchange, *, bare: bool = False) -> list[Record] | None:
    """The records of a list's answer; None where it is no list. `bare`: one that stands for itself will do, too, where
    it should stand under a key, for rules that are not about that."""
    collection, body = operation.collection, exchange.json
    if collection is None or not exchange.ok:
        return None
    keyed = collection.key is not None and not (bare and isinstance(body, list))
    rows = body if not keyed else body.get(collection.key) if isinstance(body, dict) else None
    return rows if isinstance(rows, list) else None


def shown(contract: Contract, operation: Operation, exchange: Exchange) -> State:
    """The status, and what a success shows of the target: a list's records, else what the contract describes. Words of
    an error and unknown fields beside the described ones may be others each time."""
    if not exchange.ok:
        return exchange.status, None
    rows = rows_of(operation, exchange)
    return exchange.status, described(contract, operation, exchange) if rows is None else rows


def described(contract: Contract, operation: Operation, exchange: Exchange) -> Any:
    """The body without the fields beside those that the contract describes; all of it where it describes none."""
    body = exchange.json
    schema = operation.response_schema(exchange.status)
    known: Mapping[str, Any] = contract.resolved(schema).get("properties", {}) if schema else {}
    if not isinstance(body, dict) or not known:
        return body
    return {name: value for name, value in body.items() if name in known}


def own_marks(prefix: str) -> Callable[[Record], bool]:
    """Tells whether a record bears the prefix of a run."""
    marks = (prefix, letters_of(prefix))
    return lambda record: any(mark in canonical(record) for mark in marks)


def sent_by(call: Call, is_own: Callable[[Record], bool]) -> Callable[[Record], bool]:
    """Tells whether a record may be what a call brings in. What the run made before may come late, too: events of an
    upload, and records in lists that are read from a replica. Those of the call are known by what it sends, events by
    their identifiers and others by texts of the run's own."""
    ingestion, body = call.operation.ingestion, _text(call.body)
    if ingestion is not None and body:
        field = ingestion.identifier

        def bears(record: Record) -> bool:
            identifier = record.get(field) if isinstance(record, dict) else None
            return str(identifier) in body if identifier else is_own(record)

        return bears
    if not body or call.operation.action != "create" or not is_own(body):
        return is_own
    sent = _letters(unquote_plus(body))

    def tells(record: Record) -> bool:
        own = [v for v in record.values() if isinstance(v, str) and is_own(v)] if isinstance(record, dict) else []
        return is_own(record) and (not own or any(_letters(v) in sent for v in own))

    return tells


def _letters(text: str) -> str:
    """Letters and digits of a text, which are the same in any media type and encoding."""
    return "".join(filter(str.isalnum, text))


def _text(body: bytes | None) -> str:
    """What is sent, unpacked as far as it goes."""
    if body and body.startswith(_GZIP):
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body)
        except zlib.error:
            return ""
    return (body or b"").decode("utf-8", "replace")


def record_of(operation: Operation, exchange: Exchange) -> Any:
    """The record of an answer, out of its key where it stands under one; whatever came where it does not."""
    body = exchange.json
    return body.get(operation.item_key) if operation.item_key and isinstance(body, dict) else body


def came(before: list[Record], after: list[Record]) -> list[Record]:
    """Records that are new, those aside that moved up into the page at its end."""
    known = {canonical(identity(r)) for r in before}
    last = max((n for n, r in enumerate(after) if canonical(identity(r)) in known), default=-1)
    return [r for r in after[:last] if canonical(identity(r)) not in known]


def by_others(before: Any, after: Any, is_own: Callable[[Record], bool], *, edits: bool = False) -> bool:
    """Whether other people's doing may be all that is different between two looks at the same list: what stands at the
    end of a page may go over its border, or come over it, or be new among records of one moment.

    `edits`: they may have edited records, too; an edited one may stand elsewhere, because some lists are ordered by the
    last change.
    """
    if not isinstance(before, list) or not isinstance(after, list):
        return False
    earlier = {canonical(identity(r)): r for r in before}
    later = {canonical(identity(r)): r for r in after}
    if len(earlier) != len(before) or len(later) != len(after):
        return False  # one stands there twice
    stayed = [key for key in earlier if key in later]
    edited = [key for key in stayed if earlier[key] != later[key]]
    if not stayed or (edited and not edits) or any(is_own(earlier[key]) for key in edited):
        return False
    held = set(stayed).difference(edited) or set(stayed)
    if [key for key in later if key in held] != [key for key in stayed if key in held]:
        return False
    if not edited and len(earlier) == len(later) == len(stayed):
        return False  # nothing is different
    new = came(before, after)
    return all(_is_newest(r, before) for r in new) and not any(map(is_own, (*new, *came(after, before))))


def _is_newest(record: Record, others: list[Record]) -> bool:
    """Whether a record may have been created just now: one that is older than what was there came back."""
    times = [timestamp(r.get(_CREATED)) for r in (record, *others) if isinstance(r, dict)]
    made, *known = times or [None]
    return made is None or all(time is None or time <= made for time in known)


@dataclass(frozen=True)
class Doing:
    """What a call would do to the records that a look shows: the field and value by which it names its record, the
    body that it sends, and the names that such a body may have. `own`: its record is the run's own."""

    named: tuple[str, str]
    sent: Any
    takes: frozenset[str]
    own: bool
    is_own: Callable[[Record], bool]

    def done(self, before: Any, after: Any) -> bool:
        """Whether something of it is what is different between two looks: a record of the run's own came, went or was
        changed in what can be sent, or somebody's became what is sent. Nobody else does that."""
        if not isinstance(before, list) or not isinstance(after, list):
            return self._changed(_inner(before), _inner(after), self.own)
        earlier = {canonical(identity(r)): r for r in before}
        later = {canonical(identity(r)): r for r in after}
        moved = [*came(after, before), *came(before, after)]
        return any(self.is_own(r) or self._names(r) or self._made(r) for r in moved) or any(
            self._changed(
                earlier[key], later[key], any(map(self.is_own, (earlier[key], later[key]))) or self._names(later[key])
            )
            for key in earlier.keys() & later.keys()
        )

    def _names(self, record: Record) -> bool:
        field, value = self.named
        return self.own and isinstance(record, dict) and bool(field) and str(record.get(field)) == value

    def _made(self, record: Record) -> bool:
        """Whether a record is what a body without the run's mark describes."""
        if not isinstance(record, dict) or not isinstance(self.sent, dict) or self.is_own(self.sent):
            return False
        told = [n for n, v in self.sent.items() if n in record and not isinstance(v, dict | list)]
        return bool(told) and all(str(record[n]) == str(self.sent[n]) for n in told)

    def _changed(self, before: Record, after: Record, own: bool) -> bool:
        if not isinstance(before, dict) or not isinstance(after, dict):
            return before != after
        names = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
        if own and (not self.takes or names & {*self.takes, "deleted"}):
            return bool(names)
        sent = self.sent if isinstance(self.sent, dict) else {}
        return any(n in sent and n in after and after[n] == sent[n] for n in names)


def _inner(body: Any) -> Any:
    """A record out of the one key that it stands under, where there is one."""
    if isinstance(body, dict) and len(body) == 1 and isinstance(inner := next(iter(body.values())), dict):
        return inner
    return body
