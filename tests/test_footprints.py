"""What may be judged at the same time: footprints, claims and the order in which units are handed out."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.contract import Contract, load_contract
from cdp.http import Exchange
from cdp.targets import target_from_url
from cdp.verdicts import Cell
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.parallel.claims import Claims, Unclaimed
from contracts.parallel.footprint import NOTHING, Footprint, Footprints, resource
from contracts.parallel.schedule import Schedule
from contracts.plan import Plan, make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from contracts.session import Session
from tests.running_instance import RunningInstance, start_instance, stop_instance

ROOT = Path(__file__).resolve().parents[1]
PLAN = make_plan(load_contract(), load_catalogue(), Selection(), PROFILES["quick"], 1)
CONTRACT: Contract = PLAN.contract
SCHEDULE = Schedule(CONTRACT, PLAN.cells)


def footprint(still: str = "", touched: str = "") -> Footprint:
    return Footprint(frozenset(still.split()), frozenset(touched.split()))


@pytest.mark.parametrize(
    ("one", "other", "disturbs"),
    [
        (footprint("tag"), footprint("tag"), False),
        (footprint("", "tag"), footprint("", "tag"), False),
        (footprint("tag"), footprint("", "tag"), True),
        (footprint("tag", "tag"), footprint("tag"), True),
        (footprint("tag", "tag"), footprint("feed", "feed"), False),
        (footprint("tag", "segment"), footprint("segment user", "user"), True),
    ],
)
def test_what_disturbs(one: Footprint, other: Footprint, disturbs: bool) -> None:
    assert one.disturbs(other) is other.disturbs(one) is disturbs


@pytest.mark.parametrize(
    ("one", "other", "disturbs"),
    [
        ("tag", "feed", False),
        ("segment", "segment_note", True),  # notes hang below segments that are made for them
        ("image", "feed", False),  # both change what roles hold, neither looks at roles
        ("user", "segment_user", True),
        ("user_role", "feed", True),  # features are granted and withdrawn
        ("count_customers", "create_customer_events", True),
        ("count_customers", "list_customers_per_date", False),
        ("global_setting", "global_setting_history", True),
        ("get_push_channel", "set_push_channel_frequency_cap", True),
        ("block_email_address", "unblock_email_address", True),
        ("segment", "create_customer_events", True),
    ],
)
def test_units_of_the_contract(one: str, other: str, disturbs: bool) -> None:
    assert SCHEDULE.footprints[one].disturbs(SCHEDULE.footprints[other]) is disturbs


def test_without_roles_the_list_of_roles_holds_still() -> None:
    footprints = Footprints(CONTRACT)
    listing, writing = Cell("PAGE-03", "list_feeds", "admin"), Cell("ROLE-06", "list_feeds", "changed-role")
    roles = footprints.of([Cell("PAGE-03", "list_user_roles", "admin")])
    assert not footprints.of([listing]).disturbs(roles)
    assert footprints.of([listing, writing]).disturbs(roles)


def test_reflected_kinds_exist() -> None:
    known = {resource(operation) for operation in CONTRACT.operations.values()}
    reflecting = [operation for operation in CONTRACT.operations.values() if operation.reflects]
    assert len(reflecting) > 15
    assert {name for operation in reflecting for name in operation.reflects} <= known


@pytest.mark.slow
def test_nothing_is_asked_beyond_a_footprint(tmp_path: Path) -> None:
    """Every request of a whole run, held against the footprint of the unit that it was sent for."""
    instance = start_instance("--customers", "60", "--events", "500")
    try:
        asked = _asked_in_a_run(PLAN, instance, tmp_path)
    finally:
        stop_instance(instance)
    beyond = set()
    for unit, requests in asked.items():
        known = SCHEDULE.footprints[unit]
        for name, writing in requests:
            kind = resource(CONTRACT.operations[name])
            if kind not in (known.touched if writing else known.touched | known.still):
                beyond.add(f"{unit} {'writes' if writing else 'reads'} {kind} by {name}")
    assert not beyond
    assert len(asked) > 70


def _asked_in_a_run(plan: Plan, instance: RunningInstance, runs: Path) -> dict[str, set[tuple[str, bool]]]:
    """The operations that answered with success, by unit, and whether they write."""
    asked: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    unit = ""
    send = Session.send

    def sending(session: Session, call: Any, caller: Any, headers: Any = None, **more: Any) -> Exchange:
        exchange = send(session, call, caller, headers, **more)
        operation = call.operation
        if exchange.ok and unit:
            writing = operation.safety != "read" and (more.get("method") or operation.method) == operation.method
            asked[unit].add((operation.id, writing))
        return exchange

    environment = {"CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}
    target = target_from_url(instance.base_url, environment, {"writes", "destructive", "sends"})
    run = ContractRun(plan, target, runs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "send", sending)
        run.start()
        for cell in plan.cells:
            unit = SCHEDULE.unit_of(cell)
            run.judge(cell)
    run.finish()
    return asked


# --- claims ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def claims(tmp_path: Path) -> Iterator[tuple[Claims, Claims]]:
    pair = Claims(tmp_path), Claims(tmp_path, patience_s=0.0)
    yield pair
    for each in pair:
        each.release()


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (footprint("tag"), footprint("", "tag")),
        (footprint("", "tag"), footprint("tag")),
        (footprint("tag", "tag"), footprint("tag", "tag")),
        (footprint("feed tag", "user"), footprint("user")),
    ],
)
def test_a_claim_keeps_others_out(claims: tuple[Claims, Claims], held: Footprint, wanted: Footprint) -> None:
    one, other = claims
    one.hold(held)
    with pytest.raises(Unclaimed, match="did not let go of"):
        other.hold(wanted)
    one.release()
    other.hold(wanted)


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (footprint("tag"), footprint("tag")),
        (footprint("", "tag"), footprint("", "tag")),
        (footprint("tag", "user_role"), footprint("feed", "user_role")),
        (NOTHING, footprint("tag", "tag")),
    ],
)
def test_claims_that_disturb_nobody(claims: tuple[Claims, Claims], held: Footprint, wanted: Footprint) -> None:
    one, other = claims
    one.hold(held)
    other.hold(wanted)


def test_a_claim_is_waited_for(tmp_path: Path) -> None:
    one, other = Claims(tmp_path), Claims(tmp_path, patience_s=30)
    one.hold(footprint("tag", "tag"))
    waited = threading.Event()
    got = threading.Event()

    def hold() -> None:
        other.hold(footprint("tag"), waited.set)
        got.set()

    thread = threading.Thread(target=hold)
    thread.start()
    assert waited.wait(30) and not got.is_set()
    one.release()
    assert got.wait(30)
    thread.join()
    other.release()


def test_the_claims_of_a_killed_process_are_free(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from contracts.parallel.claims import Claims; "
        "from contracts.parallel.footprint import Footprint; claims = Claims(Path(sys.argv[1])); "
        "claims.hold(Footprint(frozenset({'tag'}), frozenset({'tag'}))); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Unclaimed):
            Claims(tmp_path, patience_s=0.0).hold(footprint("tag"))
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()
    last = Claims(tmp_path, patience_s=10)
    last.hold(footprint("tag"))
    last.release()


# --- the order of units ----------------------------------------------------------------------------------------------


def test_units_are_handed_out_without_disturbance() -> None:
    schedule = Schedule(CONTRACT, PLAN.cells)
    assert sum(map(len, schedule.waiting.values())) == len(PLAN.cells)
    busy: list[str] = []
    handed: list[Cell] = []
    while schedule.waiting:
        name = schedule.free(busy)
        if name is None or len(busy) == 4:
            assert busy, "a unit alone is always free"
            busy.pop(0)
            continue
        assert not any(schedule.footprints[name].disturbs(schedule.footprints[other]) for other in busy)
        handed += schedule.take(name)
        busy.append(name)
    assert sorted(handed) == sorted(PLAN.cells)
    for name in {schedule.unit_of(cell) for cell in handed}:
        own = [cell for cell in handed if schedule.unit_of(cell) == name]
        assert own == [cell for cell in PLAN.cells if schedule.unit_of(cell) == name]


def test_what_is_left_of_a_unit_waits_again() -> None:
    schedule = Schedule(CONTRACT, PLAN.cells)
    cells = schedule.take("tag")
    schedule.put_back("tag", cells[5:])
    schedule.put_back("feed", [])
    assert list(schedule.take("tag")) == list(cells[5:])
    assert "feed" in schedule.waiting
