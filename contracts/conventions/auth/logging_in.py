"""AUTH-10: who cannot say the right password gets no token, and learns nothing (CWE-287, CWE-204)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdp.http import Exchange
from cdp.secrets import new_password
from contracts.applicability import credential_fields
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, TargetLost, check
from contracts.conventions.auth.login_words import same_words
from contracts.conventions.auth.long_passwords import counts_to_its_end
from contracts.observing import record_of
from contracts.patience import look_until
from contracts.session import ANONYMOUS
from contracts.subject import Subject, require

NOBODY = "the e-mail of nobody"
PATIENCE_S, LOOK_S = 3.0, 0.5  # until a user who was enabled again is let in


def _spoilt(password: str) -> Iterator[tuple[str, str]]:
    """Wrong passwords that are near the right one, each with the words that describe it."""
    last = "A" if password[-1] != "A" else "B"
    yield "another password", "cdp-" + password[::-1]
    yield "a password without its last character", password[:-1]
    yield "a password with its last character changed", password[:-1] + last
    yield "a password with one character added", password + "x"
    yield "a password in other case", password.swapcase()
    yield "an empty password", ""


def _ended_accounts(s: Subject) -> list[tuple[str, tuple[str, str]]]:
    """What was done to users of the run's own, and their credentials; none where nothing can be done to users."""
    identities = s.bench.identities
    try:
        ended = identities.ended()
    except NotExercised:
        return []
    return [(what, identities.accounts[user.user_id]) for what, user in ended if user.user_id in identities.accounts]


class _Door:
    """The login of one user. A refusal tells something only as long as the right password opens: after a few wrong ones
    many servers refuse whatever comes, for a while."""

    def __init__(self, s: Subject, call: Call, right: Mapping[str, str]) -> None:
        self.s, self.call, self.right = s, call, right

    def opens(self) -> bool:
        """Whether the right password is let in."""
        try:
            return self.s.session.send(self.call.sending(self.right), ANONYMOUS).ok
        except TargetLost:
            return False

    def refuses(self, what: str, wrong: Mapping[str, str]) -> Exchange | None:
        """The refusal of wrong credentials; None where logins are counted, and this one was not looked at. Raises
        Broken when they are let in."""
        try:
            exchange = self.s.session.send(self.call.sending({**self.right, **wrong}), ANONYMOUS)
        except TargetLost:
            return None
        body = exchange.json if isinstance(exchange.json, dict) else {}
        require(not any("token" in name.lower() and body[name] for name in body), f"{what} got a token", exchange, what)
        require(exchange.client_error, f"{what} got {exchange.outcome()} instead of a refusal", exchange, what)
        return exchange


@check("AUTH-10")
def wrong_credentials(s: Subject) -> None:
    """The user is one of the run's own: what happens to him after wrong passwords harms nobody."""
    s.control()
    call = s.call()
    fields = credential_fields(s.session.contract, s.operation)
    right = dict(call.sent or {})
    forms = _wrong_forms(s, right, fields)
    ended = [
        (f"a {what} user who logs in", {fields["email"]: email, fields["password"]: known})
        for what, (email, known) in _ended_accounts(s)
    ]
    door, told = _Door(s, call, right), dict[str, Exchange]()
    for what, wrong in [*ended, *forms]:
        exchange = door.refuses(what, wrong)
        if exchange is None:
            break
        told[what] = exchange
        s.exercised()
        if not door.opens():
            break  # logins are counted: from here on they are refused without being looked at
    else:
        if not s.quick:
            _changed_password(s, door, fields)
            _enabled_again(s, door, fields)
    if not s.evidence:
        raise NotExercised("this target has had enough of logins; a pause would make it checkable")
    _tells_not_who_exists(told)
    bodies = {what: call.sending({**right, **wrong}) for what, wrong in forms}
    same_words(
        lambda what: s.session.send(bodies[what], ANONYMOUS),
        NOBODY,
        [what for what, wrong in forms if fields["password"] in wrong],
        told,
        (str(body.sent[fields[kind]]) for body in bodies.values() for kind in ("email", "password")),
    )


def _wrong_forms(s: Subject, right: dict[str, Any], fields: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """What is wrong with a login, in words, and the fields that make it so."""
    passwords = _spoilt(str(right[fields["password"]]))
    forms = [(what, {fields["password"]: s.session.secrets.add(wrong)}) for what, wrong in passwords]
    forms.insert(1, (NOBODY, {fields["email"]: f"{s.session.prefix}-nobody@example.com"}))
    return forms


def _tells_not_who_exists(told: dict[str, Exchange]) -> None:
    """An unknown e-mail is refused as a wrong password is."""
    nobody, somebody = told.get(NOBODY), told.get("another password")
    if nobody is not None and somebody is not None and nobody.status != somebody.status:
        sentence = (
            f"an unknown e-mail got {nobody.outcome()}, a wrong password {somebody.outcome()}: this tells who exists"
        )
        raise Broken(sentence, nobody, softly=True)


def _changeable(s: Subject, door: _Door, fields: dict[str, str], purpose: str) -> tuple[Call, _Door] | None:
    """A new user of the run's own: the call that changes him, and his login. None where none can be made."""
    update, identities = s.session.contract.by_action("user", "update"), s.bench.identities
    if update is None:
        return None
    try:
        user = identities.make(frozenset(), purpose)
    except NotExercised:
        return None
    email, password = identities.accounts[user.user_id]
    his = _Door(s, door.call, {**door.right, fields["email"]: email, fields["password"]: password})
    return Call(update, {p.name: user.user_id for p in update.path_parameters}), his


def _changed_password(s: Subject, door: _Door, fields: dict[str, str]) -> None:
    """The password that a user had before is as wrong as any other."""
    made = _changeable(s, door, fields, "changed-password")
    new = s.session.secrets.add(new_password())
    if made is None or not s.session.send(made[0].sending({"password": new}), s.session.admin).ok:
        return
    change, before = made
    door = _Door(s, door.call, {**before.right, fields["password"]: new})
    if not door.opens():
        return  # the change was acknowledged and does not count yet, or passwords are changed in another way
    old = {fields["password"]: before.right[fields["password"]]}
    if door.refuses("the password that was changed", old) is not None:
        s.exercised()
    counts_to_its_end(s, change, door.call.sending(door.right), fields["password"])


def _enabled_again(s: Subject, door: _Door, fields: dict[str, str]) -> None:
    """A user who was disabled and enabled again is let in as before. No page says that in so many words."""
    made = _changeable(s, door, fields, "enabled-again")
    if made is None or not s.session.send(made[0].sending({"disabled": 1}), s.session.admin).ok:
        return
    change, his = made
    his.opens()  # some notice at the next login only
    enabled = s.session.send(change.sending({"disabled": 0}), s.session.admin)
    read = s.session.contract.by_action("user", "read")
    shown = record_of(read, s.session.read_again(Call(read, change.path), s.session.admin)) if read else None
    if not enabled.ok or not isinstance(shown, dict) or shown.get("disabled") not in (0, False):
        return  # whoever was disabled may stay so
    if not look_until(his.opens, PATIENCE_S, LOOK_S) and door.opens():
        exchange = s.session.send(his.call.sending(his.right), ANONYMOUS)
        sentence = f"a user who was enabled again got {exchange.outcome()} for the right password"
        require(exchange.ok, sentence, exchange, softly=True)
    s.exercised()
