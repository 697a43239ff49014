"""A list that tells of records which cannot be read: a contradiction, and no proof that the read is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.contract import load_contract
from cdp.verdicts import Result, Verdict
from tests.awkward_server import AwkwardServers
from tests.odd_server import Answered, Asked, Forward, Mouth, judged

CONTRACT = load_contract()
RULES = "SHAPE-01 SHAPE-03 CODE-02 CODE-03"
STRANGER = 987_654


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("listed"))


def mixed(mark: dict[str, Any], last: bool = False, left: int = 1000) -> Any:
    """The lists of notes hold one that is not there, in front or at the end; after so many reads of it no more."""
    asked_for = 0

    async def speak(asked: Asked, forward: Forward) -> Answered:
        nonlocal asked_for
        asked_for += asked.path.endswith(f"/notes/{STRANGER}")
        status, body = await forward()
        if asked.method == "GET" and asked.path.endswith("/notes") and status == 200 and asked_for < left:
            rows = body["segment_notes"]
            stranger = [{**r, "id": STRANGER, **mark} for r in rows[:1]]
            body["segment_notes"] = [*rows, *stranger] if last else [*stranger, *rows]
        return status, body

    return speak


def judge(servers: AwkwardServers, speak: Any, directory: Path, profile: str = "quick") -> dict[str, Result]:
    with servers.serving("extra_headers", wrap=lambda app: Mouth(app, speak)) as served:
        return judged(served, CONTRACT, directory, ["get_segment_note"], RULES.split(), profile)


@pytest.mark.parametrize(("last", "profile"), [(False, "quick"), (True, "release")])
def test_a_list_that_holds_a_strange_record_contradicts_the_read(
    servers: AwkwardServers, tmp_path: Path, last: bool, profile: str
) -> None:
    results = judge(servers, mixed({"name": "x" * 200}, last), tmp_path, profile)
    told = results.pop("SHAPE-03 get_segment_note")
    assert told.verdict is Verdict.WARN and f"holds {STRANGER}, and reading it by its id gets 404" in told.sentence
    assert {r.verdict for r in results.values()} == {Verdict.PASS}, results


def test_one_that_is_marked_as_deleted_need_not_be_read(servers: AwkwardServers, tmp_path: Path) -> None:
    results = judge(servers, mixed({"deleted": 1}), tmp_path)
    assert {r.verdict for r in results.values()} == {Verdict.PASS}, results


@pytest.mark.parametrize("left", [1, 4])
def test_one_that_others_deleted_meanwhile_is_no_contradiction(
    servers: AwkwardServers, tmp_path: Path, left: int
) -> None:
    results = judge(servers, mixed({}, left=left), tmp_path)
    assert {r.verdict for r in results.values()} <= {Verdict.PASS, Verdict.SKIP}, results


def test_a_read_that_finds_no_record_of_the_list_is_not_there(servers: AwkwardServers, tmp_path: Path) -> None:
    async def speak(asked: Asked, forward: Forward) -> Answered:
        return await forward(Asked("GET", "/nowhere") if "/notes/" in asked.path else asked)

    results = judge(servers, speak, tmp_path)
    assert {r.verdict for r in results.values()} == {Verdict.UNCONFIRMED}, results
