"""Who asks who he is, is told of himself (ROLE-03): not of whoever asked, or logged in, before him (CWE-524)."""

from __future__ import annotations

from cdp.http import Exchange
from contracts.calls import Call
from contracts.checks import Broken
from contracts.observing import record_of
from contracts.session import Identity
from contracts.subject import Subject

_OF_A_USER = ("id", "email", "role_id")


def tells_of_the_caller(s: Subject, call: Call, caller: Identity, exchange: Exchange) -> None:
    """An answer about a user that depends on nothing but the caller is about him, also when somebody else has logged in
    since. No page says what it holds, so this is never more than a WARN."""
    operation = s.operation
    if operation.safety != "read" or operation.path_parameters or operation.features.needed or not caller.user_id:
        return
    if not _about(s, caller, exchange):
        return
    earlier: Identity | None = s.bench.memory.get("asked who he is")
    s.bench.memory["asked who he is"] = caller
    if earlier is not None and earlier.user_id != caller.user_id:
        _about(s, earlier, s.session.send(call, earlier))
    s.exercised()


def _about(s: Subject, caller: Identity, exchange: Exchange) -> bool:
    """Whether an answer tells of users at all; raises Broken where it is of another one than the caller."""
    record, known = record_of(s.operation, exchange), record_of(s.operation, s.bench.control(s.operation)[1])
    if not exchange.ok or not all(isinstance(r, dict) and all(n in r for n in _OF_A_USER) for r in (record, known)):
        return False
    if record["id"] == known["id"] and str(record["id"]) != caller.user_id:
        raise Broken("another user is told of the one whose token the run uses", exchange, softly=True)
    # An e-mail address names one user, whatever form ids have here.
    others = {email for id, (email, _) in s.bench.identities.accounts.items() if id != caller.user_id}
    if record["email"] in others:
        raise Broken("a user is told of another one", exchange, softly=True)
    return True
