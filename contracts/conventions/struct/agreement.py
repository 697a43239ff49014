"""STRUCT-04: plain and full answers agree with each other, and embedded data with what reading it gives."""

from __future__ import annotations

from typing import Any

from cdp.contract import Operation, SubEntity
from cdp.http import Exchange
from contracts.answers import data_of, objects
from contracts.applicability import FILTERS
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import Broken, check
from contracts.conventions.listing import REFERENCE_PAGE, describe, list_call, page, settled, walk
from contracts.conventions.page.filter_forms import filter_value
from contracts.conventions.struct.full_records import (
    READ_BACK,
    READ_BACK_MORE,
    all_gone,
    full_records,
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
from contracts.conventions.struct.renewed_parts import parts_are_as_they_are
from contracts.observing import identity, record_of, rows_of
from contracts.subject import Subject, require

_FULL = "load_full_structure=1"


@check("STRUCT-04")
@steadily
def plain_and_full_agree(s: Subject) -> None:
    s.control()
    plain, full = plain_records(s), full_records(s)
    exchange = shown_with(s, ("load_full_structure", 1)).exchange
    if [identity(r) for r in plain] != [identity(r) for r in full] and any("id" in r for r in plain):
        sentence = "plain and full do not hold the same records in the same order"
        raise verdict_on(s, plain, Broken(sentence, exchange))
    subs = needing_ids(s, plain)
    try:
        _agree_one_by_one(s, plain, full, subs, exchange)
    except Broken as broken:
        raise verdict_on(s, plain, broken) from None
    for sub in subs:
        _agree_with_entity(s, full, sub)
    if not s.quick and s.operation.collection and s.operation.collection.paging:
        part = shown_with(s, ("limit", 3), ("offset", 2), ("load_full_structure", 1))
        if part.records != full[2:5]:
            sentence = "with full data limit=3&offset=2 is not the slice [2:5] of the default page"
            error = Broken(sentence, part.exchange, "limit=3&offset=2&load_full_structure=1")
            raise settled(s, full, error, ("load_full_structure", 1))
        for query in _narrowed(s):
            _agree_beside(s, *query)
    if not s.quick and s.operation.safety == "read" and s.cell.role in ("", ADMIN):
        parts_are_as_they_are(s)


def _spelled_alike(plain: dict[str, Any], full: dict[str, Any], exchange: Exchange) -> None:
    """A field may give way to the data of what it refers to, but not to itself under another spelling of its name."""
    fresh = [name for name in full.keys() - plain.keys() if not objects(full[name])]
    spelled = {name.replace("_", "").casefold(): name for name in fresh}
    for name in plain.keys() - full.keys():
        other = spelled.get(name.replace("_", "").casefold())
        require(other is None, f"{name} is called {other} with full data", exchange, _FULL)


def _agree_one_by_one(
    s: Subject, plain: list[dict[str, Any]], full: list[dict[str, Any]], subs: list[SubEntity], exchange: Exchange
) -> None:
    """Each record has its own fields in both answers, and brings the data of what it refers to alone."""
    special = {name for sub in s.operation.sub_entities for name in (sub.field, sub.key)}
    for one, other in zip(plain, full, strict=False):
        for name, value in one.items():
            if name not in special and other.get(name) != value:
                raise Broken(f"{name} of {identity(one)!r:.60} differs between plain and full", exchange)
        _spelled_alike(one, other, exchange)
        for sub in subs:
            agree_on_ids(s, one, other, sub, exchange)
        s.exercised()


def _narrowed(s: Subject) -> list[tuple[tuple[str, Any], ...]]:
    """A large page, and what else the list can be asked for: another order, and each of its filters."""
    found: list[tuple[tuple[str, Any], ...]] = [()]
    order = s.operation.query("order_by")
    if order is not None and s.operation.query("order_dir"):
        choices = s.session.contract.resolved(order.schema).get("enum") or ["id"]
        found.append((("order_by", "id" if "id" in choices else choices[0]), ("order_dir", "ASC")))
    for name in [n for n in FILTERS if s.operation.query(n)]:
        value, _ = filter_value(name, walk(s).records)
        if value is not None and _has_effect(s, name, value):
            found.append(((name, value),))
    return found


def _has_effect(s: Subject, name: str, value: str) -> bool:
    """Whether the list takes a filter: how it is written is not documented of each, and whether it has to be taken is
    the matter of PAGE-10."""
    asked = s.session.read(list_call(s).asking((name, value), ("limit", REFERENCE_PAGE)), s.caller())
    rows = rows_of(s.operation, asked)
    return bool(rows) and rows != page(s, ("limit", REFERENCE_PAGE)).records


def _agree_beside(s: Subject, *query: tuple[str, Any]) -> None:
    """Beside other parameters, too, plain and full hold the same records in the same order, and behind the default page
    each still brings what it refers to: loaders take so many ids at once."""
    asked = (*query, ("limit", REFERENCE_PAGE))
    plain, full = page(s, *asked), page(s, *asked, ("load_full_structure", 1))
    known = any(isinstance(r, dict) and "id" in r for r in plain.records)
    found = [[identity(r) if known else None for r in rows] for rows in (plain.records, full.records)]
    if found[0] != found[1]:  # rows without ids are counted
        sentence = f"beside {describe(*asked)} plain and full do not hold the same records in the same order"
        error = Broken(sentence, full.exchange, describe(*asked, ("load_full_structure", 1)))
        raise settled(s, plain.records, error, *asked)
    one, other = ([r for r in rows if isinstance(r, dict)] for rows in (plain.records, full.records))
    subs = [sub for sub in s.operation.sub_entities if any(ids_of(r.get(sub.field)) for r in one)]
    try:
        _agree_one_by_one(s, one, other, subs, full.exchange)
        for sub in subs:
            none_left_out(s, with_their_ids(s, sub, one, other), sub, full.exchange)
    except Broken as error:
        raise settled(s, plain.records, error, *asked) from None


def agree_on_ids(s: Subject, plain: dict[str, Any], full: dict[str, Any], sub: SubEntity, exchange: Any) -> None:
    """Full data are those of the ids that the plain record tells: of no others, of each, and none twice in another's
    place; what is gone may be left out."""
    embedded = data_of(full, sub)
    wanted = [str(i) for i in ids_of(plain.get(sub.field))]
    strangers = [e for e in embedded if str(e.get("id")) not in wanted]
    if strangers:
        raise Broken(f"{sub.key} holds {strangers[0].get('id')!r}, {sub.field} does not", exchange, _FULL)
    kept = [str(i) for i in ids_of(full.get(sub.field)) if not isinstance(i, dict)]
    if kept and kept != wanted:
        raise Broken(f"{sub.field} is {kept[0]!r} with full data and {wanted[:1]} without", exchange, _FULL)
    missing = [i for i in wanted if i not in {str(e.get("id")) for e in embedded}]
    unlike = isinstance(plain.get(sub.field), list) and embedded and (missing or len(embedded) != len(wanted))
    if unlike and not (len(embedded) + len(missing) == len(wanted) and all_gone(s, sub, missing)):
        number = len({str(e.get("id")) for e in embedded})
        sentence = f"{sub.key} holds {number} different records, {sub.field} {len(wanted)} ids"
        raise Broken(sentence, exchange, _FULL)


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, be a number written as a text in one of them."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other) or str(one) == str(other)


def _not_served(s: Subject, read: Operation) -> bool:
    """Whether the target has nothing of a kind of records, as one that serves a part of the API: not even a list."""
    listing = s.session.contract.by_action(read.entity, "list")
    if listing is None or listing.path_parameters:
        return False
    return s.session.read(Call(listing), s.session.admin).status in (404, 405)


def _agree_with_entity(s: Subject, records: list[dict[str, Any]], sub: SubEntity) -> None:
    """The embedded data is the same wherever the entity is embedded, and what reading it gives, for some of them."""
    embedded = _embedded_alike(s, records, sub)
    read = reader_of(s, sub)
    if read is None or s.cell.role not in ("", ADMIN):  # the administrator may see more of it than another role
        return
    for wanted, data in list(embedded.items())[: READ_BACK if s.quick else READ_BACK_MORE]:
        exchange = read_alone(s, read, wanted)
        if exchange.status == 404:
            if _not_served(s, read):
                return
            sentence = f"the data of {sub.key} {wanted} are embedded, which {read.id} does not know"
            raise Broken(sentence, exchange, _FULL, softly=True)
        alone = record_of(read, exchange) if exchange.ok else None
        if isinstance(alone, dict):
            _embedded_as_read(data, alone, f"the embedded {sub.key} {wanted}", read, exchange)
            s.exercised()


def _embedded_alike(s: Subject, records: list[dict[str, Any]], sub: SubEntity) -> dict[str, dict[str, Any]]:
    """The data that records embed, by their ids, each of which is embedded alike by all of them."""
    embedded: dict[str, dict[str, Any]] = {}
    for data in (e for r in records for e in data_of(r, sub) if "id" in e):
        other = embedded.setdefault(str(data["id"]), data)
        name = next((n for n in data.keys() & other.keys() if data[n] != other[n]), None)
        if name is not None:
            sentence = f"{name} of the embedded {sub.key} {data['id']} differs from one record to the next"
            raise Broken(sentence, shown_with(s, ("load_full_structure", 1)).exchange, _FULL)
    return embedded


def _embedded_as_read(
    data: dict[str, Any], alone: dict[str, Any], what: str, read: Operation, exchange: Exchange
) -> None:
    """What is embedded is what is read, as far as both tell it."""
    deeper = {name for inner in read.sub_entities for name in (inner.field, inner.key)}
    for name in data.keys() & alone.keys():
        if name in deeper and objects(data[name]):
            continue  # full data, as deep as it goes
        if not _alike(data[name], alone[name]):
            raise Broken(f"{name} of {what} is not what {read.id} answers", exchange, _FULL)
