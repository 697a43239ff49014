"""A search that finds nobody: whether anybody could be found is asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.verdicts import Result, Verdict
from instance.faults.model import Alteration, Answer, Request, World, records_of, with_records
from tests.broken_server import BrokenServer
from tests.odd_targets import behind, results_on

NAME = "SEARCH-01/search_customers"
SAMPLES = ("com", "mail", "ann", "son")  # what the contract has for want of anything better


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("counted"))
    yield running
    running.stop()


def said(server: BrokenServer, directory: Path, alter: Alteration) -> Result:
    with behind(server, alter) as target:
        return results_on(target, directory, NAME)[NAME]


def asked(request: Request) -> str:
    return request.operation.id if request.operation is not None else ""


async def finding_nobody(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return with_records(request, answer, []) if asked(request) == "search_customers" and answer.ok else answer


async def empty(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    nobody = asked(request) in ("search_customers", "list_customers_attribute_values_counts")
    return with_records(request, answer, []) if nobody and answer.ok else answer


async def by_whole_values(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if asked(request) != "search_customers" or not answer.ok:
        return answer
    wanted = (request.get("search_text") or "").casefold()
    kept = [r for r in records_of(request, answer) if str(r["value"]).casefold() == wanted and wanted not in SAMPLES]
    return with_records(request, answer, kept)


def test_nobody_is_found_though_there_is_somebody(server: BrokenServer, tmp_path: Path) -> None:
    result = said(server, tmp_path, finding_nobody)
    assert result.verdict is Verdict.WARN
    assert "nobody is found by any of" in result.sentence


def test_where_there_is_nobody_nothing_is_said(server: BrokenServer, tmp_path: Path) -> None:
    assert said(server, tmp_path, empty).verdict is Verdict.SKIP


def test_a_search_for_whole_values_is_one(server: BrokenServer, tmp_path: Path) -> None:
    result = said(server, tmp_path, by_whole_values)
    assert result.verdict is Verdict.PASS, result.sentence
