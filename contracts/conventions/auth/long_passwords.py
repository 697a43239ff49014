"""Whether all of a long password counts (AUTH-10): bcrypt looks at its first 72 bytes alone."""

from __future__ import annotations

from cdp.http import Exchange
from cdp.secrets import new_password
from contracts.calls import Call
from contracts.checks import TargetLost
from contracts.session import ANONYMOUS
from contracts.subject import Subject, require

LENGTH = 80


def counts_to_its_end(s: Subject, change: Call, login: Call, password_field: str) -> None:
    """Give a user of the run's own a long password, and log in with another last character. `change`: the call that
    gives a password, `login`: one that logs the user in. A target that takes no long passwords keeps the rule."""
    long = (new_password() * LENGTH)[: LENGTH - 1] + "a"
    s.session.secrets.add(long)

    def log_in(password: str) -> Exchange:
        return s.session.send(login.sending({**login.sent, password_field: password}), ANONYMOUS)

    try:
        if not s.session.send(change.sending({"password": long}), s.session.admin).ok or not log_in(long).ok:
            return
        what = f"a password of {LENGTH} characters with its last one changed"
        exchange = log_in(s.session.secrets.add(long[:-1] + "b"))
        require(exchange.client_error, f"{what} got {exchange.outcome()} instead of a refusal", exchange, what)
        if log_in(long).ok:  # else logins are counted, and this one was perhaps not looked at
            s.exercised()
    except TargetLost:
        return  # it has had enough of logins
