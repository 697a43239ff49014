"""LIFE-03: a password is a field that no answer shows: whether it was changed is told by the login."""

from __future__ import annotations

from cdp.secrets import new_password
from contracts.applicability import body_fields
from contracts.finding import Unavailable
from contracts.logins import LOGIN, LoginRefused, log_in
from contracts.subject import Subject, require

_FIELD, _NAME = "password", "email"


def changed_password_counts(s: Subject) -> None:
    """A user of the run's own is let in with the password that he was given last. Where nobody is let in with one,
    nothing is told."""
    session, operation = s.session, s.operation
    known = session.contract.operations
    if _FIELD not in body_fields(session.contract, operation) or LOGIN not in known or operation.entity is None:
        return
    first, second = (session.secrets.add(new_password()) for _ in range(2))
    try:
        own = s.bench.arrangement.create(operation.entity, {_FIELD: first})
    except Unavailable:
        return

    def let_in(password: str) -> bool:
        try:
            return bool(log_in(session, str(own.sent.get(_NAME)), password, s.cell.role))
        except LoginRefused:
            return False

    if not let_in(first):
        return
    exchange = s.bench.execute(own.call(operation).sending({_FIELD: second}))
    if not exchange.ok:
        return
    renewed, remained = let_in(second), let_in(first)
    steps = "create; update (password); login"
    require(renewed or not remained, "a password was changed, and the one before is still taken alone", exchange, steps)
    require(not remained, "a password was changed, and the one before is still taken, too", exchange, steps)
    s.exercised(int(renewed))
