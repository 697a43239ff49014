"""Global settings: some only for holders of settings/global, and a history of past values."""

from __future__ import annotations

from instance import access, filters, lifecycle, listing, records
from instance.calls import Call, Reply
from instance.handlers import handles

HISTORY = "global_setting_history"


@handles("get_global_setting")
def get_global_setting(call: Call) -> Reply:
    """`GET /global_settings/{global_setting_id}`."""
    _check(call)
    return lifecycle.read(call)


@handles("list_global_setting_history")
def list_global_setting_history(call: Call) -> Reply:
    """`GET /global_settings/{global_setting_id}/history`: past values, newest first."""
    _check(call)
    return listing.list_records(call)


@handles("update_global_setting")
def update_global_setting(call: Call) -> Reply:
    """`PATCH /global_settings/{global_setting_id}`: the value that stood there goes into the history."""
    store = call.store
    with store.transaction():
        former = lifecycle.load(call)
        record = lifecycle.change(call, call.body)
        entity = store.entities[HISTORY]
        past = lifecycle.new_record(
            store, entity, {"key": former["key"], "value": former["value"]}, call.caller, "", store.clock()
        )
        records.insert(store, HISTORY, former["id"], past)
    return lifecycle.answer(call, record)


def _check(call: Call) -> None:
    """Refuse (403) a restricted setting to a caller whose role lacks settings/global."""
    assert call.caller is not None
    if filters.SETTINGS_FEATURE in call.caller.features:
        return
    setting = records.get(call.store, "global_setting", call.path["global_setting_id"])
    if setting is not None and setting["key"] in filters.RESTRICTED_SETTINGS:
        raise access.forbidden()
