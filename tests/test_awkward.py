"""Kinds of awkwardness, one by one over real HTTP: each is what it says, and all of them keep the contract."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

from cdp.contract import load_contract
from cdp.http import Client
from cdp.secrets import Secrets
from cdp.strict_json import strictness
from cdp.texts import timestamp
from instance.awkward import KINDS, UnknownKind, chosen, latency
from instance.awkward.big import Big
from instance.awkward.empty import Empty
from instance.awkward.error_texts import TEXTS
from instance.awkward.fractions import in_some_form
from instance.awkward.kind import Request, Settings, World
from instance.contract import Contract
from instance.store import Store
from tests.awkward_server import AwkwardServers, Served

CONTRACT = load_contract()
READ = ("list_segments", "list_users", "list_sources", "list_destinations", "get_auth_options")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("awkward"))


def records(served: Served, path: str) -> list[dict[str, Any]]:
    """The records of the one list in an answer."""
    body = served.get(path).json()
    return next(value for value in body.values() if isinstance(value, list))


@cache
def validator(operation: str) -> jsonschema_rs.Validator:
    """Of the success answers of an operation."""
    return CONTRACT.validator(CONTRACT.operations[operation].response_schema(200) or {})


def raw(served: Served, path: str, headers: str = "") -> bytes:
    """The head and body of an answer as they came, on a connection of its own."""
    host, _, port = served.target.origin.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        asked = f"GET /api{path} HTTP/1.1\r\nHost: {host}\r\nX-Access-Token: {served.token}\r\n{headers}"
        connection.sendall(f"{asked}Connection: close\r\n\r\n".encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


# requests alone cannot read interim answers; the suite's client can, and has a test of its own.
@pytest.mark.parametrize("name", [name for name in KINDS if name != "interim"])
def test_every_kind_keeps_the_contract(servers: AwkwardServers, name: str) -> None:
    with servers.serving(f"{name},latency_ms=1,cold_ms=1,big=300,busy_every=1000") as served:
        for operation in (CONTRACT.operations[each] for each in READ):
            response = served.get(operation.path)
            assert response.status_code == 200
            assert response.headers["Content-Type"].partition(";")[0].strip().lower() == "application/json"
            assert strictness(response.content) == ""
            validator(operation.id).validate(response.json())
        refused = served.get("/segments", **{"X-Access-Token": "none"})
        assert refused.status_code == 401 and isinstance(refused.json()["message"], str)


def test_ties_come_in_an_order_that_stays(servers: AwkwardServers) -> None:
    with servers.serving("ties") as served:
        found = records(served, "/tags?limit=100")
        times = [record["created"] for record in found]
        assert times == sorted(times, reverse=True)
        assert all("00:00:00" in time for time in times) and len(set(times)) < len(times)
        for number in range(2):
            head = {"X-Access-Token": served.token}
            body = {"name": f"tie {number}"}
            requests.post(served.target.base_url + "/tags", json=body, headers=head, timeout=10).raise_for_status()
        again = records(served, "/tags?limit=100")
        assert again[2:] == found
        assert {record["name"] for record in again[:2]} == {"tie 0", "tie 1"}
        assert again == records(served, "/tags?limit=100")


def test_others_touch_only_what_they_made(servers: AwkwardServers) -> None:
    with servers.serving("others,others_every=1") as served:
        looks = [{r["id"]: r for r in records(served, "/destinations?limit=100")} for _ in range(40)]
        seeded = {key: record for key, record in looks[0].items() if not record["name"].startswith("Visitor")}
        for look in looks:
            assert {key: look[key] for key in seeded} == seeded
            assert all(look[key]["name"].startswith("Visitor") for key in look.keys() - seeded.keys())
        sizes = [len(look) for look in looks]
        changes = [after - before for before, after in pairwise(sizes)]
        assert set(changes) == {1, -1} and max(sizes) <= len(seeded) + 6


def test_others_do_the_same_with_the_same_seed(servers: AwkwardServers) -> None:
    sizes = []
    for seed in (1, 1, 2):
        with servers.serving("others", seed) as served:
            sizes.append([len(records(served, "/destinations?limit=100")) for _ in range(30)])
    assert sizes[0] == sizes[1] != sizes[2]


def test_unknown_fields_and_other_order(servers: AwkwardServers) -> None:
    with servers.serving("fields,key_order") as served:
        bodies = [served.get("/tags?limit=5").json() for _ in range(8)]
        assert all("served" in body and "timeout_hint" in body["selection_settings"] for body in bodies)
        assert all(body["tags"] == bodies[0]["tags"] for body in bodies)
        assert {"revision_hash", "extra_labels"} <= bodies[0]["tags"][0].keys()
        assert len({tuple(body["tags"][0]) for body in bodies}) > 1


def test_errors_in_other_words(servers: AwkwardServers) -> None:
    with servers.serving("error_texts") as served:
        found = [served.get(f"/segments/{number}x").json() for number in range(20)]
        assert {body["message"][:5] for body in found} <= {text[:5] for text in TEXTS}
        assert len({body["message"] for body in found}) > 3 and max(len(body["message"]) for body in found) > 400
        assert {body.get("detail") for body in found} == {None}


def test_one_moment_has_one_form_wherever_it_stands(servers: AwkwardServers) -> None:
    with servers.serving("fractions") as served:
        listed = {record["id"]: record for record in records(served, "/destinations?limit=100")}
        forms = {(len(r["created"]), r["created"][10], r["created"][-1] == "Z") for r in listed.values()}
        assert len(forms) > 4
        for key in list(listed)[:3]:
            alone = served.get(f"/destinations/{key}").json()
            assert next(iter(alone.values()))["created"] == listed[key]["created"]
    text = in_some_form("2024-05-17", "08:30:00")
    moment = timestamp(text)
    assert moment is not None and moment.isoformat().startswith("2024-05-17T08:30:00")


def test_how_json_is_written(servers: AwkwardServers) -> None:
    with servers.serving("whitespace,escapes,charset") as served:
        responses = [served.get("/users?limit=50") for _ in range(9)]
        assert len({response.content for response in responses}) == 3
        assert all(response.content.isascii() and b"\\u" in response.content for response in responses)
        assert len({response.headers["Content-Type"] for response in responses}) > 3
        assert all(response.json() == responses[0].json() for response in responses)


def test_how_an_answer_is_sent(servers: AwkwardServers) -> None:
    with servers.serving("chunked,header_case,extra_headers,close") as served:
        head, _, body = raw(served, "/tags?limit=50").partition(b"\r\n\r\n")
        names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
        assert b"TRANSFER-ENCODING" in names and b"CONTENT-LENGTH" not in [name.upper() for name in names]
        assert {b"ETAG", b"VARY", b"CACHE-CONTROL"} <= set(names) and names.count(b"SET-COOKIE") == 2
        assert body.endswith(b"\r\n0\r\n\r\n")
        assert served.get("/tags").headers["Connection"] == "close"


def test_gzip_is_for_those_who_accept_it(servers: AwkwardServers) -> None:
    with servers.serving("gzip") as served:
        packed = raw(served, "/tags", "Accept-Encoding: br, gzip\r\n").partition(b"\r\n\r\n")
        assert b"content-encoding: gzip" in packed[0]
        plain = served.get("/tags")
        assert json.loads(gzip.decompress(packed[2])) == plain.json()
        for accepted in ("identity", "gzip;q=0, identity", "br"):
            assert "Content-Encoding" not in served.get("/tags", **{"Accept-Encoding": accepted}).headers


def test_a_client_reads_what_comes_before_and_around_an_answer(servers: AwkwardServers) -> None:
    with servers.serving("interim,fragments,status_line,many_headers,deflate,charset,close,close_every=2") as served:
        plain = Client(served.target, Secrets())
        head = {"X-Access-Token": served.token}
        found = [plain.send("GET", f"{served.target.base_url}/tags?limit=5", headers=head) for _ in range(12)]
        assert [(exchange.status, exchange.media_type) for exchange in found] == [(200, "application/json")] * 12
        assert len({json.dumps(exchange.json) for exchange in found}) == 1
        lines = [raw(served, "/tags?limit=1").partition(b"\r\n")[0] for _ in range(6)]
        assert sum(line[9:12] in (b"102", b"103") for line in lines) == 2
        assert {line[:8] for line in lines if line[9:12] == b"200"} == {b"HTTP/1.0"}


def test_refusals_have_other_codes_of_the_same_meaning(servers: AwkwardServers) -> None:
    paths = ("/tags", "/segments", "/users", "/destinations", "/reports")
    with servers.serving("codes,not_acceptable") as served:
        assert {served.get(f"{path}?limit=x").status_code for path in paths} == {400, 422}
        assert {served.get(f"{path}/x").status_code for path in paths} == {400, 404}
        assert served.get("/tags", **{"X-Access-Token": "x" * 8000}).status_code == 431
        assert served.get("/tags", Accept="text/html, application/*;q=0").status_code == 406
        assert served.get("/tags", Accept="text/html, */*;q=0.1").status_code == 200


def test_what_browsers_ask_for(servers: AwkwardServers) -> None:
    with servers.serving("browsers") as served:
        url = served.target.base_url + "/tags"
        asked = requests.options(url, timeout=10)
        assert asked.status_code == 204 and asked.headers["Allow"] == "GET, POST, OPTIONS"
        head = {"X-Access-Token": served.token}
        assert requests.head(url, headers=head, timeout=10).status_code == 200
        made = requests.post(url, json={"name": "located"}, headers=head, timeout=10)
        assert served.get(made.headers["Location"].removeprefix("/api")).status_code == 200


def test_a_long_token_counts_like_any_other(servers: AwkwardServers) -> None:
    with servers.serving("jwt") as served:
        account = {"email": served.target.credentials.email, "password": served.target.credentials.password}
        token = requests.post(served.target.base_url + "/users/login", json=account, timeout=10).json()["token"]
        assert len(token) > 1500 and token.endswith("+/=")
        assert served.get("/tags", **{"X-Access-Token": token}).status_code == 200
        assert served.get("/tags", **{"X-Access-Token": token[:-1]}).status_code == 401
        ended = requests.delete(served.target.base_url + "/users/login", json={"token": token}, timeout=10)
        assert ended.status_code == 200 and served.get("/tags", **{"X-Access-Token": token}).status_code == 401


def test_ids_go_up_and_down_and_clocks_go_ahead(servers: AwkwardServers) -> None:
    with servers.serving("random_ids,skew") as served:
        head = {"X-Access-Token": served.token}
        for number in range(300):
            body = {"name": f"spread {number}"}
            requests.post(served.target.base_url + "/tags", json=body, headers=head, timeout=10).raise_for_status()
        made = records(served, "/tags?limit=300")
        ids = [record["id"] for record in made]
        assert len(set(ids)) == 300 and ids != sorted(ids, reverse=True)
        assert all(record["name"].startswith("spread") for record in made)
        ahead = datetime.fromisoformat(made[0]["created"]) - datetime.now(UTC).replace(tzinfo=None)
        assert timedelta(hours=5) < ahead < timedelta(hours=6)


@pytest.mark.parametrize(("kind", "count"), [("bare", 0), ("single", 1)])
def test_next_to_nothing_is_there(servers: AwkwardServers, kind: str, count: int) -> None:
    with servers.serving(kind) as served:
        assert [len(records(served, path)) for path in ("/tags", "/segments", "/events", "/users")] == [count] * 3 + [1]


def test_busy_says_when_to_come_again(servers: AwkwardServers) -> None:
    with servers.serving("busy,busy_every=5") as served:
        responses = [served.get("/tags") for _ in range(20)]
        refused = [response for response in responses if response.status_code == 429]
        asked = [response.headers["Retry-After"] for response in refused]
        assert len(refused) == 4 and asked.count("1") == 2 and sum("GMT" in text for text in asked) == 2
        client = Client(served.target, Secrets())
        statuses = {
            client.send("GET", f"{served.target.base_url}/tags", headers={"X-Access-Token": served.token}).status
            for _ in range(6)
        }
        client.close()
        assert statuses == {200}


def test_no_page_holds_more_than_five_hundred(servers: AwkwardServers) -> None:
    with servers.serving("big,limit_cap,big=700") as served:
        bodies = {}
        for name in ("destinations", "reports"):
            bodies[name] = served.get(f"/{name}?limit=900").json()
        sizes = [len(next(v for v in body.values() if isinstance(v, list))) for body in bodies.values()]
        assert max(sizes) == 500
        assert all(body["selection_settings"]["limit"] == 500 for body in bodies.values())
        assert served.get("/reports?limit=1001").status_code == 400


def test_what_seeding_changes(servers: AwkwardServers) -> None:
    with servers.serving("large_ids,empty") as served:
        ids = [record["id"] for record in records(served, "/segments?limit=100")]
        assert min(ids) > 2**31 and max(ids) < 2**53
        run = served.store.connection.execute
        held = {row[0] for row in run("SELECT DISTINCT entity FROM record")}
        assert len(held) < len(served.store.entities.entities) and {"user", "segment", "tag"} <= held


def test_tokens_run_out_and_are_renewed(servers: AwkwardServers) -> None:
    with servers.serving("tokens,token_s=100") as served:
        login = {"email": served.target.credentials.email, "password": served.target.credentials.password}
        url = f"{served.target.base_url}/users/login"
        token = requests.post(url, json=login, timeout=10).json()["token"]
        assert served.get("/tags", **{"X-Access-Token": token}).status_code == 200
        served.run_out()
        assert served.get("/tags", **{"X-Access-Token": token}).status_code == 401
        renewed = requests.patch(url, json={"token": token}, timeout=10).json()["token"]
        assert served.get("/tags", **{"X-Access-Token": renewed}).status_code == 200


def test_idle_connections_are_closed(servers: AwkwardServers) -> None:
    with servers.serving("idle,idle_s=1") as served:
        host, _, port = served.target.origin.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(f"GET /api/users/auth_options HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            assert connection.recv(65536) == b""  # the server has closed it


def test_latency_waits_around_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    kind = latency.Latency(World(Store(":memory:", Contract()), 1, Settings(latency_ms=80)))
    monkeypatch.setattr(latency, "sleep", note)
    for _ in range(50):
        assert asyncio.run(kind.before(Request({}, None))) is None
    assert 0.04 <= min(waited) < 0.05 and 0.11 < max(waited) <= 0.12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tis", "did you mean ties"),
        ("latency_m=5", "did you mean latency_ms"),
        ("latency_ms=-1", "whole number from 0"),
        ("big=0", "whole number from 1"),
        ("busy_every=many", "not 'many'"),
    ],
)
def test_what_is_unknown_is_said_in_one_line(text: str, words: str) -> None:
    with pytest.raises(UnknownKind, match=words) as caught:
        chosen(text, 1)
    assert "\n" not in str(caught.value)


def test_settings_alone_stand_for_all_kinds() -> None:
    together = tuple(name for name, kind in KINDS.items() if not kind.alone)
    assert chosen("latency_ms=0", 1).names == together == chosen("all", 1).names
    assert {*KINDS} - {*together} == {"bare", "single"} and chosen("bare", 1).names == ("bare",)
    assert chosen("close", 1).settings.close_every == 1 != chosen("all", 1).settings.close_every


def test_the_documentation_names_every_kind_as_the_command_does() -> None:
    told = (Path(__file__).parents[1] / "docs" / "awkward.md").read_text("utf-8").partition("| Setting")[0]
    rows = dict(line.strip("| ").split(" | ", 1) for line in told.splitlines() if line.startswith("| `"))
    for name, kind in KINDS.items():
        assert rows[f"`{name}`"] == f"{kind.sentence} | {kind.allowed}"


@pytest.fixture(scope="module")
def seeded() -> Store:
    return Store(":memory:", Contract())


@pytest.mark.parametrize("seed", range(1, 25))
def test_whatever_is_empty_one_collection_is_left_to_be_big(seed: int, seeded: Store) -> None:
    world = World(seeded, seed, Settings())
    assert Big(world).chosen(seeded) not in Empty(world).chosen(seeded)
