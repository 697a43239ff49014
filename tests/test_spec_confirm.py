"""`cdp spec confirm`: what a target has is confirmed, what it lacks is removed, the rest is left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.contract import Contract, load_contract
from cdp.contract.overlay import write_overlay
from cdp.targets import read_only
from contracts.confirming import Confirmation, confirm
from contracts.probing import Presence
from instance.faults.model import Answer, Fault, Request, World
from tests.broken_server import BrokenServer
from tests.lacking_server import GONE, LACKING, PAGES, SILENT
from tests.running_instance import RunningInstance
from tests.test_command_line import answering, cdp, told


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("lacking"))
    yield running
    running.stop()


def asked(server: BrokenServer, contract: Contract, fault: Fault | None, *, writes: bool = False) -> Confirmation:
    with server.breaking(fault) as target:
        return confirm(contract, target if writes else read_only(target))


def missing(found: Confirmation) -> set[str]:
    return {f.operation.id for f in found.findings if f.presence is Presence.MISSING}


def test_everything_is_there_on_the_whole_instance(server: BrokenServer, contract: Contract) -> None:
    found = asked(server, contract, None)
    asked_for = [o for o in contract.operations.values() if o.provenance != "documented"]
    assert [f.operation for f in found.findings] == asked_for
    assert missing(found) == set()
    there = sum(f.presence is Presence.THERE for f in found.findings)
    assert there >= len(asked_for) - 4, found.counts()


@pytest.mark.parametrize("fault", [LACKING, PAGES], ids=lambda b: b.name)
def test_what_is_not_there_is_found(server: BrokenServer, contract: Contract, fault: Fault) -> None:
    assert missing(asked(server, contract, fault)) == GONE & set(contract.operations)


def test_a_part_of_the_api_is_told_from_the_whole(server: BrokenServer, contract: Contract) -> None:
    async def in_part(request: Request, world: World) -> Answer:
        gone = re.search("/tags|/events|/users(?!/login)", request.path)
        return await world.forward(replace(request, path="/api/there/is/nothing") if gone else request)

    with server.breaking(Fault("part", "part", (), (), in_part, beyond=True)) as target:
        found = confirm(contract, read_only(target), documented=True)
    assert {"list_tags", "create_tag", "get_tag", "list_events", "get_user_role"} <= missing(found)
    assert not missing(found) & {"list_segments", "get_promo_codes_list", "create_journey"}
    changed = [action for action in found.actions() if "update" in action]
    assert all("list_users" not in action["description"] for action in changed)


def test_nothing_is_guessed_where_options_tell_nothing(server: BrokenServer, contract: Contract) -> None:
    found = asked(server, contract, SILENT)
    assert missing(found) <= GONE
    assert {"list_feeds", "get_feed"} <= missing(found)
    by_id = {f.operation.id: f for f in found.findings}
    assert by_id["delete_funnel_group"].presence is Presence.NOT_PROBED
    with_writes = asked(server, contract, SILENT, writes=True)
    assert {"delete_funnel_group", "update_funnel_group"} <= missing(with_writes) <= GONE


def test_nothing_is_changed_even_where_all_is_allowed(server: BrokenServer, contract: Contract) -> None:
    done: list[tuple[str, str]] = []

    async def watch(request: Request, world: World) -> Answer:
        answer = await SILENT.alter(request, world)
        if answer.ok and request.method not in ("GET", "OPTIONS") and not request.path.endswith("/login"):
            done.append((request.method, request.path))
        return answer

    found = asked(server, contract, replace(SILENT, alter=watch), writes=True)
    assert any(f.asked.startswith(("PATCH", "DELETE")) for f in found.findings)
    assert done == []


def test_the_overlay_confirms_and_removes(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    found = asked(server, contract, LACKING)
    path = tmp_path / "overlay.yaml"
    write_overlay(path, "Asked", found.actions())
    overlaid = load_contract(overlay=path)
    assert set(contract.operations) - set(overlaid.operations) == GONE & set(contract.operations)
    identity = overlaid.operations["get_identity"]
    assert identity.provenance == "observed"
    assert identity.source == f"seen at broken on {found.day} (GET 200)"
    for finding in found.findings:
        if finding.presence not in (Presence.THERE, Presence.MISSING):
            assert overlaid.operations[finding.operation.id].provenance == finding.operation.provenance


@pytest.mark.slow
def test_the_command_writes_and_counts(instance: RunningInstance, tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    environment = {"CDP_TOKEN": instance.token}
    result = cdp("spec", "confirm", "--url", instance.base_url, "-o", str(path), environment=environment)
    assert result.returncode == 0, result.stderr
    assert "there" in result.stdout and "operations:" in result.stdout
    assert instance.token not in result.stdout + result.stderr + path.read_text()
    assert load_contract(overlay=path).operations["get_identity"].provenance == "observed"


@pytest.mark.slow
def test_a_target_that_is_not_usable_is_told_in_one_line(instance: RunningInstance, tmp_path: Path) -> None:
    common = ("spec", "confirm", "-o", str(tmp_path / "o.yaml"), "--url")
    with answering(200, "text/html", b"<p>Welcome</p>") as url:
        wrong = cdp(*common, url, environment={"CDP_TOKEN": "abcdefgh"})
    assert wrong.returncode == 3 and "is not the API" in told(wrong)
    refused = cdp(*common, instance.base_url, environment={"CDP_TOKEN": "abcdefgh"})
    assert refused.returncode == 3 and "401" in told(refused)
    down = cdp(*common, "http://127.0.0.1:9/api", environment={"CDP_TOKEN": "abcdefgh"})
    assert down.returncode == 3 and "cannot be reached" in told(down)
    assert not (tmp_path / "o.yaml").exists()
