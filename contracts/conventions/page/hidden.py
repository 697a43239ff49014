"""What the run hides itself comes under show_hidden, and only there (PAGE-10)."""

from __future__ import annotations

from contracts.applicability import HIDDEN, HIDING, body_fields
from contracts.checks import Broken
from contracts.conventions.listing import REFERENCE_PAGE, list_call, walk
from contracts.finding import Unavailable
from contracts.observing import identity, rows_of
from contracts.patience import last_look
from contracts.subject import Subject


def own_hidden_comes(s: Subject) -> None:
    """A record of the run's own, created as a hidden one. Where a target does not hide it, nothing is told."""
    create = s.session.contract.by_action(s.operation.entity, "create")
    if s.operation.path_parameters or s.operation.query(HIDING) is None or create is None:
        return
    if HIDDEN not in body_fields(s.session.contract, create):
        return
    try:
        own = s.bench.arrangement.create(str(s.operation.entity), {HIDDEN: 1})
    except Unavailable:
        return
    if own.record.get(HIDDEN) not in (1, True):
        return
    base, name = list_call(s), str(identity(own.record))
    under_it, without = (walk(s, base=asked) for asked in (base.asking((HIDING, 1)), base))
    if any(str(identity(r)) == name for r in without.records):
        raise Broken(f"without {HIDING} a record comes that was created as a hidden one", without.exchange, name)
    if any(str(identity(r)) == name for r in under_it.records):
        s.exercised()
        return
    if not under_it.complete:
        return
    came, exchange = last_look(
        lambda: s.session.read_again(base.asking((HIDING, 1), ("limit", REFERENCE_PAGE)), s.caller()),
        lambda look: any(str(identity(r)) == name for r in rows_of(s.operation, look) or ()),
    )
    if not came:
        raise Broken(f"{HIDING}=1 does not bring a record that was created as a hidden one", exchange, name)
