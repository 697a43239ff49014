"""LIFE: what ties two records together, such as a tag of a segment. It is known by what it ties, ties that once, and is
changed and undone alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdp.contract import Operation
from cdp.http import Exchange
from contracts.arrangement import OwnRecord
from contracts.conventions.breakdown import broken_down
from contracts.conventions.life.model import same
from contracts.conventions.life.references import as_told
from contracts.conventions.life.values import Values
from contracts.finding import Unavailable
from contracts.observing import rows_of
from contracts.subject import Subject, require

_WHOLE = (("limit", 100),)  # of the list below a record that was made for it


def assigned_again(s: Subject) -> None:
    """LIFE-02: what ties two records together ties them once, however often it is asked for, and can be tied again once
    it was undone. That it is refused the second time, or taken, is open."""
    contract = s.session.contract
    create, delete = (contract.by_action(s.operation.entity, action) for action in ("create", "delete"))
    if create is None or delete is None or not delete.path_parameters or delete.path_parameters[-1].field == "id":
        return
    listing = s.operation
    try:
        own = s.bench.arrangement.own(str(s.operation.entity))
    except Unavailable:
        return
    again = own.call(create).sending(dict(own.sent))
    for undone, what in ((False, "create; create; list"), (True, "create; create; delete; create; list")):
        if undone and not s.bench.execute(own.call(delete)).ok:
            return
        exchange = s.bench.execute(again, judged=False)
        how = broken_down(exchange)
        require(not how, f"{create.id} once more got {how}", exchange, what)
        refused = f"what was undone cannot be made again: {create.id} {exchange.answered()}"
        require(not undone or exchange.ok, refused, exchange, what, softly=True)
        seen = s.session.send(own.call(listing), s.session.admin, judged=False)
        field, wanted = delete.path_parameters[-1].field, own.path.get(delete.path_parameters[-1].name)
        rows = [r for r in rows_of(listing, seen) or () if isinstance(r, dict) and str(r.get(field)) == wanted]
        require(len(rows) < 2, f"the list shows {field} {wanted} {len(rows)} times", seen, what)
        s.exercised()


def beside_each_other(s: Subject) -> None:
    """LIFE-03, LIFE-04: of two ties of one record to others a change or a deletion is about one; the other one stays as
    it is. The machine makes each below a record of its own, because what is tied twice is one tie."""
    contract = s.session.contract
    create, delete, listing = (
        contract.by_action(s.operation.entity, action) for action in ("create", "delete", "list")
    )
    if create is None or delete is None or listing is None or delete.path_parameters[-1].field == "id":
        return
    name = delete.path_parameters[-1].field
    try:
        one, told = _two_ties(s, create, name)
    except (Unavailable, KeyError):
        return
    call = one.call(s.operation)
    if s.operation.action == "update":
        call = call.sending(Values(s.bench).of_a_change(s.operation, one.record, 0, 1))
        if not call.sent:
            return

    def other() -> tuple[Mapping[str, Any] | None, Exchange]:
        seen = s.session.read_again(one.call(listing).asking(*_WHOLE), s.session.admin)
        rows = [r for r in rows_of(listing, seen) or () if isinstance(r, dict) and same(told, r.get(name))]
        return (rows[0] if rows else None), seen

    before, _ = other()
    if before is None or not s.bench.execute(call).ok:
        return
    after, exchange = other()
    action, words = s.operation.action, s.operation.entity.replace("_", " ") if s.operation.entity else "tie"
    example = f"create; create below the same record; {action} the first; list"
    require(after is not None, f"{s.operation.id} took another {words} of the same record, too", exchange, example)
    properties = contract.resolved(create.body_schema or {}).get("properties", {})
    changed = [n for n in properties if after is not None and n in before and after.get(n) != before[n]]
    sentence = f"{s.operation.id} changed another {words} of the same record, too: {', '.join(changed)}"
    require(not changed, sentence, exchange, example)
    s.exercised()


def _two_ties(s: Subject, create: Operation, name: str) -> tuple[OwnRecord, Any]:
    """Two ties of one record: the first, and what the second ties, under the name that tells it. Raises Unavailable and
    KeyError where they cannot be made."""
    one = s.bench.arrangement.own(str(s.operation.entity))
    told = untied(s, create).get(name)
    if told is None:
        raise Unavailable(f"nothing can be made that {create.id} ties")
    path = {p.name: one.path[p.name] for p in create.path_parameters}
    s.bench.arrangement.create(str(create.entity), {name: told}, path)
    return one, told


def untied(s: Subject, create: Operation) -> dict[str, Any]:
    """For what creates ties: a new record of the run's own, which nothing ties as yet, under the field that tells it.
    Empty for other operations, and where none can be made. Raises Unavailable and KeyError where making it fails."""
    contract = s.session.contract
    delete = contract.by_action(create.entity, "delete")
    name = delete.path_parameters[-1].field if delete is not None and delete.path_parameters else "id"
    field = contract.resolved(contract.resolved(create.body_schema or {}).get("properties", {}).get(name, {}))
    if name == "id" or "x-entity" not in field or contract.by_action(field["x-entity"], "create") is None:
        return {}
    other = s.bench.arrangement.own(field["x-entity"])
    return {name: as_told(s, field, [str(other.record[field.get("x-field", "id")])])}
