"""What was shared with somebody is open to him, and nothing else, and no longer than it is (ROLE-06)."""

from __future__ import annotations

from cdp.contract import Operation
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
        call = _shared_with(s, s.bench.valid_call(share, "a share"), caller)
    except (NotExercised, Unconfirmed):
        return
    if call is None:
        return
    look = Call(listing, {p.name: call.path[p.name] for p in listing.path_parameters})
    caller = Identity(s.cell.role, caller.token, caller.user_id)
    if s.session.send(look, caller).status != 403 or not s.bench.execute(call).ok:
        return
    opened = s.session.send(look, caller)
    if opened.status == 403:
        raise Broken("a user whom a record was shared with got 403 for it", opened, softly=True)
    s.exercised()
    if end is not None and s.session.target.allows(end.safety):
        _no_longer(s, Call(end, {**call.path, end.path_parameters[-1].name: caller.user_id}), look, caller)


def _shared_with(s: Subject, share: Call, caller: Identity) -> Call | None:
    """The call that shares its record with a caller, to the widest extent; None where it is not known how."""
    fields, users = body_fields(s.session.contract, share.operation), _users(s, share.operation)
    if len(users) != 1 or not caller.user_id.isdigit():
        return None
    most = {name: field["enum"][-1] for name, field in fields.items() if field.get("enum")}
    return share.sending({**(share.sent or {}), users[0]: int(caller.user_id), **most})


def _no_longer(s: Subject, end: Call, look: Call, caller: Identity) -> None:
    """Once a share has ended, it opens nothing any more."""
    if not s.bench.execute(end, judged=False).ok:
        return
    after = s.session.send(look, caller)
    if after.ok:
        raise Broken("a user from whom a record was taken again still sees it", after, softly=True)
    s.exercised()


def opens_its_own_alone(s: Subject, caller: Identity) -> None:
    """What one record is shared with a user for does not open another one: "the record's own access list" is the other
    way in that pages tell of."""
    operation = s.operation
    share = _share_of(s)
    if share is None or operation.safety != "read" or not caller.user_id or not caller.user_id.isdigit():
        return
    try:
        beside, call = s.bench.untouched_call(operation), s.bench.valid_call(share, "a share of another record")
    except (NotExercised, Unconfirmed):
        return
    shared = share.path_parameters[-1].name
    if beside.path.get(shared) in (None, call.path[shared]):
        return
    caller = Identity(s.cell.role, caller.token, caller.user_id)
    (named,) = _users(s, share)
    if s.session.send(beside, caller).status != 403:
        return
    if not s.bench.execute(call.sending({**(call.sent or {}), named: int(caller.user_id)})).ok:
        return
    opened = s.session.send(beside, caller)
    if opened.status != 403:
        sentence = f"a user whom another record was shared with got {opened.outcome()} instead of 403"
        raise Broken(sentence, opened, softly=operation.features_assumed)
    s.exercised()


def _share_of(s: Subject) -> Operation | None:
    """What shares the records that an operation is about, or lies below, with a user; None where nothing may."""
    operation, contract = s.operation, s.session.contract
    if operation.extra_access not in _BY_SHARES or not operation.path_parameters:
        return None
    for share in contract.operations.values():
        same = share.action == "create" and share.extra_access == operation.extra_access and share.path_parameters
        about_it = same and share.path_parameters[-1].name == operation.path_parameters[0].name
        if about_it and len(_users(s, share)) == 1 and s.session.target.allows(share.safety):
            return share
    return None


def _users(s: Subject, share: Operation) -> list[str]:
    """The fields that name whom a record is shared with."""
    return [n for n, f in body_fields(s.session.contract, share).items() if f.get("x-entity") == "user"]
