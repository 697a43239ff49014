"""LIFE-03: a step in the life of a record, as one that stops it, is kept."""

from __future__ import annotations

from typing import Any

from cdp.http import Exchange
from cdp.texts import timestamp
from contracts.calls import Call
from contracts.checks import NotExercised
from contracts.observing import record_of
from contracts.patience import last_look
from contracts.subject import Subject, require


def step_is_kept(s: Subject) -> None:
    """What the answer to a step shows as changed is read otherwise than before, too. What it is by then is open: a
    record may have gone on."""
    s.control()
    read = s.session.contract.by_action(s.operation.entity, "read")
    assert read is not None
    call = s.bench.valid_call(s.operation, "a step")
    look = Call(read, {p.name: call.path[p.name] for p in read.path_parameters})

    def read_now() -> tuple[dict[str, Any] | None, Exchange]:
        exchange = s.session.read_again(look, s.session.admin)
        return _told(look, exchange), exchange

    before, _ = read_now()
    answer = s.bench.execute(call)
    if not answer.ok or before is None:
        raise NotExercised(f"{s.operation.id} {answer.answered()}, or the record cannot be read before it")
    shown = _told(call, answer) or {}
    changed = {n: v for n, v in shown.items() if n in before and v != before[n] and _is_plain(n, v)}
    if not changed:
        raise NotExercised(f"no field of the answer of {s.operation.id} shows what the step has changed")
    kept, (record, exchange) = last_look(read_now, lambda now: not _as_before(now[0], before, changed))
    if not kept:
        name = _as_before(record, before, changed)
        sentence = f"the answer shows {name} {changed[name]!r:.60}, and it is read as {before[name]!r:.60}, as before"
        require(False, sentence, exchange, f"{s.operation.id}; {read.id}")
    s.exercised(len(changed))


def _told(call: Call, exchange: Exchange) -> dict[str, Any] | None:
    record = record_of(call.operation, exchange) if exchange.ok else None
    return record if isinstance(record, dict) else None


def _is_plain(name: str, value: Any) -> bool:
    """Whether a field says something of the record itself, and not who changed it when."""
    return isinstance(value, (str, bool)) and timestamp(value) is None and not name.endswith("_by")


def _as_before(record: dict[str, Any] | None, before: dict[str, Any], changed: dict[str, Any]) -> str:
    """A field that should have been changed and is what it was; empty where none is."""
    return next((n for n in changed if record is not None and record.get(n, not before[n]) == before[n]), "")
