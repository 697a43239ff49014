"""Drawn requests: what may be drawn, what stays the run's own, and whose word counts for what is said about them."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cdp.contract import Contract, load_contract
from cdp.http import Exchange
from cdp.results import ResultsError, read_results
from cdp.verdicts import Result, Verdict
from contracts.calls import Call
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.query_parameters import QueryParameters
from contracts.response_checks import Request, ResponseChecks, load_table
from contracts.samples import Sampler
from contracts.session import Obstacle
from contracts.unknown_inputs import Drawn, UnknownInputs
from instance.faults.model import Answer, Fault, World, refusal
from instance.faults.model import Request as Asked
from tests.broken_server import BrokenServer
from tests.throwaway_runs import results_of

PREFIX = "cdp-0badcafe"
ACCEPTING = ["create_report", "update_report", "list_reports", "get_report", "delete_report"]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def inputs(contract: Contract) -> UnknownInputs:
    return UnknownInputs(contract, Sampler(contract, PREFIX, lambda schema: None, 1))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("unknown"))
    yield running
    running.stop()


def drawn(inputs: UnknownInputs, call: Call, valid: bool, count: int = 30) -> list[Drawn]:
    """Requests at the borders of the schema, and random ones."""
    strategy = inputs.at_random(call, valid=valid)
    assert strategy is not None
    found = list(inputs.at_borders(call, random.Random(1), valid=valid))[:count]

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(unknown: Drawn) -> None:
        found.append(unknown)

    collect()
    return found


def run_on(
    server: BrokenServer,
    contract: Contract,
    directory: Path,
    operations: list[str],
    fault: Fault | None = None,
    allow: frozenset[str] | None = None,
    requirements: tuple[str, ...] = tuple(sorted(load_table().requirements)),
) -> list[Result]:
    """The cells that drawn requests speak for, in the release profile."""
    selection = Selection(operations=tuple(operations), requirements=requirements)
    plan = make_plan(contract, load_catalogue(), selection, PROFILES["release"], seed=1)
    with server.breaking(fault) as target:
        return results_of(plan, target if allow is None else replace(target, allow=allow), directory)


# --- what may be drawn ---------------------------------------------------------------------------------------------


def test_nothing_that_reaches_people_is_drawn(contract: Contract, inputs: UnknownInputs) -> None:
    sending = [o for o in contract.operations.values() if o.safety == "sends"]
    assert len(sending) == 9
    assert [o.id for o in sending for valid in (True, False) if inputs.drawable(o, valid=valid)] == []


def test_records_of_others_are_not_drawn_upon(contract: Contract, inputs: UnknownInputs) -> None:
    foreign = ("update_global_setting", "update_whatsapp_campaign", "set_push_channel_frequency_cap")
    assert [n for n in foreign if inputs.drawable(contract.operations[n], valid=False)] == []


@pytest.mark.parametrize("valid", [True, False])
def test_a_write_keeps_its_own_record_and_name(contract: Contract, inputs: UnknownInputs, valid: bool) -> None:
    call = Call(contract.operations["update_tag"], {"tag_id": "17"}).sending({"name": f"{PREFIX} name"})
    found = [each.call for each in drawn(inputs, call, valid)]
    assert {c.path["tag_id"] for c in found} == {"17"}
    names = [c.sent["name"] for c in found if isinstance(c.sent, dict) and isinstance(c.sent.get("name"), str)]
    assert all(name.startswith(PREFIX) for name in names)
    assert (names and len(names) == len(set(names))) or not valid


@pytest.mark.parametrize("valid", [True, False])
def test_references_stay_those_of_the_call(contract: Contract, inputs: UnknownInputs, valid: bool) -> None:
    sent = {"name": "n", "email": "a@example.com", "password": "p", "role_id": 4711}
    found = drawn(inputs, Call(contract.operations["create_user"]).sending(sent), valid)
    bodies = [each.call.sent for each in found if isinstance(each.call.sent, dict) and "role_id" in each.call.sent]
    kept = [body["role_id"] for body in bodies if body["role_id"] is not None and not isinstance(body["role_id"], dict)]
    assert set(kept) == {4711}


def test_a_parameter_drawn_to_be_wrong_never_refers_to_nothing_rightly(
    contract: Contract, inputs: UnknownInputs
) -> None:
    call = Call(contract.operations["get_email_subscription_status"]).asking(("email_address", "a@example.com"))
    found = drawn(inputs, call, False, 100)
    assert found and {each.call.query for each in found if each.request.valid} <= {call.query}


def test_no_drawn_change_puts_the_record_into_the_trash(contract: Contract, inputs: UnknownInputs) -> None:
    call = Call(contract.operations["update_email"], {"email_id": "x"}).sending({"name": "n"})
    bodies = [each.call.sent for valid in (True, False) for each in drawn(inputs, call, valid)]
    assert len(bodies) > 60 and not any("deleted" in body for body in bodies if isinstance(body, dict))


def test_a_read_is_drawn_with_odd_ids_and_parameters(contract: Contract, inputs: UnknownInputs) -> None:
    call = Call(contract.operations["list_segment_notes"], {"segment_id": "5"})
    valid, invalid = (drawn(inputs, call, each) for each in (True, False))
    assert len({each.call.query for each in valid}) > 5
    assert len({(each.call.path["segment_id"], each.call.query) for each in invalid}) > 5
    assert {each.call.path["segment_id"] for each in valid} == {"5"}


def test_valid_and_invalid_are_what_is_really_sent(contract: Contract, inputs: UnknownInputs) -> None:
    call = Call(contract.operations["create_report"]).sending({"name": f"{PREFIX} name", "url": "u"})
    validator = inputs._validator(call.operation)
    assert validator is not None
    for valid in (True, False):
        for each in drawn(inputs, call, valid):
            if each.call.sent is not None and each.request.sure:
                assert validator.is_valid(each.call.sent) is each.request.valid, each.shown()


def test_a_read_only_target_gets_nothing_but_reads(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    results = run_on(server, contract, tmp_path, ACCEPTING, allow=frozenset())
    entries = json.loads((tmp_path / "drawn.har").read_text())["log"]["entries"]
    assert len(entries) > 20 and {entry["request"]["method"] for entry in entries} == {"GET"}
    skipped = {r.cell.operation for r in results if r.cell.requirement == "CODE-05"}
    assert skipped and {r.verdict for r in results if r.cell.operation in skipped} == {Verdict.SKIP}


def test_records_of_drawn_requests_are_removed_at_once(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    run_on(server, contract, tmp_path, ["create_report"], requirements=("CODE-02",))
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    created = [line for line in lines if line["kind"] == "created" and line["operation"] == "create_report"]
    removed = [line for line in lines if line["kind"] == "removed"]
    assert len(removed) >= 6 and len(created) - len(removed) <= 3  # the control and what it was made for


# --- whose word counts ---------------------------------------------------------------------------------------------


def test_every_check_is_asked_or_left_out_for_a_reason(contract: Contract) -> None:
    """A new version of Schemathesis may bring new checks: somebody has to say what they are about."""
    from schemathesis.checks import CHECKS, load_all_checks

    load_all_checks()
    table = load_table()
    known = set(CHECKS.get_all_names()) | {"max_response_time"}
    assert set(table.checks) | set(table.left_out) == known
    assert not set(table.checks) & set(table.left_out)
    assert table.requirements <= set(load_catalogue().requirements)
    assert all(reason.strip() for reason in (*table.left_out.values(), *table.not_judged.values()))


@pytest.mark.parametrize(
    ("check", "request_", "success", "requirement"),
    [
        ("not_a_server_error", Request(("body",)), False, "CODE-01"),
        ("status_code_conformance", Request(), True, "CODE-02"),
        ("status_code_conformance", Request(("body",)), False, "CODE-05"),
        ("status_code_conformance", Request(("query",), frozenset({"limit", "offset"})), False, "PAGE-07"),
        ("status_code_conformance", Request(("query",), frozenset({"load_full_structure"})), False, "CODE-02"),
        ("status_code_conformance", Request(("query",), frozenset({"limit", "order_by"})), False, ""),
        ("status_code_conformance", Request(("path", "query"), frozenset({"limit"})), False, ""),
        ("response_schema_conformance", Request(), True, "SHAPE-01"),
        ("response_schema_conformance", Request(), False, "CODE-06"),
        ("negative_data_rejection", Request(("path",)), True, "CODE-03"),
        ("negative_data_rejection", Request(("query",), frozenset({"order_by"})), True, "ORDER-05"),
        ("negative_data_rejection", Request(("query",), frozenset({"name_filter"})), True, ""),
        ("negative_data_rejection", Request(), True, ""),
        ("positive_data_acceptance", Request(), False, "CODE-02"),
        ("positive_data_acceptance", Request(("body",)), False, ""),
    ],
)
def test_the_requirement_that_a_check_speaks_for(
    check: str, request_: Request, success: bool, requirement: str
) -> None:
    assert load_table().requirement(check, request_, success) == requirement


def test_a_passing_check_is_evidence_only_where_it_was_put_to_the_test(
    contract: Contract, inputs: UnknownInputs
) -> None:
    checks = ResponseChecks()
    checks.listen(inputs.schema)
    call = Call(contract.operations["get_tag"], {"tag_id": "1"})
    each = next(inputs.at_borders(call, random.Random(1), valid=True))
    missing = Exchange("get_tag", "admin", "GET", "http://127.0.0.1/api/tags/1", {}, None, 404)
    missing.headers["Content-Type"], missing.body = "application/json", b'{"message": "No such tag."}'
    told = {judged.check: judged for judged in checks.judge(each.case, each.request, missing)}
    assert told["not_a_server_error"].evidence and told["status_code_conformance"].evidence
    assert not told["response_headers_conformance"].evidence and not told["response_headers_conformance"].sentence
    assert told["positive_data_acceptance"].sentence.startswith("Schema-valid request not accepted")
    assert told["positive_data_acceptance"].sentence.endswith("got 404")


@pytest.mark.parametrize(("status", "wrong"), [(400, False), (422, False), (418, True)])
def test_what_is_invalid_may_be_refused_with_400_or_422(
    contract: Contract, inputs: UnknownInputs, status: int, wrong: bool
) -> None:
    checks = ResponseChecks()
    checks.listen(inputs.schema)
    each = next(inputs.at_borders(Call(contract.operations["list_segments"]), random.Random(1), valid=False))
    answer = Exchange("list_segments", "admin", "GET", "http://127.0.0.1/api/segments", {}, None, status)
    answer.headers["Content-Type"], answer.body = "application/json", b'{"message": "No such order."}'
    told = {judged.check: judged for judged in checks.judge(each.case, each.request, answer)}
    said = told["status_code_conformance"].sentence if "status_code_conformance" in told else ""
    assert said.startswith("Undocumented status code") is wrong


def test_what_the_contract_says_of_an_id_is_not_held_against_the_id(contract: Contract, inputs: UnknownInputs) -> None:
    call = Call(contract.operations["update_tag"], {"tag_id": "not a number"}).sending({"name": f"{PREFIX} name"})
    found = [each.request for valid in (True, False) for each in drawn(inputs, call, valid, 10)]
    assert {each.broken for each in found} == {(), ("body",)}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ((("limit", "20"), ("offset", "0")), set()),
        ((("limit", "0"),), {"limit"}),
        ((("limit", "ten"), ("offset", "1.5")), {"limit", "offset"}),
        ((("limit", "5"), ("limit", "7")), {"limit"}),
        ((("order_dir", "asc"),), set()),
        ((("order_dir", "sideways"), ("order_by", "nothing")), {"order_dir", "order_by"}),
        ((("nobody_knows_it", "x"),), set()),
        ((("tag_ids", "1,2"),), set()),
        ((("tag_ids", "1,x"),), {"tag_ids"}),
        ((("load_full_structure", "2"),), {"load_full_structure"}),
    ],
)
def test_wrong_query_parameters(contract: Contract, query: tuple[tuple[str, str], ...], wrong: set[str]) -> None:
    assert QueryParameters(contract).wrong(contract.operations["list_segments"], query) == wrong


# --- the token -----------------------------------------------------------------------------------------------------


def refusing(after: int, everything: bool) -> Fault:
    """After so many requests to the lists the token is refused: by them, or by all operations."""

    async def alter(request: Asked, world: World) -> Answer:
        asked = world.memory.setdefault("asked", [])
        if request.operation is not None and request.operation.id == "list_tags":
            asked.append(1)
        concerned = everything or (request.operation is not None and request.operation.id == "list_tags")
        return refusal(401) if len(asked) > after and concerned else await world.forward(request)

    return Fault("refusing", "the token is refused later", ("list_tags",), (), alter, beyond=True)


def test_a_token_that_is_refused_in_the_middle_ends_the_run(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    with pytest.raises(Obstacle, match="does not take the run's token any more"):
        run_on(server, contract, tmp_path, ["list_tags"], refusing(20, True), requirements=("CODE-02",))
    statuses = [e["response"]["status"] for e in json.loads((tmp_path / "drawn.har").read_text())["log"]["entries"]]
    assert 200 in statuses and statuses[-1] == 401  # it was among the drawn requests that it happened


def test_a_token_that_one_operation_refuses_is_a_finding(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    (result,) = run_on(server, contract, tmp_path, ["list_tags"], refusing(6, False), requirements=("CODE-02",))
    assert result.verdict is Verdict.WARN and "positive_data_acceptance" in result.sentence


# --- other ----------------------------------------------------------------------------------------------------------


def test_what_fails_only_once_is_marked(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    async def alter(request: Asked, world: World) -> Answer:
        answer = await world.forward(request)
        if isinstance(request.json, dict) and "description" in request.json and not world.memory.get("failed"):
            world.memory["failed"] = True
            return refusal(500)
        return answer

    fault = Fault("once", "once", ("create_report",), (), alter)
    (result,) = run_on(server, contract, tmp_path, ["create_report"], fault, requirements=("CODE-01",))
    assert result.verdict is Verdict.FAIL and "(not_a_server_error)" in result.sentence


def test_a_cassette_that_cannot_be_written_ends_the_run_in_one_line(
    server: BrokenServer, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("cdp.cassette.os.pwrite", full)
    with pytest.raises(ResultsError) as caught:
        run_on(server, contract, tmp_path, ["list_tags"], requirements=("CODE-02",))
    assert str(caught.value) == f"cannot write the cassette to {tmp_path / 'drawn.har'}: No space left on device"
    assert len(read_results(tmp_path / "results.jsonl").results) == 1  # the verdict is kept


def test_a_fault_of_the_suite_passes_in_no_cell(
    server: BrokenServer, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(ResponseChecks, "judge", broken)
    results = run_on(server, contract, tmp_path, ["list_tags"], requirements=("CODE-01", "CODE-02", "SHAPE-01"))
    assert [r.verdict for r in results] == [Verdict.ERROR] * 3
    assert all("the suite failed: ZeroDivisionError" in r.sentence for r in results)


def test_the_short_profile_does_without_schemathesis(tmp_path: Path) -> None:
    code = (
        "import sys; from contracts.plan import make_plan; from contracts.run import ContractRun;"
        "from contracts import conventions; sys.exit('schemathesis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.slow
def test_pytest_tells_the_operations_of_a_schema_apart(tmp_path: Path) -> None:
    """With some versions of pytest and Schemathesis all operations got one test id; constraints.txt names good ones."""
    (tmp_path / "test_it.py").write_text(
        "import pytest, schemathesis\n"
        "operation = {'responses': {'200': {'description': 'fine'}}}\n"
        "document = {'openapi': '3.1.0', 'info': {'title': 't', 'version': '1'}, 'paths': {\n"
        "    '/a': {'get': operation}, '/b': {'get': operation}}}\n"
        "schema = schemathesis.openapi.from_dict(document)\n"
        "@pytest.fixture\n"
        "def later(): return schema\n"
        "@schema.parametrize()\n"
        "def test_now(case): pass\n"
        "@schemathesis.pytest.from_fixture('later').parametrize()\n"
        "def test_later(case): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:locust", "-p", "no:cacheprovider", "-rA", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "test_now[GET /a]" in done.stdout and "test_now[GET /b]" in done.stdout
