"""ORDER-04: lists are sorted with records of the run's own in them, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.verdicts import Verdict
from instance.faults.model import Answer, Request, World, records_of, refusal, with_records
from tests.broken_server import BrokenServer
from tests.odd_targets import odd, worst_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("sorted"))
    yield running
    running.stop()


async def nothing_is_left_out(request: Request, world: World) -> Answer:
    """Sorted by the description the list leaves out what has none."""
    answer = await world.forward(request)
    if not answer.ok or request.get("order_by") != "description":
        return answer
    return with_records(request, answer, [r for r in records_of(request, answer) if r["description"]])


async def modified_is_created(request: Request, world: World) -> Answer:
    """modified is sorted by created."""
    return await world.forward(request.asking(order_by="created") if request.get("order_by") == "modified" else request)


async def only_ids(request: Request, world: World) -> Answer:
    """Nothing but the id can be sorted by."""
    return refusal(400) if request.get("order_by") not in (None, "id") else await world.forward(request)


@pytest.mark.parametrize("alter", [nothing_is_left_out, modified_is_created])
def test_what_shows_on_own_records_alone_is_found(server: BrokenServer, tmp_path: Path, alter: object) -> None:
    found = worst_of(server, tmp_path, odd(alter), "ORDER-04", "list_mi_workspaces")  # type: ignore[arg-type]
    assert found.verdict is Verdict.WARN and "sorted by" in found.sentence, found.sentence


def test_columns_may_be_refused(server: BrokenServer, tmp_path: Path) -> None:
    result = worst_of(server, tmp_path, odd(only_ids), "ORDER-04", "list_mi_workspaces")
    assert result.verdict is Verdict.PASS, result.sentence
