"""Who made a record needs the features for it like anybody else (ROLE-06): once they were withdrawn, he is refused."""

from __future__ import annotations

from cdp.contract import Operation
from cdp.contract.operation import is_pattern
from cdp.http import JSON
from contracts.arrangement import OwnRecord
from contracts.checks import Broken, NotExercised
from contracts.session import Identity
from contracts.subject import Subject


def owner_needs_them(s: Subject, caller: Identity, features: list[str]) -> None:
    """Raise Broken when a caller who made a record may go on with it without any feature (CWE-863). Left out is what a
    page opens to owners, and what he may not make."""
    operation, identities = s.operation, s.bench.identities
    create = _maker_of(s)
    if create is None:
        return
    makes = next((f for f in create.features.minimal_sets() if not any(map(is_pattern, f))), None)
    if makes is None or not identities.grant(caller, sorted({*features, *makes})):
        return
    maker = Identity(s.cell.role, caller.token)
    made = _made_by(s, create, maker)
    if (
        not identities.grant(caller, [])
        or made is None
        or any(p.name not in made.path for p in operation.path_parameters)
    ):
        return
    call = s.bench.untouched_call(operation).at(**{p.name: made.path[p.name] for p in operation.path_parameters})
    exchange = s.session.send(call, maker)
    if exchange.status != 403:
        sentence = f"who made the record got {exchange.outcome()} for it without any feature instead of 403"
        raise Broken(sentence, exchange, operation.features.text())
    s.exercised()


def _maker_of(s: Subject) -> Operation | None:
    """What creates the record that the operation is about, where a caller of the run's own may be let try it."""
    operation = s.operation
    if operation.action not in ("read", "update", "delete") or not operation.path_parameters or operation.extra_access:
        return None
    create = s.session.contract.by_action(operation.entity, "create")
    if create is None or create.extra_access or create.safety != "write" or create.body_media_type != JSON:
        return None
    return create if operation.path_parameters[-1].entity == operation.entity and operation.safety != "sends" else None


def _made_by(s: Subject, create: Operation, caller: Identity) -> OwnRecord | None:
    """A record that a caller has made; None where he may not, for another reason than his features."""
    try:
        call = s.bench.valid_call(create, "an owner's own")
    except NotExercised:
        return None
    return s.bench.arrangement.recognise(call, s.session.send(call, caller, judged=False))
