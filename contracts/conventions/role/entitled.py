"""What a role is given that may call an operation, and what one is not given that may not, where a harmless call does
not tell: what it reads, and writes that are really done (ROLE-02, ROLE-03, ROLE-05)."""

from __future__ import annotations

from cdp.contract import Operation
from cdp.contract.operation import is_pattern
from cdp.http import Exchange
from contracts.applicability import body_fields
from contracts.books import recognise
from contracts.calls import Call
from contracts.cells import NO_FEATURES
from contracts.checks import Broken, Moved, NotExercised
from contracts.conventions.harmless import harmless
from contracts.observing import MAKERS, record_of, rows_of
from contracts.patience import last_look
from contracts.session import Identity
from contracts.subject import Subject, require

_OWNED = ("segment_acl", "funnel_group_acl")  # what the record's owner may do, and whom it was shared with
_PATIENCE_S = 3.0  # until what a replica lacks has come


def reads_what_there_is(s: Subject, call: Call, caller: Identity, exchange: Exchange, who: str) -> None:
    """A role that opens a read is not told that there is nothing. What each caller sees of his own is left out:
    what needs no feature, and settings that are for few.

    Where it looks as if it were, both are asked again, so that no record came or went between."""
    operation = s.operation
    if operation.safety != "read" or not operation.features.needed or operation.extra_access == "settings_global":
        return
    known = s.bench.control(operation)[1]
    if not _kept_back(operation, exchange, known):
        return
    known = s.session.read_again(call, s.session.admin)
    again = s.session.send(call, caller)
    what = _kept_back(operation, exchange, known) and _kept_back(operation, again, known)
    if not what:
        raise Moved(f"what {operation.id} shows")
    listed = rows_of(operation, again) is not None
    softly = s.operation.features_assumed or listed or operation.extra_access in _OWNED
    raise Broken(f"{who} got {what}", again, operation.features.text(), softly=softly)


def _kept_back(operation: Operation, exchange: Exchange, known: Exchange) -> str:
    """What was answered in place of what the run's own role gets by the same call; empty where it is no less."""
    if not known.ok:
        return ""
    if 300 <= exchange.status < 500 and not exchange.refused_access:
        return f"{exchange.outcome()}, and the run's own role {known.outcome()}"
    found, there = rows_of(operation, exchange), rows_of(operation, known)
    if found == [] and there:
        return f"an empty list, and the run's own role {len(there)} records"
    return ""


def beside_another(s: Subject, call: Call, caller: Identity, features: list[str]) -> None:
    """What opens an operation opens it beside one that stands before it or behind it, too: a role with one feature and
    a role with many tell nothing of a role with two."""
    others = sorted(f for f in s.session.contract.feature_names if not is_pattern(f) and f not in features)
    for held in ([*others[:1], *features], [*features, *others[-1:]]):
        if not s.bench.identities.grant(caller, held):
            continue
        exchange = s.session.send(call, Identity(s.cell.role, caller.token))
        sentence = f"a role with {' and '.join(held)} got {exchange.outcome()}, with less it was let in"
        require(exchange.status != 403, sentence, exchange, features[0], softly=s.operation.features_assumed)
        s.exercised()


def really_writes(s: Subject, caller: Identity, features: tuple[str, ...]) -> None:
    """A role with just what it needs can create a record, not only send the calls that fail for another reason. Only
    what belongs to nobody is created so: what stands below a record, or refers to one, may be a matter of its owner."""
    operation = s.operation
    sets = operation.features.minimal_sets()
    if s.quick or operation.action != "create" or operation.safety != "write" or features != sets[0]:
        return
    if operation.extra_access:
        return
    try:
        call = s.bench.valid_call(operation, "a role's own")
    except NotExercised:
        return
    exchange = s.session.send(call, caller)
    require(
        not exchange.refused_access,
        f"a role with just {' and '.join(features)} gets past the check, and a valid call of it got {exchange.status}",
        exchange,
        operation.features.text(),
        softly=s.operation.features_assumed or bool(operation.path_parameters) or _refers(s, operation),
    )
    s.exercised()
    if exchange.ok:
        _stored_as_his(s, caller, call, exchange)


def _stored_as_his(s: Subject, caller: Identity, call: Call, exchange: Exchange) -> None:
    """What a role creates can be read afterwards, and does not belong to the run's own user, whom what he creates
    himself belongs to. To whom a record belongs is documented by names alone, so that is never more than a WARN."""
    operation, contract = s.operation, s.session.contract
    found, read, identity = (
        recognise(call, exchange),
        contract.by_action(operation.entity, "read"),
        contract.operations.get("get_identity"),
    )
    if found is None:
        return
    known, me = record_of(operation, s.bench.control(operation)[1]), _own_id(s, identity)
    for name in MAKERS if isinstance(known, dict) and me and caller.user_id not in ("", me) else ():
        if str(known.get(name)) == str(found.record.get(name)) == me and name not in (call.sent or {}):
            sentence = f"{name} of what another role's user creates is that of the user whose token the run uses"
            raise Broken(sentence, exchange, softly=True)
    if read is None or any(p.name not in found.path for p in read.path_parameters):
        return
    look = Call(read, {p.name: found.path[p.name] for p in read.path_parameters})
    if s.session.read_again(look, s.session.admin).status != 404:
        return
    lost = _not_seen_by_its_maker(s, read)
    if lost is not None:
        raise Broken("what a role created, which was acknowledged, is not there", lost)


def _not_seen_by_its_maker(s: Subject, read: Operation) -> Exchange | None:
    """What somebody else gets for a record that he has just created, where that is nothing: what nobody else sees may
    be his alone."""
    try:
        maker = s.bench.identities.another_creator()
        call = s.bench.valid_call(s.operation, "its maker's own")
    except NotExercised:
        return None
    found = recognise(call, s.session.send(call, maker))
    if found is None:
        return None
    return _stays_away(s, Call(read, {p.name: found.path[p.name] for p in read.path_parameters}), maker)


def _stays_away(s: Subject, look: Call, caller: Identity) -> Exchange | None:
    """The answer about a record that is not there for a caller, however often he looks; None once he sees it."""
    seen, exchange = last_look(
        lambda: s.session.read_again(look, caller), lambda answer: answer.status != 404, _PATIENCE_S
    )
    return None if seen else exchange


def _own_id(s: Subject, identity: Operation | None) -> str:
    """The id of the user whose token the run uses; empty where it is not told."""
    if identity is None:
        return ""
    told = record_of(identity, s.session.read(Call(identity), s.session.admin))
    return str(told.get("id") or "") if isinstance(told, dict) else ""


def _refers(s: Subject, operation: Operation) -> bool:
    """Whether what is created names other records."""
    return any("x-entity" in field for field in body_fields(s.session.contract, operation).values())


def kept_out(s: Subject, caller: Identity, exchange: Exchange) -> Exchange:
    """The answer to a valid write of a role that holds other features. It must not have been done. Where harmless calls
    show that such a role is let in, ROLE-03 says so."""
    if exchange.ok and not _seen_by_harmless_calls(s, caller):
        sentence = f"a role with all features but those required got {exchange.outcome()} for a valid write"
        raise Broken(sentence, exchange, s.operation.features.text(), softly=s.operation.features_assumed)
    return exchange


def _seen_by_harmless_calls(s: Subject, caller: Identity) -> bool:
    call, nobody = harmless(s), s.bench.identities.holding(frozenset(), NO_FEATURES)
    refused = s.bench.once(f"refused/{s.operation.id}", lambda: s.session.send(call, nobody))
    return refused.status == 403 and s.session.send(call, caller).status != 403
