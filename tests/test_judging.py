"""From a check's word to a verdict: intermittent failures, mute operations, dying tokens, faults of the suite."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.contract import load_contract
from cdp.ledger import Ledger
from cdp.results import RESULTS_FILE, read_results
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target
from cdp.verdicts import Result, Verdict
from contracts.calls import Call
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.checks import CHECKS, Broken
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.session import Identity, Obstacle, Session
from contracts.subject import Subject
from instance.faults.model import Alteration, Answer, Fault, Request, World, refusal
from tests.broken_server import BrokenServer
from tests.loopback import Asked, Reply, serving
from tests.throwaway_runs import results_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("judging"))
    yield running
    running.stop()


def run_on(
    server: BrokenServer,
    directory: Path,
    alter: Alteration | None,
    selection: Selection,
    timeout_s: float = 10.0,
    everywhere: bool = False,
) -> dict[str, Result]:
    """Results by cell address of a run on a server with one bug, on the selection's operations or `everywhere`."""
    plan = make_plan(load_contract(), load_catalogue(), selection, PROFILES["quick"], seed=1)
    fault = Fault("odd", "odd", selection.operations, (), alter, beyond=everywhere) if alter else None
    with server.breaking(fault) as target:
        found = results_of(plan, replace(target, timeout_s=timeout_s), directory)
    return {result.cell.address: result for result in found}


TAGS = Selection(operations=("list_tags",), requirements=("PAGE-01",))


def test_a_failure_that_comes_and_goes_is_marked(server: BrokenServer, tmp_path: Path) -> None:
    async def every_other(request: Request, world: World) -> Answer:
        if request.query:
            return await world.forward(request)
        world.memory["turn"] = not world.memory.get("turn", False)
        return await world.forward(request.asking(limit=19) if world.memory["turn"] else request)

    result = run_on(server, tmp_path, every_other, TAGS)["PAGE-01/list_tags/admin"]
    assert result.verdict is Verdict.FAIL
    assert result.sentence.endswith("(intermittent: broken in 3 of 5 tries)")


def test_a_failure_that_stays_is_not_marked(server: BrokenServer, tmp_path: Path) -> None:
    async def always(request: Request, world: World) -> Answer:
        return await world.forward(request if request.query else request.asking(limit=19))

    result = run_on(server, tmp_path, always, TAGS)["PAGE-01/list_tags/admin"]
    assert result.verdict is Verdict.FAIL
    assert "intermittent" not in result.sentence


def test_a_fault_of_the_suite_is_an_error_and_ends_nothing(
    server: BrokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(subject: Subject) -> None:
        raise KeyError("what was never there")

    monkeypatch.setitem(CHECKS, "PAGE-01", faulty)
    results = run_on(server, tmp_path, None, Selection(operations=("list_tags",), requirements=("PAGE",)))
    broken = results.pop("PAGE-01/list_tags/admin")
    assert broken.verdict is Verdict.ERROR
    assert broken.sentence.startswith("the suite failed: KeyError: 'what was never there' at ")
    assert {r.verdict for r in results.values()} == {Verdict.PASS}


def test_a_fault_of_the_suite_in_another_try_leaves_what_was_seen(
    server: BrokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def faulty(subject: Subject) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Broken("a rule is broken")
        raise KeyError("what was there a moment ago")

    monkeypatch.setitem(CHECKS, "PAGE-01", faulty)
    results = run_on(server, tmp_path, None, Selection(operations=("list_tags",), requirements=("PAGE",)))
    broken = results.pop("PAGE-01/list_tags/admin")
    assert broken.verdict is Verdict.FAIL and broken.sentence.startswith("a rule is broken")
    assert {r.verdict for r in results.values()} == {Verdict.PASS}


def test_slow_operations_do_not_end_a_run_while_others_are_answered(server: BrokenServer, tmp_path: Path) -> None:
    slow = (
        "list_reports",
        "list_feeds",
        "list_images",
        "list_emails",
        "list_journeys",
        "list_destinations",
        "list_sources",
    )

    async def slowly(request: Request, world: World) -> Answer:
        if request.operation is not None and request.operation.id in slow:
            await asyncio.sleep(2)
        return await world.forward(request)

    selection = Selection(operations=(*slow, "list_tags"), requirements=("CODE-02", "CODE-06"))
    results = run_on(server, tmp_path, slowly, selection, timeout_s=0.5, everywhere=True)
    assert {results[f"CODE-02/{name}/admin"].verdict for name in slow} == {Verdict.ERROR}
    assert results["CODE-02/list_tags/admin"].verdict is Verdict.PASS


def test_refusals_are_kept_however_many_pages_were_read_before() -> None:
    contract = load_contract()
    operation = contract.operations["list_tags"]

    def answer(asked: Asked) -> Reply:
        return Reply(403 if "offset=401" in asked.path else 200, b'{"tags": [], "selection_settings": {}}')

    with serving(answer) as loopback:
        target = Target("there", loopback.url + "/api", Credentials(token="some-token"))
        session = Session(contract, target, PROFILES["quick"], 1, Ledger(None), Secrets())
        session.health = Call(operation)
        for number in range(403):
            session.send(Call(operation).asking(("offset", number)), Identity("admin", "some-token"))
        session.client.close()
    statuses = Counter(exchange.status for exchange in session.seen(operation))
    assert statuses == {200: 400, 403: 1}
    session.forget(operation)
    assert session.seen(operation) == []


def test_one_operation_that_hangs_is_its_own_failure_not_the_targets(server: BrokenServer, tmp_path: Path) -> None:
    async def mute(request: Request, world: World) -> Answer:
        await asyncio.sleep(5)
        return Answer(0)

    selection = Selection(operations=("list_reports",), requirements=("PAGE-01", "CODE-01", "CODE-02", "SHAPE-01"))
    results = run_on(server, tmp_path, mute, selection, timeout_s=0.3)
    assert results["CODE-01/list_reports/admin"].verdict is Verdict.FAIL
    assert "no answer within 0.3 s" in results["CODE-01/list_reports/admin"].sentence
    others = {r.verdict for address, r in results.items() if not address.startswith("CODE-01")}
    assert others == {Verdict.ERROR}


def test_a_token_that_dies_ends_the_run(server: BrokenServer, tmp_path: Path) -> None:
    async def dying(request: Request, world: World) -> Answer:
        world.memory["asked"] = world.memory.get("asked", 0) + 1
        return await world.forward(request) if world.memory["asked"] <= 8 else refusal(401)

    selection = Selection(operations=("list_tags",), requirements=("PAGE", "CODE"))
    with pytest.raises(Obstacle, match="does not take the run's token any more"):
        run_on(server, tmp_path, dying, selection, everywhere=True)


def test_a_run_tells_where_its_verdicts_come_from_and_what_came(server: BrokenServer, tmp_path: Path) -> None:
    selection = Selection(operations=("list_tags",), requirements=("PAGE-02", "ROLE-03"))
    run_on(server, tmp_path, None, selection)
    stored = read_results(tmp_path / RESULTS_FILE)
    seen = {result.cell.requirement: result.seen for result in stored.results}
    # limit=k answers k records: each page that came is counted with what was in it.
    assert seen["PAGE-02"]["pages"] >= 3
    assert seen["PAGE-02"]["records"] > seen["PAGE-02"]["pages"]
    assert seen["PAGE-02"]["callers"] == 1
    assert seen["ROLE-03"]["callers"] > 1
    header = stored.header
    assert header["operations"] == {"list_tags": {"call": "GET /api/tags", "provenance": "documented"}}
    assert header["provenance"]["Tags"] == {"documented": 3, "assumed": 2}
    assert header["sources"]["PAGE-02"].startswith("overview page")
