"""Roles of two features, and users who were disabled and enabled again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.verdicts import Verdict
from contracts.conventions.auth import logging_in
from instance.faults.model import Answer, Request, World, refusal
from tests.broken_server import BrokenServer
from tests.odd_targets import behind, odd, results_on, worst_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("again"))
    yield running
    running.stop()


@pytest.mark.parametrize("last", [False, True])
def test_a_role_of_which_one_of_two_features_counts_is_found(server: BrokenServer, tmp_path: Path, last: bool) -> None:
    async def one_counts(request: Request, world: World) -> Answer:
        held = sorted(world.features(request) or ())
        if len(held) == 2 and held[-1 if last else 0] != "settings/tags":
            return refusal(403)
        return await world.forward(request)

    found = worst_of(server, tmp_path, odd(one_counts), "ROLE-06", "create_tag")
    assert found.verdict is not Verdict.PASS and "with less it was let in" in found.sentence, found.sentence


@pytest.mark.parametrize("stays", [True, False])
def test_who_was_enabled_again_is_let_in(
    server: BrokenServer, tmp_path: Path, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging_in, "PATIENCE_S", 0.2)

    async def for_good(request: Request, world: World) -> Answer:
        """Whoever was disabled once is not let in again; or his account stays so, as each answer tells."""
        body, gone = request.json, world.memory.setdefault("gone", set())
        operation = request.operation.id if request.operation else ""
        if operation == "update_user" and isinstance(body, dict) and body.get("disabled") == 0 and stays:
            return refusal(422)
        answer = await world.forward(request)
        if operation == "update_user" and answer.ok and isinstance(body, dict) and body.get("disabled") == 1:
            gone.add(answer.json["user"]["email"])
        if operation == "login_user" and isinstance(body, dict) and body.get("email") in gone:
            return refusal(401)
        return answer

    with behind(server, for_good) as target:
        result = results_on(target, tmp_path, "AUTH-10/login_user", profile="release")["AUTH-10/login_user"]
    assert result.verdict is (Verdict.PASS if stays else Verdict.WARN), result.sentence
    assert stays or "was enabled again" in result.sentence
