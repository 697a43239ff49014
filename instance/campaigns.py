"""What campaigns and journeys have beside their records: states, schedules, pictures."""

from __future__ import annotations

from instance import lifecycle, records
from instance.calls import Call, Reply, UploadedFile
from instance.handlers import handles

JOURNEY_STATES = {"activate": "active", "deactivate": "inactive", "stop": "stopped"}


@handles("activate_journey", "deactivate_journey", "stop_journey")
def set_journey_state(call: Call) -> Reply:
    """`POST /journeys/{journey_id}/activate|deactivate|stop`: sets the state; nobody is messaged."""
    entity, id, parent = lifecycle.address(call)
    with call.store.transaction():
        record = lifecycle.load(call)
        record["status"] = JOURNEY_STATES[call.operation.action or ""]
        lifecycle.touch(call, entity, record, call.store.clock())
        records.update(call.store, entity.name, id, record, parent)
    return lifecycle.answer(call, record)


@handles("set_whatsapp_activation_settings")
def set_whatsapp_activation_settings(call: Call) -> Reply:
    """`PUT /whatsapp_campaigns/activation/settings/{campaign_id}`: replaces the schedules, if only by none."""
    return lifecycle.answer(call, lifecycle.change(call, {"schedules": call.body.get("schedules", [])}))


@handles("upload_image")
def upload_image(call: Call) -> Reply:
    """`POST /images`: keeps the picture; its name is the one given or that of the file."""
    file = call.body["file"]
    assert isinstance(file, UploadedFile)
    name = call.body.get("name") or file.filename or "image"
    with call.store.transaction() as connection:
        record = lifecycle.make(call, {"name": name}, {"size": len(file.content)})
        record["url"] = f"https://instance.example/images/{record['id']}/{len(file.content)}"
        records.update(call.store, "image", record["id"], record)
        connection.execute("INSERT INTO file VALUES (?,?,?)", (record["id"], file.content_type, file.content))
    return lifecycle.answer(call, record)


@handles("delete_image")
def delete_image(call: Call) -> Reply:
    """`DELETE /images/{image_id}`: the picture goes too."""
    with call.store.transaction() as connection:
        connection.execute("DELETE FROM file WHERE id=?", (call.path["image_id"],))
        return lifecycle.delete(call)
