"""Requests at the same moment: who asks gets his own answer, and nothing else of a run is disturbed; over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cdp.contract import load_contract
from cdp.http import Client, Exchange
from cdp.ledger import Ledger
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target
from cdp.verdicts import Verdict
from contracts.calls import Call
from contracts.profiles import PROFILES
from contracts.session import ANONYMOUS, Session
from instance.faults import FAULTS
from instance.faults.model import Answer, Request, World
from tests.broken_server import BrokenServer
from tests.odd_targets import behind, results_on, told

CELLS = {
    "ROLE-01/get_report": "caller-of-the-last",
    "SHAPE-03/get_tag": "record-of-the-last",
    "PAGE-03/list_tags": "page-of-the-last",
    "CODE-01/get_tag": "second-at-once-is-500",
    "LIFE-03/update_report": "last-change-wins-all",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("at-once"))
    yield running
    running.stop()


@pytest.mark.parametrize("cell", [pytest.param(c, marks=pytest.mark.slow) if "CODE" in c else c for c in CELLS])
def test_what_goes_wrong_at_the_same_moment_is_found(server: BrokenServer, tmp_path: Path, cell: str) -> None:
    fault = replace(FAULTS[CELLS[cell]], examples=(cell.partition("/")[2],))
    with server.breaking(fault) as target:
        found = results_on(target, tmp_path, cell, profile="release")
    assert found[cell].verdict in (Verdict.WARN, Verdict.FAIL), told(found)
    assert found[cell].exchange


def test_who_is_asked_one_thing_after_the_other_is_not_asked_at_once(server: BrokenServer, tmp_path: Path) -> None:
    """A target's owner who names a rate wants no two requests at a time."""
    cell = "CODE-01/get_tag"
    with server.breaking(replace(FAULTS[CELLS[cell]], examples=("get_tag",))) as target:
        found = results_on(replace(target, max_rps=2000.0), tmp_path, cell, profile="release")
        client = Client(replace(target, max_rps=2000.0), Secrets())
        with pytest.raises(ValueError, match="one thing after the other"):
            client.at_once([])
        client.close()
    assert found[cell].verdict is Verdict.PASS, told(found)


def test_too_much_for_the_target_is_no_finding(server: BrokenServer, tmp_path: Path) -> None:
    """Whoever says that he has no time for two at once has said nothing wrong."""

    async def one_at_a_time(request: Request, world: World) -> Answer:
        if world.memory.get("busy"):
            return Answer(429, (("content-type", "application/json"), ("retry-after", "0")), b'{"message":"Wait."}')
        world.memory["busy"] = True
        try:
            return await FAULTS["page-of-the-last"].alter(request, world)
        finally:
            world.memory["busy"] = False

    cell = "PAGE-03/list_tags"
    with behind(server, one_at_a_time) as target:
        found = results_on(target, tmp_path, cell, profile="release")
    assert found[cell].verdict is Verdict.PASS, told(found)


def test_a_target_that_serves_one_connection_is_asked_no_further() -> None:
    """A server of one thread answers nobody else while it waits for what comes next on a connection that is kept."""
    contract, answered = load_contract(), []

    class OneAtATime(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answered.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), OneAtATime) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        target = Target("one", f"http://127.0.0.1:{one.server_port}/api", Credentials(), timeout_s=0.3)
        session = Session(contract, target, PROFILES["release"], 1, Ledger(None), Secrets())
        call = Call(contract.operations["list_tags"])
        assert session.send(call, ANONYMOUS).ok
        assert [session.send_at_once([(call, ANONYMOUS)] * 3) for _ in range(4)] == [[], [], [], []]
        assert session.client.sent == 1 + 2 * 3
        assert session.send(call, ANONYMOUS).ok
        session.client.close()
        one.shutdown()
    assert len(answered) >= 2


def test_each_request_has_a_connection_of_its_own(server: BrokenServer) -> None:
    """All are in work before the first is answered, and the client counts them."""
    together = threading.Barrier(3)

    def send(number: int, client: Client) -> Exchange:
        together.wait(10)
        return client.send("GET", f"{client.target.base_url}/tags?limit={number}", operation=str(number))

    client = Client(server.target, Secrets())
    exchanges = client.at_once([partial(send, number) for number in range(1, 4)])
    assert [(e.operation, e.status) for e in exchanges] == [("1", 401), ("2", 401), ("3", 401)]
    assert client.sent == 3
    client.close()
