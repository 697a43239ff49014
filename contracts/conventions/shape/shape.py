"""SHAPE: success bodies as the contract describes them, under the keys that clients rely on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cdp.contract import Operation, Parameter
from cdp.http import Exchange
from contracts.answers import fields, in_plain_form, marked
from contracts.applicability import text_fields
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, Unconfirmed, check
from contracts.conventions.at_once import records_of_their_own
from contracts.conventions.breakdown import broken_down
from contracts.conventions.code.status_codes import NOWHERE, STEP
from contracts.conventions.shape.bodies import has_its_body, keeps_secrets
from contracts.exploration import heed
from contracts.finding import Unavailable
from contracts.observing import record_of, rows_of
from contracts.subject import Subject, require

_NO_CONTENT = 204
_DONE = (200, 201)
_LONGEST = 3  # records with long texts that are compared, beside any one
_WORDS = "and as many words as a list would rather not show " * 6
_TIMES = 2  # so often a record has to be in the list and not to be read
_FLICKERS = 2  # records that are read otherwise at first than in the list before and after, and than when read again


@check("SHAPE-01")
def conforms_to_schema(s: Subject) -> None:
    s.control()
    heed(s, counted=False)
    for exchange in s.session.seen(s.operation):
        # What comes as no JSON is the matter of MEDIA, what was asked at other paths and by other methods of CODE-04.
        about = exchange.method == s.operation.method and not any(path in exchange.url for path in (NOWHERE, STEP))
        if about and exchange.ok:
            has_its_body(s, exchange)
            keeps_secrets(s, exchange)
        judged = about and exchange.ok and exchange.body and exchange.media_type in ("application/json", "")
        status = exchange.status
        if status in _DONE and status not in s.operation.responses:
            status = s.operation.success_status  # which of the two it should have been is the matter of CODE-02
        validator = s.bench.validator(s.operation, status) if judged else None
        if validator is not None:
            plain = in_plain_form(s.session.contract, s.operation, exchange)
            error = next(iter(validator.iter_errors(plain.json)), None)
            if error is not None:
                where = "/".join(map(str, error.instance_path)) or "the body"
                require(False, f"{where}: {_without_values(error.message)}", exchange)
            s.exercised()
    if not s.evidence:
        raise NotExercised("no success with a body was seen")


def _without_values(message: str) -> str:
    return message if len(message) <= 160 else message[:157] + "..."


@check("SHAPE-02")
def wrapped_under_its_key(s: Subject) -> None:
    exchange = s.control()
    body: Any = exchange.json
    if exchange.status == _NO_CONTENT and not exchange.body and s.operation.provenance == "assumed":
        raise Unconfirmed(f"assumed operation; the target answers {_NO_CONTENT}, which has no content")
    require(isinstance(body, dict), "the answer is no JSON object", exchange)
    collection = s.operation.collection
    if collection is not None and collection.key is not None:
        _list_under_its_key(s, collection.key, exchange)
        for other in s.session.seen(s.operation):  # whatever else was asked for: later pages, and empty ones
            if _of_the_list(s, other):
                _list_under_its_key(s, collection.key, other)
    elif s.operation.item_key:
        require(
            isinstance(body.get(s.operation.item_key), dict),
            f"no record stands under {s.operation.item_key}; the keys are {', '.join(body)}",
            exchange,
        )
    s.exercised()


def _of_the_list(s: Subject, exchange: Exchange) -> bool:
    """Whether an answer is a success of the list itself. What comes as no JSON is the matter of MEDIA."""
    elsewhere = exchange.method != s.operation.method or any(path in exchange.url for path in (NOWHERE, STEP))
    return exchange.ok and not elsewhere and isinstance(exchange.json, dict)


def _list_under_its_key(s: Subject, key: str, exchange: Exchange) -> None:
    body: Any = exchange.json
    keys = ", ".join(body)
    require(isinstance(body.get(key), list), f"no list stands under {key}; the keys are {keys}", exchange)
    schema = s.operation.response_schema(s.operation.success_status)
    if schema is not None and "selection_settings" in s.session.contract.resolved(schema).get("properties", {}):
        told = isinstance(body.get("selection_settings"), dict)
        require(told, "no selection_settings stand beside the list", exchange)


@dataclass(frozen=True)
class _Pair:
    """The two sides of a record: read by its id, and in its list."""

    s: Subject
    reading: Call
    listing: Call

    @property
    def parameter(self) -> Parameter:
        """The parameter that takes the record's id."""
        return self.s.operation.path_parameters[-1]

    def of(self, row: dict[str, Any]) -> _Pair:
        """The two sides of another record, which the list shows so."""
        return replace(self, reading=self.reading.at(**{self.parameter.name: str(row[self.parameter.field])}))

    def read(self) -> tuple[Exchange, dict[str, Any] | None]:
        exchange = self.s.session.read_again(self.reading, self.s.session.admin)
        record = record_of(self.s.operation, exchange) if exchange.ok else None
        return exchange, record if isinstance(record, dict) else None

    def listed(self) -> dict[str, Any] | None:
        rows = rows_of(self.listing.operation, self.s.session.read_again(self.listing, self.s.session.admin)) or []
        wanted = self.reading.path[self.parameter.name]
        return next((r for r in rows if isinstance(r, dict) and str(r.get(self.parameter.field)) == wanted), None)


@check("SHAPE-03")
def listed_and_read_agree(s: Subject) -> None:
    s.control()
    exchange = s.session.read(s.call(), s.session.admin)
    record = record_of(s.operation, exchange)
    require(isinstance(record, dict), "the answer holds no record", exchange)
    pair, listed = _in_its_list(s)
    wanted, field = s.call().path[pair.parameter.name], pair.parameter.field
    twin = next((r for r in listed if str(r[field]) == wanted), None)
    if twin is None:  # the list has grown since; any record of it will do
        twin = listed[0]
        pair = pair.of(twin)
        record = _read_by_its_id(pair)
    _alike(pair, record, twin)
    kept: Call | None = s.bench.memory.get("listed but not read", {}).get(s.operation.id)
    if kept is not None and kept.path != pair.reading.path:
        _can_be_read(replace(pair, reading=kept))
    if not s.quick:
        others = _telling([r for r in listed if r is not twin])
        _others_agree(pair, others)
        calls = [pair.reading, *(pair.of(other).reading for other in others)]
        records_of_their_own(s, calls, pair.parameter.name, field)
        _with_long_texts(s, pair.listing.operation)


def _in_its_list(s: Subject) -> tuple[_Pair, list[dict[str, Any]]]:
    """The record of the operation's call on both sides, and the records of its list that can be read by their ids."""
    listing = s.session.contract.by_action(s.operation.entity, "list")
    assert listing is not None
    path = {p.name: s.call().path[p.name] for p in listing.path_parameters}
    finder = s.bench.arrangement.finder
    try:
        records, look = finder.records(listing, path), finder.listing(listing, path)
    except Unavailable as error:
        raise NotExercised(str(error)) from None
    pair = _Pair(s, s.call(), look)
    listed = [r for r in records if isinstance(r, dict) and r.get(pair.parameter.field) is not None]
    if not listed:
        raise NotExercised(f"{listing.id} holds no record to compare with")
    return pair, listed


def _read_by_its_id(pair: _Pair) -> dict[str, Any]:
    """A record that the list holds, as it is read."""
    exchange = pair.s.session.read(pair.reading, pair.s.session.admin)
    record = record_of(pair.s.operation, exchange)
    if isinstance(record, dict):
        return record
    listing = pair.listing.operation
    vanished = Broken(f"a record of {listing.id} read by its id got {exchange.outcome()}", exchange)
    # They may have deleted it.
    vanished.doubtful = exchange.status == 404 and pair.s.bench.others_at_work(pair.listing)
    raise vanished


def _telling(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some records of a list that tell more than others: those with long texts, what has been there longest, and what
    has the fewest values. The last two were written by other programs than the rest."""
    found = sorted(records, key=_longest_text, reverse=True)[:_LONGEST]
    rest = [*records[-1:], *sorted(records, key=_without_value)[-1:]]
    return found + [r for r in rest if all(r is not x for x in found)]


def _others_agree(pair: _Pair, others: list[dict[str, Any]]) -> None:
    """Other records, too, are read as their list shows them."""
    flickers = 0
    for listed in others:
        beside = pair.of(listed)
        exchange = pair.s.session.read(beside.reading, pair.s.session.admin)
        record = record_of(pair.s.operation, exchange)
        if exchange.ok and isinstance(record, dict):
            name = _alike(beside, record, listed)
            flickers += bool(name)
            sentence = (
                f"{name} is {record.get(name)!r:.60} when first read, {listed.get(name)!r:.60} in the list and later"
            )
            require(flickers < _FLICKERS, f"{sentence}; so with {flickers} records", exchange)
        elif exchange.gone or broken_down(exchange):
            _can_be_read(beside)


def _with_long_texts(s: Subject, listing: Operation) -> None:
    """A record of the run's own, with texts as long as the list's own records may not have: lists cut them."""
    create = s.session.contract.by_action(s.operation.entity, "create")
    texts = text_fields(s.session.contract, create) if create is not None else []
    if not texts or s.session.contract.by_action(s.operation.entity, "delete") is None:
        return
    sampler = s.bench.arrangement.sampler
    try:
        fields = {name: f"{sampler.text(name)} {_WORDS}" for name in texts if not name.endswith("url")}
        own = s.bench.arrangement.create(str(s.operation.entity), fields)
        look = s.bench.arrangement.finder.listing(listing, {p.name: own.path[p.name] for p in listing.path_parameters})
    except (Unavailable, KeyError):
        return
    pair = _Pair(s, own.call(s.operation), look)
    (_, record), twin = pair.read(), pair.listed()
    if record is not None and twin is not None:
        _alike(pair, record, twin)


def _can_be_read(pair: _Pair) -> None:
    """A record that is in the list still, after its read got 404 or failed, is no record that others have deleted
    meanwhile. One that the list itself shows as deleted need not be readable."""
    for _ in range(_TIMES):
        (exchange, _record), listed = pair.read(), pair.listed()
        unreadable = exchange.gone or broken_down(exchange)
        if not unreadable or listed is None or marked(listed):
            return
    wanted = pair.reading.path[pair.parameter.name]
    sentence = f"{pair.listing.operation.id} holds {wanted}, and reading it by its id gets {exchange.status}"
    raise Broken(sentence, exchange)


def _alike(pair: _Pair, record: dict[str, Any], twin: dict[str, Any]) -> str:
    """The fields that both the record and its twin in the list have are the same. Where they are not both are looked
    at again, the record before and after the list: either may be older than a change of somebody else's, and what
    goes on changing tells nothing. Answers the field that was another at first alone, while the list stayed the same:
    nobody changes a record and changes it back more than once."""
    s, flickered = pair.s, ""
    if different := _different(s, record, twin):
        (_, before), listed, (exchange, after) = pair.read(), pair.listed(), pair.read()
        if before is None or listed is None or after is None:
            raise NotExercised("the record went away while it was looked at")
        moving = _different(s, before, after)
        for name in (n for n in _different(s, after, listed) if n not in moving):
            sentence = (
                f"{name} is {after[name]!r:.60} when read and {listed[name]!r:.60} in {pair.listing.operation.id}"
            )
            raise Broken(sentence, exchange)
        if moving:
            raise NotExercised(f"{moving[0]} changes by itself from one look to the next")
        flickered = next((n for n in different if n in after and after[n] == listed.get(n) == twin[n]), "")
    s.exercised()
    return flickered


def _different(s: Subject, one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The fields that two looks at a record show differently."""
    return [n for n in one if n in other and one[n] != other[n] and not _same_id(s, n, one[n], other[n])]


def _same_id(s: Subject, name: str, one: Any, other: Any) -> bool:
    """Whether two values are a number and the same written as a text, where answers are known to show the field as
    both."""
    if {type(one), type(other)} != {int, str} or str(one) != str(other):
        return False
    return {"integer", "string"} <= {
        f.get("type") for f in fields(s.session.contract, s.operation.entity).get(name, ())
    }


def _without_value(record: dict[str, Any]) -> int:
    """How many fields of a record hold nothing."""
    return sum(v in (None, "", [], {}) for v in record.values())


def _longest_text(record: dict[str, Any]) -> int:
    """How long the longest text of a record is: long ones are what lists cut."""
    return max((len(v) for v in record.values() if isinstance(v, str)), default=0)
