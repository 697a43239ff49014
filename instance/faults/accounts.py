"""Bugs of tokens that are handed out or renewed, and of what a refused login says (AUTH)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import orjson

from instance import access
from instance.faults import fitting
from instance.faults.callers import known_token
from instance.faults.logins import LOGIN, comparing
from instance.faults.model import TOKEN, Alteration, Answer, Request, World, breaks, broken, json_answer, refusal
from instance.users import ADMINISTRATOR_ID

RENEWAL = "refresh_token"
CVE = "CVE-2015-9235; RFC 8725 section 3.1"


# --- renewing -------------------------------------------------------------------------------------------------------


def renewing(counts: Callable[[str, World], int | None]) -> Alteration:
    """A token that is refused is renewed all the same, for the user whom this tells."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        sent = request.json if isinstance(request.json, dict) else {}
        token = sent.get("token")
        if answer.status != 401 or not isinstance(token, str):
            return answer
        user = counts(token, world)
        if user is None:
            return answer
        world.acted = True
        return json_answer(200, {"token": access.issue_token(world.store, user)})

    return alter


def _owner(token: str, world: World) -> tuple[int, int] | None:
    """The user of a token that was handed out once, and whether it was ended."""
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    found = world.store.connection.execute("SELECT user_id, ended FROM token WHERE hash=?", (digest,)).fetchone()
    return None if found is None else (found[0], found[1])


def ended_by_logout(token: str, world: World) -> int | None:
    """Renewed for the administrator: what counts is that there is a new one."""
    owner = _owner(token, world)
    return ADMINISTRATOR_ID if owner and owner[1] else None


def of_an_ended_user(token: str, world: World) -> int | None:
    owner = _owner(token, world)
    return ADMINISTRATOR_ID if owner and not owner[1] else None


def renewal(name: str, what: str, counts: Callable[[str, World], int | None], softly: bool) -> None:
    broken(name, what, RENEWAL, "AUTH-11", renewing(counts), "CODE-05", fits=fitting.only(RENEWAL), softly=softly)


renewal("anything-is-renewed", "a token that was never handed out is renewed", lambda t, w: ADMINISTRATOR_ID, False)
renewal("logged-out-is-renewed", "a token that was ended by logout is renewed", ended_by_logout, True)
renewal("ended-user-is-renewed", "the token of a disabled or deleted user is renewed", of_an_ended_user, True)


def renewed_gets(status: int) -> Alteration:
    """A renewed token is known, and good for nothing: the user's first one is all that counts fully."""

    async def alter(request: Request, world: World) -> Answer:
        row = known_token(request, world)
        answer = await world.forward(request)
        if not row or answer.status in (401, 403):
            return answer
        tokens = "SELECT hash FROM token WHERE user_id=? ORDER BY rowid LIMIT 1"
        first = world.store.connection.execute(tokens, (row[0],)).fetchone()[0]
        late = first != hashlib.sha256(request.header(TOKEN) or b"").digest()
        return refusal(status) if late and row[0] != ADMINISTRATOR_ID else answer

    return alter


broken(
    "renewed-forgets-the-role",
    "a renewed token is known, and its role is not: everything is forbidden to it",
    "get_tag get_report update_report",
    "AUTH-06",
    renewed_gets(403),
    fits=fitting.featured,
)
broken(
    "renewed-sees-nothing",
    "with a renewed token no record is found",
    "get_tag get_report",
    "AUTH-06",
    renewed_gets(404),
    fits=fitting.every(fitting.acting("read"), fitting.ends_in_id),
)


# --- what a refused login says --------------------------------------------------------------------------------------


def saying(told: Callable[[bool], dict[str, object]]) -> Alteration:
    """A refused login says something more, depending on whether there is a user with the e-mail."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        sent = request.json if isinstance(request.json, dict) else {}
        if answer.status != 401 or request.method != "POST":
            return answer
        known = world.store.connection.execute(
            "SELECT 1 FROM record WHERE entity='user' AND body LIKE ?", (f'%"{sent.get("email")}"%',)
        ).fetchone()
        return answer.showing({**answer.json, **told(known is not None)})

    return alter


broken(
    "login-says-who-is-unknown",
    "a refused login says whether the user or the password is wrong",
    LOGIN,
    "AUTH-10",
    saying(lambda known: {"message": "The password is wrong." if known else "There is no such user."}),
    fits=fitting.only(LOGIN),
    softly=True,
)
broken(
    "login-counts-attempts",
    "a refused login tells how many attempts are left, where there is such a user",
    LOGIN,
    "AUTH-10",
    saying(lambda known: {"attempts_left": 4} if known else {}),
    fits=fitting.only(LOGIN),
    softly=True,
)
comparing(
    "password-by-72-bytes",
    "of a password the first 72 bytes count, as bcrypt takes them",
    lambda given, right: len(right) > 72 and given[:72] == right[:72],
    profile="release",
)


# --- tokens that carry their user along -----------------------------------------------------------------------------


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def _signed(token: str) -> str:
    """A JSON Web Token in place of an opaque one: its claims are the token, its signature a hash of them."""
    said = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part({'sub': token})}"
    return f"{said}.{hashlib.sha256(said.encode()).hexdigest()}"


def _opaque(token: bytes) -> bytes:
    """The opaque token of a JSON Web Token that is signed, or says that it need not be; any other one as it is."""
    try:
        head, claims, _ = token.decode().split(".")
        algorithm = orjson.loads(base64.urlsafe_b64decode(head + "=="))["alg"]
        sub = str(orjson.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])
    except (ValueError, KeyError, TypeError):
        return token
    counts = algorithm == "none" or (algorithm == "HS256" and token.decode() == _signed(sub))
    return sub.encode() if counts else token


@breaks(
    "unsigned-token-counts",
    "tokens are JSON Web Tokens, and one that says it is not signed counts",
    "get_tag list_tags create_tag",
    "AUTH-03",
    beyond=True,
    fits=lambda o, c: o.auth == "token",
    source=CVE,
)
async def unsigned_token_counts(request: Request, world: World) -> Answer:
    sent = request.header(TOKEN)
    if sent is not None:
        request = request.with_header(TOKEN, _opaque(sent))
    if request.operation is not None and request.operation.id in ("refresh_token", "logout_user"):
        body = request.json
        if isinstance(body, dict) and isinstance(body.get("token"), str):
            request = request.with_body({**body, "token": _opaque(body["token"].encode()).decode()})
    answer = await world.forward(request)
    handed_out = request.operation is not None and request.operation.id in (LOGIN, "refresh_token")
    if not handed_out or not answer.ok or not isinstance(answer.json.get("token"), str):
        return answer
    return answer.showing({**answer.json, "token": _signed(answer.json["token"])})
