"""STRUCT: plain and full answers as they are read, and what full data have to bring of what records refer to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cdp.contract import Operation, SubEntity
from cdp.http import Exchange
from contracts.answers import data_of, with_included
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import Broken, Moved, NotExercised
from contracts.conventions.listing import Page, describe, list_call, page, settled
from contracts.observing import canonical, identity, record_of, shown
from contracts.subject import Subject

_RECORD = "what it shows"
READ_BACK, READ_BACK_MORE = 2, 20  # entities that are read to compare their embedded data


def ids_of(value: Any) -> list[Any]:
    """Ids that a plain field holds."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def shown_with(s: Subject, *query: tuple[str, Any]) -> Page:
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


def plain_records(s: Subject) -> list[dict[str, Any]]:
    """What the operation answers by default."""
    return [r for r in shown_with(s).records if isinstance(r, dict)]


def full_records(s: Subject) -> list[dict[str, Any]]:
    """What it answers with load_full_structure=1."""
    return [r for r in shown_with(s, ("load_full_structure", 1)).records if isinstance(r, dict)]


def verdict_on(s: Subject, before: list[Any], error: Broken, *query: tuple[str, Any]) -> Exception:
    """The verdict on a difference between two answers. Of a list it may be other people's doing; a single record is
    asked for again by whoever raises it."""
    return settled(s, before, error, *query) if s.operation.collection is not None else error


def steadily(rule: Callable[[Subject], None]) -> Callable[[Subject], None]:
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


def needing_ids(s: Subject, records: list[dict[str, Any]]) -> list[SubEntity]:
    """Sub-entities that the records really refer to."""
    found = [sub for sub in s.operation.sub_entities if any(ids_of(r.get(sub.field)) for r in records)]
    if not found:
        raise NotExercised(f"no record of {s.operation.id} refers to another entity")
    return found


def with_their_ids(
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
        own = [id for id in ids_of(record.get(sub.field)) if not isinstance(id, dict)]
        found.append((record, own or ids_of(twins.get(name, {}).get(sub.field))))
    return found


def all_gone(s: Subject, sub: SubEntity, ids: list[str]) -> bool:
    """Whether these sub-entities are not there any more: reading tells it, of so many at most."""
    read = reader_of(s, sub)
    if read is None or not 0 < len(ids) <= READ_BACK_MORE:
        return False
    return all(read_alone(s, read, id).status == 404 for id in ids)


def reader_of(s: Subject, sub: SubEntity) -> Operation | None:
    """The operation that reads such a sub-entity by nothing but its id."""
    read = s.session.contract.by_action(sub.entity, "read")
    return read if read is not None and len(read.path_parameters) == 1 else None


def read_alone(s: Subject, read: Operation, id: str) -> Exchange:
    """What reading one sub-entity answers to the administrator."""
    return s.resting_on(Call(read, {read.path_parameters[0].name: id}), s.session.admin)


def none_left_out(s: Subject, ids: list[tuple[dict[str, Any], list[Any]]], sub: SubEntity, exchange: Exchange) -> None:
    """A record without its sub-entity's data is only right when that entity is gone: it is read, for a few of them.
    `ids`: records, each with what it refers to."""
    read = reader_of(s, sub)
    if read is None or s.cell.role not in ("", ADMIN):  # the administrator may see more of it than another role
        return
    empty = {str(known[0]): r for r, known in ids if known and not data_of(r, sub)}
    for wanted, record in list(empty.items())[:READ_BACK]:
        if read_alone(s, read, wanted).ok:
            raise Broken(
                f"load_full_structure=1 brings no data of {sub.key} for {identity(record)!r:.60}, although {read.id} "
                f"knows {wanted}",
                exchange,
                "load_full_structure=1",
            )
