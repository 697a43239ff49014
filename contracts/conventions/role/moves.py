"""A user is given another role, and from then on may do what that one allows, and no more (ROLE-06)."""

from __future__ import annotations

from contracts.calls import Call
from contracts.checks import Broken, NotExercised
from contracts.session import Identity
from contracts.subject import Subject, require


def moved_to_another_role(s: Subject, call: Call, caller: Identity, features: list[str], lesser: Identity) -> None:
    """A user who gets another role may do what that one allows, and no more once he has his own again."""
    identities = s.bench.identities
    other = identities.holding(frozenset(features), features[0])
    if not other.role_id or not identities.move(caller, other.role_id):
        return  # a ready-made role, or users cannot be changed on this target
    try:
        exchange = s.session.send(call, Identity(s.cell.role, caller.token))
    finally:
        back = identities.move(caller, caller.role_id)
    if exchange.status == 403:
        sentence = f"a user who was given a role with {features[0]} got {exchange.outcome()}"
        raise Broken(sentence, exchange, features[0], softly=s.operation.features_assumed)
    s.exercised()
    if not back:
        raise NotExercised("a user could not be given his role again")
    exchange = s.session.send(call, Identity(s.cell.role, caller.token))
    require(
        exchange.status == 403,
        f"a user who was given a role without {features[0]} got {exchange.outcome()}",
        exchange,
        features[0],
    )
    s.exercised()
    _moved_to_a_lesser_role(s, call, caller, features, lesser)


def _moved_to_a_lesser_role(s: Subject, call: Call, caller: Identity, features: list[str], lesser: Identity) -> None:
    """Who gets a role without any feature is refused, though the role that he had holds what is needed still."""
    identities = s.bench.identities
    mine = Identity(s.cell.role, caller.token)
    if not lesser.role_id or not identities.grant(caller, features) or s.session.send(call, mine).status == 403:
        return
    moved = identities.move(caller, lesser.role_id)
    exchange = s.session.send(call, mine)
    back = identities.move(caller, caller.role_id) if moved else True
    identities.grant(caller, [])
    if moved:
        sentence = f"a user who was moved from a role with {features[0]} to one without got {exchange.outcome()}"
        require(exchange.status == 403, sentence, exchange, features[0])
        s.exercised()
    if not back:
        raise NotExercised("a user could not be given his role again")
