"""STRUCT: plain and full responses (overview page, Plain/Full data response), of lists and of single records."""

from __future__ import annotations

from typing import Any

from cdp.contract import SubEntity
from cdp.http import Exchange
from contracts.answers import data_of, objects, tells_of
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.listing import list_call, page
from contracts.conventions.struct.agreement import agree_on_ids
from contracts.conventions.struct.full_records import (
    all_gone,
    ids_of,
    needing_ids,
    none_left_out,
    plain_records,
    read_alone,
    reader_of,
    shown_with,
    steadily,
    verdict_on,
    with_their_ids,
)
from contracts.observing import identity, record_of, rows_of
from contracts.subject import Subject, require

OTHER_FLAGS = ("2", "-1", "yes", "", "1.5")


@check("STRUCT-01")
def plain_by_default(s: Subject) -> None:
    s.control()
    records = plain_records(s)
    exchange = shown_with(s).exchange
    for sub in needing_ids(s, records):
        for record in records:
            require(
                not objects(record.get(sub.field)),
                f"by default {sub.field} of {identity(record)!r:.60} holds data instead of ids",
                exchange,
            )
            require(
                not data_of(record, sub),
                f"by default {identity(record)!r:.60} brings the data of {sub.key}",
                exchange,
            )
        s.exercised()
    _plain_each_time(s)


def _plain_each_time(s: Subject) -> None:
    """Whatever else was asked for, and whatever the call before was: who does not ask for data gets none. What an
    answer to another method or at another path holds is not the list's."""
    for exchange in s.session.seen(s.operation) if s.operation.collection else ():
        rows = rows_of(s.operation, exchange) if exchange.method == s.operation.method else None
        for record in [r for r in rows or [] if isinstance(r, dict) and "load_full_structure" not in exchange.url]:
            for sub in s.operation.sub_entities:
                told = objects(record.get(sub.field)) or data_of(record, sub)
                sentence = f"without load_full_structure {identity(record)!r:.60} brings the data of {sub.key}"
                require(not told, sentence, exchange)


@check("STRUCT-02")
@steadily
def full_on_demand(s: Subject) -> None:
    s.control()
    plain = plain_records(s)
    subs = needing_ids(s, plain)
    full = shown_with(s, ("load_full_structure", 1))
    records = [r for r in full.records if isinstance(r, dict)]
    for sub in subs:
        _brings_data_of(s, sub, plain, records, full.exchange)
    if not s.evidence:
        raise NotExercised("every entity that the records refer to is gone")


def _brings_data_of(
    s: Subject, sub: SubEntity, plain: list[dict[str, Any]], full: list[dict[str, Any]], exchange: Exchange
) -> None:
    """Full records bring the data of an entity that they refer to, unless all that plain ones refer to is gone."""
    ids = with_their_ids(s, sub, plain, full)
    referring = [r for r, known in ids if known or data_of(r, sub)]
    if s.operation.safety != "read" and not referring and all(tells_of(r, sub) for r in full):
        return  # it is about another record than the plain answer, and says that it refers to nothing
    brought = any(data_of(r, sub) for r in referring)
    wanted = dict.fromkeys(str(id) for r in plain for id in ids_of(r.get(sub.field)) if not isinstance(id, dict))
    if not brought and all_gone(s, sub, list(wanted)):
        return
    require(brought, f"load_full_structure=1 brings no data of {sub.key}", exchange, "load_full_structure=1")
    _more_than_ids(s, referring, sub, exchange)
    none_left_out(s, ids, sub, exchange)
    if s.operation.safety != "read" and not sub.in_place:  # what reads is held to its plain answer by STRUCT-04
        for record in (r for r in referring if ids_of(r.get(sub.field)) and not objects(r.get(sub.field))):
            agree_on_ids(s, record, record, sub, exchange)
    s.exercised()


def _more_than_ids(s: Subject, referring: list[dict[str, Any]], sub: SubEntity, exchange: Exchange) -> None:
    """Data are more than the id that was known before, unless an entity has nothing else."""
    found = [data for record in referring for data in data_of(record, sub)]
    if not found or any(data.keys() - {"id"} for data in found):
        return
    read = reader_of(s, sub)
    if read is not None:
        alone = read_alone(s, read, str(found[0].get("id")))
        record = record_of(read, alone)
        if alone.ok and isinstance(record, dict) and not record.keys() - {"id"}:
            return
    sentence = f"load_full_structure=1 brings nothing of {sub.key} but ids"
    raise Broken(sentence, exchange, "load_full_structure=1")


@check("STRUCT-03")
@steadily
def off_equals_default(s: Subject) -> None:
    s.control()
    default = shown_with(s)
    paging = (("limit", 20), ("offset", 0)) if s.operation.collection and s.operation.collection.paging else ()
    off = shown_with(s, *paging, ("load_full_structure", 0))
    if off.records != default.records and paging:
        off = page(s, ("load_full_structure", 0))
    if off.records != default.records:
        sentence = "load_full_structure=0 does not equal the default"
        raise verdict_on(s, default.records, Broken(sentence, off.exchange, "load_full_structure=0"))
    s.exercised()


@check("STRUCT-05")
def other_flags(s: Subject) -> None:
    s.control()
    for flag in s.forms(OTHER_FLAGS):
        call = list_call(s).asking(("load_full_structure", flag))
        exchange = s.session.read(call, s.caller())
        require(
            0 < exchange.status < 500,
            f"load_full_structure={flag} got {exchange.outcome()}",
            exchange,
            f"load_full_structure={flag}",
        )
        s.exercised()
