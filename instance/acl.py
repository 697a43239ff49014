"""Access beside the role's features: owned and shared segments and funnel groups."""

from __future__ import annotations

from instance.calls import Caller
from instance.contract import Operation
from instance.store import Store

# The entity whose records share another entity's records with users.
SHARES = {"segment": "segment_user", "funnel_group": "funnel_group_user"}
FOREIGN_SEGMENTS = "foreign_segments/"


def extra_access(store: Store, operation: Operation, caller: Caller, path: dict[str, str]) -> bool:
    """Whether the caller may call the operation although his role lacks its features."""
    kind = operation.extra_access
    if kind == "any_segment":
        return has_any_segment(store, caller.user_id)
    if kind in ("segment_acl", "funnel_group_acl"):
        entity = kind.removesuffix("_acl")
        # The record's id is the first parameter of every such path.
        id = path[operation.path_parameters[0].name]
        return may_access(store, entity, id, caller.user_id, write=operation.safety != "read")
    return False


def may_access(store: Store, entity: str, id: str, user_id: int, write: bool) -> bool:
    """Whether the user owns the record, or it was shared with him (to change it: with permission write)."""
    row = store.connection.execute(
        "SELECT json_extract(body, '$.user_id') FROM record WHERE entity=? AND parent='' AND id=?", (entity, id)
    ).fetchone()
    if row is None:
        return False
    if row[0] == user_id:
        return True
    share = store.connection.execute(
        "SELECT json_extract(body, '$.permission') FROM record WHERE entity=? AND parent=? AND id=? AND deleted=0",
        (SHARES[entity], id, str(user_id)),
    ).fetchone()
    return share is not None and (not write or share[0] == "write")


def has_any_segment(store: Store, user_id: int) -> bool:
    """Whether the user owns a segment or one was shared with him."""
    row = store.connection.execute(
        "SELECT EXISTS (SELECT 1 FROM record WHERE entity='segment' AND deleted=0 "
        "AND json_extract(body, '$.user_id')=?) OR EXISTS (SELECT 1 FROM record s JOIN record g "
        "ON g.entity='segment' AND g.parent='' AND g.id=s.parent AND g.deleted=0 "
        "WHERE s.entity='segment_user' AND s.id=? AND s.deleted=0)",
        (user_id, str(user_id)),
    ).fetchone()
    return bool(row[0])


def sees_foreign_segments(caller: Caller) -> bool:
    """Whether the role lets the caller see segments of others."""
    return any(name.startswith(FOREIGN_SEGMENTS) for name in caller.features)
