"""Calls that cannot succeed: they tell whether somebody may pass, and change nothing if he may."""

from __future__ import annotations

import uuid
from dataclasses import replace

from contracts.calls import Call
from contracts.subject import Subject


def unknown_id(s: Subject, call: Call) -> Call:
    """The same call about a record that is not there."""
    if not call.operation.path_parameters:
        return call
    parameter = call.operation.path_parameters[-1]
    schema = s.session.contract.resolved(parameter.schema)
    if schema.get("type") == "integer":
        value = "987654321"
    elif schema.get("format") == "uuid" or _is_uuid(call.path.get(parameter.name, "")):
        value = str(uuid.UUID(int=s.number, version=4))
    else:
        value = "cdpnosuchrecord"
    return call.at(**{parameter.name: value})


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return "-" in text


def invalid_body(call: Call) -> Call:
    """The same call with a body that cannot be taken; unchanged where it has none."""
    if call.operation.body_schema is None:
        return call
    if call.operation.body_media_type == "application/json":
        return replace(call.sending([]), sent=None)
    return call.sending_raw(b"", call.media_type)


def harmless(s: Subject) -> Call:
    """A call that tells whether the caller may pass, and changes nothing if he may: unknown id, else invalid body."""
    call = s.call() if s.operation.safety == "read" else s.bench.untouched_call(s.operation)
    if s.operation.safety == "read":
        return call
    changed = unknown_id(s, call)
    return changed if changed.path != call.path else invalid_body(call)
