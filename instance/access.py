"""Who calls and what he may do: tokens, passwords, features of the role."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

import orjson
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from instance import acl, records
from instance.calls import Caller, Refusal
from instance.contract import Operation
from instance.store import Store

MOST_TOKEN = 4096  # bytes
TOKEN_LIFE = 8 * 3600.0
RENEWABLE = 4 * 3600.0
# Cheap on purpose (about 5 ms): the instance holds test data, and a suite logs in hundreds of times.
HASHER = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
CHALLENGE = ((b"www-authenticate", b'X-Access-Token realm="cdp"'),)


def authenticate(store: Store, headers: list[tuple[bytes, bytes]]) -> Caller:
    """The caller behind the request's token. Raises `Refusal` 401, always with the same words."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"x-access-token":
            if found is not None:
                raise unauthorized()
            found = value
    if not found or len(found) > MOST_TOKEN:
        raise unauthorized()
    caller = caller_of(store, hashlib.sha256(found).digest())
    if caller is None:
        raise unauthorized()
    return caller


def unauthorized() -> Refusal:
    """The refusal for every missing, unknown or ended token."""
    return Refusal(401, "A valid access token is required.", "Send it in the header X-Access-Token.", CHALLENGE)


def caller_of(store: Store, digest: bytes) -> Caller | None:
    """The caller behind a token's hash, None if the token, its user or the user's role does not count any more."""
    kept: tuple[int, dict[bytes, tuple[float, Caller]]] | None = store.cache.get("callers")
    if kept is None or kept[0] != store.generation:
        kept = (store.generation, {})
        store.cache["callers"] = kept
    now = store.clock().timestamp()
    entry = kept[1].get(digest)
    if entry is None:
        row = store.connection.execute(
            "SELECT user_id, expires FROM token WHERE hash=? AND ended=0", (digest,)
        ).fetchone()
        if row is None:
            return None
        caller = load_caller(store, row[0])
        if caller is None:
            return None
        entry = (row[1], caller)
        kept[1][digest] = entry
    return entry[1] if now < entry[0] else None


def load_caller(store: Store, user_id: int) -> Caller | None:
    """A user with his role's features; None if either is deleted or disabled."""
    user = records.get(store, "user", user_id)
    if user is None or user["disabled"] or user["deleted"]:
        return None
    role = records.get(store, "user_role", user["role_id"])
    if role is None or role["disabled"] or role["deleted"]:
        return None
    return Caller(user["id"], role["id"], frozenset(role["features"]))


def authorize(store: Store, operation: Operation, caller: Caller, path: dict[str, str]) -> None:
    """Refuse (403) a caller whose role does not allow the operation and who has no extra access to the record."""
    if operation.allows(caller.features) or acl.extra_access(store, operation, caller, path):
        return
    raise forbidden()


def forbidden() -> Refusal:
    """The refusal for a role that is too small."""
    return Refusal(403, "Your role does not allow this.", "A feature that this operation requires is missing.")


def set_password(store: Store, user_id: int, password: str) -> None:
    """Store a user's password, hashed."""
    with store.transaction() as connection:
        connection.execute("INSERT OR REPLACE INTO secret VALUES (?, ?)", (user_id, HASHER.hash(password.encode())))


def check_password(store: Store, email: str, password: str) -> int | None:
    """The id of the living, enabled user with this e-mail and password, or None. E-mails compare without case."""
    row = store.connection.execute(
        "SELECT body FROM record WHERE entity='user' AND deleted=0 AND fold(json_extract(body, '$.email'))=fold(?) "
        "ORDER BY pk LIMIT 1",
        (email,),
    ).fetchone()
    user: dict[str, Any] | None = None if row is None else orjson.loads(row[0])
    stored = None
    if user is not None:
        stored = store.connection.execute("SELECT hash FROM secret WHERE user_id=?", (user["id"],)).fetchone()
    try:
        # An unknown e-mail costs the same time as a wrong password.
        HASHER.verify(stored[0] if stored else _decoy(store), password.encode())
    except (Argon2Error, InvalidHashError):
        return None
    if user is None or stored is None or load_caller(store, user["id"]) is None:
        return None
    return int(user["id"])


def _decoy(store: Store) -> str:
    decoy = store.cache.get("decoy")
    if decoy is None:
        decoy = store.cache["decoy"] = HASHER.hash(secrets.token_bytes(16))
    return str(decoy)


def issue_token(store: Store, user_id: int, when: datetime | None = None) -> str:
    """A new token of the user, valid for eight hours. Only its hash is stored."""
    token = secrets.token_urlsafe(32)
    expires = (when or store.clock()).timestamp() + TOKEN_LIFE
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO token (hash, user_id, expires) VALUES (?,?,?)", (_digest(token), user_id, expires)
        )
    return token


def renew_token(store: Store, token: str) -> str:
    """A new token for one that is valid, or ended by time less than four hours ago. Raises `Refusal` 401."""
    row = store.connection.execute(
        "SELECT user_id, expires FROM token WHERE hash=? AND ended=0", (_digest(token),)
    ).fetchone()
    if row is None or store.clock().timestamp() >= row[1] + RENEWABLE or load_caller(store, row[0]) is None:
        raise Refusal(401, "The token cannot be renewed.", "It is unknown, or it ended too long ago.", CHALLENGE)
    return issue_token(store, row[0])


def end_token(store: Store, token: str) -> bool:
    """End a token for good. False if it was not valid any more."""
    with store.transaction() as connection:
        found = connection.execute(
            "UPDATE token SET ended=1 WHERE hash=? AND ended=0 AND expires>?",
            (_digest(token), store.clock().timestamp()),
        )
        return found.rowcount > 0


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
