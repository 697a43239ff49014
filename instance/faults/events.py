"""Bugs of taking events in (EVENT)."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from instance.faults import fitting
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, json_answer, refusal

BATCH = "create_customer_events"
UPLOAD = "upload_customer_events_async"
STATE = "get_customer_events_async_upload"
Rows = list[Any]


def rows(request: Request) -> Rows:
    body = request.json
    found = body.get("customer_events") if isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def storing(change: Callable[[Rows], Rows]) -> Alteration:
    """Other events are stored than were sent; the answer shows those that were sent."""

    async def alter(request: Request, world: World) -> Answer:
        sent = rows(request)
        if not sent or not all(isinstance(row, dict) for row in sent):
            return await world.forward(request)
        answer = await world.forward(request.with_body({**request.json, "customer_events": change(sent)}))
        if not answer.ok:
            return answer
        listed = answer.json["customer_events"]
        shown = [{**listed[min(n, len(listed) - 1)], **as_shown(row)} for n, row in enumerate(sent)]
        return answer.showing({"count": len(sent), "customer_events": shown})

    return alter


def event(
    name: str, what: str, change: Callable[[Rows], Rows], profile: str = "quick", also: str = "EVENT-01 EVENT-03"
) -> None:
    """A bug of what is stored of a batch."""
    broken(name, what, BATCH, "EVENT-02", storing(change), also=also, fits=fitting.only(BATCH), profile=profile)


def as_shown(row: Any) -> dict[str, Any]:
    payload = row.get("payload")
    return {**row, "payload": payload if isinstance(payload, str) else orjson.dumps(payload).decode()}


def answering(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Alteration:
    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answer.showing(change(answer.json)) if answer.ok else answer

    return alter


# --- EVENT-01 -------------------------------------------------------------------------------------------------------

broken(
    "count-is-one-off",
    "count is one too many",
    BATCH,
    "EVENT-01",
    answering(lambda b: {**b, "count": b["count"] + 1}),
    fits=fitting.only(BATCH),
)
broken(
    "answer-in-other-order",
    "the answer lists the events by customer",
    BATCH,
    "EVENT-01",
    answering(
        lambda b: {**b, "customer_events": sorted(b["customer_events"], key=lambda r: str(r["user_identifier"]))}
    ),
    fits=fitting.only(BATCH),
)
broken(
    "answer-lists-last-only",
    "the answer lists the last event only",
    BATCH,
    "EVENT-01",
    answering(lambda b: {**b, "customer_events": b["customer_events"][-1:]}),
    fits=fitting.only(BATCH),
)

# --- EVENT-02 -------------------------------------------------------------------------------------------------------

broken(
    "last-event-lost",
    "the last event of a larger batch is not stored",
    BATCH,
    "EVENT-02",
    storing(lambda found: found[:-1] if len(found) > 3 else found),
    fits=fitting.only(BATCH),
)
broken(
    "event-stored-twice",
    "an event with an empty payload is stored twice",
    BATCH,
    "EVENT-02",
    storing(lambda found: [r for row in found for r in [row] * (1 + (row.get("payload") == {}))]),
    also="EVENT-01",
    fits=fitting.only(BATCH),
)


def beyond_a_thousand(found: Rows) -> Rows:
    return found[:1000]


event("events-beyond-thousand-lost", "events of a batch behind the thousandth are lost", beyond_a_thousand, "release")


def in_times(change: Callable[[int], int]) -> Callable[[Rows], Rows]:
    """A change to the seconds since 1970 of every event."""

    def moved(row: Any) -> Any:
        try:
            moment = datetime.fromisoformat(row["event_time"]).replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError):
            return row
        changed = datetime.fromtimestamp(change(int(moment.timestamp())), UTC)
        return {**row, "event_time": f"{changed:%Y-%m-%d %H:%M:%S}"}

    return lambda found: [moved(row) for row in found]


event("early-times-are-zero", "moments before 1970 become its first second", in_times(lambda second: max(0, second)))
event(
    "late-times-wrap",
    "moments after January 2038 wrap around to 1901",
    in_times(lambda second: second - 2**32 if second >= 2**31 else second),
)


def in_payload(change: Callable[[Any], Any]) -> Callable[[Rows], Rows]:
    """A change to every value in the payloads."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {n: walk(v) for n, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list) else change(value)

    def changed(found: Rows) -> Rows:
        whole = [isinstance(row, dict) and isinstance(row.get("payload"), dict) for row in found]
        return [{**row, "payload": walk(row["payload"])} if fit else row for row, fit in zip(found, whole, strict=True)]

    return changed


broken(
    "numbers-rounded",
    "large numbers of a payload are rounded",
    BATCH,
    "EVENT-02",
    storing(in_payload(lambda v: int(float(f"{v:.12g}")) if type(v) is int and abs(v) > 10**12 else v)),
    fits=fitting.only(BATCH),
)
broken(
    "nulls-dropped",
    "null in a payload becomes an empty text",
    BATCH,
    "EVENT-02",
    storing(in_payload(lambda v: "" if v is None else v)),
    fits=fitting.only(BATCH),
)
broken(
    "payload-in-latin",
    "letters that Latin-1 lacks become question marks",
    BATCH,
    "EVENT-02",
    storing(in_payload(lambda v: v.encode("latin-1", "replace").decode("latin-1") if isinstance(v, str) else v)),
    fits=fitting.only(BATCH),
)


def rewriting(change: Callable[[list[list[str]]], list[list[str]]]) -> Alteration:
    """Other rows of an upload are stored than were sent."""

    async def alter(request: Request, world: World) -> Answer:
        try:
            table = list(csv.reader(io.StringIO(gzip.decompress(request.body).decode(), newline="")))
        except (OSError, EOFError, UnicodeDecodeError):
            return await world.forward(request)
        text = io.StringIO(newline="")
        csv.writer(text).writerows(change(table))
        body = gzip.compress(text.getvalue().encode(), mtime=0)
        return await world.forward(Request(**{**request.__dict__, "body": body}))

    return alter


broken(
    "row-lost",
    "the last row of a larger upload is lost",
    UPLOAD,
    "EVENT-02 EVENT-04",
    rewriting(lambda table: table[:-1] if len(table) >= 5 else table),
    fits=fitting.only(UPLOAD),
)
broken(
    "rows-beyond-thousand-lost",
    "rows of an upload behind the thousandth are lost",
    UPLOAD,
    "EVENT-02",
    rewriting(beyond_a_thousand),
    also="EVENT-04",
    fits=fitting.only(UPLOAD),
    profile="release",
)
broken(
    "quotes-in-rows-lost",
    "doubled quotes in an upload are taken for none",
    UPLOAD,
    "EVENT-02",
    rewriting(lambda table: [[*row[:-1], row[-1].replace('\\"', "")] for row in table]),
    fits=fitting.only(UPLOAD),
)

# --- EVENT-03 -------------------------------------------------------------------------------------------------------


@breaks(
    "invalid-event-skipped",
    "an invalid event is left out and the others are stored",
    BATCH,
    "EVENT-03",
    also="CODE-05 MEDIA-03 MEDIA-04",
    fits=fitting.only(BATCH),
)
async def invalid_event_skipped(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 422 or len(rows(request)) < 2:
        return answer
    kept = [row for row in rows(request) if await taken(request, world, row)]
    return json_answer(201, {"count": len(kept), "customer_events": [as_shown(row) for row in kept]})


async def taken(request: Request, world: World, row: Any) -> bool:
    """Store one event; whether it was valid."""
    return (await world.forward(request.with_body({"customer_events": [row]}))).ok


@breaks(
    "refused-half-stored",
    "a refused batch leaves the events before the invalid one",
    BATCH,
    "EVENT-03",
    fits=fitting.only(BATCH),
)
async def refused_half_stored(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status in (400, 422) and len(rows(request)) > 1:
        for row in rows(request):
            if not await taken(request, world, row):
                break
    return answer


# --- EVENT-04, EVENT-05 ---------------------------------------------------------------------------------------------


def told(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Alteration:
    """The state of an upload is told otherwise."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        asked = request.operation is not None and request.operation.id == STATE
        return answer.showing(change(answer.json)) if asked and answer.ok else answer

    return alter


broken(
    "upload-told-too-early",
    "an upload counts as finished while it waits",
    UPLOAD,
    "EVENT-04",
    told(lambda record: {**record, "count": 0 if record["status"] == "finished" else record["count"]}),
    through=STATE,
    fits=fitting.only(UPLOAD),
)
broken(
    "valid-upload-fails",
    "a valid upload ends in an error",
    UPLOAD,
    "EVENT-04",
    told(lambda record: {**record, "status": "error" if record["status"] == "finished" else record["status"]}),
    through=STATE,
    also="EVENT-02",
    fits=fitting.only(UPLOAD),
)
broken(
    "broken-upload-finishes",
    "an upload that cannot be taken in counts as finished",
    UPLOAD,
    "EVENT-05",
    told(lambda record: {**record, "status": "finished" if record["status"] == "error" else record["status"]}),
    through=STATE,
    fits=fitting.only(UPLOAD),
)
broken(
    "upload-error-without-message",
    "an upload ends in an error without saying why",
    UPLOAD,
    "EVENT-05",
    told(lambda record: {**record, "message": None}),
    through=STATE,
    fits=fitting.only(UPLOAD),
)


@breaks(
    "damage-unnoticed",
    "an upload that was cut off is taken as far as it goes",
    UPLOAD,
    "EVENT-05",
    fits=fitting.only(UPLOAD),
)
async def damage_unnoticed(request: Request, world: World) -> Answer:
    try:
        gzip.decompress(request.body)
    except EOFError:
        whole = Request(**{**request.__dict__, "body": world.memory.get("whole", b"")})
        return await world.forward(whole)
    except OSError:
        return await world.forward(request)
    world.memory.setdefault("whole", request.body)
    return await world.forward(request)


@breaks(
    "broken-upload-is-500",
    "what is no gzip is a 500",
    UPLOAD,
    "EVENT-05",
    also="CODE-01",
    fits=fitting.only(UPLOAD),
)
async def broken_upload_is_500(request: Request, world: World) -> Answer:
    no_gzip = request.operation is not None and request.method == "POST" and request.body[:2] != b"\x1f\x8b"
    return refusal(500) if no_gzip and b"," in request.body else await world.forward(request)


# --- large batches --------------------------------------------------------------------------------------

broken(
    "events-after-hundred-lost",
    "of a batch the first hundred events are stored",
    BATCH,
    "EVENT-02",
    storing(lambda found: found[:100]),
    also="EVENT-01",
    fits=fitting.only(BATCH),
    profile="release",
)
