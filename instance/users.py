"""Users and roles: passwords, access to segments given along, and what keeps the administrator in."""

from __future__ import annotations

from typing import Any

from instance import access, lifecycle, records
from instance.calls import Call, Refusal, Reply
from instance.handlers import handles
from instance.sharing import share
from instance.store import Store

ADMINISTRATOR_ID = 1
ADMINISTRATOR_ROLE_ID = 1
# Fields of the administrator that only starting the instance sets.
KEPT = frozenset({"email", "password", "role_id", "disabled", "deleted"})


@handles("create_user")
def create_user(call: Call) -> Reply:
    """`POST /users`: the answer carries the id as text, and neither password nor segments_acl."""
    body = dict(call.body)
    with call.store.transaction():
        _check(call, body, None)
        record = lifecycle.make(call, body)
        access.set_password(call.store, record["id"], body["password"])
        _share(call, record["id"], body)
        return lifecycle.answer(call, record)


@handles("update_user")
def update_user(call: Call) -> Reply:
    """`PATCH /users/{user_id}`."""
    body = dict(call.body)
    id = int(call.path["user_id"])
    if id == ADMINISTRATOR_ID and KEPT & set(body):
        raise Refusal(
            403, "The administrator's account cannot be changed in this.", ", ".join(sorted(KEPT & set(body)))
        )
    with call.store.transaction():
        _check(call, body, id)
        record = lifecycle.change(call, body)
        if "password" in body:
            access.set_password(call.store, id, body["password"])
        _share(call, id, body)
        return lifecycle.answer(call, record)


@handles("delete_user")
def delete_user(call: Call) -> Reply:
    """`DELETE /users/{user_id}`: marked as deleted; the user's tokens are refused from then on."""
    if int(call.path["user_id"]) == ADMINISTRATOR_ID:
        raise Refusal(403, "The administrator cannot be deleted.", "user_id")
    return lifecycle.delete(call)


@handles("update_user_role")
def update_user_role(call: Call) -> Reply:
    """`PATCH /users/user_roles/{role_id}`: the administrator's role keeps every feature."""
    if int(call.path["role_id"]) == ADMINISTRATOR_ROLE_ID:
        raise Refusal(403, "The administrator's role cannot be changed.", "role_id")
    return lifecycle.update(call)


@handles("delete_user_role")
def delete_user_role(call: Call) -> Reply:
    """`DELETE /users/user_roles/{role_id}`: users of the role are refused from then on."""
    if int(call.path["role_id"]) == ADMINISTRATOR_ROLE_ID:
        raise Refusal(403, "The administrator's role cannot be deleted.", "role_id")
    return lifecycle.delete(call)


def _check(call: Call, body: dict[str, Any], id: int | None) -> None:
    """Refuse an unknown role (422) and an e-mail that another living user has (400)."""
    if "role_id" in body and not records.exists(call.store, "user_role", int(body["role_id"])):
        raise Refusal(422, "The field role_id is not valid: no such role.", "role_id")
    if "email" in body and _taken(call.store, body["email"], id):
        raise Refusal(400, "Another user has this e-mail.", "email")


def _taken(store: Store, email: str, id: int | None) -> bool:
    row = store.connection.execute(
        "SELECT 1 FROM record WHERE entity='user' AND deleted=0 AND id<>? "
        "AND fold(json_extract(body, '$.email'))=fold(?)",
        (str(id or 0), email),
    ).fetchone()
    return row is not None


def _share(call: Call, user_id: int, body: dict[str, Any]) -> None:
    """Give the access that `segments_acl` names: a JSON object from segment id to read or write."""
    if "segments_acl" not in body:
        return
    for segment_id, permission in lifecycle.json_object("segments_acl", body["segments_acl"]).items():
        if permission not in ("read", "write"):
            raise Refusal(422, "The field segments_acl is not valid: read or write is wanted.", "segments_acl")
        if not records.exists(call.store, "segment", segment_id):
            raise Refusal(422, "The field segments_acl is not valid: no such segment.", "segments_acl")
        share(call.store, "segment", segment_id, user_id, permission)
