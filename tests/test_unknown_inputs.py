"""Inputs drawn from the schemas: what may be drawn, what stays the run's own, and that they find what samples miss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cdp.contract import Contract, load_contract
from cdp.verdicts import Verdict
from contracts.calls import Call
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.profiles import PROFILES
from contracts.run import ContractRun, make_plan
from contracts.unknown_inputs import UnknownInputs
from tests.breakages.model import Answer, Breakage, Request, World, json_answer
from tests.broken_server import BrokenServer

PREFIX = "cdp-0badcafe"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def inputs(contract: Contract) -> UnknownInputs:
    return UnknownInputs(contract, PREFIX)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("unknown"))
    yield running
    running.stop()


def drawn(inputs: UnknownInputs, call: Call, valid: bool, count: int = 30) -> list[Call]:
    strategy = inputs.calls(call, valid=valid)
    assert strategy is not None
    found: list[Call] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(unknown: Call) -> None:
        found.append(unknown)

    collect()
    return found


def test_nothing_that_reaches_people_is_drawn(contract: Contract, inputs: UnknownInputs) -> None:
    sending = [o for o in contract.operations.values() if o.safety == "sends"]
    assert len(sending) == 9
    assert [o.id for o in sending if inputs.calls(Call(o), valid=True) or inputs.calls(Call(o), valid=False)] == []


def test_records_of_others_are_not_drawn_upon(contract: Contract, inputs: UnknownInputs) -> None:
    foreign = ("update_global_setting", "update_whatsapp_campaign", "set_push_channel_frequency_cap")
    assert [n for n in foreign if inputs.calls(Call(contract.operations[n]), valid=False)] == []


@pytest.mark.parametrize("valid", [True, False])
def test_a_write_keeps_its_own_record_and_name(contract: Contract, inputs: UnknownInputs, valid: bool) -> None:
    call = Call(contract.operations["update_tag"], {"tag_id": "17"}).sending({"name": f"{PREFIX} name"})
    found = drawn(inputs, call, valid)
    assert {c.path["tag_id"] for c in found} == {"17"}
    names = [c.sent["name"] for c in found if isinstance(c.sent, dict) and isinstance(c.sent.get("name"), str)]
    assert all(name.startswith(PREFIX) for name in names)
    assert names or not valid


def test_references_stay_those_of_the_call(contract: Contract, inputs: UnknownInputs) -> None:
    sent = {"name": "n", "email": "a@example.com", "password": "p", "role_id": 4711}
    found = drawn(inputs, Call(contract.operations["create_user"]).sending(sent), valid=True)
    assert {c.sent["role_id"] for c in found if isinstance(c.sent, dict) and "role_id" in c.sent} == {4711}


def test_a_read_is_drawn_with_odd_ids_and_parameters(contract: Contract, inputs: UnknownInputs) -> None:
    call = Call(contract.operations["list_segment_notes"], {"segment_id": "5"})
    assert len({c.query for c in drawn(inputs, call, valid=True)}) > 5
    assert len({(c.path["segment_id"], c.query) for c in drawn(inputs, call, valid=False)}) > 5


@pytest.mark.parametrize(("profile", "verdict"), [("quick", Verdict.PASS), ("release", Verdict.FAIL)])
def test_an_optional_field_that_crashes_the_server_is_found(
    server: BrokenServer, contract: Contract, tmp_path: Path, profile: str, verdict: Verdict
) -> None:
    async def crash(request: Request, world: World) -> Answer:
        if isinstance(request.json, dict) and "description" in request.json:
            return json_answer(500, {"message": "Internal error"})
        return await world.forward(request)

    selection = Selection(operations=("create_report",), requirements=("CODE-01",))
    plan = make_plan(contract, load_catalogue(), selection, PROFILES[profile], seed=1)
    with server.breaking(Breakage("crash", "crash", selection.operations, (), crash)) as target:
        run = ContractRun(plan, target, tmp_path)
        try:
            run.start()
            (result,) = run.judge_all()
        finally:
            run.finish(obstacle="the data are thrown away")
    assert result.verdict is verdict
    if verdict is Verdict.FAIL:
        assert "a request got 500" in result.sentence and result.curl
