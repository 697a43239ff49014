"""Renewing tokens: what may be renewed (AUTH-11), and that a renewed token is as good as another (AUTH-06). Ending one
ends that one alone, however it came about."""

from __future__ import annotations

from cdp.http import Exchange
from contracts.applicability import credential_fields
from contracts.calls import Call
from contracts.checks import NotExercised, TargetLost, check
from contracts.logins import LoginRefused
from contracts.observing import record_of
from contracts.session import ANONYMOUS, Identity
from contracts.subject import Subject, require

MADE_UP = "cdp-no-such-token-fedcba9876543210"


def as_good_as_another(s: Subject, call: Call, renewed: Identity, exchange: Exchange) -> None:
    """A renewed token opens what another token of the same features opens; one is only made where it seems not so."""
    if not _useless(s, exchange) or s.operation.extra_access == "settings_global":
        return
    features = frozenset(s.session.contract.feature_names)
    another = s.bench.identities.holding(features, "renewed-token")
    other, again = s.session.send(call, another), s.session.send(call, renewed)
    if not _useless(s, other):
        require(
            not _useless(s, again),
            f"a renewed token got {again.outcome()}, another one of a role with the same features {other.outcome()}",
            again,
        )


def _useless(s: Subject, exchange: Exchange) -> bool:
    """Whether a token opened nothing: a read has to succeed, a harmless write must not be forbidden."""
    if s.operation.safety == "read":
        return exchange.client_error
    return exchange.status == 403


def ends_one_alone(s: Subject) -> None:
    """A token lives for eight hours, whatever becomes of another one of the same user."""
    identities, health = s.bench.identities, s.session.health
    logout = s.session.contract.operations.get("logout_user")
    if logout is None or s.operation.section != logout.section or health is None:
        return
    try:
        first = identities.make(frozenset(s.session.contract.feature_names), "two-tokens")
        token = identities.login(*identities.accounts[first.user_id], "two-tokens")
    except (NotExercised, LoginRefused, TargetLost):
        return
    other = Identity("two-tokens", token, first.user_id, first.role_id)
    if token == first.token or not all(s.session.send(health, caller).ok for caller in (first, other)):
        return  # who logs in again may get the same token, or end the one before
    s.session.ended.add(first.token)
    if not s.session.send(Call(logout).sending({"token": first.token}), first, judged=False).ok:
        return
    exchange = s.session.send(health, other, judged=False)
    sentence = "once a token is ended by logout another one of the same user is refused, too"
    require(exchange.status != 401, sentence, exchange, "log in; log in; log out with the first; use the second", True)
    s.exercised()
    _renewed_ends_too(s, Call(logout), other)


def _renewed_ends_too(s: Subject, logout: Call, caller: Identity) -> None:
    """A token that came of a renewal is ended by logout like one that came of a login."""
    renew, health = s.session.contract.operations.get("refresh_token"), s.session.health
    if renew is None or health is None:
        return
    renewal = s.session.send(Call(renew).sending({"token": caller.token}), caller, judged=False)
    token = renewal.json.get("token") if renewal.ok and isinstance(renewal.json, dict) else None
    if not isinstance(token, str) or not token:
        return
    renewed = Identity("renewed-token", s.session.secrets.add(token))
    if not s.session.send(health, renewed, judged=False).ok:
        return  # that it is good for nothing is told already
    s.session.ended.add(token)
    if s.session.send(logout.sending({"token": token}), renewed, judged=False).ok:
        exchange = s.session.send(health, renewed, judged=False)
        sentence = f"a renewed token got {exchange.outcome()} once it was ended by logout"
        require(exchange.refused_access, sentence, exchange, "log in; renew; log out with the new one; use it")
        s.exercised()


@check("AUTH-11")
def renewed_by_right_alone(s: Subject) -> None:
    """Only tokens of the run's own users are tried. What becomes of an ended token that is renewed is not documented
    in words, so those are never more than a WARN."""
    s.control()
    call, field = s.call(), credential_fields(s.session.contract, s.operation)["token"]
    valid = str((call.sent or {})[field])
    other = "A" if valid[0] != "A" else "B"
    forms = [
        ("a made-up token", MADE_UP, False),
        ("a valid token with its first character changed", other + valid[1:], False),
        ("a valid token without its last character", valid[:-1], False),
        *((what, token, True) for what, token in _ended(s)),
    ]
    for what, token, softly in forms:
        exchange = s.session.send(call.sending({**(call.sent or {}), field: s.session.secrets.add(token)}), ANONYMOUS)
        body = exchange.json if isinstance(exchange.json, dict) else {}
        if isinstance(body.get("token"), str):
            s.session.secrets.add(body["token"])
        require(not body.get("token"), f"{what} was renewed", exchange, what, softly)
        require(exchange.client_error, f"{what} got {exchange.outcome()} instead of a refusal", exchange, what, softly)
        s.exercised()
    if not s.quick:
        _stays_its_owners(s, call, field)


def _stays_its_owners(s: Subject, call: Call, field: str) -> None:
    """A renewed token is that of the user whose token it was, though somebody else has logged in since (CWE-488)."""
    identities, whoami = s.bench.identities, s.session.contract.operations.get("get_identity")
    if whoami is None:
        return
    try:
        first, _ = (identities.make(frozenset(), "renewed-token") for _ in range(2))
    except (NotExercised, LoginRefused, TargetLost):
        return
    renewal = s.session.send(call.sending({**(call.sent or {}), field: first.token}), ANONYMOUS)
    token = renewal.json.get("token") if renewal.ok and isinstance(renewal.json, dict) else None
    if not isinstance(token, str) or not token:
        return
    renewed = Identity("renewed-token", s.session.secrets.add(token))
    exchange = s.session.send(Call(whoami), renewed, judged=False)
    record = record_of(whoami, exchange) if exchange.ok else None
    told = record.get("id") if isinstance(record, dict) else None
    sentence = f"the renewed token of the user {first.user_id} is that of {told}"
    require(told is None or not first.user_id or str(told) == first.user_id, sentence, exchange, "log in twice; renew")
    s.exercised(int(told is not None))


def _ended(s: Subject) -> list[tuple[str, str]]:
    """Tokens that count no more, each with what ended it; none where no caller can be made."""
    identities = s.bench.identities
    try:
        logged_out = ("a token that was ended by logout", identities.logged_out().token)
        return [logged_out, *((f"the token of a {what} user", user.token) for what, user in identities.ended())]
    except NotExercised:
        return []
