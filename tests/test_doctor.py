"""`cdp doctor`: what it says of a target is true, in few requests, and nothing is changed without leave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cdp.contract import Contract, load_contract
from cdp.targets import Credentials, ReadyRole, Target
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.diagnosis import Diagnosis, Line, State, describe_reach
from contracts.doctor import diagnose
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from tests.broken_server import BrokenServer
from tests.lacking_server import LACKING
from tests.running_instance import RunningInstance
from tests.test_command_line import answering, cdp, hanging, told

CATALOGUE = load_catalogue()
ALL = frozenset({"writes", "destructive", "sends"})
NOT_JUDGED = ("SKIP", "UNCONFIRMED", "ERROR")


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("lacking"))
    yield running
    running.stop()


def target_of(instance: RunningInstance, allow: frozenset[str] = frozenset(), token: str = "") -> Target:
    return Target("instance", instance.base_url, Credentials(token=token or instance.token), allow)


def line(found: Diagnosis, subject: str) -> Line:
    return next(line for line in found.lines if line.subject == subject)


def test_a_target_where_all_is_allowed_is_ready(instance: RunningInstance, contract: Contract) -> None:
    roles = {r["id"] for r in instance.get("/users/user_roles", limit=1000)["roles"]}
    found = diagnose(contract, CATALOGUE, target_of(instance, ALL))
    assert found.reach is not None and found.reach.judged > 0.98 * len(found.reach.blockers)
    assert line(found, "roles and users").state is State.OK
    assert line(found, "features").state is State.OK
    assert line(found, "clock").state is State.OK
    assert found.requests <= 250
    assert {r["id"] for r in instance.get("/users/user_roles", limit=1000)["roles"]} == roles


def test_a_read_only_target_creates_nothing_and_says_what_writes_would_bring(
    instance: RunningInstance, contract: Contract
) -> None:
    found = diagnose(contract, CATALOGUE, target_of(instance))
    assert found.exit_code == 1 and found.reach is not None
    assert line(found, "roles and users").state is State.GAP
    text = "\n".join(describe_reach(found.reach, "quick"))
    assert "allow writes: +" in text and "ROLE" in text
    gained = found.reach.judged + sum(gain for _, gain in found.reach.steps())
    assert gained > 0.98 * len(found.reach.blockers)


@pytest.mark.parametrize("identity", [True, False], ids=["told", "by reads"])
def test_the_features_of_a_small_role_are_found(
    instance: RunningInstance, contract: Contract, identity: bool, tmp_path: Path
) -> None:
    features = ["emails/view", "journeys/view", "tags/view"]
    token = instance.user_with(features, f"doctor{identity}".lower())[2]
    if not identity:
        overlay = tmp_path / "o.yaml"
        overlay.write_text(
            "overlay: 1.0.0\ninfo: {title: t, version: '1'}\n"
            "actions: [{target: \"$.paths['/identity']\", remove: true}]\n"
        )
        contract = load_contract(overlay=overlay)
    found = diagnose(contract, CATALOGUE, target_of(instance, ALL, token))
    told_of = line(found, "features")
    assert told_of.state is State.GAP and found.exit_code == 1
    assert ("as the target names them" if identity else "told by what it may read") in told_of.text
    # The contract has no feature tags/view.
    assert not identity or told_of.text.startswith("the role holds 2 of the ")
    assert "; not: " in told_of.text and not any(feature in told_of.text for feature in features)
    assert "may not create them" in line(found, "roles and users").text
    assert found.reach is not None
    assert "use a token whose role holds all features" in "\n".join(describe_reach(found.reach, "quick"))


def test_ready_made_tokens_count(instance: RunningInstance, contract: Contract) -> None:
    target = target_of(instance)
    ready = replace(target, roles=(ReadyRole("none", frozenset(), "x" * 20),))
    without, with_ready = (diagnose(contract, CATALOGUE, t).reach for t in (target, ready))
    assert without is not None and with_ready is not None
    assert with_ready.by_family()["ROLE"][0] > without.by_family()["ROLE"][0] == 0


def test_missing_operations_are_named_and_counted(server: BrokenServer, contract: Contract) -> None:
    with server.breaking(LACKING) as target:
        found = diagnose(contract, CATALOGUE, target)
    assumed = line(found, "assumed operations")
    assert assumed.state is State.GAP and "list_stitching_category_rules" in assumed.text
    assert "cdp spec confirm" in assumed.advice
    assert found.reach is not None
    assert all(b for cell, b in found.reach.blockers.items() if cell.operation == "list_feeds")
    assert found.requests <= 250


@pytest.mark.parametrize(
    "allow", [frozenset[str](), pytest.param(ALL, marks=pytest.mark.slow)], ids=["read-only", "all"]
)
def test_what_it_promises_is_what_a_run_judges(
    server: BrokenServer, contract: Contract, allow: frozenset[str], tmp_path: Path
) -> None:
    sections = ("Tags", "Journeys", "Users", "Feeds", "Segments", "Authentication", "Channels", "Funnel Groups")
    plan = make_plan(contract, CATALOGUE, Selection(sections=sections), PROFILES["quick"], seed=1)
    with server.breaking(LACKING) as whole:
        target = replace(whole, allow=allow)
        found = diagnose(contract, CATALOGUE, target)
        run = ContractRun(plan, target, tmp_path)
        run.start()
        judged = {r.cell: r.verdict.name not in NOT_JUDGED for r in run.judge_all()}
        run.finish(obstacle="the data are thrown away")
    assert found.reach is not None
    wrong = [c.address for c, real in judged.items() if real != (not found.reach.blockers[c])]
    assert len(wrong) <= 0.03 * len(judged), wrong


def test_the_requests_are_bounded(instance: RunningInstance, contract: Contract) -> None:
    found = diagnose(contract, CATALOGUE, target_of(instance), limit=60)
    assert found.requests <= 60
    assert "limit" in line(found, "limits").text
    late = diagnose(contract, CATALOGUE, target_of(instance), deadline_s=0.05)
    assert "time limit" in line(late, "limits").text


@pytest.mark.slow
def test_what_is_not_usable_says_why_and_what_to_do(instance: RunningInstance) -> None:
    environment = {"CDP_TOKEN": "abcdefghijk"}
    refused = cdp("doctor", "--url", instance.base_url, environment=environment)
    assert refused.returncode == 3 and "problem token: refused" in refused.stdout and "-> get a fresh" in refused.stdout
    assert "abcdefghijk" not in refused.stdout + refused.stderr
    down = cdp("doctor", "--url", "http://127.0.0.1:9/api", environment=environment)
    assert down.returncode == 3 and "problem reachable: no" in down.stdout
    with answering(200, "text/html", b"<p>Hi</p>") as url:
        other = cdp("doctor", "--url", url, environment=environment)
    assert other.returncode == 3 and "not the API" in other.stdout
    with hanging() as url:
        mute = cdp("doctor", "--url", url, "--timeout", "0.5", environment=environment)
    assert mute.returncode == 3 and "--timeout" in mute.stdout
    password = {"CDP_EMAIL": instance.email, "CDP_PASSWORD": "not the password"}
    wrong = cdp("doctor", "--url", instance.base_url, environment=password)
    assert wrong.returncode == 3 and "e-mail or password was refused" in wrong.stdout
    for result in (refused, down, other, mute, wrong):
        assert "Traceback" not in result.stderr
    assert cdp("doctor", "--url", "nonsense", environment=environment).returncode == 2
    assert "no credentials" in told(cdp("doctor", "--url", instance.base_url))


def test_the_command_prints_lines_and_the_share(instance: RunningInstance) -> None:
    result = cdp("doctor", "--url", instance.base_url, environment={"CDP_TOKEN": instance.token})
    assert result.returncode == 1, result.stdout + result.stderr
    assert "cells of a quick run" in result.stdout and "Usable, with gaps." in result.stdout
    assert instance.token not in result.stdout


def test_a_clock_that_is_wrong_and_a_failing_tls_are_told(contract: Contract) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(401)
            self.send_header("Date", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    slow = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=slow.serve_forever, daemon=True).start()
    base = f"127.0.0.1:{slow.server_address[1]}/api"
    try:
        plain = Target("t", f"http://{base}", Credentials(token="abcdefgh"), timeout_s=3)
        found = diagnose(contract, CATALOGUE, plain)
        assert line(found, "clock").state is State.GAP and "behind" in line(found, "clock").text
        secured = diagnose(contract, CATALOGUE, replace(plain, base_url=f"https://{base}"))
        assert line(secured, "reachable").state is State.PROBLEM and secured.exit_code == 3
    finally:
        slow.shutdown()
        slow.server_close()
