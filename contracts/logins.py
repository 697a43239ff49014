"""Logging in with e-mail and password, where a target takes them from users that the suite has made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cdp.hindrances import Hindrance, led_elsewhere, unanswered
from cdp.http import Exchange
from contracts.books import value_at
from contracts.calls import Call
from contracts.checks import TargetLost
from contracts.find_api import unlike_the_api
from contracts.finding import Unavailable
from contracts.session import Identity, Obstacle, Session

_NOT_THERE = 404
LOGIN, OPTIONS = "login_user", "get_auth_options"
ENABLED = "/authentication_options/is_credentials_login_enabled"


class LoginRefused(Obstacle):
    """A login that gave no token: why, and what to do about it; `refusal`: what it answered was a 4xx."""

    def __init__(self, text: str, refusal: bool, advice: str = "") -> None:
        super().__init__(f"{text}; {advice}" if advice else text)
        self.text, self.refusal = text, refusal
        self.advice = advice or "check e-mail and password, or name a token"


class Withheld(Mapping[str, str]):
    """In place of an account that cannot be had: whoever needs its e-mail or password is told why."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __getitem__(self, kind: str) -> str:
        raise Unavailable(self.why)

    def __iter__(self) -> Iterator[str]:
        return iter(("email", "password"))

    def __len__(self) -> int:
        return 2


def log_in(session: Session, email: str, password: str, role: str) -> str:
    """Log in and return the token. Raises LoginRefused in one line when the target does not give one."""
    call = Call(session.contract.operations[LOGIN]).sending({"email": email, "password": password})
    exchange = session.send(call, Identity(role), judged=False)
    token = exchange.json.get("token") if isinstance(exchange.json, dict) else None
    if not exchange.ok or not isinstance(token, str) or not token:
        if told := _no_login(session, call, exchange):
            raise LoginRefused(told.text, exchange.client_error, told.advice)
        kind = session.secrets.redact(exchange.media_type) or "no media type"
        what = (
            "the e-mail or password was refused"
            if exchange.refused_access
            else f"the login {exchange.answered()} ({kind}) without a token"
        )
        raise LoginRefused(f"{what} at {session.target.base_url}", exchange.client_error)
    session.admitted.add(token)
    return session.secrets.add(token)


def _no_login(session: Session, call: Call, exchange: Exchange) -> Hindrance | None:
    """What stands in place of the login, where it is not the API that answered."""
    if exchange.refused_access:
        return None
    base_url = session.target.base_url
    elsewhere = unanswered(exchange, base_url) or led_elsewhere(exchange, base_url, session.secrets)
    if elsewhere or (exchange.json is not None and exchange.status != _NOT_THERE):
        return elsewhere
    return unlike_the_api(session, call.operation, exchange)


def wants_a_token(session: Session, email: str, password: str) -> bool:
    """Whether a login is taken from who is logged in already: a fault of its own, and none of the account."""
    call = Call(session.contract.operations[LOGIN]).sending({"email": email, "password": password})
    try:
        return session.send(call, session.admin, judged=False).ok
    except TargetLost:
        return False


def switched_off(session: Session) -> bool:
    """Whether the target tells that nobody logs in with a password there, as where single sign-on is all there is."""
    operation = session.contract.operations.get(OPTIONS)
    if operation is None:
        return False
    try:
        told = session.send(Call(operation), Identity(""), judged=False)
    except TargetLost:
        return False
    return told.ok and value_at(told, ENABLED) is False
