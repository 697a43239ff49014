"""What lists do where few look, and what is left open there: filters, pages far behind, cursors, orders, uploads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.contract import load_contract
from cdp.verdicts import Verdict
from contracts.catalogue import load_catalogue
from instance.faults import FAULTS
from instance.faults.habits import unpacked
from instance.faults.model import Answer, Request, World, records_of, refusal, with_records
from tests.broken_server import BrokenServer
from tests.odd_targets import odd, worst_of

CONTRACT, CATALOGUE = load_contract(), load_catalogue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("overlooked"))
    yield running
    running.stop()


FOUND = {
    "embedded-up-to-the-twentieth": "list_tags",
    "offset-ends-at-four-hundred": "list_debugger_events",
    "limit-cut-at-350": "list_debugger_events",
    "cursor-ignored": "list_notifications",
    "cursor-inclusive": "list_notifications",
    "ids-filtered-by-their-text": "list_segments",
    "filter-joins-away": "list_attributes",
    "empty-filter-finds-half": "list_tags",
    "filtered-is-not-sorted": "list_tags",
    "hidden-always-shown": "list_events",
    "shown-are-hidden-instead": "list_attributes",
    "names-indexed-at-creation": "list_tags",
    "sorted-beside-a-limit-only": "list_tags",
    "changed-stays-where-it-was": "list_emails",
    "one-of-each-value-found": "search_customers",
    "line-feeds-end-no-row": "upload_customer_events_async",
    "nothing-below-is-404": "list_segment_notes",
    "long-filter-is-500": "list_tags",
    "deep-body-is-500": "create_tag",
    "post-to-a-record-is-500": "get_tag",
    "created-as-the-administrator": "create_tag",
    "creations-of-others-lost": "create_tag",
    "ended-shares-count-on": "list_segment_users",
    "shares-open-nothing": "list_funnel_group_users",
}
LONG = {
    "names-indexed-at-creation",
    "nothing-below-is-404",
    "ids-filtered-by-their-text",
    "filter-joins-away",
    "changed-stays-where-it-was",
    "offset-ends-at-four-hundred",
    "shown-are-hidden-instead",
    "line-feeds-end-no-row",
    "ended-shares-count-on",
    "long-filter-is-500",
    "creations-of-others-lost",
}


@pytest.mark.parametrize("kind", [pytest.param(k, marks=[pytest.mark.slow] if k in LONG else []) for k in FOUND])
def test_it_is_found(server: BrokenServer, tmp_path: Path, kind: str) -> None:
    fault = FAULTS[kind]
    found = worst_of(server, tmp_path, fault, fault.by[0], FOUND[kind])
    soft = fault.softly or CATALOGUE.requirements[fault.by[0]].level != "MUST"
    assert found.verdict is (Verdict.WARN if soft else Verdict.FAIL), found.sentence


def test_an_empty_filter_may_find_nothing_where_no_client_sends_it(server: BrokenServer, tmp_path: Path) -> None:
    async def nothing(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return with_records(request, answer, []) if answer.ok and request.get("name_filter") == "" else answer

    assert worst_of(server, tmp_path, odd(nothing), "PAGE-10", "list_tags").verdict is Verdict.PASS
    found = worst_of(server, tmp_path, odd(nothing), "PAGE-10", "list_segments")
    assert "beside an empty name_filter 0 records came" in found.sentence


def test_an_empty_filter_may_be_refused(server: BrokenServer, tmp_path: Path) -> None:
    async def refused(request: Request, world: World) -> Answer:
        return refusal(400) if request.get("name_filter") == "" else await world.forward(request)

    assert worst_of(server, tmp_path, odd(refused), "PAGE-10", "list_tags").verdict is Verdict.PASS


def test_an_index_of_names_may_come_late(server: BrokenServer, tmp_path: Path) -> None:
    async def late(request: Request, world: World) -> Answer:
        changed = world.memory.setdefault("changed", {})
        answer = await world.forward(request)
        if request.method == "PATCH" and request.ids:
            changed[request.ids[-1]] = time.monotonic()
        if not answer.ok or not request.get("name_filter") or request.method != "GET":
            return answer
        now = time.monotonic()
        rows: list[Any] = records_of(request, answer)
        return with_records(request, answer, [r for r in rows if now - changed.get(str(r["id"]), -9.0) > 0.7])

    assert worst_of(server, tmp_path, odd(late, "update"), "PAGE-10", "list_tags").verdict is Verdict.PASS


def test_what_is_hidden_with_its_source_is_hidden(server: BrokenServer, tmp_path: Path) -> None:
    async def with_its_source(request: Request, world: World) -> Answer:
        shown = request.get("show_hidden") == "1"
        return await world.forward(request if shown else request.asking(cascade_is_hidden=1))

    assert worst_of(server, tmp_path, odd(with_its_source), "PAGE-10", "list_events").verdict is Verdict.PASS


def test_line_feeds_alone_may_be_refused(server: BrokenServer, tmp_path: Path) -> None:
    damaged = unpacked(lambda table: table if "\r\n" in table else '"')
    result = worst_of(server, tmp_path, odd(damaged), "EVENT-04", "upload_customer_events_async")
    assert result.verdict is Verdict.PASS, result.sentence


def test_a_limit_that_is_told_may_be_lower(server: BrokenServer, tmp_path: Path) -> None:
    async def capped(request: Request, world: World) -> Answer:
        asked = request.number("limit", 20)
        return await world.forward(request.asking(limit=min(asked, 350)))

    result = worst_of(server, tmp_path, odd(capped), "PAGE-02", "search_customers")
    assert result.verdict is Verdict.PASS, result.sentence
