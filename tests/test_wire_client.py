"""Users on the wire client, in a real Locust environment, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import pytest
from locust.env import Environment
from locust.exception import CatchResponseError, LocustError, StopTest
from locust.stats import StatsError

from load.answer import Answer, Failure
from load.wire import WireError
from load.wire.client import WireClient
from load.wire.pool import Pool
from load.wire.reporting import attach, others_listen, reporter_of
from load.wire.response import WireResponse, error_of
from load.wire.user import WireUser, close_pools, shared_pool
from tests.loopback import Asked, Loopback, Reply, serving

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 15.0


def answer(asked: Asked) -> Reply:
    """/status/N answers N; /text no JSON; /redirect sends elsewhere; /echo what was asked."""
    path = asked.path.partition("?")[0]
    if path.startswith("/api/status/"):
        status = int(path.rpartition("/")[2])
        return Reply(status, b"" if status in (204, 304) else b"{}")
    if path == "/api/text":
        return Reply(body="<p>grün</p>".encode("latin-1"), headers={"Content-Type": "text/html; charset=latin-1"})
    if path == "/api/redirect":
        return Reply(302, b"", {"Location": "http://other.example/login?token=secret"})
    shown = {"method": asked.method, "path": asked.path, "headers": dict(asked.headers), "body": asked.body.decode()}
    return Reply(body=json.dumps(shown).encode())


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving(answer) as one:
        yield one
        close_pools()


@pytest.fixture
def environment(server: Loopback) -> Environment:
    made = Environment(host=server.url + "/api", catch_exceptions=False)
    made.create_local_runner()
    return made


def user_of(environment: Environment, **attributes: Any) -> WireUser:
    kind = type("Person", (WireUser,), {"host": environment.host, "tasks": [lambda user: None], **attributes})
    user: WireUser = kind(environment)
    return user


@pytest.fixture
def user(environment: Environment) -> WireUser:
    return user_of(environment)


def failures(environment: Environment) -> dict[tuple[str, str, str], int]:
    return {
        (e.method, e.name, StatsError.parse_error(e.error)): e.occurrences for e in environment.stats.errors.values()
    }


# What is sent


def test_what_locust_users_write_works(user: WireUser, server: Loopback) -> None:
    client = user.client
    assert client.get("/echo").json()["path"] == "/api/echo"
    assert client.get("/echo", params={"q": "ä b", "n": [1, 2], "no": None}).json()["path"] == (
        "/api/echo?q=%C3%A4+b&n=1&n=2"
    )
    assert client.get("/echo?a=1", params="b=2").json()["path"] == "/api/echo?a=1&b=2"
    assert client.get("/grün weg#part").json()["path"] == "/api/gr%C3%BCn%20weg"
    assert client.get("").json()["path"] == "/api"
    assert client.get(server.url + "/other?x=1").json()["path"] == "/other?x=1"
    posted = client.post("/echo", json={"a": [1, None]}).json()
    assert (posted["body"], posted["headers"]["content-type"]) == ('{"a":[1,null]}', "application/json")
    posted = client.put("/echo", {"a": "b c"}).json()
    assert (posted["body"], posted["headers"]["content-type"]) == ("a=b+c", "application/x-www-form-urlencoded")
    posted = client.patch("/echo", "text", headers={"Content-Type": "text/plain", "X-A": "b"}).json()
    assert (posted["body"], posted["headers"]["content-type"], posted["headers"]["x-a"]) == ("text", "text/plain", "b")
    assert client.delete("/echo").json()["method"] == "DELETE"
    assert client.options("/echo").json()["method"] == "OPTIONS"
    basic = client.get("/echo", auth=("user", "word")).json()["headers"]["authorization"]
    assert basic == "Basic dXNlcjp3b3Jk"
    with pytest.raises(TypeError, match="data must be"):
        client.post("/echo", data=3)  # type: ignore[arg-type]


def test_headers_of_a_user(environment: Environment) -> None:
    sent = user_of(environment, default_headers={"X-Access-Token": "t", "accept": "text/plain"}).client.get("/echo")
    headers = sent.json()["headers"]
    assert (headers["x-access-token"], headers["accept"]) == ("t", "text/plain")
    assert headers["accept-encoding"] == "gzip, deflate"
    assert "cookie" not in headers


def test_credentials_in_the_host_become_a_header(environment: Environment, server: Loopback) -> None:
    client = user_of(environment, host=server.url.replace("//", "//me:se%20cret@") + "/api").client
    response = client.get("/echo")
    assert response.json()["headers"]["authorization"] == "Basic bWU6c2UgY3JldA=="
    assert "cret" not in response.url + client.base_url


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda client: client.get("http://other.example/"), "not to http://other.example"),
        (lambda client: client.get("https://127.0.0.1/"), "not to https://127.0.0.1"),
        (lambda client: client.get("echo"), "leading /"),
        (lambda client: client.get("/echo", allow_redirects=True), "redirects are not followed"),
        (lambda client: client.get("/echo", headers={"X-A": "a\r\nX-B: b"}), "control character"),
    ],
)
def test_what_is_not_sent(
    user: WireUser, server: Loopback, call: Callable[[WireClient], WireResponse], says: str
) -> None:
    with pytest.raises((WireError, ValueError), match=says):
        call(user.client)
    assert not server.asked


# What comes back


def test_a_response(user: WireUser, server: Loopback) -> None:
    response = user.client.get("/text", name="text")
    assert (response.status_code, response.ok, response.error) == (200, True, None)
    assert response.content == "<p>grün</p>".encode("latin-1")
    assert (response.text, response.encoding) == ("<p>grün</p>", "latin-1")
    assert response.headers["content-TYPE"] == "text/html; charset=latin-1"
    assert response.url == server.url + "/api/text"
    assert response.elapsed.total_seconds() > 0
    response.raise_for_status()
    with pytest.raises(json.JSONDecodeError):
        response.json()
    with pytest.raises(LocustError, match="with-block"):
        response.success()
    with pytest.raises(LocustError, match="catch_response"), response:
        pass


def test_what_counts_as_failed(user: WireUser, environment: Environment) -> None:
    for status in (200, 204, 304, 404, 503):
        response = user.client.get(f"/status/{status}", name="/status")
        assert response.ok == (status < 400)
    assert not user.client.get("/redirect").ok
    with pytest.raises(Exception, match="404 Not Found"):
        user.client.get("/status/404", name="/status").raise_for_status()
    assert failures(environment) == {
        ("GET", "/status", "BadStatus('404 Not Found')"): 2,
        ("GET", "/status", "BadStatus('503 Service Unavailable')"): 1,
        ("GET", "/redirect", "Redirected('redirects are not followed: 302 to http://other.example/login')"): 1,
    }
    assert environment.stats.total.num_requests == 7
    assert environment.stats.total.num_failures == 4
    assert environment.stats.get("/status", "GET").num_requests == 6


@pytest.mark.parametrize("failure", list(Failure))
def test_no_answer_is_a_failure_with_a_constant_text(failure: Failure) -> None:
    error = error_of(Answer(failure=failure, indeterminate=True, detail="why"))
    assert error is not None
    assert str(error) == f"{failure.value}: why"
    assert error.indeterminate  # type: ignore[attr-defined]


def test_nobody_listens_at_the_host() -> None:
    environment = Environment(host="http://127.0.0.1:9")  # discard; nothing listens there
    environment.create_local_runner()
    response = user_of(environment).client.get("/a")
    close_pools()
    assert (response.status_code, response.ok, response.content, response.text) == (0, False, None, "")
    assert not response.indeterminate
    assert list(failures(environment)) == [("GET", "/a", "NoAnswer('connection refused: Connection refused')")]
    assert environment.stats.total.num_failures == 1


# With-blocks


def test_catch_response(user: WireUser, environment: Environment) -> None:
    with user.client.get("/status/404", catch_response=True) as response:
        assert response.status_code == 404
        response.success()
    with user.client.get("/echo", catch_response=True, name="wrong") as response:
        response.failure("too short")
    with user.client.get("/status/500", catch_response=True, name="plain"):
        pass
    with user.client.get("/status/500", catch_response=True, name="raised") as response:
        response.raise_for_status()
    with user.client.get("/echo", catch_response=True) as response:
        response.request_meta["name"] = "renamed"
        response.request_meta["response_time"] = 1234.0
    with pytest.raises(ZeroDivisionError), user.client.get("/echo", catch_response=True, name="uncounted"):
        raise ZeroDivisionError
    assert failures(environment) == {
        ("GET", "wrong", "CatchResponseError('too short')"): 1,
        ("GET", "plain", "BadStatus('500 Internal Server Error')"): 1,
        ("GET", "raised", "BadStatus('500 Internal Server Error')"): 1,
    }
    assert environment.stats.get("/status/404", "GET").num_failures == 0
    assert environment.stats.get("renamed", "GET").max_response_time == 1234
    assert environment.stats.get("uncounted", "GET").num_requests == 0


def test_rest(user: WireUser, environment: Environment) -> None:
    with user.rest("POST", "/echo", json={"a": 1}) as response:
        assert response.js["headers"]["accept"] == "application/json"  # type: ignore[attr-defined]
    with user.rest("GET", "/text"):
        pass
    with user.rest("GET", "/echo") as response:
        assert response.js["body"] == "something", "wrong body"  # type: ignore[attr-defined]
    with user.rest_("GET", "/echo") as response:
        assert response.js["path"].startswith("/api/echo?_=")  # type: ignore[attr-defined]
    found = sorted((name, error[:40]) for _, name, error in failures(environment))
    assert [name for name, _ in found] == ["/echo", "/text"]
    assert "wrong body" in found[0][1]
    assert "Could not parse" in found[1][1]


def test_rename_request(user: WireUser, environment: Environment) -> None:
    with user.client.rename_request("all"):
        user.client.get("/echo?a")
        user.client.get("/echo?b")
    user.client.get("/echo")
    assert environment.stats.get("all", "GET").num_requests == 2
    assert environment.stats.get("/echo", "GET").num_requests == 1


# Pools


def test_users_share_a_pool(environment: Environment) -> None:
    people = [user_of(environment) for _ in range(5)]
    assert len({id(one.client.pool) for one in people}) == 1
    gevent.joinall([gevent.spawn(one.client.get, "/echo") for one in people], timeout=TIMEOUT_S, raise_error=True)
    assert people[0].client.pool.opened <= 5
    with pytest.raises(StopTest, match="share one pool"):
        user_of(environment, max_connections=3)
    environment.events.quitting.fire(environment=environment)
    assert people[0].client.pool.closed
    assert user_of(environment).client.get("/echo").ok


def test_a_user_without_a_place_to_go(environment: Environment) -> None:
    for host, says in (("", "no host"), ("instance.example", "scheme"), ("http://no-such-host.invalid", "resolved")):
        with pytest.raises(StopTest, match=says):
            user_of(environment, host=host)


def test_a_timeout_of_one_request(server: Loopback) -> None:
    with serving(lambda asked: gevent.sleep(1) or Reply()) as slow:
        environment = Environment(host=slow.url)
        environment.create_local_runner()
        response = user_of(environment).client.get("/a", timeout=0.1)
        assert (response.status_code, response.indeterminate) == (0, True)
        assert list(failures(environment)) == [("GET", "/a", "NoAnswer('no answer in time')")]
        close_pools()


def test_the_shared_pool_is_made_again_when_it_was_closed(server: Loopback) -> None:
    def pool() -> Pool:
        return shared_pool(server.url, tls=None, timeout_s=1, max_connections=2)

    first = pool()
    assert pool() is first
    first.close()
    assert pool() is not first


# Who hears of what


@dataclass
class Kept:
    """A recorder that keeps what it is given."""

    added: list[tuple[str, ...]] = field(default_factory=list)
    failed: list[tuple[Any, ...]] = field(default_factory=list)

    def channel(self, method: str, name: str, scenario: str) -> KeptChannel:
        return KeptChannel(self, (method, name, scenario))


@dataclass
class KeptChannel:
    kept: Kept
    key: tuple[str, str, str]

    def add(self, intended_ns: int, sent_ns: int, done_ns: int, length: int, events: int = 0) -> None:
        assert intended_ns <= sent_ns <= done_ns
        self.kept.added.append(self.key)

    def fail(
        self,
        intended_ns: int,
        sent_ns: int,
        done_ns: int,
        length: int,
        error: str,
        requirement: str = "",
        indeterminate: bool = False,
        failure: Failure | None = None,
    ) -> None:
        self.kept.failed.append((*self.key, error, indeterminate, failure))


def heard(environment: Environment) -> list[str]:
    names: list[str] = []
    environment.events.request.add_listener(lambda name, **_: names.append(name))
    return names


def test_who_listens(environment: Environment) -> None:
    def own(**_: Any) -> None:
        pass

    assert not others_listen(environment)
    environment.events.request.add_listener(own)
    assert others_listen(environment)
    assert not others_listen(environment, [own])
    kept = Kept()
    environment.events.request.add_listener(kept.channel)
    assert others_listen(environment, [own])
    assert not others_listen(environment, [own, kept.channel])


def test_without_a_recorder_every_request_is_an_event(environment: Environment) -> None:
    names = heard(environment)
    user = user_of(environment)
    user.client.get("/echo")
    user.client.get("/status/404")
    assert names == ["/echo", "/status/404"]
    assert environment.stats.total.num_requests == 2


def test_with_a_recorder_only_failures_are_events(environment: Environment) -> None:
    kept = Kept()
    attach(environment, kept)
    fired: list[Any] = []
    reporter = reporter_of(environment)
    reporter._fire = lambda **meta: fired.append(meta["name"])
    user = user_of(environment)
    user.client.get("/echo", name="a")
    user.client.get("/status/404", name="b")
    with user.client.get("/echo", catch_response=True) as response:
        response.request_meta["name"] = "c"
    assert fired == ["b"]
    assert kept.added == [("GET", "a", "Person"), ("GET", "c", "Person")]
    assert kept.failed == [("GET", "b", "Person", "404 Not Found", False, None)]


def test_with_a_recorder_and_a_listener_all_are_events(environment: Environment) -> None:
    names = heard(environment)
    kept = Kept()
    attach(environment, kept)
    user = user_of(environment)
    user.client.get("/echo")
    user.client.get("/status/404")
    assert names == ["/echo", "/status/404"]
    assert (len(kept.added), len(kept.failed)) == (1, 1)
    assert environment.stats.total.num_requests == 2


def test_the_recorder_is_told_why_there_was_no_answer() -> None:
    environment = Environment(host="http://127.0.0.1:9")
    environment.create_local_runner()
    kept = Kept()
    attach(environment, kept)
    user_of(environment).client.post("/a", json={})
    close_pools()
    assert kept.failed == [("POST", "/a", "Person", "connection refused: Connection refused", False, Failure.REFUSED)]
    assert environment.stats.total.num_failures == 1


def test_the_context_of_events(environment: Environment) -> None:
    seen: list[dict[str, Any]] = []
    environment.events.request.add_listener(lambda context, **_: seen.append(context))
    user = user_of(environment, context=lambda self: {"who": "me", "what": "x"})
    user.client.get("/echo", context={"what": "y"})
    user.client.get("/echo")
    assert seen == [{"who": "me", "what": "y"}, {"who": "me", "what": "x"}]


def test_a_failure_said_by_hand_is_a_catch_response_error(user: WireUser) -> None:
    with user.client.get("/echo", catch_response=True) as response:
        response.failure("because")
        with pytest.raises(CatchResponseError, match="because"):
            response.raise_for_status()


# All of it, as people use it


def test_a_locustfile(server: Loopback, tmp_path: Path) -> None:
    """Two users in a Locust of their own, patched as Locust patches."""
    (tmp_path / "locustfile.py").write_text(
        """
import gevent
from locust import constant, task

from load.wire.user import WireUser


class Person(WireUser):
    wait_time = constant(0.01)
    default_headers = {"X-Access-Token": "t"}

    @task(3)
    def look(self):
        with self.client.get("/echo", catch_response=True) as response:
            if response.json()["headers"]["x-access-token"] != "t":
                response.failure("no token")

    @task
    def fail(self):
        self.client.get("/status/503")
        if self.environment.stats.total.num_requests > 40:
            gevent.spawn(self.environment.runner.quit)
"""
    )
    command = [sys.executable, "-m", "locust", "-f", str(tmp_path / "locustfile.py"), "--headless", "-u", "2"]
    command += ["-r", "2", "-t", "40s", "-H", server.url + "/api", "--only-summary", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr  # there were failures
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["/echo"]["num_requests"] > 0
    assert rows["/echo"]["num_failures"] == 0
    assert rows["/status/503"]["num_failures"] == rows["/status/503"]["num_requests"] > 0
    assert "BadStatus" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
