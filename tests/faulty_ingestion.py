"""A proxy in front of an instance that does wrong by events in one way, and notes which ones it did wrong by."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from load.marks import MARK

BATCHES, UPLOADS = "/api/customer_events/", "/api/customer_events/async"
Event = dict[str, Any]


@dataclass
class Reply:
    """An answer; status 0: the connection is closed instead."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def with_json(self, value: Any) -> Reply:
        return Reply(self.status, json.dumps(value).encode(), self.media_type)


@dataclass
class Request:
    """A request, and the instance that it is meant for."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    origin: str

    def forward(self, body: bytes | None = None) -> Reply:
        """Send it on, with this body instead of its own; what the instance answers."""
        parts = urlsplit(self.origin)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        try:
            headers = {
                n: v for n, v in self.headers.items() if n.lower() not in ("host", "content-length", "connection")
            }
            connection.request(self.method, self.target, self.body if body is None else body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
        finally:
            connection.close()

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def events(self) -> list[Event]:
        """The events of a batch."""
        found: list[Event] = json.loads(self.body)["customer_events"]
        return found

    def forward_events(self, events: list[Event]) -> list[Event]:
        """Let the instance store these events; the records that it answers with."""
        reply = self.forward(json.dumps({"customer_events": events}).encode())
        assert reply.status == 201, reply.body
        records: list[Event] = reply.json["customer_events"]
        return records


def answered(records: list[Event]) -> Reply:
    """The answer of a faithful instance to a batch."""
    body = {"count": len(records), "customer_events": records}
    return Reply(201, json.dumps(body).encode())


def made_up(event: Event) -> Event:
    """The record that an instance would answer with if it had stored an event."""
    payload = event["payload"] if isinstance(event["payload"], str) else json.dumps(event["payload"])
    ids = {"id": uuid4().hex, "event_id": str(uuid4()), "created": "2026-01-01 00:00:00.000000"}
    return {**event, "payload": payload, **ids}


def mark_of(event: Event) -> str:
    payload = event["payload"]
    return str((json.loads(payload) if isinstance(payload, str) else payload)[MARK])


@dataclass
class Fault:
    """Faithful as it stands. `every`: one event in so many is done wrong by; `marks`: which ones were."""

    every: int = 7
    marks: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    seen: int = 0
    of_reading = False  # whether it does wrong in what it shows

    def answer(self, request: Request) -> Reply:
        with self.lock:
            if request.method == "POST" and request.path == BATCHES:
                return self.batch(request)
            if request.method == "POST" and request.path == UPLOADS:
                return self.upload(request)
        return self.read(request)

    def batch(self, request: Request) -> Reply:
        return request.forward()

    def upload(self, request: Request) -> Reply:
        return request.forward()

    def read(self, request: Request) -> Reply:
        return request.forward()

    def due(self) -> bool:
        """Whether the next event is one to do wrong by."""
        self.seen += 1
        return self.seen % self.every == 0

    def chosen(self, events: list[Event]) -> list[int]:
        """Places of the events to do wrong by; they are noted."""
        places = [place for place, _ in enumerate(events) if self.due()]
        self.marks += [mark_of(events[place]) for place in places]
        return places


class Losing(Fault):
    """Acknowledges events and does not store them."""

    def batch(self, request: Request) -> Reply:
        events = request.events
        lost = set(self.chosen(events))
        kept = [event for place, event in enumerate(events) if place not in lost]
        records = iter(request.forward_events(kept) if kept else [])
        return answered([made_up(e) if place in lost else next(records) for place, e in enumerate(events)])


class Doubling(Fault):
    """Stores events twice."""

    def batch(self, request: Request) -> Reply:
        events = request.events
        records = request.forward_events([*events, *(events[place] for place in self.chosen(events))])
        return answered(records[: len(events)])


class Repeating(Fault):
    """Stores events a second time, after all of their batch."""

    def batch(self, request: Request) -> Reply:
        events = request.events
        reply = request.forward()
        again = [events[place] for place in self.chosen(events)]
        if again:
            request.forward_events(again)
        return reply


class Cutting(Fault):
    """Stores events without the end of a text in their payload."""

    def batch(self, request: Request) -> Reply:
        events = request.events
        changed = [dict(event) for event in events]
        for place in self.chosen(events):
            payload = changed[place]["payload"]
            changed[place]["payload"] = {**payload, "text": payload["text"][:-3]}
        request.forward_events(changed)
        return answered([made_up(event) for event in events])


@dataclass
class Remarking(Fault):
    """Stores events whose mark ends in another character: `next_digit` makes it the mark of another event."""

    next_digit: bool = False

    def batch(self, request: Request) -> Reply:
        events = request.events
        changed = [dict(event) for event in events]
        for place in self.chosen(events):
            payload = changed[place]["payload"]
            mark = payload[MARK]
            last = str((int(mark[-1]) + 1) % 10) if self.next_digit else "x"
            changed[place]["payload"] = {**payload, MARK: mark[:-1] + last}
        request.forward_events(changed)
        return answered([made_up(event) for event in events])


@dataclass
class Tearing(Fault):
    """Shows payloads that end in the middle, so that they are no JSON; `kept`: how many characters are left."""

    kept: int = 60
    of_reading = True

    def read(self, request: Request) -> Reply:
        reply = request.forward()
        if "/events" not in request.path or reply.status != 200:
            return reply
        body = reply.json
        with self.lock:
            for row in body.get("customer_events", ()):
                number = row["payload"].rpartition('"cdp_mark":"cdp-')[2].partition('"')[0].rpartition("-")[2]
                if number.isdecimal() and int(number) % self.every == 0:
                    mark = mark_of(row)
                    self.marks += [mark] if mark not in self.marks else []
                    row["payload"] = row["payload"][: self.kept]
        return reply.with_json(body)


@dataclass
class Showing(Fault):
    """Does wrong in the lists of single customers: leaves events out (`how` hiding), shows them with somebody else, too
    (moving; not with their own then), shows them twice (doubling), or leaves out a field of every event (without)."""

    how: str = "hiding"
    guests: dict[str, tuple[str, Event]] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    of_reading = True

    def read(self, request: Request) -> Reply:
        reply = request.forward()
        if "/customers/" not in request.path or not request.path.endswith("/events") or reply.status != 200:
            return reply
        body, shown = reply.json, []
        customer = request.path.split("/")[3]
        with self.lock:
            if self.how == "moving":
                for mark, (home, row) in self.guests.items():
                    if home != customer and self.hosts.setdefault(mark, customer) == customer:
                        shown.append(row)
            for row in body["customer_events"]:
                if self.how == "without":
                    shown.append({name: value for name, value in row.items() if name != "version"})
                elif self._concerned(row):
                    self.guests[mark_of(row)] = customer, row
                    shown += [row, row] if self.how == "doubling" else []
                else:
                    shown.append(row)
        return reply.with_json({**body, "customer_events": shown})

    def _concerned(self, row: Event) -> bool:
        number = row["payload"].rpartition('"cdp_mark":"cdp-')[2].partition('"')[0].rpartition("-")[2]
        if not number.isdecimal() or int(number) % self.every:
            return False
        mark = mark_of(row)
        self.marks += [mark] if mark not in self.marks else []
        return True


class Sparing(Fault):
    """Gives 25 records of a list at a time at most, whatever is asked: no fault of the target's."""

    of_reading = True

    def read(self, request: Request) -> Reply:
        path, _, query = request.target.partition("?")
        asked = [f"limit={min(25, int(each[6:]))}" if each.startswith("limit=") else each for each in query.split("&")]
        return replace(request, target=f"{path}?{'&'.join(asked)}").forward()


class Misgiving(Fault):
    """Stores events for another customer than they were sent for."""

    other = "somebody else entirely"

    def batch(self, request: Request) -> Reply:
        events = request.events
        changed = [dict(event) for event in events]
        for place in self.chosen(events):
            changed[place]["user_identifier"] = self.other
        request.forward_events(changed)
        return answered([made_up(event) for event in events])


@dataclass
class Behind(Fault):
    """Acknowledges batches first and stores them `delay_s` later; `dying_at`: when it has taken in so many batches, it
    loses what it has not stored, as after kill -9."""

    delay_s: float = 0.5
    dying_at: int = 0
    waiting: list[threading.Timer] = field(default_factory=list)
    pending: list[list[Event]] = field(default_factory=list)
    batches: int = 0

    def batch(self, request: Request) -> Reply:
        events = request.events
        self.batches += 1
        self.pending.append(events)
        timer = threading.Timer(self.delay_s, self._store, [request, events])
        timer.daemon = True
        self.waiting.append(timer)
        timer.start()
        if self.batches == self.dying_at:
            self._die()
        return answered([made_up(event) for event in events])

    def _store(self, request: Request, events: list[Event]) -> None:
        with self.lock:
            if events in self.pending:
                self.pending.remove(events)
                request.forward_events(events)

    def _die(self) -> None:
        for timer in self.waiting:
            timer.cancel()
        self.marks += [mark_of(event) for events in self.pending for event in events]
        self.pending.clear()


class Reversing(Fault):
    """Stores the events of one batch in the order opposite to the one sent, one after the other."""

    def batch(self, request: Request) -> Reply:
        records = [request.forward_events([event])[0] for event in reversed(request.events)]
        return answered(records[::-1])


@dataclass
class Answering(Fault):
    """Stores one batch in `every`, and answers with another status than it should; 0 closes the connection."""

    status: int = 500

    def batch(self, request: Request) -> Reply:
        if not self.due():
            return request.forward()
        request.forward()
        self.marks += [mark_of(event) for event in request.events]
        return Reply(self.status, b'{"message": "no"}')


@dataclass
class Uploading(Fault):
    """Does wrong by uploads: loses every row that is due, and says that all are there; `failing`: stores all, and says
    that the upload ended in an error."""

    failing: bool = False
    rows: dict[str, int] = field(default_factory=dict)

    def upload(self, request: Request) -> Reply:
        table = list(csv.reader(io.StringIO(gzip.decompress(request.body).decode(), newline="")))
        marks = [str(json.loads(row[-1])[MARK]) for row in table]
        if self.failing:
            self.marks += marks
            kept = table
        else:
            kept = [row for row in table if not self.due()]
            self.marks += [mark for mark, row in zip(marks, table, strict=True) if row not in kept]
        text = io.StringIO()
        csv.writer(text).writerows(kept)
        reply = request.forward(gzip.compress(text.getvalue().encode()))
        self.rows[reply.json["id"]] = len(table)
        return self._told(reply)

    def read(self, request: Request) -> Reply:
        reply = request.forward()
        return self._told(reply) if request.path.startswith(UPLOADS) else reply

    def _told(self, reply: Reply) -> Reply:
        body = reply.json
        if body.get("status") == "finished":
            body["count"] = self.rows[body["id"]]
            if self.failing:
                body |= {"status": "error", "count": None, "message": "Internal error"}
        return reply.with_json(body)


@contextmanager
def in_front_of(origin: str, fault: Fault) -> Iterator[str]:
    """Serve a fault in front of an instance; the origin to talk to."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers.items()), body, origin)
            reply = fault.answer(request)
            if not reply.status:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.media_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_request

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
