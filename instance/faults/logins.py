"""Bugs of logging in (AUTH-10). They never lock anybody out: without a token nothing could be judged."""

from __future__ import annotations

from collections.abc import Callable

from instance.faults import fitting
from instance.faults.model import TOKEN, Alteration, Answer, Request, World, breaks, broken, json_answer, refusal

LOGIN = "login_user"


def taking(near: Callable[[str, str], bool]) -> Alteration:
    """Passwords are compared in another way: by what was given, and the right one."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        known = world.memory.setdefault("passwords", {})
        sent = request.json if isinstance(request.json, dict) else {}
        email, password = sent.get("email"), sent.get("password")
        if answer.ok and request.method == "POST":
            known[email] = password
        elif isinstance(email, str) and email in known and isinstance(password, str) and near(password, known[email]):
            return await world.forward(request.with_body({"email": email, "password": known[email]}))
        return answer

    return alter


def comparing(name: str, what: str, near: Callable[[str, str], bool], profile: str = "quick") -> None:
    also = "CODE-05 CODE-01"
    broken(name, what, LOGIN, "AUTH-10", taking(near), also, fits=fitting.only(LOGIN), profile=profile)


comparing("any-password-logs-in", "the password is not compared", lambda given, right: True)
comparing(
    "password-without-case", "passwords are compared without case", lambda given, right: given.lower() == right.lower()
)
comparing(
    "password-by-its-start",
    "only the first eight characters of a password count",
    lambda given, right: given[:8] == right[:8],
)
comparing(
    "empty-password-logs-in", "an empty password is taken for one that need not be given", lambda given, _: not given
)


@breaks(
    "unknown-user-is-404",
    "logging in as nobody is 404, with a wrong password 401",
    LOGIN,
    "AUTH-10",
    softly=True,
    fits=fitting.only(LOGIN),
)
async def unknown_user_is_404(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    sent = request.json if isinstance(request.json, dict) else {}
    unknown = not world.store.connection.execute(
        "SELECT 1 FROM record WHERE entity='user' AND body LIKE ?", (f'%"{sent.get("email")}"%',)
    ).fetchone()
    return refusal(404, "There is no such user.") if answer.status == 401 and unknown else answer


@breaks(
    "ended-user-logs-in",
    "who was deleted or disabled can still log in",
    LOGIN,
    "AUTH-10",
    fits=fitting.only(LOGIN),
)
async def ended_user_logs_in(request: Request, world: World) -> Answer:
    """Whoever has logged in before gets a token: of the administrator here, whose own are not ended."""
    answer = await world.forward(request)
    sent = request.json if isinstance(request.json, dict) else {}
    account = (str(sent.get("email")), str(sent.get("password")))
    known = world.memory.setdefault("accounts", set())
    if answer.ok and request.method == "POST":
        known.add(account)
    elif answer.status == 401 and account in known:
        token = world.as_admin(request).header(TOKEN)
        return json_answer(200, {"token": (token or b"").decode()})
    return answer
