"""Ids and addresses that are taken: who creates a record with one is refused, and the record that has it stays as it is
(CODE-01). A unique column objects, and what does not expect it fails (CWE-755)."""

from __future__ import annotations

from typing import Any

from cdp.contract import Operation
from cdp.http import DROPPED, JSON
from contracts.arrangement import OwnRecord
from contracts.finding import Unavailable
from contracts.observing import shown
from contracts.subject import Subject, require


def chosen_and_unique(s: Subject) -> list[str]:
    """Fields of a new record that its maker chooses and that no other record of its kind may have: the id, and the
    e-mail by which somebody logs in."""
    operation = s.operation
    if operation.action != "create" or operation.body_media_type != JSON or operation.safety != "write":
        return []
    contract = s.session.contract
    schema = contract.resolved(operation.body_schema or {})
    fields = {name: contract.resolved(raw) for name, raw in schema.get("properties", {}).items()}
    by_mail = operation.entity == "user" and "password" in fields
    return [
        name
        for name, field in fields.items()
        if name in schema.get("required", ())
        and (name == "id" or (by_mail and field.get("format") == "email"))
        and "x-entity" not in field
    ]


def taken_twice(s: Subject) -> None:
    """Raise Broken where a second record with the same id is a failure of the server, or is refused and changes the
    first one all the same. Whether it is refused at all no page says: it may be taken for the first one. What is
    written over the first one is worth a WARN."""
    arrangement, contract = s.bench.arrangement, s.session.contract
    read = contract.by_action(s.operation.entity, "read")
    for name in chosen_and_unique(s):
        try:
            own = arrangement.own(str(s.operation.entity))
            body = {**arrangement.body_of(s.operation), **_secrets(own), name: own.sent[name]}
        except (Unavailable, KeyError):
            return
        before = _as_read(s, read, own)
        exchange = s.bench.execute(own.call(s.operation).sending(body))
        what = f"a second record with the same {name}"
        failed = exchange.failure == DROPPED or exchange.status >= 500
        require(not failed, f"{what} got {exchange.outcome()} instead of a 4xx", exchange, what)
        if (exchange.client_error or (exchange.ok and not s.quick)) and before is not None:
            changed = f"{what} got {exchange.outcome()}, and the first one is not what it was"
            require(_as_read(s, read, own) == before, changed, exchange, what, softly=exchange.ok)
        s.exercised()


def _secrets(own: OwnRecord) -> dict[str, Any]:
    """What a body cannot do without and no schema can make up."""
    return {name: own.sent[name] for name in ("password", "role_id") if name in own.sent}


def _as_read(s: Subject, read: Operation | None, own: OwnRecord) -> Any:
    """What reading a record shows; None where it cannot be read."""
    if read is None or any(p.name not in own.path for p in read.path_parameters):
        return None
    exchange = s.session.read_again(own.call(read), s.session.admin)
    return shown(s.session.contract, read, exchange) if exchange.ok else None
