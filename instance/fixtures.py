"""Sections with one fixed record or list: channels, tools, system, cache."""

from __future__ import annotations

import asyncio
from typing import Any

from instance import records
from instance.calls import Call, Reply
from instance.handlers import handles
from instance.store import Store

VERSION = "1.0.0"
PUSH_CHANNEL = "push_notification_channel"
CHANNELS = ("push_notifications_channel", "emails_channel", "whatsapp_channel", "web_banners_channel")
TOOLS = {
    "Metabase": "https://instance.example/reports",
    "Meiro Integrations": "https://mi.instance.example",
    "Meiro Events": "https://me.instance.example",
}
FIRST_PUSH_CHANNEL: dict[str, Any] = {
    "id": PUSH_CHANNEL,
    "custom_data_schema": {
        "type": "object",
        "properties": {"theme": {"type": "string", "title": "Theme", "default": "light", "enum": ["light", "dark"]}},
        "required": ["theme"],
    },
    "frequency_cap": {"max_count": 3, "period": {"type": "days", "size": 1}},
    "is_active": True,
    "modified_by": None,
    "modified": "2023-01-20T10:59:33.378784",
}


@handles("list_channels")
def list_channels(call: Call) -> Reply:
    """`GET /channels`."""
    return Reply(call.operation.status, {"channels": [{"name": name, "is_active": True} for name in CHANNELS]})


def push_channel(store: Store) -> dict[str, Any]:
    """Settings of the push channel as stored, or as they are at first."""
    return records.get(store, PUSH_CHANNEL, PUSH_CHANNEL) or dict(FIRST_PUSH_CHANNEL)


@handles("get_push_channel")
def get_push_channel(call: Call) -> Reply:
    """`GET /channels/push_notifications`."""
    return _answer(call, push_channel(call.store))


@handles("set_push_channel_frequency_cap")
def set_push_channel_frequency_cap(call: Call) -> Reply:
    """`POST /channels/push_notifications/frequency_cap`."""
    return _set(call, {"frequency_cap": call.body})


@handles("set_push_channel_custom_data_schema")
def set_push_channel_custom_data_schema(call: Call) -> Reply:
    """`POST /channels/push_notifications/custom_data_schema`: replaces the schema."""
    return _set(call, {"custom_data_schema": call.body["custom_data_schema"]})


def _set(call: Call, change: dict[str, Any]) -> Reply:
    assert call.caller is not None
    now = call.store.clock().strftime("%Y-%m-%dT%H:%M:%S.%f")
    with call.store.transaction():
        record = {**push_channel(call.store), **change, "modified": now, "modified_by": call.caller.user_id}
        records.delete(call.store, PUSH_CHANNEL, PUSH_CHANNEL)
        records.insert(call.store, PUSH_CHANNEL, None, record)
    return _answer(call, record)


def _answer(call: Call, record: dict[str, Any]) -> Reply:
    shown = {name: value for name, value in record.items() if name != "id"}
    return Reply(call.operation.status, {PUSH_CHANNEL: shown})


@handles("list_tools")
def list_tools(call: Call) -> Reply:
    """`GET /tools`."""
    return Reply(call.operation.status, {"tools": [{"name": name, "url": url} for name, url in TOOLS.items()]})


@handles("get_system_status")
def get_system_status(call: Call) -> Reply:
    """`GET /system/status`."""
    return Reply(call.operation.status, {"status": "ok", "version": VERSION})


@handles("clear_cache")
def clear_cache(call: Call) -> Reply:
    """`DELETE /cache`: drops what was derived from the data; it is derived again when needed."""
    for name, kept in list(call.store.cache.items()):
        if not isinstance(kept, asyncio.Task):
            del call.store.cache[name]
    return Reply(call.operation.status, {"message": "OK"})
