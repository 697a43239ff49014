"""Writes that reach records which they are not about, tokens whose renewal is worth nothing, and look-ups that find
whom they should not; over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.contract import load_contract
from cdp.results import RESULTS_FILE, read_results
from cdp.verdicts import Verdict, decide
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from instance.faults import FAULTS
from instance.faults.life import acting, changing, item, with_item
from instance.faults.model import Alteration, Answer, Request, World, refusal
from tests.broken_server import BrokenServer
from tests.odd_targets import behind, results_on, told

CONTRACT, CATALOGUE = load_contract(), load_catalogue()
STRANGER = "3"  # a record that no run has made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("bystanders"))
    yield running
    running.stop()


async def _renamed(request: Request, world: World) -> None:
    """Some record of others gets another name."""
    assert request.operation is not None
    world.memory["times"] = world.memory.get("times", 0) + 1
    place = request.operation.path.partition("{")[0] + STRANGER
    await world.forward(changing(world.as_admin(request), "/api" + place, {"name": f"name {world.memory['times']}"}))


def renaming(when: Callable[[Request, World], bool]) -> Alteration:
    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        about = request.operation is not None and request.operation.entity == "report"
        if about and answer.ok and when(request, world):
            await _renamed(request, world)
        return answer

    return alter


@pytest.mark.parametrize(("action", "cell"), [("update", "LIFE-03/update_report"), ("delete", "LIFE-04/delete_report")])
def test_a_write_that_changes_a_stranger_is_found(server: BrokenServer, tmp_path: Path, action: str, cell: str) -> None:
    with behind(server, renaming(lambda request, world: acting(request) == action)) as target:
        found = results_on(target, tmp_path, cell)
    assert found[cell].verdict is Verdict.WARN, told(found)
    assert f"each {action} of a report changes a record that the run has not made: name of" in found[cell].sentence


def test_what_others_change_meanwhile_is_no_finding(server: BrokenServer, tmp_path: Path) -> None:
    def once(request: Request, world: World) -> bool:
        return acting(request) == "update" and "times" not in world.memory

    cells = ("LIFE-03/update_report", "LIFE-04/delete_report")
    with behind(server, renaming(once)) as target:
        found = results_on(target, tmp_path, *cells)
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, told(found)


def test_a_worthless_renewal_shows_in_the_section_of_the_logins(server: BrokenServer, tmp_path: Path) -> None:
    async def worthless(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if request.method == "PATCH" and request.path.endswith("/users/login") and answer.ok:
            return answer.showing({"token": answer.json["token"][::-1]})
        return answer

    cell = "AUTH-06/login_to_metabase"
    with behind(server, worthless) as target:
        found = results_on(target, tmp_path, cell)
    assert found[cell].verdict is Verdict.WARN, told(found)
    assert found[cell].sentence == "a renewed token is refused with 401"


@pytest.mark.parametrize(
    ("kind", "cell", "profile"),
    [
        ("change-spills-over", "LIFE-03/update_report", "quick"),
        ("first-choice-of-creates", "LIFE-01/share_segment_with_user", "quick"),
        ("untying-takes-all", "LIFE-04/remove_segment_tag", "release"),
        ("backslash-pairs-halved", "MEDIA-06/update_report", "quick"),
        ("crlf-becomes-lf", "MEDIA-06/create_tag", "quick"),
        ("formulas-quoted", "MEDIA-06/update_report", "release"),
        ("look-up-of-nobody-is-200", "CODE-03/get_wbs_customer", "quick"),
        ("look-up-in-any-segment", "CODE-03/get_wbs_customer", "quick"),
    ],
)
def test_the_kind_is_found(server: BrokenServer, tmp_path: Path, kind: str, cell: str, profile: str) -> None:
    with server.breaking(replace(FAULTS[kind], examples=(cell.partition("/")[2],))) as target:
        found = results_on(target, tmp_path, cell, profile=profile)
    assert found[cell].verdict in (Verdict.WARN, Verdict.FAIL), told(found)


@pytest.mark.parametrize("broken", [True, False])
def test_nobody_is_told_of_who_came_after_him(server: BrokenServer, tmp_path: Path, broken: bool) -> None:
    async def newest(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if request.path != "/api/identity" or not answer.ok or not broken:
            return answer
        known = world.memory.get("newest", answer)
        world.memory["newest"] = max(answer, known, key=lambda a: int(a.json["identity"]["id"]))
        return world.memory["newest"]

    cell = "ROLE-03/get_identity"
    with behind(server, newest) as target:
        found = results_on(target, tmp_path, cell)
    assert found[cell].verdict is (Verdict.WARN if broken else Verdict.PASS), told(found)


@pytest.mark.parametrize("always", [True, False])
def test_what_is_read_is_not_a_part_of_what_was_read_before(server: BrokenServer, tmp_path: Path, always: bool) -> None:
    """A variable that outlives its request; what is so with one record alone may be somebody's change."""

    async def leaking(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if acting(request) != "read" or not answer.ok or request.operation.entity != "report":  # type: ignore[union-attr]
            return answer
        record = item(request, answer)
        before, world.memory["before"] = world.memory.get("before", record), record
        other = before["id"] != record["id"] and (always or "once" not in world.memory)
        world.memory.update({"once": True} if other else {})
        return with_item(request, answer, {**record, "url": before["url"] if other else record["url"]})

    cell = "SHAPE-03/get_report"
    with behind(server, leaking) as target:
        found = results_on(target, tmp_path, cell, profile="release")
    assert found[cell].verdict is (Verdict.WARN if always else Verdict.PASS), told(found)


@pytest.mark.parametrize(
    "cell", ["LIFE-03/update_segment_user", pytest.param("LIFE-04/remove_segment_tag", marks=pytest.mark.slow)]
)
def test_ties_that_stay_as_they_are_are_in_order(server: BrokenServer, tmp_path: Path, cell: str) -> None:
    with server.breaking(None) as target:
        found = results_on(target, tmp_path, cell, profile="release")
    assert found[cell].verdict is Verdict.PASS, told(found)


def test_a_token_that_opens_nothing_is_no_ground_for_a_release(server: BrokenServer, tmp_path: Path) -> None:
    async def closed(request: Request, world: World) -> Answer:
        return await world.forward(request) if request.path.startswith("/api/users/login") else refusal(403)

    selection = Selection(operations=("list_tags", "list_reports"))
    with behind(server, closed) as target:
        run = ContractRun(make_plan(CONTRACT, CATALOGUE, selection, PROFILES["quick"], seed=1), target, tmp_path)
        try:
            run.start()
            results = list(run.judge_all())
        finally:
            run.finish()
    assert any(r.verdict is Verdict.PASS for r in results)  # errors are in good form
    decision = decide(read_results(run.directory / RESULTS_FILE))
    assert (decision.code, decision.headline) == (3, "CANNOT TELL")
    assert "answered 403 to every call of the run's own token" in decision.sentence
