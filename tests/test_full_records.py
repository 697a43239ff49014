"""In what forms a full record may show what it refers to, and what is still a fault: over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.contract import load_contract
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from tests.awkward_server import AwkwardServers
from tests.odd_server import Answered, Asked, Forward, Mouth, judged

CONTRACT = load_contract()
RULES = "STRUCT-01 STRUCT-02 STRUCT-03 STRUCT-04 SHAPE-01"
OPERATIONS = "list_segment_notes create_segment_note list_tags get_tag create_tag"
Record = dict[str, Any]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("full"))


def judge(
    servers: AwkwardServers, directory: Path, change: Callable[[Record], Record], *, full: bool = True
) -> dict[str, Result]:
    """What is said of full (or plain) records that are changed so."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        status, body = await forward()
        if status >= 300 or (asked.get("load_full_structure") == "1") is not full:
            return status, body
        held = {n: v for n, v in body.items() if n != "selection_settings"}
        for name, value in held.items():
            if isinstance(value, list):
                body[name] = [change(r) for r in value]
            elif isinstance(value, dict):
                body[name] = change(value)
        return status, body

    with servers.serving("extra_headers", wrap=lambda app: Mouth(app, speak)) as served:
        return judged(served, CONTRACT, directory, OPERATIONS.split(), RULES.split())


def alarms(results: dict[str, Result]) -> dict[str, str]:
    return {name: r.sentence for name, r in results.items() if r.verdict >= Verdict.WARN}


def under_its_key(record: Record) -> Record:
    return {n: v for n, v in record.items() if n not in ("user_id", "segment_id")}


def in_place(record: Record) -> Record:
    user = record.get("user")
    return {n: user if n == "user_id" and user else v for n, v in record.items() if n != "user"}


def apart(record: Record) -> Record:
    parts = {n: record[n] for n in ("user", "segment") if n in record}
    return {**{n: v for n, v in under_its_key(record).items() if n not in parts}, "_embedded": parts}


@pytest.mark.parametrize("change", [under_its_key, in_place, apart])
def test_data_in_place_of_ids_are_full_records(
    servers: AwkwardServers, tmp_path: Path, change: Callable[[Record], Record]
) -> None:
    results = judge(servers, tmp_path, change)
    assert not alarms(results)
    counts = [r.verdict for r in results.values()]
    assert counts.count(Verdict.PASS) == len(counts), results


@pytest.mark.parametrize("lost", [False, True])
def test_data_may_stand_beside_all_records(servers: AwkwardServers, tmp_path: Path, lost: bool) -> None:
    """As in JSON:API, told by type and id; where they are those of another there are none."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        status, body = await forward()
        if status >= 300 or asked.get("load_full_structure") != "1":
            return status, body
        name = next(n for n in body if n != "selection_settings")
        users = [r.pop("user", None) for r in (body[name] if isinstance(body[name], list) else [body[name]])]
        known = {u["id"]: {n: v for n, v in u.items() if n != "id"} for u in users if u}
        told = [{"type": "users", "id": str(id + lost * 10**6), "attributes": each} for id, each in known.items()]
        return status, {**body, "included": told}

    with servers.serving("extra_headers", wrap=lambda app: Mouth(app, speak)) as served:
        results = judged(served, CONTRACT, tmp_path, ["list_tags"], ["STRUCT-01", "STRUCT-02", "STRUCT-04", "SHAPE-01"])
    assert ("STRUCT-02 list_tags" in alarms(results)) is lost and (lost or not alarms(results)), results


def test_neither_an_id_nor_data_is_none(servers: AwkwardServers, tmp_path: Path) -> None:
    found = alarms(judge(servers, tmp_path, lambda r: {n: v for n, v in r.items() if n not in ("user_id", "user")}))
    for operation in OPERATIONS.split():
        assert "brings no data of user" in found[f"STRUCT-02 {operation}"], found


def test_one_record_without_its_data_is_found(servers: AwkwardServers, tmp_path: Path) -> None:
    first: list[Any] = []

    def change(record: Record) -> Record:
        first.append(record["id"])
        lost = ("user_id", "user") if record["id"] == first[0] else ("user_id",)
        return {n: v for n, v in record.items() if n not in lost}

    found = alarms(judge(servers, tmp_path, change))
    assert "although get_user knows" in found["STRUCT-02 list_tags"], found


def test_data_of_another_are_found(servers: AwkwardServers, tmp_path: Path) -> None:
    def change(record: Record) -> Record:
        user = record.get("user")
        return {**under_its_key(record), "user": {**user, "id": user["id"] + 1} if user else None}

    found = alarms(judge(servers, tmp_path, change))
    assert "user_id does not" in found["STRUCT-04 list_tags"], found


def test_plain_records_that_bring_data_apart_are_found(servers: AwkwardServers, tmp_path: Path) -> None:
    found = alarms(judge(servers, tmp_path, lambda r: {**r, "_embedded": {"user": {"id": 1, "name": "A"}}}, full=False))
    assert "by default" in found["STRUCT-01 list_tags"], found


def test_what_else_a_full_record_lacks_is_found(servers: AwkwardServers, tmp_path: Path) -> None:
    results = judge(servers, tmp_path, lambda r: {n: v for n, v in under_its_key(r).items() if n != "name"})
    assert "name" in alarms(results)["SHAPE-01 list_tags"]


def test_what_was_created_is_known_by_what_was_sent_where_data_stand_in_place_of_ids(
    servers: AwkwardServers, tmp_path: Path
) -> None:
    selection = Selection(operations=("assign_segment_tag", "share_segment_with_user"), requirements=("STRUCT-02",))
    with servers.serving("in_place,unique") as served:  # a tag that is still assigned is not deleted
        run = ContractRun(
            make_plan(CONTRACT, load_catalogue(), selection, PROFILES["quick"], seed=1), served.target, tmp_path
        )
        try:
            run.start()
            verdicts = [result.verdict for result in run.judge_all()]
        finally:
            run.finish()
    assert Verdict.PASS in verdicts
    assert run.leftovers == []
