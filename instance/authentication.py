"""Login, renewal, logout, and who the caller is."""

from __future__ import annotations

import secrets

from instance import access, records, structure
from instance.calls import Call, Refusal, Reply
from instance.handlers import handles
from instance.store import Store

LOGIN_FORM = "%Y-%m-%d %H:%M:%S"


@handles("get_auth_options")
def get_auth_options(call: Call) -> Reply:
    """`GET /users/auth_options`: logging in by e-mail and password is on, OIDC is off."""
    options = {"is_credentials_login_enabled": True, "is_oidc_login_enabled": False}
    return Reply(call.operation.status, {"authentication_options": options})


@handles("login_user")
def login_user(call: Call) -> Reply:
    """`POST /users/login`: a token for e-mail and password; 401 for everything else."""
    user_id = access.check_password(call.store, call.body["email"], call.body["password"])
    if user_id is None:
        raise Refusal(401, "E-mail or password is wrong.", "Wrong credentials.", access.CHALLENGE)
    with call.store.transaction():
        token = access.issue_token(call.store, user_id)
        note_login(call.store, user_id)
    return Reply(call.operation.status, {"token": token})


def note_login(store: Store, user_id: int) -> None:
    """Note the time of a login in the user's record; it is no change of the user, so `modified` stays."""
    user = records.get(store, "user", user_id)
    assert user is not None
    now = store.clock().strftime(LOGIN_FORM)
    user["first_login"] = user["first_login"] or now
    user["last_login"] = now
    records.update(store, "user", user_id, user)


@handles("refresh_token")
def refresh_token(call: Call) -> Reply:
    """`PATCH /users/login`: a new token for one that is valid or ended less than four hours ago."""
    return Reply(call.operation.status, {"token": access.renew_token(call.store, call.body["token"])})


@handles("logout_user")
def logout_user(call: Call) -> Reply:
    """`DELETE /users/login`: ends the token."""
    if not access.end_token(call.store, call.body["token"]):
        raise Refusal(401, "The token is not valid.", "It is unknown or has ended.", access.CHALLENGE)
    return Reply(call.operation.status, {"message": "OK"})


@handles("login_with_oidc")
def login_with_oidc(call: Call) -> Reply:
    """`POST /users/oidc_login`: no provider is set up here, so every code is unknown."""
    raise Refusal(401, "The code is not valid.", "No OIDC provider knows it.", access.CHALLENGE)


@handles("login_to_metabase")
def login_to_metabase(call: Call) -> Reply:
    """`POST /users/metabase_login`: a session cookie for Metabase, and no body."""
    cookie = f"metabase.SESSION={secrets.token_urlsafe(24)}; Path=/; HttpOnly; SameSite=Lax"
    return Reply(call.operation.status, None, ((b"set-cookie", cookie.encode()),))


@handles("get_identity")
def get_identity(call: Call) -> Reply:
    """`GET /identity`: the caller with his role's features."""
    assert call.caller is not None
    user = records.get(call.store, "user", call.caller.user_id)
    assert user is not None
    shown = structure.project(user, structure.shown_fields(call.store, call.operation))
    shown["features"] = sorted(call.caller.features)
    return Reply(call.operation.status, structure.wrap(call.operation, shown))
