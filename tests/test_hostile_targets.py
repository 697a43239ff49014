"""Targets that mean harm, over real sockets: each answer is an exchange with a clear outcome within its deadline, and
no run hangs, crashes or fills the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cdp.http import DROPPED, HUNG, MAX_BODY_BYTES, TOO_LARGE, UNREADABLE, Client, Exchange
from cdp.results import read_results
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target
from tests import hostile_server as bad
from tests.hostile_server import Answer, Conversation, HostileServer, hostile, whole
from tests.running_instance import ROOT

TIMEOUT_S = 1.0
LATE_S = 1.5  # what decompressing and a busy machine may take beyond the deadline
TOKEN = "a-token-of-the-hostile-tests"
MAX_MEMORY = 500 * 1024 * 1024


def ask(url: str, method: str = "POST") -> Exchange:
    client = Client(Target("hostile", url, Credentials(token=TOKEN), timeout_s=TIMEOUT_S), Secrets())
    try:
        return client.send(method, url + "/tags", headers={"X-Access-Token": TOKEN})
    finally:
        client.close()


FAILURES: list[tuple[Answer, str]] = [
    (bad.endless_body, TOO_LARGE),
    (bad.endless_chunks, TOO_LARGE),
    (bad.dripping_body, HUNG),
    (bad.dripping_head, HUNG),
    (bad.endless_continue, HUNG),
    (bad.silence, HUNG),
    (bad.gzip_bomb, TOO_LARGE),
    (bad.nested_gzip_bomb, TOO_LARGE),
    (bad.broken_gzip, UNREADABLE),
    (bad.length_too_long, DROPPED),
    (bad.reset_at_once, DROPPED),
    (bad.reset_in_the_body, DROPPED),
    (bad.reset_in_the_head, DROPPED),
    (bad.nothing, DROPPED),
    (bad.two_lengths, UNREADABLE),
    (bad.many_headers, UNREADABLE),
    (bad.long_header, UNREADABLE),
    (bad.endless_headers, UNREADABLE),
    (bad.bad_chunks, UNREADABLE),
    (bad.huge_chunk, DROPPED),
    (bad.no_http, UNREADABLE),
]
ANSWERS: list[tuple[Answer, int]] = [
    (bad.length_too_short, 200),
    (bad.redirect_loop, 307),
    (bad.deep_json, 200),
    (bad.many_values, 200),
    (bad.invalid_utf8, 200),
    (bad.two_types, 200),
    (bad.body_on_204, 204),
    (bad.negative_length, 200),
]


def name(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("answer", "failure"), FAILURES, ids=name)
def test_what_is_no_answer_is_told_in_time(answer: Answer, failure: str) -> None:
    with hostile(answer) as server:
        began = time.monotonic()
        exchange = ask(server.url)
        took = time.monotonic() - began
    assert (exchange.failure, exchange.status) == (failure, 0), exchange.detail
    assert exchange.detail and "\n" not in exchange.detail and len(exchange.detail) < 400
    assert took < TIMEOUT_S + LATE_S
    assert len(exchange.body) <= MAX_BODY_BYTES


@pytest.mark.parametrize(("answer", "status"), ANSWERS, ids=name)
def test_what_is_odd_is_an_answer_all_the_same(answer: Answer, status: int) -> None:
    with hostile(answer) as server:
        exchange = ask(server.url)
        assert (exchange.status, exchange.failure) == (status, "")
        assert exchange.json is None or isinstance(exchange.json, dict)
        assert len(server.requests) == 1


def test_two_content_types_are_both_seen() -> None:
    with hostile(bad.two_types) as server:
        exchange = ask(server.url)
    assert exchange.headers["Content-Type"] == "application/json, text/html"


def test_the_token_goes_to_nobody_else() -> None:
    with (
        hostile(lambda c: c.send(whole(b"{}"))) as other,
        hostile(bad.redirect_to(other.url.replace("127.0.0.1", "localhost") + "/tags")) as server,
    ):
        exchange = ask(server.url, "GET")
        assert exchange.status == 302
        assert other.requests == []


def test_an_answer_left_over_is_not_taken_for_the_next() -> None:
    """A body longer than its length must not become the answer to another request."""
    with hostile(bad.length_too_short) as server:
        client = Client(Target("hostile", server.url, Credentials(token=TOKEN), timeout_s=TIMEOUT_S), Secrets())
        bodies = [client.send("GET", server.url + "/tags").body for _ in range(3)]
        client.close()
    assert bodies == [b'{"tag'] * 3


# --- whole runs ------------------------------------------------------------------------------------------------------


def run_at(server: HostileServer, runs: Path, timeout_s: float = 0.5) -> subprocess.CompletedProcess[str]:
    """A contract run that measures its own memory: its address space's peak.

    Not `ru_maxrss`: what a process inherits from the one that started it counts there, too (execve keeps the greater).
    """
    measured = """
import atexit, re, sys
from cdp.cli import main

def peak():
    return re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)

atexit.register(lambda: print("memory", peak(), file=sys.stderr))
main()
"""
    arguments = ["contract", "--url", server.url, "--runs", str(runs), "--section", "tags", "--timeout", str(timeout_s)]
    return subprocess.run(
        [sys.executable, "-c", measured, *arguments, "--allow", "writes,destructive"],
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("CDP_")}, "CDP_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=90,
    )


def ended_well(result: subprocess.CompletedProcess[str], runs: Path) -> None:
    """No traceback, a right exit code, bounded memory, a readable results file, and no token anywhere."""
    everything = result.stdout + result.stderr
    assert "Traceback" not in everything, everything
    assert result.returncode in (1, 3), everything
    found = re.search(r"memory (\d+)", result.stderr)
    assert found and int(found.group(1)) * 1024 < MAX_MEMORY
    run = read_results(next(runs.glob("*/results.jsonl")))
    assert run.footer is not None
    assert run.obstacle or {r.verdict.name for r in run.results} & {"FAIL", "ERROR"}
    assert not any("the suite failed" in r.sentence for r in run.results)
    assert TOKEN not in everything + "".join(p.read_text(errors="replace") for p in runs.rglob("*") if p.is_file())


@contextmanager
def behind_the_door(answer: Answer) -> Iterator[HostileServer]:
    """A server that lets a run in with a well-made list and is hostile from then on."""
    asked: list[str] = []

    def well_then_badly(c: Conversation) -> None:
        asked.append(c.path)
        first = asked[0].partition("?")[0]
        if c.path.partition("?")[0] == first:
            c.send(whole(b'{"message": "nothing here"}', status="200 OK"))
        else:
            answer(c)

    with hostile(well_then_badly) as server:
        yield server


@pytest.mark.parametrize(
    "answer",
    [
        bad.endless_body,
        bad.dripping_body,
        bad.gzip_bomb,
        bad.two_lengths,
        bad.redirect_loop,
        bad.deep_json,
        bad.no_http,
    ],
    ids=name,
)
def test_a_run_ends_in_one_line(answer: Answer, tmp_path: Path) -> None:
    with hostile(answer) as server:
        result = run_at(server, tmp_path)
    ended_well(result, tmp_path)
    assert result.returncode == 3
    assert len(result.stderr.strip().splitlines()) == 2  # what stands in the way, and the memory


@pytest.mark.parametrize(
    "answer",
    [
        *(bad.gzip_bomb, bad.reset_in_the_body),
        pytest.param(bad.deep_json, marks=pytest.mark.slow),
        pytest.param(bad.length_too_long, marks=pytest.mark.slow),
        pytest.param(bad.endless_chunks, marks=pytest.mark.slow),
        pytest.param(bad.dripping_head, marks=pytest.mark.slow),
        pytest.param(bad.many_values, marks=pytest.mark.slow),
        pytest.param(bad.invalid_utf8, marks=pytest.mark.slow),
        pytest.param(bad.many_headers, marks=pytest.mark.slow),
        pytest.param(bad.body_on_204, marks=pytest.mark.slow),
        pytest.param(bad.bad_chunks, marks=pytest.mark.slow),
        pytest.param(bad.two_types, marks=pytest.mark.slow),
    ],
    ids=name,
)
def test_a_run_that_was_let_in_ends_with_verdicts(answer: Answer, tmp_path: Path) -> None:
    with behind_the_door(answer) as server:
        result = run_at(server, tmp_path)
    ended_well(result, tmp_path)
