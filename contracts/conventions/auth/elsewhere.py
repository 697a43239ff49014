"""AUTH-04: a token counts in its header alone."""

from __future__ import annotations

import base64
from typing import Any
from urllib.request import getproxies

from cdp.http import TOKEN_HEADER
from contracts.calls import Call
from contracts.checks import check
from contracts.conventions.auth.attempts import try_call
from contracts.subject import Subject, require

# Where a token does not count, several of a kind in one request.
PLACES = (
    "query",
    "cookie",
    "another header",
    "Authorization",
    "Authorization: Bearer",
    "Authorization: Token",
    "Authorization: Basic",
    "body",
)
QUERY_NAMES = ("token", "access_token", "auth_token", "api_key", "key", "jwt", "sid", TOKEN_HEADER)
COOKIES = ("access_token", "token", "auth_token", "session", "sid", "jwt", TOKEN_HEADER)
OTHER_HEADERS = (
    "X-Api-Key",
    "X-Auth-Token",
    "X-Token",
    "Token",
    "Api-Key",
    "Access-Token",
    "Proxy-Authorization",
    "X_Access_Token",
)
FIELDS = ("token", "access_token", "api_key")


def _needed_headers(s: Subject) -> dict[str, str]:
    """Headers that let a request through to the API at all; what stands under their names is not the API's to take."""
    target = s.session.target
    needed = {name.lower(): value for name, value in target.headers}
    if target.proxy or (getproxies() and not target.loopback):
        needed["proxy-authorization"] = ""  # it is for the proxy, which would get the token
    return needed


def _elsewhere(s: Subject, place: str, token: str, call: Call) -> tuple[dict[str, Any], Call]:
    """Headers and call with the token in another place than its header."""
    needed = _needed_headers(s)
    if place == "query":
        return {}, call.asking(*((name, token) for name in QUERY_NAMES))
    if place == "cookie":
        own = [needed["cookie"]] if "cookie" in needed else []
        return {"Cookie": "; ".join((*own, *(f"{name}={token}" for name in COOKIES)))}, call
    if place == "another header":
        return {name: token for name in OTHER_HEADERS if name.lower() not in needed}, call
    if place == "body":
        return {}, call.sending({**call.sent, **dict.fromkeys(FIELDS, token)})
    told = {
        "Bearer": token,
        "Token": token,
        "Basic": s.session.secrets.add(base64.b64encode(f"token:{token}".encode()).decode()),
    }
    kind = place.partition(": ")[2]
    return {"Authorization": f"{kind} {told[kind]}" if kind else token}, call


@check("AUTH-04")
def token_elsewhere(s: Subject) -> None:
    s.control()
    token = s.session.admin.token
    call = s.bench.untouched_call(s.operation)
    places = [p for p in PLACES if p != "body" or isinstance(call.sent, dict)]
    if "authorization" in _needed_headers(s):
        places = [p for p in places if not p.startswith("Authorization")]
    if s.quick:  # of those that are seldom taken, one
        seldom = ("Authorization", "Authorization: Basic", "Authorization: Token")
        places = [p for p in places if p not in seldom or p == seldom[s.operation.order % 3]]
    for place in places:
        headers, asked = _elsewhere(s, place, token, call)
        exchange = try_call(s, headers, asked)
        require(
            exchange.refused_access,
            f"a valid token in {place} instead of its header got {exchange.outcome()}",
            exchange,
            place,
        )
        s.exercised()
