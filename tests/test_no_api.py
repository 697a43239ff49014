"""What answers in place of the API: one line says what it was and what to do, whoever asks, and no run begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cdp.contract import Contract, load_contract
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target, TargetError
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.confirming import confirm
from contracts.diagnosis import State
from contracts.doctor import diagnose
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from contracts.session import Obstacle
from load.admission import sign_in
from load.scenario import ScenarioError
from load.scenarios.discovery import discover
from load.scenarios.hot import Context, searching
from tests.loopback import Asked, Reply, serving

CONTRACT = load_contract()
CATALOGUE = load_catalogue()
HTML = {"Content-Type": "text/html"}
TOKEN = Credentials(token="the-token-of-a-run")
PASSWORD = Credentials(email="somebody@example.com", password="the password of somebody")
Answers = Callable[[Asked], Reply]


def elsewhere(place: str) -> Answers:
    return lambda asked: Reply(301, b"", {**HTML, "Location": place.format(path=asked.path)})


def slashes(asked: Asked) -> Reply:
    return Reply(301, b"", {"Location": asked.path + "/"})


NOT_THE_API = [
    (elsewhere("http://portal.example.com/login"), "leads to http://portal.example.com/login", "address itself"),
    (elsewhere("https://127.0.0.1{path}"), "leads to https://127.0.0.1/api", "with https"),
    (slashes, "redirects are not followed", "an overlay"),
    (lambda asked: Reply(200, b"<html></html>", HTML), "answered 200 with text/html", "ends in /api"),
    (lambda asked: Reply(200, b""), "answered 200 with an empty body", "ends in /api"),
    (lambda asked: Reply(200, b'{"tags": [{"id": 1, "na'), "with application/json that is no JSON", "ends in /api"),
    (lambda asked: Reply(404, b'{"message": "no such path"}'), "answered 404", "ends in /api"),
    (lambda asked: Reply(502, b"<html></html>", HTML), "fails: ", "its proxy"),
]


def told_by_a_run(target: Target, directory: Path) -> str:
    run = ContractRun(
        make_plan(CONTRACT, CATALOGUE, Selection(sections=("Tags",)), PROFILES["quick"], 1), target, directory
    )
    try:
        with pytest.raises(Obstacle) as caught:
            run.start()
    finally:
        run.finish(obstacle="the API is not there")
    return str(caught.value)


@pytest.mark.parametrize(("answers", "what", "advice"), NOT_THE_API)
@pytest.mark.parametrize("credentials", [TOKEN, PASSWORD], ids=["token", "password"])
def test_a_run_and_the_doctor_tell_what_answers(
    credentials: Credentials, answers: Answers, what: str, advice: str, tmp_path: Path
) -> None:
    with serving(answers) as server:
        target = Target("somewhere", server.url + "/api", credentials)
        told = told_by_a_run(target, tmp_path)
        found = diagnose(CONTRACT, CATALOGUE, target)
    assert what in told and advice in told and "\n" not in told
    problem = found.lines[-1]
    assert problem.state is State.PROBLEM and what in problem.text and advice in problem.advice
    assert found.exit_code == 3


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"message": "OK"}', b'"welcome"', b"5"])
def test_json_without_a_list_is_not_the_api(body: bytes, tmp_path: Path) -> None:
    with serving(lambda asked: Reply(200, body)) as server:
        target = Target("somewhere", server.url + "/api", TOKEN)
        told = told_by_a_run(target, tmp_path)
        with pytest.raises(Obstacle, match="is not the API"):
            confirm(CONTRACT, target)
    assert "is not the API" in told


def test_one_list_without_records_keeps_no_run_from_beginning(tmp_path: Path) -> None:
    def answers(asked: Asked) -> Reply:
        return Reply(200, b'{"tags": []}' if asked.path.startswith("/api/tags") else b"{}")

    with serving(answers) as server:
        target = Target("somewhere", server.url + "/api", TOKEN)
        plan = make_plan(CONTRACT, CATALOGUE, Selection(operations=("list_tags",)), PROFILES["quick"], 1)
        run = ContractRun(plan, target, tmp_path)
        try:
            run.start()
            assert run.session.health is not None and run.session.health.operation.id == "list_tags"
        finally:
            run.finish()


def test_refused_credentials_are_no_other_address() -> None:
    with serving(lambda asked: Reply(403, b"<html></html>", HTML)) as server:
        found = diagnose(CONTRACT, CATALOGUE, Target("somewhere", server.url + "/api", PASSWORD))
    assert "password was refused" in found.lines[-1].text and "e-mail and password" in found.lines[-1].advice


@pytest.mark.parametrize("status", [429, 503])
def test_a_target_without_time_for_hours_is_told_at_once(status: int) -> None:
    with serving(lambda asked: Reply(status, b"", {"Retry-After": "3600"})) as server:
        found = diagnose(CONTRACT, CATALOGUE, Target("somewhere", server.url + "/api", TOKEN))
        assert len(server.asked) <= 3
    assert found.exit_code == 3 and f"has no time: GET list_users got {status}" in found.lines[-1].text


def searched(target: Target, contract: Contract) -> None:
    context = Context(contract, target, lambda *asked: b"", "the-token-of-a-run", "cdp-0badcafe")
    discover(context, searching(contract), None, known_customers=False)


def test_a_load_run_tells_what_answers() -> None:
    with serving(elsewhere("http://portal.example.com/login")) as server:
        with pytest.raises(TargetError, match="leads to http://portal"):
            sign_in(Target("somewhere", server.url + "/api", PASSWORD), CONTRACT, Secrets())
        with pytest.raises(ScenarioError, match="leads to http://portal"):
            searched(Target("somewhere", server.url + "/api", TOKEN), CONTRACT)
    with (
        serving(lambda asked: Reply(200, b"<html></html>", HTML)) as server,
        pytest.raises(ScenarioError, match="answered 200 with text/html"),
    ):
        searched(Target("somewhere", server.url + "/api", TOKEN), CONTRACT)
