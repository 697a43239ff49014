"""What roles hold of the features that they were made with, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.verdicts import Verdict
from contracts.held_features import HeldFeatures
from instance.faults import FAULTS
from instance.faults.model import Answer, Request, World
from tests.broken_server import BrokenServer
from tests.odd_targets import behind, results_on, told

KNOWN = frozenset({"a/view", "a/edit", "b/view"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("held"))
    yield running
    running.stop()


def test_what_no_role_keeps_is_held_by_none() -> None:
    held = HeldFeatures(KNOWN)
    held.note(frozenset({"a/view", "b/view", "c/unknown"}), {"features": ["a/view"]})
    assert held.of(frozenset({"a/view", "b/view", "c/unknown"})) == {"a/view", "c/unknown"}
    assert held.never == {"b/view"} and held.of(frozenset({"b/view", "a/edit"})) == {"a/edit"}
    held.note(frozenset({"b/view"}), {"features": ["b/view"]})
    assert held.never == frozenset() and held.of(frozenset({"b/view"})) == {"b/view"}
    held.note(frozenset({"a/edit"}), {"features": "a/edit"})
    assert held.of(frozenset({"a/edit"})) == {"a/edit"}


async def knows_no_reports(request: Request, world: World) -> Answer:
    body = request.json
    if isinstance(body, dict) and isinstance(body.get("features"), list):
        body = {**body, "features": [f for f in body["features"] if not str(f).startswith("reports/")]}
        return await world.forward(request.with_body(body))
    return await world.forward(request)


CELLS = ("ROLE-02/list_reports", "ROLE-03/list_reports", "ROLE-06/list_reports", "ROLE-03/list_tags")
MADE = "LIFE-01/create_user_role"


def test_names_that_no_role_keeps_are_no_finding(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, knows_no_reports) as target:
        found = results_on(target, tmp_path, *CELLS, MADE)
    assert {r.verdict for r in found.values()} <= {Verdict.PASS, Verdict.SKIP}, told(found)
    assert "does not hold it" in found["ROLE-02/list_reports"].sentence
    assert found["ROLE-03/list_tags"].verdict is found[MADE].verdict is Verdict.PASS, told(found)


def test_a_role_that_lacks_what_another_keeps_is_one(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, FAULTS["features-beyond-five-lost"].alter) as target:
        found = results_on(target, tmp_path, *CELLS, MADE)
    assert found[MADE].verdict is Verdict.WARN and "which a role of its own keeps" in found[MADE].sentence
    assert {found[cell].verdict for cell in CELLS} <= {Verdict.PASS, Verdict.SKIP}, told(found)
