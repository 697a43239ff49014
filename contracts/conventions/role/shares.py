"""What was shared with somebody is open to him, and no longer than it is (ROLE-06)."""

from __future__ import annotations

from contracts.applicability import body_fields
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, Unconfirmed
from contracts.session import Identity
from contracts.subject import Subject

_BY_SHARES = ("segment_acl", "funnel_group_acl")


def shares_count(s: Subject, caller: Identity) -> None:
    """A record of the run's own is shared with a user who holds no feature, to be changed, and taken from him again.
    That such a share opens the list of shares is documented, which of them does is not: this is never more than a WARN.
    """
    listing, contract = s.operation, s.session.contract
    share, end = (contract.by_action(listing.entity, action) for action in ("create", "delete"))
    if listing.action != "list" or listing.extra_access not in _BY_SHARES or share is None or not caller.user_id:
        return
    if not s.session.target.allows(share.safety):
        return
    try:
        call = s.bench.valid_call(share, "a share")
    except (NotExercised, Unconfirmed):
        return
    named = {n: caller.user_id for n, f in body_fields(contract, share).items() if f.get("x-entity") == "user"}
    most = {n: f["enum"][-1] for n, f in body_fields(contract, share).items() if f.get("enum")}
    if len(named) != 1 or not caller.user_id.isdigit():
        return
    look = Call(listing, {p.name: call.path[p.name] for p in listing.path_parameters})
    caller = Identity(s.cell.role, caller.token, caller.user_id)
    if s.session.send(look, caller).status != 403:
        return
    call = call.sending({**(call.sent or {}), **{n: int(v) for n, v in named.items()}, **most})
    if not s.bench.execute(call).ok:
        return
    opened = s.session.send(look, caller)
    if opened.status == 403:
        raise Broken("a user whom a record was shared with got 403 for it", opened, softly=True)
    s.exercised()
    if end is None or not s.session.target.allows(end.safety):
        return
    path = {**call.path, end.path_parameters[-1].name: caller.user_id}
    if s.bench.execute(Call(end, path), judged=False).ok:
        after = s.session.send(look, caller)
        if after.ok:
            raise Broken("a user from whom a record was taken again still sees it", after, softly=True)
        s.exercised()
