"""Load runs that last longer than their token: it is renewed once for all, and what met the 401 counts honestly."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gevent
import orjson
import pytest

from cdp.secrets import Secrets
from cdp.targets import Credentials, Target
from load.access import LOGINS, Access
from load.scenarios import make_scenario
from load.wire.pool import Pool
from load.wire.request import RequestTemplate
from load.wire.target import open_pool
from tests.load_runs import (
    PATIENT,
    account,
    cdp_load,
    ended,
    start,
    stored,
    unless_the_machine_was_busy,
    wait_for_rows,
)
from tests.load_scenes import CONTRACT, RUN, read_request
from tests.running_instance import PASSWORD, RunningInstance, start_instance, stop_instance

BODY = b"X-Access-Token: old\r\n"  # a body may look like a head


class Door:
    """A server that lets tokens in until they are withdrawn. `logins`: how often somebody logged in; `logging_in`: what
    a login answers, a status and a token; `closed`: paths that refuse every token."""

    def __init__(self) -> None:
        self.valid = {"old"}
        self.logins = 0
        self.answers: list[tuple[int, str]] = []
        self.closed: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.held = threading.Event()
        self.held.set()
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                door.asked[self.path] += 1
                taken = self.headers["X-Access-Token"] in door.valid and self.path not in door.closed
                self.answer(200 if taken else 401, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path != "/api/users/login":
                    self.answer(201 if self.headers["X-Access-Token"] in door.valid and body == BODY else 401, {})
                    return
                door.logins += 1
                door.held.wait(10)
                status, token = door.answers.pop(0) if door.answers else (200, f"new-token-{door.logins}")
                door.valid |= {token} if token.startswith("new") else set()
                self.answer(status, {"token": token} if token else {"message": "no"})

            def answer(self, status: int, body: dict[str, Any]) -> None:
                content = orjson.dumps(body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.held.set()
    opened.server.shutdown()
    opened.server.server_close()


@pytest.fixture
def pool(door: Door) -> Iterator[Pool]:
    opened = open_pool(_target(door), max_connections=50)
    yield opened
    opened.close()


def _target(door: Door, **credentials: str) -> Target:
    given = credentials or {"email": "somebody@example.org", "password": PASSWORD}
    return Target("door", f"{door.origin}/api", Credentials(**given))


def access_to(door: Door, pool: Pool, secrets: Secrets | None = None, **credentials: str) -> Access:
    access = Access(_target(door, **credentials), CONTRACT, secrets or Secrets(), "old")
    access.pool = pool
    return access


def test_many_requests_that_meet_a_401_at_once_cost_one_login(door: Door, pool: Pool) -> None:
    secrets = Secrets()
    access = access_to(door, pool, secrets)
    encode = access.encode
    request = encode("POST", "/api/anything", BODY)
    door.valid.clear()
    waiting = [gevent.spawn(access.signed_again, request) for _ in range(40)]
    gevent.joinall(waiting, timeout=20)
    signed = [each.value for each in waiting]
    assert door.logins == access.renewals == 1
    assert set(signed) == {encode("POST", "/api/anything", BODY)}, "the body is as it was, and the head is new"
    assert access.headers["X-Access-Token"] == access.token == "new-token-1"
    assert pool.perform(signed[0]).status == 201
    assert "new-token-1" not in secrets.redact("it said new-token-1")
    assert access.signed_again(request) == signed[0], "what still bears the old one needs no login"
    assert door.logins == 1


def test_an_operation_that_refuses_a_token_in_force_is_no_reason_to_log_in(door: Door, pool: Pool) -> None:
    access = access_to(door, pool)
    door.closed = {"/api/closed"}
    for _ in range(3):
        assert access.signed_again(access.encode("GET", "/api/closed")) is None
    assert not door.logins and not access.lost
    assert door.asked.total() == 1, "one look is enough for a while"


def test_a_login_that_fails_for_a_moment_is_tried_again(
    door: Door, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("load.access._PAUSE_S", 0.01)
    access = access_to(door, pool)
    door.valid.clear()
    door.answers = [(503, ""), (200, "of another place")]
    assert access.other_than("old")
    assert door.logins == 3 and access.renewals == 1


@pytest.mark.parametrize(
    ("credentials", "answers", "words", "logins"),
    [
        ({"token": "old"}, [], "a ready-made one is not renewed", 0),
        ({}, [(401, "")] * LOGINS, "logging in again failed 3 times: it was answered 401", LOGINS),
        ({}, [(200, "refused, too")] * LOGINS, "it was answered with a token that is refused", LOGINS),
    ],
)
def test_why_there_is_no_other_token_is_one_line(
    door: Door,
    pool: Pool,
    monkeypatch: pytest.MonkeyPatch,
    credentials: dict[str, str],
    answers: list[tuple[int, str]],
    words: str,
    logins: int,
) -> None:
    monkeypatch.setattr("load.access._PAUSE_S", 0.01)
    access = access_to(door, pool, None, **credentials)
    door.valid.clear()
    door.answers = answers
    assert not access.other_than("old")
    assert words in access.lost and "\n" not in access.lost
    assert not access.other_than("old") and door.logins == logins, "nobody tries for ever"


def test_a_template_changes_for_whoever_encodes_with_it() -> None:
    template = RequestTemplate("host", {"Accept": "a/b", "X-One": "1"})
    encode = template.encode
    template.change({"x-one": "2"})
    assert encode("GET", "/") == RequestTemplate("host", {"Accept": "a/b", "x-one": "2"}).encode("GET", "/")
    with pytest.raises(ValueError, match="cannot be sent"):
        template.change({"a b": ""})
    assert encode("GET", "/") == RequestTemplate("host", {"Accept": "a/b", "x-one": "2"}).encode("GET", "/")


# --- runs -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short_lived() -> Iterator[RunningInstance]:
    """An instance whose tokens end after a second."""
    running = start_instance("--customers", "60", "--events", "500", "--awkward=tokens,token_s=1")
    yield running
    stop_instance(running)


@pytest.mark.parametrize("how", [["--rate", "40"], pytest.param(["--users", "15"], marks=pytest.mark.slow)])
def test_a_run_outlives_its_tokens(short_lived: RunningInstance, tmp_path: Path, how: list[str]) -> None:
    arguments = ["mixed", *how, "--time", "3s", "--slo", PATIENT, "--batch", "1-10", "--uploads", "20%"]
    done = cdp_load([*arguments, "--url", short_lived.origin, "--runs", str(tmp_path)], account(short_lived))
    run = stored(tmp_path)
    unless_the_machine_was_busy(run, done.code, 0)
    assert run.all.failed == 0, run.all.errors
    assert run.books is not None and run.books.balanced and run.all.latency.count == run.books.offered
    assert run.footer is not None
    assert run.footer["token_renewals"] >= 2 and run.footer["sent_again"] >= run.footer["token_renewals"]
    assert f"token renewed {run.footer['token_renewals']} times" in " ".join(done.output.split())
    assert run.audit is not None and run.audit.verdict == "clean", run.audit


@pytest.mark.slow
def test_a_ready_made_token_that_is_over_ends_the_run_with_one_line(instance: RunningInstance, tmp_path: Path) -> None:
    token = instance.login(instance.email, PASSWORD)
    environment = {**account(instance), "CDP_TOKEN": token, "CDP_EMAIL": "", "CDP_PASSWORD": ""}
    arguments = ["-m", "cdp", "load", "search", "--rate", "20", "--time", "600s", "--slo", PATIENT]
    process = start([*arguments, "--url", instance.origin, "--runs", str(tmp_path)], environment)
    wait_for_rows(tmp_path, 1, process)
    assert instance.call("DELETE", "/users/login", json={"token": token}).status_code == 200
    done = ended(process)  # long before its time: nobody sends on with a token that is refused
    run = stored(tmp_path)
    assert done.code == run.decision.exit_code == 3
    assert "a ready-made one is not renewed" in run.decision.sentence
    assert run.books is not None and run.books.balanced
    assert token not in done.said and "Traceback" not in done.said


def test_scenarios_encode_with_the_token_of_the_moment(door: Door, pool: Pool) -> None:
    class Chosen:
        scenario, seed, check_every, zipf, misses, searches, ingestion = "ingest", 1, 20, 1.0, 0.1, 0.5, 0.5
        batch, uploads, new_customers = "5", 0.0, 1.0

    access = access_to(door, pool)
    scenario = make_scenario(Chosen(), access.target, CONTRACT, "old", RUN, 0, access=access)
    door.valid.clear()
    assert access.other_than("old")
    request = scenario.context.encode("GET", "/api/tags")
    assert read_request(request)[2]["X-Access-Token"] == access.token != "old"
