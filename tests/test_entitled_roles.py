"""What a role really gets, tokens that are renewed, and what a refusal says: servers that keep the contract in ways of
their own give no alarm; a true fault beside that is still named."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from cdp.contract import load_contract
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.conventions.auth.forged import decoded_alike, respelled, unsigned
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from instance import records
from instance.faults.callers import known_token
from instance.faults.model import TOKEN, Alteration, Answer, Fault, Request, World, json_answer, refusal
from instance.users import ADMINISTRATOR_ID
from tests.broken_server import BrokenServer
from tests.throwaway_runs import results_of

CONTRACT, CATALOGUE = load_contract(), load_catalogue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("entitled"))
    yield running
    running.stop()


def results_on(
    server: BrokenServer,
    directory: Path,
    alter: Alteration,
    cell: str,
    *,
    profile: str = "quick",
    everywhere: bool = False,
) -> list[Result]:
    """What a run over one requirement and operation says about a server that answers in this way."""
    requirement, _, operation = cell.partition("/")
    selection = Selection(operations=(operation,), requirements=(requirement,))
    plan = make_plan(CONTRACT, CATALOGUE, selection, PROFILES[profile], seed=1)
    with server.breaking(Fault("odd", "odd", (operation,), (), alter, beyond=everywhere)) as target:
        return results_of(plan, target, directory)


def worst(results: list[Result]) -> Result:
    return max(results, key=lambda r: r.verdict)


def body(request: Request) -> dict[str, Any]:
    return request.json if isinstance(request.json, dict) else {}


# --- reads and writes of a role -------------------------------------------------------------------------------------


def test_a_list_that_is_empty_for_everybody_is_no_finding(server: BrokenServer, tmp_path: Path) -> None:
    async def emptied(request: Request, world: World) -> Answer:
        """Somebody deletes all there is while the run looks: the second look shows it."""
        answer = await world.forward(request)
        world.memory["asked"] = world.memory.get("asked", 0) + 1
        return answer if world.memory["asked"] == 1 or not answer.ok else answer.showing({**answer.json, "events": []})

    results = results_on(server, tmp_path, emptied, "ROLE-02/list_events")
    assert {r.verdict for r in results} <= {Verdict.PASS, Verdict.SKIP}, worst(results).sentence


def test_a_list_that_is_empty_for_one_role_is_a_warning(server: BrokenServer, tmp_path: Path) -> None:
    async def hiding(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        few = len(world.features(request) or ()) < 3
        return answer.showing({**answer.json, "events": []}) if answer.ok and few else answer

    result = worst(results_on(server, tmp_path, hiding, "ROLE-02/list_events"))
    assert result.verdict is Verdict.WARN
    assert "got an empty list, and the run's own role" in result.sentence


def test_what_makes_roles_guards_what_they_hold(server: BrokenServer, tmp_path: Path) -> None:
    """Who may make roles may not give more than he has, which no harmless call shows."""

    async def guarded(request: Request, world: World) -> Answer:
        held = world.features(request) or frozenset()
        wanted = body(request).get("features")
        more = isinstance(wanted, list) and not held.issuperset(map(str, wanted))
        row = known_token(request, world)
        admin = row is not None and row[0] == ADMINISTRATOR_ID
        return refusal(403) if more and not admin else await world.forward(request)

    results = results_on(server, tmp_path, guarded, "ROLE-02/create_user_role", profile="release")
    assert {r.verdict for r in results} == {Verdict.PASS}, worst(results).sentence


def test_a_valid_write_that_fails_for_other_features_is_no_finding(server: BrokenServer, tmp_path: Path) -> None:
    async def loaded_first(request: Request, world: World) -> Answer:
        """404 for what is not there, whatever the role; for what is there, 403."""
        answer = await world.forward(request)
        if answer.status != 403:
            return answer
        tried = await world.forward(world.as_admin(request.with_body([])))
        return tried if tried.status == 404 else answer

    results = results_on(server, tmp_path, loaded_first, "ROLE-05/update_email_template")
    assert {r.verdict for r in results} == {Verdict.PASS}, worst(results).sentence


def test_the_exports_of_another_destination_may_be_404(server: BrokenServer, tmp_path: Path) -> None:
    async def hidden(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        named = any(name.startswith("segments/export/") for name in world.features(request) or ())
        return refusal(404) if answer.status == 403 and named else answer

    results = results_on(server, tmp_path, hidden, "ROLE-03/get_segment_export", profile="release")
    assert {r.verdict for r in results} == {Verdict.PASS}, worst(results).sentence


def test_an_identity_that_is_no_user_is_the_same_for_everybody(server: BrokenServer, tmp_path: Path) -> None:
    async def of_the_instance(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answer.showing({"identity": {"id": "cdp", "name": "an instance"}}) if answer.ok else answer

    results = results_on(server, tmp_path, of_the_instance, "ROLE-03/get_identity")
    assert {r.verdict for r in results} == {Verdict.PASS}, worst(results).sentence


def test_what_is_shared_may_be_shown_with_what_is_foreign(server: BrokenServer, tmp_path: Path) -> None:
    async def shared_is_foreign(request: Request, world: World) -> Answer:
        return await world.forward(
            request.asking(show_shared_with_me=1) if request.get("show_foreign") == "1" else request
        )

    results = results_on(server, tmp_path, shared_is_foreign, "PAGE-10/list_segments", profile="release")
    assert {r.verdict for r in results} == {Verdict.PASS}, worst(results).sentence


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renewed_alone", [True, False])
def test_a_renewed_token_is_held_to_another_one(server: BrokenServer, tmp_path: Path, renewed_alone: bool) -> None:
    async def forbidden(request: Request, world: World) -> Answer:
        """Forbidden to renewed tokens, or to everybody but the administrator."""
        row = known_token(request, world)
        answer = await world.forward(request)
        if not row or row[0] == ADMINISTRATOR_ID or answer.status == 401:
            return answer
        counted = "SELECT count(*) FROM token WHERE user_id=?"
        renewed = world.store.connection.execute(counted, (row[0],)).fetchone()[0] > 1
        return refusal(403) if renewed or not renewed_alone else answer

    result = worst(results_on(server, tmp_path, forbidden, "AUTH-06/get_custom_email_block"))
    assert result.verdict is (Verdict.WARN if renewed_alone else Verdict.PASS), result.sentence
    assert not renewed_alone or "a renewed token got 403" in result.sentence


@pytest.mark.parametrize(("status", "verdict"), [(422, Verdict.PASS), (200, Verdict.FAIL)])
def test_a_renewal_may_be_refused_in_any_way(
    server: BrokenServer, tmp_path: Path, status: int, verdict: Verdict
) -> None:
    async def refused(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return json_answer(status, {"message": "no", "token": ""}) if answer.status == 401 else answer

    result = worst(results_on(server, tmp_path, refused, "AUTH-11/refresh_token"))
    assert result.verdict is verdict, result.sentence


def test_a_renewal_of_what_was_ended_is_a_warning(server: BrokenServer, tmp_path: Path) -> None:
    async def renewed(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        known = known_token(request.with_header(TOKEN, str(body(request).get("token")).encode()), world)
        return json_answer(200, {"token": secrets.token_urlsafe(32)}) if answer.status == 401 and known else answer

    result = worst(results_on(server, tmp_path, renewed, "AUTH-11/refresh_token"))
    assert (result.verdict, result.sentence) == (Verdict.WARN, "a token that was ended by logout was renewed")


def test_a_web_token_is_forged_and_any_other_is_not() -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")

    claims = part({"sub": "7"})
    ((_, forged),) = unsigned(f"{part({'alg': 'RS256', 'kid': 'a'})}.{claims}.c2lnbmF0dXJl")
    head, kept, signature = forged.split(".")
    assert orjson.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "none", "kid": "a"}
    assert (kept, signature) == (claims, "")
    for token in ("opaque", "a.b.c", f"{part(['alg'])}.{claims}.x", f"{part({'alg': 'HS256'})}.{claims}", "a.b.c.d"):
        assert unsigned(token) == []


def test_a_token_of_the_same_bytes_is_spelled_as_decoders_read_it() -> None:
    opaque = secrets.token_urlsafe(32)
    (other,) = respelled(opaque)
    assert other != opaque
    assert base64.urlsafe_b64decode(other + "=") == base64.urlsafe_b64decode(opaque + "=")
    for alike in (other, opaque + "=", "~" + opaque):
        assert decoded_alike(opaque, alike)
    for another in (opaque[:-1], opaque + "A", ("b" if opaque[0] == "a" else "a") + opaque[1:]):
        assert not decoded_alike(opaque, another)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    (other,) = respelled(f"{head}.e30.c2lnbmF0dXJl")
    assert other == f"{head}.e31.c2lnbmF0dXJl"  # not in the signature
    assert respelled("0123456789abcdef") == respelled("cdp 12") == []


# --- what refusals say ----------------------------------------------------------------------------------------------


def refusing(status: int, told: Any) -> Alteration:
    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answer.showing({**answer.json, **told(request, world)}) if answer.status == status else answer

    return alter


def test_a_login_that_answers_in_many_words_is_no_finding(server: BrokenServer, tmp_path: Path) -> None:
    count = iter(range(1000))

    def told(request: Request, world: World) -> dict[str, Any]:
        return {
            "message": f"{body(request).get('email')} and this password do not fit.",
            "trace_id": secrets.token_hex(16),
            "attempt": next(count),
        }

    results = results_on(server, tmp_path, refusing(401, told), "AUTH-10/login_user")
    assert {r.verdict for r in results} == {Verdict.PASS}, worst(results).sentence


def test_passwords_that_are_too_long_may_be_refused(server: BrokenServer, tmp_path: Path) -> None:
    async def short(request: Request, world: World) -> Answer:
        return refusal(422) if len(str(body(request).get("password"))) > 72 else await world.forward(request)

    results = results_on(server, tmp_path, short, "AUTH-10/login_user", profile="release", everywhere=True)
    assert {r.verdict for r in results} == {Verdict.PASS}, worst(results).sentence


def test_a_refusal_may_name_the_caller(server: BrokenServer, tmp_path: Path) -> None:
    def told(request: Request, world: World) -> dict[str, Any]:
        row = known_token(request, world)
        user = records.get(world.store, "user", row[0]) if row else None
        role = records.get(world.store, "user_role", user["role_id"]) if user else None
        return {"message": f"{user['email']} as {role['name']} may not do this."} if user and role else {}

    result = worst(results_on(server, tmp_path, refusing(403, told), "ROLE-08/list_user_roles"))
    assert result.verdict is Verdict.PASS, result.sentence


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (lambda r, w: {"detail": {"errors": [{"id": "e-17", "status": "403", "title": "Forbidden"}]}}, Verdict.PASS),
        (lambda r, w: {"detail": {"path": r.path, "request": {"id": "a7", "path": r.path}}}, Verdict.PASS),
        (lambda r, w: {"detail": {"shown": [{"id": "7", "content_json": "{}", "thumbnail_url": ""}]}}, Verdict.WARN),
    ],
)
def test_an_object_in_a_refusal_is_a_record_when_it_looks_like_one(
    server: BrokenServer, tmp_path: Path, told: Any, verdict: Verdict
) -> None:
    result = worst(results_on(server, tmp_path, refusing(403, told), "ROLE-08/get_custom_email_block"))
    assert result.verdict is verdict, result.sentence
