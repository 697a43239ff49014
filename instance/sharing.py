"""Access lists of segments and funnel groups."""

from __future__ import annotations

from instance import lifecycle, records
from instance.acl import SHARES
from instance.calls import Call, Refusal, Reply
from instance.handlers import handles
from instance.store import Store


@handles("share_segment_with_user", "share_funnel_group_with_user")
def share_with_user(call: Call) -> Reply:
    """`POST /acl/.../{id}`: gives a user access; 422 for an unknown user, 400 if he has access already."""
    if not records.exists(call.store, "user", int(call.body["user_id"])):
        raise Refusal(422, "The field user_id is not valid: no such user.", "user_id")
    return lifecycle.create(call)


def share(store: Store, entity: str, id: str, user_id: int, permission: str) -> None:
    """Give a user access to a record, or change the access that he has."""
    name = SHARES[entity]
    found = records.get(store, name, user_id, id)
    if found is not None:
        records.update(store, name, user_id, {**found, "permission": permission}, id)
        return
    known = store.entities[name]
    body = {"user_id": user_id, "permission": permission}
    record = lifecycle.new_record(store, known, body, None, id, store.clock())
    records.insert(store, name, id, record, key=user_id)
