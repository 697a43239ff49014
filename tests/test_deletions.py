"""What becomes of records after a deletion, over real HTTP: those below the deleted one, the deleted one a while later,
the pages of its list. The kinds of instance/faults are found; what a server is free to do is not taken for a fault."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.verdicts import Verdict
from instance.faults import FAULTS
from instance.faults.life import acting, item, with_item
from instance.faults.model import Alteration, Answer, Request, World, json_answer, refusal
from instance.faults.relations import children_of, counted_children
from tests.broken_server import BrokenServer
from tests.odd_targets import odd
from tests.test_survivors import judged

FOUND = {
    "deleted-comes-back": ["LIFE-04/delete_tag"],
    "deleted-leave-gaps": ["LIFE-04/delete_tag", "LIFE-02/list_tags"],
    "deletion-with-children-is-500": ["LIFE-04/delete_stitching_category"],
    "forbidden-deletion-empties": ["ROLE-05/delete_stitching_category"],
    "below-the-trashed-goes-on": ["CODE-03/list_segment_notes", "CODE-03/get_segment_note"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("deletions"))
    yield running
    running.stop()


@pytest.mark.parametrize("name", FOUND)
def test_it_is_found(server: BrokenServer, tmp_path: Path, name: str) -> None:
    found = judged(server, FAULTS[name], tmp_path, *FOUND[name])[FOUND[name][0]]
    assert found.verdict in (Verdict.WARN, Verdict.FAIL), found.sentence
    assert found.exchange is not None


def is_in_order(server: BrokenServer, directory: Path, alter: Alteration, through: str, *cells: str) -> None:
    found = judged(server, odd(alter, through), directory, *cells)
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, [(n, r.sentence) for n, r in found.items()]


@pytest.mark.slow
def test_what_has_others_below_it_may_stay(server: BrokenServer, tmp_path: Path) -> None:
    refused = []

    async def restricting(request: Request, world: World) -> Answer:
        if acting(request) == "delete" and children_of(request, world) and counted_children(request, world):
            refused.append(request.path)
            return refusal(409, "It is not empty.")
        return await world.forward(request)

    category = "LIFE-04/delete_stitching_category", "ROLE-05/delete_stitching_category"
    cells = *category, "CODE-03/get_stitching_category_rule"
    is_in_order(server, tmp_path, restricting, "delete_stitching_category", *cells)
    assert refused


@pytest.mark.slow
def test_an_id_may_be_given_again(server: BrokenServer, tmp_path: Path) -> None:
    gone: dict[str, float] = {}
    shown = []

    async def given_again(request: Request, world: World) -> Answer:
        before = await world.forward(replace(request, method="GET", body=b"")) if acting(request) == "delete" else None
        answer = await world.forward(request)
        if before is not None and before.ok and answer.ok:
            gone[request.path] = time.monotonic()
            world.memory[request.path] = before.json
        elif acting(request) == "read" and answer.status == 404 and time.monotonic() - gone.get(request.path, 1e9) > 1:
            shown.append(request.path)
            tag = world.memory[request.path]["tag"]
            return json_answer(200, {"tag": {**tag, "name": "somebody's"}})
        return answer

    is_in_order(server, tmp_path, given_again, "delete_tag get_tag", "LIFE-04/delete_tag")
    assert shown


@pytest.mark.slow
def test_a_trash_that_is_read_may_show_what_is_below(server: BrokenServer, tmp_path: Path) -> None:
    """A deleted segment is read, marked as deleted, and its notes with it."""
    read = []

    async def kept(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 404 or request.method != "GET" or not request.ids:
            return answer
        key = "segment", request.ids[0]
        connection = world.store.connection
        sql = "UPDATE record SET deleted=? WHERE entity=? AND id=? AND parent='' AND deleted=?"
        if not connection.execute(sql, (0, *key, 1)).rowcount:
            return answer
        try:
            answer = await world.forward(request)
        finally:
            connection.execute(sql, (1, *key, 0))
        if request.operation is None or request.operation.id != "get_segment" or not answer.ok:
            return answer
        read.append(request.path)
        return with_item(request, answer, {**item(request, answer), "deleted": True})

    cells = "CODE-03/list_segment_notes", "CODE-03/get_segment_note"
    is_in_order(server, tmp_path, kept, "get_segment list_segment_notes get_segment_note", *cells)
    assert read


@pytest.mark.slow
def test_nothing_is_left_that_a_trash_holds_on_to(server: BrokenServer, tmp_path: Path) -> None:
    """What is put below a record that goes to a trash refers to no other record of the run, which a strict server would
    not delete any more."""
    made = []

    async def noted(request: Request, world: World) -> Answer:
        if acting(request) == "create" and len(request.ids) == 1:
            made.append(request.path.rpartition("/")[2])
        return await world.forward(request)

    through = "create_segment_note assign_segment_tag share_segment_with_user run_segment_export"
    is_in_order(server, tmp_path, noted, through, "ROLE-05/delete_segment")
    assert set(made) == {"notes"}
