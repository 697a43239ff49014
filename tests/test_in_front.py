"""What stands in front of an API, or beside it on the same host, answers by itself now and then: no finding, and no
evidence either. The fault beside it is still one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from cdp.contract import load_contract
from cdp.targets import Target
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.conventions.harmless import like
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from instance.faults.model import Alteration, Answer, Fault, Request, World, html, json_answer, refusal
from tests.broken_server import BrokenServer
from tests.throwaway_runs import results_of

TOKEN = b"x-access-token"
PASSWORD = "the gateway's own"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("front"))
    yield running
    running.stop()


class Runs:
    """Runs against one server, whatever stands in front of it."""

    def __init__(self, server: BrokenServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.target: Target = server.target
        self.profile = "quick"
        self.asked: list[Request] = []
        self.count = 0

    def __call__(self, operations: str, requirements: str, front: Alteration) -> dict[str, Result]:
        """Results by requirement and operation."""

        async def noted(request: Request, world: World) -> Answer:
            self.asked.append(request)
            return await front(request, world)

        selection = Selection(operations=tuple(operations.split()), requirements=tuple(requirements.split()))
        plan = make_plan(load_contract(), load_catalogue(), selection, PROFILES[self.profile], seed=1)
        with self.server.breaking(Fault("front", "front", selection.operations, (), noted, beyond=True)):
            self.count += 1
            directory = self.directory / str(self.count)
            directory.mkdir()
            found = results_of(plan, self.target, directory)
        return {f"{r.cell.requirement}/{r.cell.operation}": r for r in found}


@pytest.fixture
def runs(server: BrokenServer, tmp_path: Path) -> Runs:
    return Runs(server, tmp_path)


async def open_to_all(request: Request, world: World) -> Answer:
    return await world.forward(request)


def verdicts(results: dict[str, Result]) -> dict[str, Verdict]:
    return {name: result.verdict for name, result in results.items()}


# --- a gateway with credentials of its own ---------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "X-Api-Key"])
def test_credentials_of_a_gateway_stay_what_they_are(runs: Runs, header: str) -> None:
    value = f"gate={PASSWORD}" if header == "Cookie" else PASSWORD
    runs.target = replace(runs.target, headers=((header, value),))
    runs.profile = "release"

    async def gateway(request: Request, world: World) -> Answer:
        shown = (request.header(header.lower().encode()) or b"").decode()
        return await world.forward(request) if shown.startswith(value) else html(401)

    found = runs("get_tag", "AUTH-04 MEDIA-01 CODE-06", gateway)
    assert set(verdicts(found).values()) == {Verdict.PASS}, found

    async def taking_it_elsewhere(request: Request, world: World) -> Answer:
        """A token in the query, or in a cookie of another name, counts."""
        cookies = (request.header(b"cookie") or b"").decode()
        token = request.get("token") or cookies.partition("access_token=")[2].partition(";")[0]
        return await gateway(request.with_header(TOKEN, token.encode()) if token else request, world)

    assert verdicts(runs("get_tag", "AUTH-04", taking_it_elsewhere)) == {"AUTH-04/get_tag": Verdict.WARN}


def test_a_token_is_not_handed_to_a_proxy(runs: Runs) -> None:
    runs("get_tag", "AUTH-04", open_to_all)
    assert any(request.header(b"proxy-authorization") for request in runs.asked)
    runs.asked.clear()
    runs.target = replace(runs.target, headers=(("Proxy-Authorization", "theirs"),))
    runs("get_tag", "AUTH-04", open_to_all)
    assert {request.header(b"proxy-authorization") for request in runs.asked} == {b"theirs"}


# --- what a server refuses before the API sees it --------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Answer(431), html(400), html(431)])
def test_a_header_that_no_server_reads_may_be_refused_in_any_form(runs: Runs, answer: Answer) -> None:
    runs.profile = "release"

    async def short(request: Request, world: World) -> Answer:
        return answer if len(request.header(TOKEN) or b"") > 4096 else await world.forward(request)

    found = runs("list_tags", "AUTH-03 AUTH-07 MEDIA-01 CODE-06", short)
    assert set(verdicts(found).values()) == {Verdict.PASS}, found

    async def redirecting(request: Request, world: World) -> Answer:
        return (
            Answer(302, (("location", "/login"),))
            if len(request.header(TOKEN) or b"") > 4096
            else await world.forward(request)
        )

    assert verdicts(runs("list_tags", "AUTH-03", redirecting)) == {"AUTH-03/list_tags": Verdict.FAIL}


def test_no_path_holds_what_front_servers_take_for_themselves(runs: Runs) -> None:
    runs.profile = "release"

    async def front(request: Request, world: World) -> Answer:
        odd = any(each in request.path.lower() for each in ("%00", "%2f", "%5c"))
        return html(400) if odd else await world.forward(request)

    found = runs("get_tag get_report delete_feed", "CODE-01 CODE-06 MEDIA-01", front)
    assert set(verdicts(found).values()) == {Verdict.PASS}, found
    assert not any("%00" in request.path for request in runs.asked)


# --- a host that answers for what is not the API's -------------------------------------------------------------------

OFF_HOST = "AUTH-09 CODE-02 CODE-04 CODE-06 MEDIA-01"


@pytest.mark.parametrize("status", [200, 404, 302])
def test_a_web_application_beside_the_api_is_not_judged(runs: Runs, status: int) -> None:
    async def application(request: Request, world: World) -> Answer:
        return await world.forward(request) if request.path.startswith("/api/") else html(status)

    found = runs("get_wbs_ip", OFF_HOST, application)
    assert set(verdicts(found).values()) <= {Verdict.UNCONFIRMED, Verdict.SKIP}, found
    assert found["AUTH-09/get_wbs_ip"].verdict is Verdict.UNCONFIRMED
    assert "like any path of the host" in found["AUTH-09/get_wbs_ip"].sentence


def test_an_operation_off_the_host_that_answers_html_alone_is_broken(runs: Runs) -> None:
    async def page(request: Request, world: World) -> Answer:
        return html(200) if request.path == "/wbs/ip_lookup" else await world.forward(request)

    found = verdicts(runs("get_wbs_ip", "MEDIA-01", page))
    assert found == {"MEDIA-01/get_wbs_ip": Verdict.FAIL}


def test_paths_that_the_application_takes_are_not_the_apis(runs: Runs) -> None:
    async def application(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        api = request.path.startswith("/api/") or request.operation is not None or answer.status != 404
        return answer if api else html(200)

    found = verdicts(runs("get_wbs_ip get_tag", "CODE-04 MEDIA-01", application))
    assert set(found.values()) == {Verdict.PASS}, found

    async def below_the_api(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answer if request.operation is not None or answer.status != 404 else html(200)

    found = verdicts(runs("get_tag", "CODE-04 MEDIA-01", below_the_api))
    assert found == {"CODE-04/get_tag": Verdict.WARN, "MEDIA-01/get_tag": Verdict.FAIL}


@pytest.mark.parametrize("status", [400, 404])
def test_values_that_an_instance_does_not_take_tell_nothing(runs: Runs, status: int) -> None:
    async def choosy(request: Request, world: World) -> Answer:
        return refusal(status) if request.path == "/wbs" else await world.forward(request)

    found = runs("get_wbs_customer", "AUTH-09 CODE-02", choosy)
    assert set(verdicts(found).values()) == {Verdict.SKIP}, found

    async def hiding(request: Request, world: World) -> Answer:
        hidden = request.path == "/wbs" and request.header(TOKEN) is None
        return refusal(status) if hidden else await world.forward(request)

    assert verdicts(runs("get_wbs_customer", "AUTH-09", hiding)) == {"AUTH-09/get_wbs_customer": Verdict.WARN}


# --- what is only assumed ---------------------------------------------------------------------------------------------


def test_an_assumed_status_is_not_called_documented(runs: Runs) -> None:
    async def created(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return replace(answer, status=206) if answer.ok and "login" not in request.path else answer

    found = runs("list_tags list_trashed_segments", "CODE-02", created)
    assert found["CODE-02/list_tags"].verdict is Verdict.WARN
    assert found["CODE-02/list_trashed_segments"].verdict is Verdict.UNCONFIRMED, found
    assert "assumed" in found["CODE-02/list_trashed_segments"].sentence


def test_an_assumed_path_may_be_anothers(runs: Runs) -> None:
    async def shadowed(request: Request, world: World) -> Answer:
        return refusal(422) if request.path.endswith("/trash") else await world.forward(request)

    found = runs("list_trashed_segments", "CODE-02", shadowed)
    assert verdicts(found) == {"CODE-02/list_trashed_segments": Verdict.UNCONFIRMED}, found
    assert "get_segment" in found["CODE-02/list_trashed_segments"].sentence


def test_events_may_carry_their_payload_as_a_text(runs: Runs) -> None:
    async def as_text(request: Request, world: World) -> Answer:
        events = request.json.get("customer_events", []) if isinstance(request.json, dict) else []
        wrong = [e for e in events if not isinstance(e.get("payload"), str)]
        return refusal(400) if wrong else await world.forward(_decoded(request))

    found = runs("create_customer_events", "CODE-02", as_text)
    assert verdicts(found) == {"CODE-02/create_customer_events": Verdict.SKIP}
    assert "as a text of JSON" in found["CODE-02/create_customer_events"].sentence

    async def in_no_form(request: Request, world: World) -> Answer:
        creates = request.operation is not None and request.operation.id == "create_customer_events"
        return refusal(400) if creates else await world.forward(request)

    assert verdicts(runs("create_customer_events", "CODE-02", in_no_form)) == {
        "CODE-02/create_customer_events": Verdict.WARN
    }


def _decoded(request: Request) -> Request:
    if not isinstance(request.json, dict) or "customer_events" not in request.json:
        return request
    events = [{**e, "payload": orjson.loads(e["payload"])} for e in request.json["customer_events"]]
    return request.with_body({"customer_events": events})


def test_a_page_that_is_not_known_to_its_end_may_have_the_method(runs: Runs) -> None:
    async def with_put(request: Request, world: World) -> Answer:
        return refusal(422) if request.method == "PUT" else await world.forward(request)

    found = runs("get_user list_notifications", "CODE-04", with_put)
    assert found["CODE-04/get_user"].verdict is Verdict.SKIP, found
    assert found["CODE-04/list_notifications"].verdict is Verdict.WARN, "all of this page is known"

    async def with_any(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return refusal(404) if answer.status == 405 else answer

    assert verdicts(runs("get_user", "CODE-04", with_any)) == {"CODE-04/get_user": Verdict.WARN}


# --- forms of ids and of errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "form"),
    [
        ("9f86d081884c7d659a2feaa0c55ad015", "0123456789abcdef"),
        ("507F1F77BCF86CD799439011", "0123456789ABCDEF"),
        ("cdp-1a2b3c4d-id-17", None),
        ("202611291234", "0123456789"),
    ],
)
def test_an_unknown_id_has_the_form_of_a_known_one(known: str, form: str | None) -> None:
    found = like(known, random.Random(1))
    assert found != known and len(found) == len(known)
    assert [c.isdigit() for c in found] == [c.isdigit() for c in known] or form is not None
    assert form is None or set(found) <= set(form)


def test_short_ids_are_not_guessed() -> None:
    assert like("17", random.Random(1)) == "" == like("", random.Random(1)) == like("page_view", random.Random(1))


def test_ids_of_another_form_may_be_400(runs: Runs) -> None:
    async def hexadecimal(request: Request, world: World) -> Answer:
        """Ids of customers are 32 hexadecimal digits, shown and taken."""
        answer = await world.forward(request)
        if answer.status == 404 and request.ids and set(request.ids[0]) - set("0123456789abcdef-"):
            return refusal(400)
        return answer

    found = verdicts(runs("list_customer_attributes", "CODE-03", hexadecimal))
    assert found == {"CODE-03/list_customer_attributes": Verdict.PASS}

    async def never_404(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return refusal(400) if answer.status == 404 else answer

    found = verdicts(runs("list_customer_attributes get_source", "CODE-03", never_404))
    assert set(found.values()) == {Verdict.WARN}, found


def test_an_error_with_an_id_is_no_record(runs: Runs) -> None:
    def as_resource(answer: Answer) -> Answer:
        error = {"id": "5f1c", "status": str(answer.status), "title": "Refused", "detail": "No."}
        return answer.showing({**answer.json, "errors": [error], "request": {"id": "req-1"}})

    async def json_api(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return as_resource(answer) if answer.status in (401, 403) else answer

    found = verdicts(runs("get_report list_reports", "AUTH-07 ROLE-08", json_api))
    assert set(found.values()) == {Verdict.PASS}, found

    async def leaking(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        leak = {"seen": {"id": 7, "embed_url": "https://example.com", "created": "2024-01-01 00:00:00"}}
        return answer.showing({**answer.json, **leak}) if answer.status in (401, 403) else answer

    found = verdicts(runs("get_report list_reports", "AUTH-07 ROLE-08", leaking))
    assert set(found.values()) == {Verdict.WARN}, found


def test_a_body_that_nobody_reads_may_be_refused_before_the_caller(runs: Runs) -> None:
    runs.profile = "release"

    async def by_type(request: Request, world: World) -> Answer:
        other = request.body and request.header(b"content-type") == b"text/plain"
        return refusal(415) if other else await world.forward(request)

    assert verdicts(runs("create_report", "ROLE-04", by_type)) == {"ROLE-04/create_report": Verdict.PASS}

    async def done_all_the_same(request: Request, world: World) -> Answer:
        other = request.body and request.header(b"content-type") == b"text/plain"
        return json_answer(201, {}) if other else await world.forward(request)

    assert verdicts(runs("create_report", "ROLE-04", done_all_the_same)) == {"ROLE-04/create_report": Verdict.WARN}
