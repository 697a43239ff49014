"""Activations, test sends and blocklists: recorded with statuses and counts; nothing is sent anywhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from instance import lifecycle, records
from instance.calls import Call, Refusal, Reply
from instance.customers.segments import count_customers
from instance.handlers import handles
from instance.store import Store

FORM = "%Y-%m-%d %H:%M:%S"


def finished() -> str:
    """The status of an export that is through."""
    return "finished"


def statuses(now: datetime) -> dict[str, Any]:
    """The history of an export that went through all its states at once."""
    moment = now.strftime(FORM)
    return {"statuses_history": {"waiting": moment, "running": moment, "finished": moment}}


@handles("activate_email", "activate_push_notification", "activate_whatsapp_campaign")
def activate(call: Call) -> Reply:
    """`POST /{kind}/{id}/manual_activation`: an export to the customers of the segments, finished at once."""
    store = call.store
    assert call.operation.entity is not None and call.caller is not None
    entity = store.entities[call.operation.entity]
    assert entity.parent is not None
    campaign_id = call.path[call.operation.path_parameters[0].name]
    campaign = records.get(store, entity.parent, campaign_id)
    if campaign is None:
        raise lifecycle.missing(entity.parent)
    segments = _segments(store, call.body["segment_ids"])
    total = _customers(store, segments)
    now = store.clock()
    given = {
        "segment_ids": [segment["id"] for segment in segments],
        "segment_name": ", ".join(segment["name"] for segment in segments),
        "segments": [exported_segment(segment) for segment in segments],
        "name": campaign["name"],
        "status": finished(),
        "stats": statuses(now),
        "message_counts": {"total": total, "sent": total, "excluded_invalid": 0, "excluded_by_frequency_cap": 0},
    }
    with store.transaction():
        record = lifecycle.make(call, {}, given)
        schema = store.entities.schema(store.entities[entity.parent], "last_activation")
        campaign["last_activation"] = store.contract.book.write_date(schema, now)
        campaign["last_activation_by"] = call.caller.user_id
        records.update(store, entity.parent, campaign_id, campaign)
    return lifecycle.answer(call, record)


def exported_segment(segment: dict[str, Any]) -> dict[str, Any]:
    """A segment as an export names it."""
    return {
        "id": segment["id"],
        "name": segment["name"],
        "type": segment["segment_type"],
        "deleted": bool(segment["deleted"]),
    }


def _segments(store: Store, ids: list[Any]) -> list[dict[str, Any]]:
    found = []
    for id in dict.fromkeys(int(id) for id in ids):
        segment = records.get(store, "segment", id)
        if segment is None:
            raise Refusal(422, "The field segment_ids is not valid: no such segment.", "segment_ids")
        found.append(segment)
    return found


def _customers(store: Store, segments: list[dict[str, Any]]) -> int:
    """How many customers are in at least one of the segments."""
    trees = [(segment.get("settings") or {}).get("conditions_operation") or {} for segment in segments]
    if len(trees) == 1 or any(not tree for tree in trees):
        return count_customers(store, trees[0] if len(trees) == 1 else {})
    return count_customers(store, {"operation": "or", "operands": trees, "negation": False})


@handles("send_test_email", "send_test_push_notification", "send_test_whatsapp_message")
def send_test(call: Call) -> Reply:
    """`POST /{kind}/{id}/activations`: taken and dropped."""
    return Reply(call.operation.status, {"message": "ok"})


@handles("block_email_address")
def block_email_address(call: Call) -> Reply:
    """`POST /emails/block`."""
    return _block(call, "blocked_email", call.body["email_address"])


@handles("unblock_email_address")
def unblock_email_address(call: Call) -> Reply:
    """`POST /emails/unblock`: fine for an address that is not blocked, too."""
    return _unblock(call, "blocked_email", call.body["email_address"])


@handles("block_whatsapp_number")
def block_whatsapp_number(call: Call) -> Reply:
    """`POST /whatsapp/block`."""
    return _block(call, "blocked_number", call.body["phone_number"])


@handles("unblock_whatsapp_number")
def unblock_whatsapp_number(call: Call) -> Reply:
    """`POST /whatsapp/unblock`: fine for a number that is not blocked, too."""
    return _unblock(call, "blocked_number", call.body["phone_number"])


def is_blocked(store: Store, kind: str, address: str) -> bool:
    """Whether an address is blocked. `kind` is blocked_email or blocked_number; case does not matter."""
    return records.exists(store, kind, address.lower(), "")


def _block(call: Call, kind: str, address: str) -> Reply:
    if not is_blocked(call.store, kind, address):
        record = {"id": address.lower(), "address": address, "reason": call.body.get("reason")}
        records.insert(call.store, kind, None, record)
    return lifecycle.done(call)


def _unblock(call: Call, kind: str, address: str) -> Reply:
    records.delete(call.store, kind, address.lower(), "")
    return lifecycle.done(call)
