"""What is the run's own and comes late: events of an upload while a refused one is looked at, records in their lists,
and events with their times in another form."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdp.contract import load_contract
from cdp.texts import same_time
from cdp.verdicts import Verdict
from contracts.calls import Call
from contracts.observing import own_marks, sent_by
from tests.awkward_server import AwkwardServers
from tests.odd_server import Answered, Asked, Forward, Mouth, judged

CONTRACT = load_contract()
LATE: set[int] = set()  # reports that are not listed yet
UPLOAD, EVENTS = "upload_customer_events_async", "/debugger/events"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("late"))


def test_what_an_earlier_upload_brings_is_no_change_by_a_refused_one(servers: AwkwardServers, tmp_path: Path) -> None:
    late = 0

    async def speak(asked: Asked, forward: Forward) -> Answered:
        nonlocal late
        status, body = await forward()
        if asked.method == "POST" and asked.path == "/customer_events/async":
            late += status in (401, 403)  # what was taken in before comes to its end with each refused one
        if asked.path == EVENTS and status == 200:
            name = next(n for n, v in body.items() if isinstance(v, list))
            rows = body[name]
            own = [r for r in rows if "cdp" in str(r.get("user_identifier"))]
            hidden = own[: max(0, len(own) - late)]
            body[name] = [r for r in rows if r not in hidden]
        return status, body

    with servers.serving("extra_headers", wrap=lambda app: Mouth(app, speak)) as served:
        results = judged(served, CONTRACT, tmp_path, [UPLOAD], ["AUTH-05", "ROLE-05"])
    assert late and {r.verdict for r in results.values()} == {Verdict.PASS}, results


def test_events_are_known_by_the_identifiers_that_a_call_sends() -> None:
    table = gzip.compress(b'1,buy,1.0,cdp-1 user 7,2024-01-01 10:00:00,"{}"\n' * 50)
    rows = [{"user_identifier": "cdp-1 user 7"}, {"user_identifier": "cdp-1 user 8"}, {"payload": "cdp-1"}]
    upload = Call(CONTRACT.operations[UPLOAD])
    for body in (table, table[:-4]):  # cut at its end, too
        bears = sent_by(upload.sending_raw(body, "application/octet-stream"), lambda r: True)
        assert [bears(row) for row in rows] == [True, False, True]
    unreadable = sent_by(upload.sending_raw(b"", "application/octet-stream"), lambda r: True)
    assert all(map(unreadable, rows))


def test_records_are_known_by_the_texts_that_a_call_sends() -> None:
    report = Call(CONTRACT.operations["create_report"]).sending({"name": "cdp-1 name 7", "url": "https://a.example"})
    rows = [{"id": 1, "name": "cdp-1 name 7"}, {"id": 2, "name": "cdp-1 name 8"}, {"id": 3, "name": "theirs"}]
    for call in (report, report.sending_raw(b"name=cdp-1+name+7", "application/x-www-form-urlencoded")):
        assert [sent_by(call, own_marks("cdp-1"))(row) for row in rows] == [True, False, False]
    unmarked = sent_by(report.sending({"url": "https://a.example"}), own_marks("cdp-1"))
    assert [unmarked(row) for row in rows] == [True, True, False]


async def listed_late(asked: Asked, forward: Forward) -> Answered:
    """New records are in their list a while later: behind the next write that is refused."""
    status, body = await forward()
    if asked.method == "POST" and asked.path.endswith("/reports"):
        if status != 201:
            LATE.clear()
        elif isinstance(body, dict):
            LATE.add(body["report"]["id"])
    if asked.method == "GET" and isinstance(body, dict) and "reports" in body:
        body["reports"] = [r for r in body["reports"] if r["id"] not in LATE]
    return status, body


def test_records_that_are_listed_late_are_not_what_was_refused(servers: AwkwardServers, tmp_path: Path) -> None:
    with servers.serving("extra_headers", wrap=lambda app: Mouth(app, listed_late)) as served:
        results = judged(served, CONTRACT, tmp_path, ["create_report"], ["AUTH-05", "ROLE-05", "MEDIA-03", "MEDIA-04"])
    assert {r.verdict for r in results.values()} <= {Verdict.PASS, Verdict.SKIP}, results


# --- times without a zone ---------------------------------------------------------------------------------------------


def zoned(shift_s: int = 0) -> Callable[[Asked, Forward], Awaitable[Answered]]:
    """Times of events come back with the offset of some zone, by the clock that was sent, or another one."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        status, body = await forward()
        for rows in body.values() if isinstance(body, dict) else ():
            for row in rows if isinstance(rows, list) else ():
                if isinstance(row, dict) and isinstance(row.get("event_time"), str):
                    clock = datetime.fromisoformat(row["event_time"]) + timedelta(seconds=shift_s)
                    row["event_time"] = f"{clock.replace(tzinfo=None).isoformat()}+02:00"
        return status, body

    return speak


@pytest.mark.parametrize(("shift_s", "verdict"), [(0, Verdict.PASS), (3600, Verdict.WARN)])
def test_a_time_without_a_zone_may_come_back_in_any(
    servers: AwkwardServers, tmp_path: Path, shift_s: int, verdict: Verdict
) -> None:
    with servers.serving("extra_headers", wrap=lambda app: Mouth(app, zoned(shift_s))) as served:
        results = judged(served, CONTRACT, tmp_path, ["create_customer_events"], ["EVENT-01", "EVENT-02"])
    assert {r.verdict for r in results.values()} == {verdict}, results


@pytest.mark.parametrize(
    ("sent", "got", "alike"),
    [
        ("2024-01-01 10:00:00", "2024-01-01T10:00:00+02:00", True),
        ("2024-01-01 10:00:00", "2024-01-01T12:00:00+02:00", True),  # the same moment, if it was of UTC
        ("2024-01-01 10:00:00", "2024-01-01T11:00:00+02:00", False),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00+02:00", False),
        ("2024-01-01T10:00:00Z", "2024-01-01T12:00:00+02:00", True),
        ("2024-01-01 10:00:00", None, False),
        ("text", "text", False),
    ],
)
def test_what_is_the_time_that_was_sent(sent: Any, got: Any, alike: bool) -> None:
    assert same_time(sent, got) is alike
