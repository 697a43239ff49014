"""Segments: customers counted when read, tags, and exports."""

from __future__ import annotations

import secrets
from typing import Any

from instance import access, filters, lifecycle, listing, records
from instance.calls import Call, Refusal, Reply
from instance.customers.segments import count_customers, validate
from instance.entities import computes
from instance.handlers import handles
from instance.sending import finished, statuses
from instance.store import Store

Record = dict[str, Any]


@computes("segment", "customers_count")
def customers_count(store: Store, segments: list[Record]) -> None:
    """How many customers each segment holds now."""
    for segment in segments:
        settings = segment.get("settings") or {}
        try:
            segment["customers_count"] = count_customers(store, settings.get("conditions_operation") or {})
        except Refusal:
            # Written by another version, or by hand; a list must not fail because of one record.
            segment["customers_count"] = None


@handles("create_segment")
def create_segment(call: Call) -> Reply:
    """`POST /segments`: 422 for conditions that cannot be evaluated."""
    validate(call.body["settings"].get("conditions_operation"))
    return lifecycle.create(call)


@handles("update_segment")
def update_segment(call: Call) -> Reply:
    """`PATCH /segments/{segment_id}`: 422 for conditions that cannot be evaluated."""
    validate((call.body.get("settings") or {}).get("conditions_operation"))
    return lifecycle.update(call)


@computes("tag", "segments_count")
def segments_count(store: Store, tags: list[Record]) -> None:
    """How many living segments carry each tag."""
    kept: tuple[int, dict[str, int]] | None = store.cache.get("segments_count")
    if kept is None or kept[0] != store.generation:
        rows = store.connection.execute(
            "SELECT t.id, COUNT(*) FROM record t JOIN record s ON s.entity='segment' AND s.parent='' AND s.id=t.parent "
            "AND s.deleted=0 WHERE t.entity='segment_tag' GROUP BY t.id"
        )
        kept = (store.generation, dict(rows.fetchall()))
        store.cache["segments_count"] = kept
    for tag in tags:
        tag["segments_count"] = kept[1].get(str(tag["id"]), 0)


@handles("assign_segment_tag")
def assign_segment_tag(call: Call) -> Reply:
    """`POST /segments/{segment_id}/tags`: 422 for an unknown tag, 400 for one that is assigned already."""
    tag_id = int(call.body["tag_id"])
    if not records.exists(call.store, "tag", tag_id):
        raise Refusal(422, "The field tag_id is not valid: no such tag.", "tag_id")
    with call.store.transaction():
        reply = lifecycle.create(call)
        _retag(call.store, call.path["segment_id"])
        return reply


@handles("remove_segment_tag")
def remove_segment_tag(call: Call) -> Reply:
    """`DELETE /segments/{segment_id}/tags/{tag_id}`."""
    with call.store.transaction():
        reply = lifecycle.delete(call)
        _retag(call.store, call.path["segment_id"])
        return reply


@handles("delete_tag")
def delete_tag(call: Call) -> Reply:
    """`DELETE /tags/{tag_id}`: the tag is taken off every segment."""
    with call.store.transaction() as connection:
        reply = lifecycle.delete(call)
        rows = connection.execute(
            "DELETE FROM record WHERE entity='segment_tag' AND id=? RETURNING parent", (call.path["tag_id"],)
        ).fetchall()
        for (segment_id,) in rows:
            _retag(call.store, segment_id)
        return reply


@handles("delete_cdm_tag")
def delete_cdm_tag(call: Call) -> Reply:
    """`DELETE /cdm/tags/{tag_id}`: the tag is taken off every attribute."""
    id = call.path["tag_id"]
    with call.store.transaction() as connection:
        reply = lifecycle.delete(call)
        rows = connection.execute(
            "SELECT id FROM record WHERE entity='attribute' "
            "AND EXISTS (SELECT 1 FROM json_each(body, '$.tags') WHERE CAST(value AS TEXT)=?)",
            (id,),
        ).fetchall()
        for (attribute_id,) in rows:
            attribute = records.get(call.store, "attribute", attribute_id)
            if attribute is not None:
                attribute["tags"] = [tag for tag in attribute["tags"] if str(tag) != id]
                records.update(call.store, "attribute", attribute_id, attribute)
        return reply


def _retag(store: Store, segment_id: str) -> None:
    """Write the ids of a segment's tags, newest first, into its record."""
    segment = records.get(store, "segment", segment_id, deleted=None)
    if segment is not None:
        segment["tags"] = [each["tag_id"] for each in records.all_of(store, "segment_tag", segment_id)]
        records.update(store, "segment", segment_id, segment)


@handles("list_segment_exports")
def list_segment_exports(call: Call) -> Reply:
    """`GET /segments/{segment_id}/exports`: only those to destinations that the role names, if it names some."""
    named = filters.export_destinations(call)
    if named is None:
        return listing.list_records(call)
    marks = ",".join("?" * len(named))
    field = "json_extract(r.body, '$.segment_export_destination_id')"
    return listing.list_records(call, [(f"CAST({field} AS TEXT) IN ({marks})", list(named))])


@handles("get_segment_export")
def get_segment_export(call: Call) -> Reply:
    """`GET /segments/{segment_id}/exports/{export_id}`."""
    export = lifecycle.load(call)
    _check_destination(call, export["segment_export_destination_id"])
    return lifecycle.answer(call, export)


@handles("run_segment_export")
def run_segment_export(call: Call) -> Reply:
    """`POST /segments/{segment_id}/exports`: noted as finished at once; nothing leaves the instance."""
    store = call.store
    destination_id = int(call.body["segment_export_destination_id"])
    _check_destination(call, destination_id)
    destination = records.get(store, "segment_export_destination", destination_id)
    if destination is None:
        raise Refusal(422, "The field segment_export_destination_id is not valid: no such destination.",
                      "segment_export_destination_id")  # fmt: skip
    segment = records.get(store, "segment", call.path["segment_id"])
    assert segment is not None
    now = store.clock()
    given = {
        "settings": {"conditions_operation": (segment.get("settings") or {}).get("conditions_operation", {})},
        "status": finished(),
        "stats": statuses(now),
        "file_download_token": secrets.token_urlsafe(24),
    }
    if "name" not in call.body:
        given["name"] = f"{segment['name']} → {destination['name']}"
    with store.transaction():
        record = lifecycle.make(call, call.body, given)
        for entity, exported in (("segment", segment), ("segment_export_destination", destination)):
            exported["last_export"] = record["created"]
            records.update(store, entity, exported["id"], exported)
    return lifecycle.answer(call, record)


def _check_destination(call: Call, destination_id: int) -> None:
    named = filters.export_destinations(call)
    if named is not None and str(destination_id) not in named:
        raise access.forbidden()
