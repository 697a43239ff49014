"""STRUCT: plain and full responses (overview page, Plain/Full data response), of lists and of single records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cdp.contract import Operation, SubEntity
from cdp.http import Exchange
from contracts.answers import data_of, objects, tells_of, with_included
from contracts.applicability import FILTERS
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import Broken, Moved, NotExercised, check
from contracts.conventions.filtering import filter_value
from contracts.conventions.listing import REFERENCE_PAGE, Page, describe, list_call, page, settled, walk
from contracts.observing import canonical, identity, record_of, rows_of, shown
from contracts.subject import Subject, require

_RECORD = "what it shows"
OTHER_FLAGS = ("2", "-1", "yes", "", "1.5")
_READ_BACK, _READ_BACK_MORE = 2, 20  # entities that are read to compare their embedded data


def _ids(value: Any) -> list[Any]:
    """Ids that a plain field holds."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _shown(s: Subject, *query: tuple[str, Any]) -> Page:
    """What the operation shows under these parameters: a page, or the one record that it answers. What writes is done
    once for each; it shows another record then."""
    operation = s.operation
    if operation.collection is not None:
        found = page(s, *query)
        s.resting_on(list_call(s).asking(*query), s.caller(), found.exchange)
        return replace(found, records=with_included(operation, found.exchange, found.records))
    if operation.safety == "read":
        exchange = s.resting_on(s.call().asking(*query), s.caller())
    elif query:
        call = s.bench.valid_call(operation, "its answer in full").asking(*query)
        exchange = s.bench.once(f"{describe(*query)}/{operation.id}", lambda: s.bench.execute(call))
    else:
        exchange = s.control()
    if not exchange.ok:
        raise Broken(f"a valid request got {exchange.outcome()}", exchange, describe(*query))
    return Page(with_included(operation, exchange, [record_of(operation, exchange)]), None, exchange)


def _plain(s: Subject) -> list[dict[str, Any]]:
    return [r for r in _shown(s).records if isinstance(r, dict)]


def _full(s: Subject) -> list[dict[str, Any]]:
    return [r for r in _shown(s, ("load_full_structure", 1)).records if isinstance(r, dict)]


def _settled(s: Subject, before: list[Any], error: Broken, *query: tuple[str, Any]) -> Exception:
    """The verdict on a difference between two answers. Of a list it may be other people's doing; a single record is
    asked for again by whoever raises it."""
    return settled(s, before, error, *query) if s.operation.collection is not None else error


def _steadily(rule: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """A rule on the plain and the full answer, and on what other operations say of their data. Its error counts when
    all of these come again as they were: else somebody has edited what they are about meanwhile."""

    def look(s: Subject) -> None:
        try:
            rule(s)
        except Broken as error:
            raise _come_again(s, error) from None

    return look


def _come_again(s: Subject, error: Broken) -> Exception:
    """The verdict on an error of a rule that reads: Moved, if one of the answers that it rests on comes no more."""
    contract = s.session.contract
    for call, caller, known in s.rests.values():
        again = s.session.read_again(call, caller)
        if shown(contract, call.operation, again) != shown(contract, call.operation, known):
            return Moved(_RECORD)
    return error


def _needing_ids(s: Subject, records: list[dict[str, Any]]) -> list[SubEntity]:
    """Sub-entities that the records really refer to."""
    found = [sub for sub in s.operation.sub_entities if any(_ids(r.get(sub.field)) for r in records)]
    if not found:
        raise NotExercised(f"no record of {s.operation.id} refers to another entity")
    return found


@check("STRUCT-01")
def plain_by_default(s: Subject) -> None:
    s.control()
    records = _plain(s)
    exchange = _shown(s).exchange
    for sub in _needing_ids(s, records):
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
@_steadily
def full_on_demand(s: Subject) -> None:
    s.control()
    plain = _plain(s)
    subs = _needing_ids(s, plain)
    full = _shown(s, ("load_full_structure", 1))
    records = [r for r in full.records if isinstance(r, dict)]
    for sub in subs:
        ids = _with_their_ids(s, sub, plain, records)
        referring = [r for r, known in ids if known or data_of(r, sub)]
        if s.operation.safety != "read" and not referring and all(tells_of(r, sub) for r in records):
            continue  # it is about another record than the plain answer, and says that it refers to nothing
        wanted = dict.fromkeys(str(id) for r in plain for id in _ids(r.get(sub.field)) if not isinstance(id, dict))
        if not any(data_of(r, sub) for r in referring) and _all_gone(s, sub, list(wanted)):
            continue
        require(
            any(data_of(r, sub) for r in referring),
            f"load_full_structure=1 brings no data of {sub.key}",
            full.exchange,
            "load_full_structure=1",
        )
        _more_than_ids(s, referring, sub, full.exchange)
        _none_left_out(s, ids, sub, full.exchange)
        if s.operation.safety != "read" and not sub.in_place:  # what reads is held to its plain answer by STRUCT-04
            for record in (r for r in referring if _ids(r.get(sub.field)) and not objects(r.get(sub.field))):
                _agree_on_ids(s, record, record, sub, full.exchange)
        s.exercised()
    if not s.evidence:
        raise NotExercised("every entity that the records refer to is gone")


def _with_their_ids(
    s: Subject, sub: SubEntity, plain: list[dict[str, Any]], full: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], list[Any]]]:
    """Full records, each with the ids that it refers to. Where data take their place it does not tell them any more:
    the plain record does, where it is the same one."""
    twins: dict[Any, dict[str, Any]] = {}
    named: list[Any] = [None] * len(full)
    if s.operation.safety == "read":
        known = all("id" in r for r in plain)
        twins = {canonical(identity(r)) if known else number: r for number, r in enumerate(plain)}
        named = [canonical(identity(r)) if known else number for number, r in enumerate(full)]
    found = []
    for name, record in zip(named, full, strict=True):
        own = [id for id in _ids(record.get(sub.field)) if not isinstance(id, dict)]
        found.append((record, own or _ids(twins.get(name, {}).get(sub.field))))
    return found


def _all_gone(s: Subject, sub: SubEntity, ids: list[str]) -> bool:
    """Whether these sub-entities are not there any more: reading tells it, of so many at most."""
    read = _reader(s, sub)
    if read is None or not 0 < len(ids) <= _READ_BACK_MORE:
        return False
    return all(_read(s, read, id).status == 404 for id in ids)


def _reader(s: Subject, sub: SubEntity) -> Operation | None:
    """The operation that reads such a sub-entity by nothing but its id."""
    read = s.session.contract.by_action(sub.entity, "read")
    return read if read is not None and len(read.path_parameters) == 1 else None


def _read(s: Subject, read: Operation, id: str) -> Exchange:
    return s.resting_on(Call(read, {read.path_parameters[0].name: id}), s.session.admin)


def _more_than_ids(s: Subject, referring: list[dict[str, Any]], sub: SubEntity, exchange: Exchange) -> None:
    """Data are more than the id that was known before, unless an entity has nothing else."""
    found = [data for record in referring for data in data_of(record, sub)]
    if not found or any(data.keys() - {"id"} for data in found):
        return
    read = _reader(s, sub)
    if read is not None:
        alone = _read(s, read, str(found[0].get("id")))
        record = record_of(read, alone)
        if alone.ok and isinstance(record, dict) and not record.keys() - {"id"}:
            return
    sentence = f"load_full_structure=1 brings nothing of {sub.key} but ids"
    raise Broken(sentence, exchange, "load_full_structure=1")


def _none_left_out(s: Subject, ids: list[tuple[dict[str, Any], list[Any]]], sub: SubEntity, exchange: Exchange) -> None:
    """A record without its sub-entity's data is only right when that entity is gone: it is read, for a few of them.
    `ids`: records, each with what it refers to."""
    read = _reader(s, sub)
    if read is None or s.cell.role not in ("", ADMIN):  # the administrator may see more of it than another role
        return
    empty = {str(known[0]): r for r, known in ids if known and not data_of(r, sub)}
    for wanted, record in list(empty.items())[:_READ_BACK]:
        if _read(s, read, wanted).ok:
            raise Broken(
                f"load_full_structure=1 brings no data of {sub.key} for {identity(record)!r:.60}, although {read.id} "
                f"knows {wanted}",
                exchange,
                "load_full_structure=1",
            )


@check("STRUCT-03")
@_steadily
def off_equals_default(s: Subject) -> None:
    s.control()
    default = _shown(s)
    paging = (("limit", 20), ("offset", 0)) if s.operation.collection and s.operation.collection.paging else ()
    off = _shown(s, *paging, ("load_full_structure", 0))
    if off.records != default.records and paging:
        off = page(s, ("load_full_structure", 0))
    if off.records != default.records:
        sentence = "load_full_structure=0 does not equal the default"
        raise _settled(s, default.records, Broken(sentence, off.exchange, "load_full_structure=0"))
    s.exercised()


@check("STRUCT-04")
@_steadily
def plain_and_full_agree(s: Subject) -> None:
    s.control()
    plain, full = _plain(s), _full(s)
    exchange = _shown(s, ("load_full_structure", 1)).exchange
    if [identity(r) for r in plain] != [identity(r) for r in full] and any("id" in r for r in plain):
        sentence = "plain and full do not hold the same records in the same order"
        raise _settled(s, plain, Broken(sentence, exchange))
    subs = _needing_ids(s, plain)
    try:
        _agree_one_by_one(s, plain, full, subs, exchange)
    except Broken as broken:
        raise _settled(s, plain, broken) from None
    for sub in subs:
        _agree_with_entity(s, full, sub)
    if not s.quick and s.operation.collection and s.operation.collection.paging:
        part = _shown(s, ("limit", 3), ("offset", 2), ("load_full_structure", 1))
        if part.records != full[2:5]:
            sentence = "with full data limit=3&offset=2 is not the slice [2:5] of the default page"
            error = Broken(sentence, part.exchange, "limit=3&offset=2&load_full_structure=1")
            raise settled(s, full, error, ("load_full_structure", 1))
        for query in _narrowed(s):
            _agree_beside(s, *query)


def _spelled_alike(plain: dict[str, Any], full: dict[str, Any], exchange: Exchange) -> None:
    """A field may give way to the data of what it refers to, but not to itself under another spelling of its name."""
    fresh = [name for name in full.keys() - plain.keys() if not objects(full[name])]
    spelled = {name.replace("_", "").casefold(): name for name in fresh}
    for name in plain.keys() - full.keys():
        other = spelled.get(name.replace("_", "").casefold())
        require(other is None, f"{name} is called {other} with full data", exchange, "load_full_structure=1")


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
            _agree_on_ids(s, one, other, sub, exchange)
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
    subs = [sub for sub in s.operation.sub_entities if any(_ids(r.get(sub.field)) for r in one)]
    try:
        _agree_one_by_one(s, one, other, subs, full.exchange)
        for sub in subs:
            _none_left_out(s, _with_their_ids(s, sub, one, other), sub, full.exchange)
    except Broken as error:
        raise settled(s, plain.records, error, *asked) from None


def _agree_on_ids(s: Subject, plain: dict[str, Any], full: dict[str, Any], sub: SubEntity, exchange: Any) -> None:
    embedded = data_of(full, sub)
    wanted = [str(i) for i in _ids(plain.get(sub.field))]
    strangers = [e for e in embedded if str(e.get("id")) not in wanted]
    if strangers:
        raise Broken(
            f"{sub.key} holds {strangers[0].get('id')!r}, {sub.field} does not", exchange, "load_full_structure=1"
        )
    kept = [str(i) for i in _ids(full.get(sub.field)) if not isinstance(i, dict)]
    if kept and kept != wanted:
        raise Broken(
            f"{sub.field} is {kept[0]!r} with full data and {wanted[:1]} without", exchange, "load_full_structure=1"
        )
    missing = [i for i in wanted if i not in {str(e.get("id")) for e in embedded}]
    unlike = isinstance(plain.get(sub.field), list) and embedded and (missing or len(embedded) != len(wanted))
    if unlike and not (len(embedded) + len(missing) == len(wanted) and _all_gone(s, sub, missing)):
        number = len({str(e.get("id")) for e in embedded})
        sentence = f"{sub.key} holds {number} different records, {sub.field} {len(wanted)} ids"
        raise Broken(sentence, exchange, "load_full_structure=1")


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, be a number written as a text in one of them."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other) or str(one) == str(other)


def _agree_with_entity(s: Subject, records: list[dict[str, Any]], sub: SubEntity) -> None:
    """The embedded data is the same wherever the entity is embedded, and what reading it gives, for some of them."""
    embedded: dict[str, dict[str, Any]] = {}
    for data in (e for r in records for e in data_of(r, sub) if "id" in e):
        other = embedded.setdefault(str(data["id"]), data)
        name = next((n for n in data.keys() & other.keys() if data[n] != other[n]), None)
        if name is not None:
            raise Broken(
                f"{name} of the embedded {sub.key} {data['id']} differs from one record to the next",
                _shown(s, ("load_full_structure", 1)).exchange,
                "load_full_structure=1",
            )
    read = _reader(s, sub)
    if read is None or s.cell.role not in ("", ADMIN):  # the administrator may see more of it than another role
        return
    deeper = {name for inner in read.sub_entities for name in (inner.field, inner.key)}
    most = _READ_BACK if s.quick else _READ_BACK_MORE
    for number, (wanted, data) in enumerate(embedded.items()):
        if number == most:
            return
        exchange = _read(s, read, wanted)
        if exchange.status == 404:
            raise Broken(
                f"the data of {sub.key} {wanted} are embedded, which {read.id} does not know",
                exchange,
                "load_full_structure=1",
                softly=True,
            )
        if not exchange.ok or not isinstance(exchange.json, dict):
            continue
        alone = exchange.json.get(read.item_key) if read.item_key else exchange.json
        if isinstance(alone, dict):
            for name in data.keys() & alone.keys():
                if name in deeper and objects(data[name]):
                    continue  # full data, as deep as it goes
                if not _alike(data[name], alone[name]):
                    raise Broken(
                        f"{name} of the embedded {sub.key} {wanted} is not what {read.id} answers",
                        exchange,
                        "load_full_structure=1",
                    )
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
