"""A server that takes no more than the documents promise: what is refused with a 4xx is no finding, what was taken and
is wrong still is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cdp.contract import Contract, load_contract
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.query_parameters import QueryParameters
from contracts.run import ContractRun
from contracts.samples import Sampler
from tests.awkward_server import AwkwardServers, Served
from tests.odd_server import Answered, Asked, Forward, Mouth, judged

Speak = Callable[[Asked, Forward], Any]
Judge = Callable[..., dict[str, Result]]
KINDS = "choosy,unique"
PREFIX = "cdp-1a2b3c4d"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("choosy"))


@pytest.fixture
def judge(servers: AwkwardServers, contract: Contract, tmp_path: Path) -> Judge:
    """Judge operations of a choosy server that speaks so."""

    def run(
        speak: Speak, operations: str, requirements: str, profile: str = "quick", kinds: str = KINDS
    ) -> dict[str, Result]:
        with servers.serving(kinds, wrap=lambda app: Mouth(app, speak)) as served:
            return judged(served, contract, tmp_path, operations.split(), requirements.split(), profile)

    return run


async def as_it_is(asked: Asked, forward: Forward) -> Answered:
    return await forward()


def alarms(results: dict[str, Result]) -> list[str]:
    return [f"{name}: {r.verdict.name} {r.sentence}" for name, r in results.items() if r.verdict >= Verdict.WARN]


def sent(served: Served, method: str, path: str, body: Any = None) -> int:
    head = {"X-Access-Token": served.token}
    return requests.request(method, served.target.base_url + path, json=body, headers=head, timeout=10).status_code


def test_the_kinds_are_what_they_say(servers: AwkwardServers) -> None:
    with servers.serving(KINDS) as served:
        assert [sent(served, "GET", f"/segments?{query}") for query in ("limit=500", "limit=501")] == [200, 400]
        assert [sent(served, "GET", f"/segments?order_by={name}") for name in ("created", "description")] == [200, 400]
        assert sent(served, "GET", "/segments?cdp_unknown=1") == 400
        nobody = "attribute=stitchingmeiroid&value=nobody"
        assert [sent(served, "GET", f"/../wbs?{nobody}&{tags}=1") for tags in ("tags[]", "tag[]")] == [404, 400]
        assert sent(served, "GET", "/segments?offset=2000000000") == 400
        assert [sent(served, "POST", "/tags", {"name": n}) for n in ("one", "ONE ", "x" * 101)] == [201, 409, 422]
        assert sent(served, "POST", "/segments", {"name": "one", "settings": {}}) == 422
        assert sent(served, "POST", "/reports", {"name": "one", "url": "none"}) == 422
        assert sent(served, "POST", "/reports", {"name": "one", "url": "https://example.invalid/x"}) == 201
        tag = served.get("/tags?limit=1").json()["tags"][0]
        assert [sent(served, "PATCH", f"/tags/{tag['id']}", body) for body in ({}, {"name": "one"})] == [422, 200]
        assert sent(served, "PATCH", "/tags/987654321", {}) == 404  # what is not there comes first


def test_what_others_refer_to_is_not_deleted(servers: AwkwardServers) -> None:
    with servers.serving("unique") as served:
        user = next(each for each in served.get("/users?limit=100").json()["users"] if each["id"] != 1)
        assert sent(served, "DELETE", f"/users/user_roles/{user['role_id']}") == 409


def test_a_choosy_server_is_in_order(judge: Judge) -> None:
    operations = "create_tag update_tag list_tags create_report create_source list_segments create_segment"
    results = judge(as_it_is, operations, "MEDIA-06 ORDER-03 ORDER-04 ORDER-06 PAGE-02 PAGE-05 CODE-02")
    assert not alarms(results)
    assert {r.verdict for r in results.values()} == {Verdict.PASS}


@pytest.mark.slow
def test_a_choosy_server_is_in_order_when_requests_are_drawn(judge: Judge) -> None:
    operations = "create_tag update_tag list_tags create_report create_source list_segments create_user_role"
    results = judge(as_it_is, operations, "MEDIA-06 ORDER-03 ORDER-04 ORDER-05 PAGE-01 PAGE-07 CODE-02", "release")
    assert not alarms(results)


# --- MEDIA-06 ---------------------------------------------------------------------------------------------------------


def refusing(minded: Callable[[str], bool], status: int = 400) -> Speak:
    """Names that it minds are refused."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        body = asked.json if asked.method in ("POST", "PATCH") else None
        if isinstance(body, dict) and minded(str(body.get("name", ""))):
            return status, {"message": "Not such a name.", "detail": "name"}
        return await forward()

    return speak


def test_some_characters_may_be_refused(judge: Judge) -> None:
    speak = refusing(lambda name: any(c in "<>&;\\" or ord(c) > 0xFFFF for c in name))
    results = judge(speak, "create_tag", "MEDIA-06", kinds="extra_headers")
    assert results["MEDIA-06 create_tag"].verdict is Verdict.PASS


def test_all_texts_may_be_refused_but_short_plain_ones_are_no_evidence(judge: Judge) -> None:
    results = judge(refusing(lambda name: len(name) > 25, 422), "create_tag", "MEDIA-06", kinds="extra_headers")
    assert not alarms(results)


@pytest.mark.parametrize("status", [400, 500])
def test_every_text_beyond_ascii_refused_is_a_finding(judge: Judge, status: int) -> None:
    results = judge(refusing(lambda name: not name.isascii(), status), "create_tag", "MEDIA-06")
    found = results["MEDIA-06 create_tag"]
    assert found.verdict is Verdict.FAIL and ("beyond ASCII" in found.sentence or status == 500)


def test_a_short_text_that_is_changed_is_found_where_long_ones_are_refused(judge: Judge) -> None:
    async def speak(asked: Asked, forward: Forward) -> Answered:
        if asked.method == "POST" and isinstance(asked.json, dict) and "name" in asked.json:
            status, body = await forward()
            if status == 201:
                body["tag"]["name"] = body["tag"]["name"].replace("'", "''")
            return status, body
        return await forward()

    assert judge(speak, "create_tag", "MEDIA-06")["MEDIA-06 create_tag"].verdict is Verdict.FAIL


# --- ORDER ------------------------------------------------------------------------------------------------------------


def unsorted_by(*names: str) -> Speak:
    """A list that cannot be sorted by these columns; by none where no name is given."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        field = asked.get("order_by")
        if field and (field in names or not names):
            return 400, {"message": "It cannot be sorted by that.", "detail": "order_by"}
        return await forward()

    return speak


@pytest.mark.parametrize(
    ("operation", "names", "wrong"),
    [
        ("list_tags", ("user_id", "name", "modified", "created", "segments_count"), False),
        ("list_tags", ("id",), True),  # the page shows it
        ("list_segments", ("created",), True),  # clients send it
        ("list_tags", (), True),
        ("list_reports", (), False),  # that it can be sorted is assumed
    ],
)
def test_only_columns_that_the_documents_show_must_be_taken(
    judge: Judge, operation: str, names: tuple[str, ...], wrong: bool
) -> None:
    found = alarms(judge(unsorted_by(*names), operation, "ORDER-04", "release", "extra_headers"))
    assert bool(found) is wrong, found


# --- what is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "doubtful"),
    [
        ((("limit", "500"), ("offset", "9999")), False),
        ((("limit", "501"),), True),
        ((("limit", "0"),), True),
        ((("offset", "2147483647"),), True),
        ((("order_by", "created"),), False),
        ((("order_by", "description"),), True),
        ((("order_dir", "ASC"), ("cdp_unknown", "9")), False),
    ],
)
def test_which_queries_may_be_refused(contract: Contract, query: tuple[tuple[str, str], ...], doubtful: bool) -> None:
    assert QueryParameters(contract).doubtful(contract.operations["list_segments"], query) is doubtful


@pytest.mark.parametrize(
    ("query", "wrong"),
    [((("order_by", ""),), set()), ((("limit", ""), ("order_dir", "")), set()), ((("limit", " "),), {"limit"})],
)
def test_an_empty_parameter_may_count_as_none(
    contract: Contract, query: tuple[tuple[str, str], ...], wrong: set[str]
) -> None:
    assert QueryParameters(contract).wrong(contract.operations["list_segments"], query) == wrong


def test_made_up_values_have_forms_that_strict_servers_take(contract: Contract) -> None:
    sampler = Sampler(contract, PREFIX, lambda schema: "crm", 1)

    def body(name: str) -> dict[str, Any]:
        return sampler.body(contract.operations[name].body_schema or {})

    assert body("create_report")["url"].startswith(f"https://example.invalid/{PREFIX}/")
    assert body("create_custom_email_block")["thumbnail_url"].startswith("https://")
    assert body("create_segment")["settings"] == {"conditions_operation": {}}
    assert body("create_source")["id"].replace("_", "").isalnum() and body("create_source")["id"].islower()


# --- clean-up ---------------------------------------------------------------------------------------------------------


def test_what_was_in_use_is_removed_after_what_used_it(
    servers: AwkwardServers, contract: Contract, tmp_path: Path
) -> None:
    """The first attempts get 409: something else has to go first."""
    told: list[int] = []

    async def speak(asked: Asked, forward: Forward) -> Answered:
        if asked.method == "DELETE" and len(told) < 4:
            told.append(409)
            return 409, {"message": "Other records refer to this one.", "detail": "in use"}
        return await forward()

    with servers.serving("unique", wrap=lambda app: Mouth(app, speak)) as served:
        selection = Selection(requirements=("CODE-02",), operations=("create_destination", "create_attribute"))
        plan = make_plan(contract, load_catalogue(), selection, PROFILES["quick"], seed=1)
        run = ContractRun(plan, served.target, tmp_path)
        run.start()
        assert not alarms({r.cell.address: r for r in run.judge_all()})
        run.finish()
        assert len(told) == 4 and run.leftovers == []
