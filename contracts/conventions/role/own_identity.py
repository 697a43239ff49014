"""Who asks who he is, is told of himself (ROLE-03): not of whoever asked before him (CWE-524)."""

from __future__ import annotations

from cdp.http import Exchange
from contracts.checks import Broken
from contracts.observing import record_of
from contracts.session import Identity
from contracts.subject import Subject

_OF_A_USER = ("id", "email", "role_id")


def tells_of_the_caller(s: Subject, caller: Identity, exchange: Exchange) -> None:
    """An answer about a user that depends on nothing but the caller is not the one that the run's own token gets. No
    page says what it holds, so this is never more than a WARN."""
    operation = s.operation
    if operation.safety != "read" or operation.path_parameters or operation.features.needed or not caller.user_id:
        return
    record, known = record_of(operation, exchange), record_of(operation, s.bench.control(operation)[1])
    if not exchange.ok or not all(isinstance(r, dict) and all(n in r for n in _OF_A_USER) for r in (record, known)):
        return
    if record["id"] == known["id"] and str(record["id"]) != caller.user_id:
        raise Broken("another user is told of the one whose token the run uses", exchange, softly=True)
    s.exercised()
