"""Whatever a run may do on a target: what was there before stays as it was, and nobody gets a message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from cdp.contract import load_contract
from cdp.targets import PERMISSIONS, Credentials, Target
from cdp.verdicts import Result, Verdict
from contracts.arrangement import Arrangement
from contracts.belongings import foreign, kept_from
from contracts.calls import Call
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.finding import Unavailable
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from instance.faults.model import Alteration, Answer, Fault, Request, World, json_answer
from tests.broken_server import BrokenServer
from tests.throwaway_runs import results_of

CONTRACT = load_contract()
SOMEBODYS = Target("somebody's", "https://staging.example.com/api", Credentials(), frozenset(PERMISSIONS))


def test_what_is_nobody_elses_is_told_apart() -> None:
    found = {o.id for o in CONTRACT.operations.values() if foreign(CONTRACT, o)}
    assert found == {
        "update_global_setting",
        "update_whatsapp_campaign",
        "activate_whatsapp_campaign",
        "send_test_whatsapp_message",
        "set_whatsapp_activation_settings",
        "set_push_channel_frequency_cap",
        "set_push_channel_custom_data_schema",
    }
    kept = {o.id for o in CONTRACT.operations.values() if kept_from(CONTRACT, o, SOMEBODYS)}
    assert kept == {
        "clear_cache",
        "mark_notifications_read",
        "activate_whatsapp_campaign",
        "send_test_whatsapp_message",
        "set_whatsapp_activation_settings",
    }
    thrown_away = replace(SOMEBODYS, disposable=True)
    assert not [o.id for o in CONTRACT.operations.values() if kept_from(CONTRACT, o, thrown_away)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("belongings"))
    yield running
    running.stop()


async def as_it_is(request: Request, world: World) -> Answer:
    return await world.forward(request)


class Theirs:
    """Runs against somebody else's instance, and what was asked of it."""

    def __init__(self, server: BrokenServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.asked: list[Request] = []
        self.count = 0

    def judged(
        self, operations: str, requirements: str, alter: Alteration = as_it_is, profile: str = "release"
    ) -> dict[str, Result]:
        async def noted(request: Request, world: World) -> Answer:
            self.asked.append(request)
            return await alter(request, world)

        selection = Selection(operations=tuple(operations.split()), requirements=tuple(requirements.split()))
        plan = make_plan(CONTRACT, load_catalogue(), selection, PROFILES[profile], seed=1)
        self.count += 1
        directory = self.directory / str(self.count)
        directory.mkdir()
        with self.server.breaking(Fault("noted", "noted", selection.operations, (), noted, beyond=True)) as target:
            found = results_of(plan, replace(target, disposable=False), directory)
        return {f"{r.cell.requirement}/{r.cell.operation}": r for r in found}

    def sent(self, operation: str) -> list[Any]:
        """The bodies that an operation got, each once."""
        bodies = [r.body for r in self.asked if r.operation is not None and r.operation.id == operation]
        return list(dict.fromkeys(bodies))


@pytest.fixture
def theirs(server: BrokenServer, tmp_path: Path) -> Theirs:
    return Theirs(server, tmp_path)


SETTING_UP = "set_push_channel_frequency_cap update_whatsapp_campaign update_global_setting"


def test_wrong_bodies_go_to_what_was_there_only_where_nothing_can_be_kept(theirs: Theirs) -> None:
    found = theirs.judged(SETTING_UP, "CODE-05 MEDIA-03")
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, found
    for operation in SETTING_UP.split():
        for body in theirs.sent(operation):
            try:
                value = orjson.loads(body)
            except orjson.JSONDecodeError:
                assert b'"x"' not in body and b":" not in body.replace(b":}", b"")
                continue
            assert value == [] or "cdp" not in body.decode(), "an empty list, or what is there"

    async def taking_lists(request: Request, world: World) -> Answer:
        return json_answer(200, {}) if request.body == b"[]" else await world.forward(request)

    found = theirs.judged("update_global_setting", "CODE-05", taking_lists)
    assert found["CODE-05/update_global_setting"].verdict is Verdict.WARN


def test_a_null_setting_is_not_written_over(theirs: Theirs) -> None:
    async def without_a_cap(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not (answer.ok and request.path.endswith("/channels/push_notifications")):
            return answer
        channel = {**answer.json["push_notification_channel"], "frequency_cap": None, "custom_data_schema": None}
        return answer.showing({"push_notification_channel": channel})

    setters = "set_push_channel_frequency_cap set_push_channel_custom_data_schema"
    found = theirs.judged(setters, "CODE-02 AUTH-01", without_a_cap, "quick")
    assert {r.verdict for r in found.values()} == {Verdict.SKIP}
    assert {r.sentence for r in found.values()} == {"get_push_channel shows no value that could be sent again"}
    assert not any(theirs.sent(name) for name in setters.split())


def test_what_is_sent_reaches_nobody(theirs: Theirs) -> None:
    found = theirs.judged("run_segment_export activate_email activate_whatsapp_campaign", "CODE-02 CODE-05", as_it_is)
    assert found["CODE-02/activate_whatsapp_campaign"].verdict is Verdict.SKIP
    assert "cannot create a whatsapp campaign" in found["CODE-02/activate_whatsapp_campaign"].sentence
    assert found["CODE-02/run_segment_export"].verdict is found["CODE-02/activate_email"].verdict is Verdict.PASS
    segments = [orjson.loads(body) for body in theirs.sent("create_segment")]
    assert segments
    for segment in segments:
        leaf = segment["settings"]["conditions_operation"]
        assert leaf["condition"]["operation"] == "equals" and leaf["condition"]["value"].startswith("cdp-")
        assert leaf["attribute_id"].startswith("cdp")
    assert not theirs.sent("activate_whatsapp_campaign")
    assert all(b"segment_ids" in body or not body.startswith(b"{") for body in theirs.sent("activate_email"))


def test_what_is_everybodys_is_not_changed(theirs: Theirs) -> None:
    found = theirs.judged("clear_cache mark_notifications_read", "AUTH-01 CODE-02 CODE-04", profile="quick")
    assert {r.verdict for r in found.values()} == {Verdict.SKIP}
    assert not theirs.sent("clear_cache") and not theirs.sent("mark_notifications_read")


def test_no_unknown_method_meets_a_record_of_others(theirs: Theirs) -> None:
    found = theirs.judged("get_tag get_segment list_segment_notes update_global_setting", "CODE-04", profile="quick")
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, found
    put = [r.path for r in theirs.asked if r.method not in ("GET", "POST", "PATCH", "DELETE")]
    assert len(put) == 4
    assert all("987654321" in path for path in put)


# --- records of another form than assumed ----------------------------------------------------------------------------


def test_a_reference_that_a_record_does_not_show_is_no_fault_of_the_suite(theirs: Theirs) -> None:
    async def without_ids(request: Request, world: World) -> Answer:
        """Customers under another name of their id than assumed."""
        answer = await world.forward(request)
        if not (answer.ok and request.operation is not None and request.operation.id == "search_customers"):
            return answer
        rows = [{"entity": r["customer_entity_id"]} for r in answer.json["customers"]]
        return answer.showing({**answer.json, "customers": rows})

    found = theirs.judged("evaluate_customer_conditions", "CODE-02", without_ids, "quick")
    result = found["CODE-02/evaluate_customer_conditions"]
    assert result.verdict is Verdict.SKIP and "shows no customer_entity_id" in result.sentence, result


def test_a_kept_setting_without_a_value_is_not_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        target, contract, prefix, seed, share = SOMEBODYS, CONTRACT, "cdp-0000abcd", 1, 0

    arrangement = Arrangement(Session())  # type: ignore[arg-type]
    call = Call(CONTRACT.operations["update_whatsapp_campaign"], {"campaign_id": "7"})
    assert arrangement._with_body(call, {"name": "theirs", "deleted": False}).sent == {"name": "theirs"}
    with pytest.raises(Unavailable, match="no value of its own"):
        arrangement._with_body(call, {"name": None})
