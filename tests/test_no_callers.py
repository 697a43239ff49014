"""Targets on which users of the run's own cannot be made, or cannot log in, or not often: cells are SKIP, the run goes
on, and what is really wrong with a login is found all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.verdicts import Verdict
from contracts.diagnosis import State
from contracts.doctor import diagnose
from instance.faults.model import TOKEN, Alteration, Answer, Request, World, json_answer, refusal
from tests.broken_server import BrokenServer
from tests.odd_targets import CATALOGUE, CONTRACT, behind, results_on, told

LOGIN = ("AUTH-09/login_user", "CODE-02/login_user", "AUTH-10/login_user", "SHAPE-01/login_user")
CELLS = ("PAGE-01/list_tags", "ROLE-01/list_feeds", "ROLE-03/list_feeds", "LIFE-01/create_tag", *LOGIN)
CANNOT = "no callers with other roles can be made: "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("callers"))
    yield running
    running.stop()


def does(request: Request, operation: str) -> bool:
    """Whether a request is one to an operation, and no other method on its path."""
    known = request.operation
    return known is not None and known.id == operation and request.method == known.method


def email_of(request: Request) -> str:
    return str(request.json.get("email")) if isinstance(request.json, dict) else ""


def own(request: Request) -> bool:
    """Whether it is a login of a user that the run has made."""
    return does(request, "login_user") and email_of(request).startswith("cdp-")


async def invited(request: Request, world: World) -> Answer:
    """Who was made has to follow an invitation first."""
    return refusal(401) if own(request) else await world.forward(request)


async def single_sign_on(request: Request, world: World) -> Answer:
    if own(request):
        return refusal(400, "Passwords are switched off.")
    if does(request, "get_auth_options"):
        options = {"is_credentials_login_enabled": False, "is_oidc_login_enabled": True}
        return json_answer(200, {"authentication_options": options})
    assert not does(request, "create_user"), "nobody is made who could not log in"
    return await world.forward(request)


@pytest.mark.parametrize(
    ("alter", "why"), [(invited, "a user of the run's own cannot log in"), (single_sign_on, "nobody logs in")]
)
def test_a_run_goes_on_where_no_made_user_logs_in(
    server: BrokenServer, tmp_path: Path, alter: Alteration, why: str
) -> None:
    with behind(server, alter, token=True) as target:
        found = results_on(target, tmp_path, *CELLS)
    assert {found[cell].verdict for cell in ("PAGE-01/list_tags", "LIFE-01/create_tag")} == {Verdict.PASS}, told(found)
    without = [found[cell] for cell in ("ROLE-01/list_feeds", "ROLE-03/list_feeds", *LOGIN)]
    assert {result.verdict for result in without} == {Verdict.SKIP}, told(found)
    assert all(result.sentence.startswith(CANNOT + why) for result in without), told(found)


def test_a_login_that_wants_a_token_is_still_a_fault(server: BrokenServer, tmp_path: Path) -> None:
    async def wanting(request: Request, world: World) -> Answer:
        refused = own(request) and request.header(TOKEN) is None
        return refusal(401) if refused else await world.forward(request)

    with behind(server, wanting, token=True) as target:
        found = results_on(target, tmp_path, *LOGIN)
    assert found["AUTH-09/login_user"].verdict is Verdict.WARN, told(found)
    assert "without a token got 401" in found["AUTH-09/login_user"].sentence
    assert found["CODE-02/login_user"].verdict is Verdict.PASS, told(found)


def test_a_limit_on_logins_closes_only_what_comes_after_it(server: BrokenServer, tmp_path: Path) -> None:
    async def limited(request: Request, world: World) -> Answer:
        if does(request, "login_user"):
            world.memory["logins"] = world.memory.get("logins", 0) + 1
            if world.memory["logins"] > 4:
                return Answer(429, (("retry-after", "0"), ("content-type", "application/json")), b'{"message": "No."}')
        return await world.forward(request)

    with behind(server, limited, token=True) as target:
        found = results_on(target, tmp_path, *CELLS)
    assert {found[cell].verdict for cell in CELLS[:2]} == {Verdict.PASS}, told(found)
    assert not [r for r in found.values() if r.verdict in (Verdict.WARN, Verdict.FAIL)], told(found)
    assert found["LIFE-01/create_tag"].verdict is Verdict.PASS, told(found)


def test_a_feature_that_the_target_lacks_closes_its_sets_alone(server: BrokenServer, tmp_path: Path) -> None:
    known = set(CONTRACT.feature_names)

    async def checking(request: Request, world: World) -> Answer:
        body = request.json if isinstance(request.json, dict) else {}
        named = body.get("features") if request.operation and request.operation.entity == "user_role" else None
        strange = isinstance(named, list) and not known.issuperset(map(str, named))
        return refusal(422, "There is no such feature.") if strange else await world.forward(request)

    with behind(server, checking) as target:
        found = results_on(target, tmp_path, "ROLE-01/list_feeds", "ROLE-02/list_feeds", "ROLE-03/list_feeds")
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, told(found)
    assert found["ROLE-03/list_feeds"].evidence > 2


def locking(after: int, status: int) -> Alteration:
    """So many wrong passwords on end, and an account is shut."""

    async def alter(request: Request, world: World) -> Answer:
        if not own(request):
            return await world.forward(request)
        wrong = world.memory.setdefault("wrong", {})
        if wrong.get(email_of(request), 0) >= after:
            return refusal(status, "Try again later.")
        answer = await world.forward(request)
        wrong[email_of(request)] = 0 if answer.ok else wrong.get(email_of(request), 0) + 1
        return answer

    return alter


@pytest.mark.parametrize(("after", "status", "cases"), [(3, 423, 9), (1, 423, 3), (1, 401, 3)])
def test_refusals_of_an_account_that_is_shut_are_no_evidence(
    server: BrokenServer, tmp_path: Path, after: int, status: int, cases: int
) -> None:
    with behind(server, locking(after, status)) as target:
        found = results_on(target, tmp_path, "AUTH-10/login_user", "ROLE-07/list_tags")
    result = found["AUTH-10/login_user"]
    assert (result.verdict, result.evidence) == (Verdict.PASS, cases), told(found)


def test_the_doctor_sees_that_made_users_cannot_log_in(server: BrokenServer) -> None:
    removed: list[str] = []

    async def watched(request: Request, world: World) -> Answer:
        answer = await invited(request, world)
        if request.method == "DELETE" and answer.ok and request.operation is not None:
            removed.append(str(request.operation.entity))
        return answer

    with behind(server, watched, token=True) as target:
        found = diagnose(CONTRACT, CATALOGUE, target)
    line = next(line for line in found.lines if line.subject == "roles and users")
    assert line.state is State.GAP and "a user of the run's own cannot log in" in line.text, line
    assert "ready-made tokens" in line.advice
    assert removed[0] == "user" and "user_role" in removed
    assert found.reach is not None and found.requests <= 250
    judged, cells = found.reach.by_family()["ROLE"]
    assert judged == 0 < cells
