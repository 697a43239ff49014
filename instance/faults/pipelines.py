"""Bugs of pipelines: what a search engine makes of a text, and what happens to events between the door and the place
where they can be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from instance.faults import fitting
from instance.faults.events import BATCH, STATE, UPLOAD, event, rows
from instance.faults.habits import payloads
from instance.faults.model import Answer, Request, World, breaks, broken, records_of, with_records
from instance.faults.search import SEARCH, searching
from instance.faults.side_ways import NOBODY

READ = "list_customer_events"
DEBUGGER = "list_debugger_events"

# --- SEARCH ---------------------------------------------------------------------------------------------------------

broken(
    "three-letters-find-nobody",
    "a text of three characters finds nobody: words of fewer than four are not indexed",
    SEARCH,
    "SEARCH-01",
    searching(lambda t: NOBODY if len(t) == 3 else t),
    also="SEARCH-03 SEARCH-04 PAGE-01 PAGE-02 PAGE-04 PAGE-10",
    fits=fitting.only(SEARCH),
    profile="release",
    source="MySQL manual, Fine-Tuning Full-Text Search: ft_min_word_len",
)
broken(
    "colon-names-a-field",
    "a word before a colon names the field to search in, and is no part of the text",
    SEARCH,
    "SEARCH-03",
    searching(lambda t: re.sub(r"^\w+:(?=\S{3})", "", t)),
    also="SEARCH-01 SEARCH-02",
    fits=fitting.only(SEARCH),
    profile="release",
    source="Elasticsearch manual, Query string query: field names",
)

# --- EVENT: batches -------------------------------------------------------------------------------------------------


def nested(value: Any) -> Any:
    """An object in which dots in keys part levels."""
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, inner in value.items():
        *outer, last = name.split(".") if all(name.split(".")) else [name]
        place = found
        for part in outer:
            place = place[part] if isinstance(place.get(part), dict) else place.setdefault(part, {})
            if not isinstance(place, dict):
                return value
        place[last] = inner
    return found


def with_levels(found: list[Any]) -> list[Any]:
    inner = payloads(nested)(found)
    return [{**row, "payload": nested(row.get("payload"))} for row in inner]


event(
    "dotted-keys-nested",
    "dots in the keys of a payload part levels, as in Elasticsearch",
    with_levels,
    "release",
)


def an_hour_on(text: Any) -> Any:
    """A time between April and September an hour later."""
    try:
        moment = datetime.fromisoformat(str(text)[:19])
    except ValueError:
        return text
    later = moment + timedelta(hours=1)
    return f"{later:%Y-%m-%d %H:%M:%S}" if 4 <= moment.month <= 9 else text


event(
    "summer-times-shifted",
    "events of the summer are stored an hour later: their times are taken for local ones",
    lambda found: [{**row, "event_time": an_hour_on(row.get("event_time"))} for row in found],
)

# --- EVENT: uploads -------------------------------------------------------------------------------------------------


def keys_of_rows(body: bytes) -> set[tuple[str, str]]:
    """Customer and moment of every row of an upload."""
    try:
        table = list(csv.reader(io.StringIO(gzip.decompress(body).decode(), newline="")))
    except (OSError, EOFError, UnicodeDecodeError):
        return set()
    return {(row[3], row[4].replace("T", " ")[:19]) for row in table if len(row) == 6}


@breaks(
    "finished-before-stored",
    "an upload is told as finished a second before its rows can be read",
    UPLOAD,
    "EVENT-04",
    also="EVENT-02",
    through=f"{STATE} {READ}",
    fits=fitting.only(UPLOAD),
    profile="release",
)
async def finished_before_stored(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    hidden = world.memory.setdefault("hidden", {})
    asked = request.operation.id if request.operation else ""
    if not answer.ok:
        return answer
    if asked == UPLOAD:
        hidden[answer.json["id"]] = [None, keys_of_rows(request.body)]
    elif asked == STATE and answer.json["status"] == "finished":
        told = hidden.get(answer.json["id"], [0.0])
        told[0] = told[0] or time.monotonic()
    elif asked == READ:
        rows = {key for at, keys in hidden.values() if at is None or time.monotonic() - at < 1.0 for key in keys}
        found = [x for x in records_of(request, answer) if (x["user_identifier"], x["event_time"]) not in rows]
        return with_records(request, answer, found)
    return answer


@breaks(
    "plain-csv-taken",
    "an upload that is not packed is packed on its way in, and taken",
    UPLOAD,
    "EVENT-05",
    fits=fitting.only(UPLOAD),
    source="CWE-354 Improper Validation of Integrity Check Value; gateways that pack and unpack bodies",
)
async def plain_csv_taken(request: Request, world: World) -> Answer:
    packed = request.operation is None or not request.body or request.body[:2] == b"\x1f\x8b"
    return await world.forward(request if packed else replace(request, body=gzip.compress(request.body, mtime=0)))


@breaks(
    "state-of-the-latest-upload",
    "whichever upload is asked for, the state of the latest one is told",
    UPLOAD,
    "EVENT-05",
    also="EVENT-04",
    through=STATE,
    fits=fitting.only(UPLOAD),
)
async def state_of_the_latest(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or request.operation is None:
        return answer
    if request.operation.id == UPLOAD:
        world.memory["latest"] = answer.json["id"]
        return answer
    asked, latest = answer.json["id"], world.memory.get("latest", answer.json["id"])
    other = (
        answer if latest == asked else await world.forward(replace(request, path=request.path.replace(asked, latest)))
    )
    return answer.showing({**other.json, "id": asked}) if other.ok else answer


# --- EVENT: what is seen of events elsewhere ------------------------------------------------------------------------


@breaks(
    "debugger-cuts-payloads",
    "the debugger shows of a payload what comes first",
    BATCH,
    "EVENT-02",
    also="SHAPE-01 SHAPE-03",
    through=DEBUGGER,
    fits=fitting.only(BATCH),
)
async def debugger_cuts_payloads(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or request.operation is None or request.operation.id != DEBUGGER:
        return answer
    return with_records(
        request, answer, [{**x, "payload": first_of(x["payload"])} for x in records_of(request, answer)]
    )


def first_of(payload: str) -> str:
    return json.dumps(dict(list(json.loads(payload).items())[:1]), ensure_ascii=False)


@breaks(
    "debugger-shows-twice",
    "the debugger shows events that have just come twice: from the queue, and from the store",
    BATCH,
    "EVENT-02",
    through=DEBUGGER,
    fits=fitting.only(BATCH),
)
async def debugger_shows_twice(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or request.operation is None:
        return answer
    if request.operation.id != DEBUGGER:
        world.memory["queued"] = {x["id"] for x in answer.json["customer_events"][:5]}
        return answer
    queued = world.memory.get("queued", set())
    return with_records(
        request, answer, [x for r in records_of(request, answer) for x in [r] * (1 + (r["id"] in queued))]
    )


# --- EVENT: batches -------------------------------------------------------------------------------------------------


@breaks(
    "null-is-a-name",
    "null as an identifier is the customer of that name",
    BATCH,
    "EVENT-03",
    also="CODE-05",
    fits=fitting.only(BATCH),
)
async def null_is_a_name(request: Request, world: World) -> Answer:
    found = rows(request)
    nobody = [isinstance(row, dict) and row.get("user_identifier", "") is None for row in found]
    if not any(nobody):
        return await world.forward(request)
    named = [{**row, "user_identifier": "null"} if none else row for row, none in zip(found, nobody, strict=True)]
    return await world.forward(request.with_body({**request.json, "customer_events": named}))
