"""Bugs behind a door that looks shut: writes that are refused to those who hold something, and done all the same."""

from __future__ import annotations

from instance.faults import fitting
from instance.faults.callers import executed, known_token
from instance.faults.leniencies import elsewhere
from instance.faults.model import Answer, Request, World, broken, refusal
from instance.faults.roles import WRITES
from instance.faults.tokens import in_cookie


def ended(request: Request, world: World) -> bool:
    """Whether the token was one once."""
    return known_token(request, world) is not None


def holds_something(request: Request, world: World) -> bool:
    """Whether the caller's role has a feature, whichever."""
    return bool(world.features(request))


broken(
    "ended-but-done",
    "a write with a token that was logged out is refused, and done all the same",
    WRITES,
    "AUTH-05",
    executed(401, ended),
)
broken(
    "others-forbidden-but-done",
    "a write of a role with other features is refused, and done all the same",
    WRITES,
    "ROLE-05",
    executed(403, holds_something),
    fits=fitting.featured,
)


async def body_before_role(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    odd = request.json is not None and not isinstance(request.json, dict)
    return refusal(400) if answer.status == 403 and odd and holds_something(request, world) else answer


broken(
    "odd-body-before-role",
    "a body that is no object is refused before the role is looked at, where the role holds anything",
    "update_report update_custom_email_block",
    "ROLE-04",
    body_before_role,
    fits=fitting.every(fitting.featured, fitting.acting("update"), fitting.writes),
)

elsewhere(
    "token-after-a-word",
    "a token in Authorization counts after the word Token",
    lambda r: (
        t.decode("latin-1").partition(" ")[2]
        if (t := r.header(b"authorization") or b"").startswith(b"Token ")
        else None
    ),
    "release",
)
elsewhere("token-in-session-cookie", "a token in the cookie of a session counts", in_cookie("session", "sid"))
