"""Calls that cannot succeed: they tell whether somebody may pass, and change nothing if he may."""

from __future__ import annotations

import random
import string
import uuid
from dataclasses import replace

from contracts.calls import Call
from contracts.finding import Unavailable
from contracts.subject import Subject

NO_SUCH, NO_SUCH_NUMBER = "cdpnosuchrecord", "987654321"
_NOT_READ = (400, 415, 422)  # a body
_TELLING = 12  # letters and digits, from which on a drawn text is nobody's id


def touching_call(s: Subject) -> Call:
    """The call that variations are made of: about a record of the run's own where it changes something."""
    return s.call() if s.operation.safety == "read" else s.bench.untouched_call(s.operation)


def unknown_id(s: Subject, call: Call, place: int = -1) -> Call:
    """The same call about a record that is not there, with an id of the form that ids have. `place`: which of the ids
    of its path, the last one as a rule."""
    if not call.operation.path_parameters:
        return call
    parameter = call.operation.path_parameters[place]
    schema = s.session.contract.resolved(parameter.schema)
    if schema.get("type") == "integer":
        value = NO_SUCH_NUMBER
    elif schema.get("format") == "uuid" or _is_uuid(call.path.get(parameter.name, "")):
        value = str(uuid.UUID(int=s.number, version=4))
    else:
        known = call.path.get(parameter.name, "")
        value = like(known, s.random) or (NO_SUCH_NUMBER if known.isdecimal() else NO_SUCH)
    return call.at(**{parameter.name: value})


def like(known: str, rng: random.Random) -> str:
    """A text of the form of a known one, which names nothing; empty where it is too short for that to be sure. Digits
    stay digits, letters letters of the same case; what may be hexadecimal stays so."""
    if sum(c.isalnum() for c in known) < _TELLING:
        return ""
    letters = string.hexdigits if set(known) - set("-_") <= set(string.hexdigits) else string.ascii_letters
    kinds = (string.digits, "".join(filter(str.islower, letters)), "".join(filter(str.isupper, letters)))
    found = "".join(next((rng.choice(kind) for kind in kinds if c in kind), c) for c in known)
    same = sum(a == b for a, b in zip(found, known, strict=True))
    return found if len(known) - same >= _TELLING // 2 else ""


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
    call = touching_call(s)
    if s.operation.safety == "read":
        return call
    changed = unknown_id(s, call)
    return changed if changed.path != call.path else invalid_body(call)


def about_nobody(s: Subject) -> Call | None:
    """For an operation that is not called about the records of others, where there are no other ones: a call about a
    record that is not there, once the run's own token has shown that it leads to the operation, and no further. None
    where a valid call may be made, or that is not seen."""
    key = f"about nobody/{s.operation.id}"
    if key not in s.bench.memory:
        s.bench.memory[key] = _about_nobody(s)
    found: Call | None = s.bench.memory[key]
    return found


def _about_nobody(s: Subject) -> Call | None:
    try:
        call = s.bench.arrangement.kept_call(s.operation)
    except Unavailable:
        return None
    if call is None:
        return None
    for place in range(len(s.operation.path_parameters)):
        call = unknown_id(s, call, place)
    if not s.session.send(call, s.session.admin).gone:
        return None
    # An unknown path gets 404, too. Where the body is read, or the method is known, the path is none.
    invalid = invalid_body(call)
    if invalid != call and s.session.send(invalid, s.session.admin).status in _NOT_READ:
        return call
    other = s.session.send(call, s.session.admin, method="GET" if s.operation.method != "GET" else "DELETE")
    allowed = {word.strip().upper() for word in other.headers.get("Allow", "").split(",")}
    return call if other.status == 405 and s.operation.method in allowed else None
