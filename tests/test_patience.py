"""Targets that take their time: events that come in bursts, uploads in states that no page tells of, customers that the
search takes in one by one. Nothing of that is a finding, and what is lost is one all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdp.verdicts import Verdict
from contracts import ingestion
from instance.faults import FAULTS
from instance.faults.events import BATCH, UPLOAD, rows, storing
from instance.faults.events import told as stated
from instance.faults.model import Alteration, Answer, Request, World, records_of, refusal, with_records
from instance.faults.search import SEARCH, text
from tests.broken_server import BrokenServer
from tests.odd_targets import behind, results_on, told

BURST_S = 1.2  # longer than the suite is patient after an event that came at once
UPLOADS = tuple(f"{requirement}/{UPLOAD}" for requirement in ("EVENT-02", "EVENT-04", "EVENT-05"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("patience"))
    yield running
    running.stop()


def asks(request: Request, *operations: str) -> bool:
    return request.operation is not None and request.operation.id in operations


def in_bursts(alter: Alteration) -> Alteration:
    """Events are shown from the next burst on; those of the first batch at once."""

    async def late(request: Request, world: World) -> Answer:
        sent = world.memory.setdefault("sent", {})
        now = time.monotonic()
        if asks(request, BATCH) and request.method == "POST":
            shown = now // BURST_S * BURST_S + BURST_S if sent else now
            for row in rows(request):
                if isinstance(row, dict):
                    sent.setdefault(str(row.get("user_identifier")), shown)
            return await alter(request, world)
        answer = await world.forward(request)
        if not answer.ok or not asks(request, "list_customer_events", "list_debugger_events"):
            return answer
        found = [r for r in records_of(request, answer) if sent.get(r["user_identifier"], 0) <= now]
        return with_records(request, answer, found)

    return late


@pytest.mark.parametrize("lossy", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_events_that_come_in_bursts_are_waited_for_and_lost_ones_are_found(
    server: BrokenServer, tmp_path: Path, lossy: bool
) -> None:
    losing = storing(lambda found: found[:-1] if len(found) > 3 else found)
    with behind(server, in_bursts(losing if lossy else lambda r, w: w.forward(r))) as target:
        found = results_on(target, tmp_path, f"EVENT-02/{BATCH}")
    result = found[f"EVENT-02/{BATCH}"]
    assert result.verdict is (Verdict.WARN if lossy else Verdict.PASS), told(found)
    assert not lossy or ("events are missing" in result.sentence and "intermittent" not in result.sentence)


async def choosy(request: Request, world: World) -> Answer:
    """Takes no more than a thousand events at once, and none from before 1970 or from the far future; the debugger
    shows the last event alone."""
    sent = rows(request) if asks(request, BATCH) else []
    far = any(isinstance(row, dict) and not "1970" <= str(row.get("event_time", "2024")) < "2030" for row in sent)
    if len(sent) > 1000 or far:
        return refusal(413 if len(sent) > 1000 else 422, "not here")
    answer = await world.forward(request)
    if answer.ok and asks(request, "list_debugger_events"):
        return with_records(request, answer, records_of(request, answer)[:1])
    return answer


def test_what_no_page_promises_to_take_may_be_refused(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, choosy) as target:
        found = results_on(target, tmp_path, f"EVENT-02/{BATCH}", profile="release")
    assert found[f"EVENT-02/{BATCH}"].verdict is Verdict.PASS, told(found)


def test_patience_never_becomes_less(monkeypatch: pytest.MonkeyPatch) -> None:
    events = ingestion.Events.__new__(ingestion.Events)
    events.longest_s, events._slowest_s, events._missing = 60.0, 4.0, False
    monkeypatch.setattr(ingestion, "look_until", lambda seen, longest_s: seen())
    monkeypatch.setattr(ingestion.Events, "_see_another", lambda self, shows: None)
    assert events.patience_s == 12
    assert not events.comes(lambda: False)
    assert events.patience_s < 1, "in the same check nothing else is waited for at length"
    events.begin()
    assert events.patience_s == 12


def states(**names: str) -> Alteration:
    """Other words for the states of an upload."""
    return stated(lambda record: {**record, "status": names.get(record["status"], record["status"])})


def test_states_that_no_page_tells_of_are_no_finding(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, states(finished="done", error="failed", running="processing")) as target:
        found = results_on(replace(target, timeout_s=1), tmp_path, *UPLOADS)
    assert {r.verdict for r in found.values()} == {Verdict.SKIP}, told(found)
    assert "'done', which no page tells of" in found[f"EVENT-04/{UPLOAD}"].sentence


@pytest.mark.slow
@pytest.mark.parametrize(("shown", "verdict"), [(True, Verdict.WARN), (False, Verdict.SKIP)])
def test_an_upload_that_stays_open_is_one_only_where_its_rows_are_there(
    server: BrokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: bool, verdict: Verdict
) -> None:
    monkeypatch.setattr(ingestion, "LONGEST_S", 1.5)
    never_ending = FAULTS["upload-never-ends"].alter

    async def alter(request: Request, world: World) -> Answer:
        answer = await never_ending(request, world)
        hides = not shown and answer.ok and asks(request, "list_customer_events", "list_debugger_events")
        return with_records(request, answer, []) if hides else answer

    with behind(server, alter) as target:
        found = results_on(replace(target, timeout_s=1), tmp_path, *UPLOADS)
    assert found[f"EVENT-04/{UPLOAD}"].verdict is verdict, told(found)
    assert not shown or "can be read, and the upload is still 'running'" in found[f"EVENT-04/{UPLOAD}"].sentence
    assert {found[f"EVENT-0{number}/{UPLOAD}"].verdict for number in (2, 5)} == {Verdict.SKIP}, told(found)


def test_what_is_not_defined_is_not_sent(server: BrokenServer, tmp_path: Path) -> None:
    kinds: set[Any] = set()

    async def watching(request: Request, world: World) -> Answer:
        kinds.update(
            (r.get("source_id"), r.get("type"), r.get("version")) for r in rows(request) if isinstance(r, dict)
        )
        return await world.forward(request)

    with behind(server, watching) as target:
        found = results_on(target, tmp_path, f"EVENT-03/{BATCH}")
    assert found[f"EVENT-03/{BATCH}"].verdict is Verdict.PASS, told(found)
    assert len(kinds) == 1


# --- search -----------------------------------------------------------------------------------------------------------


def test_customers_that_the_search_takes_in_one_by_one_are_waited_for(server: BrokenServer, tmp_path: Path) -> None:
    async def one_by_one(request: Request, world: World) -> Answer:
        came, now = world.memory.setdefault("came", {}), time.monotonic()
        for number, row in enumerate(rows(request)):
            came.setdefault(row["user_identifier"], now + (1.5 if number % 3 == 1 else 0))
        answer = await world.forward(request)
        if not asks(request, SEARCH) or not answer.ok or came.get(text(request), 0) <= now:
            return answer
        return with_records(request, answer, [])

    with behind(server, one_by_one) as target:
        found = results_on(target, tmp_path, f"SEARCH-03/{SEARCH}")
    assert found[f"SEARCH-03/{SEARCH}"].verdict is Verdict.PASS, told(found)


@pytest.mark.parametrize(("told_apart", "verdict"), [(False, Verdict.SKIP), (True, Verdict.WARN)])
def test_rows_that_do_not_tell_whose_value_they_are_may_be_alike(
    server: BrokenServer, tmp_path: Path, told_apart: bool, verdict: Verdict
) -> None:
    async def twice(request: Request, world: World) -> Answer:
        asked = request.asking(limit=None, offset=None)
        answer = await world.forward(request)
        if not asks(request, SEARCH) or not answer.ok:
            return answer
        whole = await world.forward(asked.asking(limit=1000))
        shown = [{n: v for n, v in r.items() if told_apart or n != "attribute_id"} for r in records_of(request, whole)]
        start, limit = request.number("offset", 0), request.number("limit", 20)
        return with_records(request, answer, [r for row in shown for r in (row, row)][start : start + limit])

    with behind(server, twice) as target:
        found = results_on(target, tmp_path, f"SEARCH-04/{SEARCH}")
    assert found[f"SEARCH-04/{SEARCH}"].verdict is verdict, told(found)


def test_texts_that_are_searched_have_an_end(server: BrokenServer, tmp_path: Path) -> None:
    longest = 0

    async def with_long_values(request: Request, world: World) -> Answer:
        nonlocal longest
        longest = max(longest, len(text(request)))
        answer = await world.forward(request)
        if not asks(request, "list_customer_attributes") or not answer.ok:
            return answer
        found = [{**r, "value": str(r.get("value")) + "x" * 300} for r in records_of(request, answer)]
        return with_records(request, answer, found)

    with behind(server, with_long_values) as target:
        found = results_on(target, tmp_path, f"SEARCH-01/{SEARCH}", f"SEARCH-03/{SEARCH}")
    assert found[f"SEARCH-01/{SEARCH}"].verdict is Verdict.SKIP, told(found)
    assert longest <= 130
