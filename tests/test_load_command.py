"""`cdp load` around the run: what it hands on, and what it says when the run cannot speak for itself."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from cdp.cli import load as command
from cdp.cli.showing import Shown
from cdp.cli.targeting import Choice
from cdp.exit_codes import NOT_JUDGED
from cdp.http import REFUSED, Client
from cdp.load_results import LoadRun
from cdp.ports import free_port
from cdp.records import RESULTS_FILE
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target
from load.node import Node
from load.options import CAPACITY_TIME_S, LoadOptions
from load.results import LoadResultsWriter
from reports.capacity import REPEATED, repeat_command

CHILD = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
open(sys.argv[1], "w").close()
while True:
    signal.pause()
"""


def test_the_time_for_an_answer_is_that_of_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], *_: Any) -> tuple[int, bool]:
        commands.append(command)
        return 0, False

    monkeypatch.setattr(command, "_run", run)
    target = Target("staging", "http://127.0.0.1:8080/api", Credentials(token="t"), timeout_s=2.5)
    command.run_locust(LoadOptions(rate=1.0, runs=str(tmp_path)), target)
    assert "--answer-timeout=2.5" in commands[0]


def test_a_sigterm_ends_a_run_like_an_interrupt(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)

    def terminate() -> None:
        ready.read_text()  # until the other side has opened and closed it
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=terminate, daemon=True)
    thread.start()
    code, interrupted = command._run([sys.executable, "-c", CHILD, str(ready)], {**os.environ}, Shown.USUAL)
    thread.join(5)
    assert (code, interrupted) == (7, True)


@pytest.mark.parametrize("sends", [False, True])
def test_a_run_that_was_cut_off_is_told(sends: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoadResultsWriter(tmp_path / RESULTS_FILE) as writer:
        writer.header(load="ingest", target="made up", loop="open")
    if sends:
        (tmp_path / "audit-0.ledger").touch()
    command.conclude(command.LoadEnd(NOT_JUDGED, tmp_path, False), Shown.USUAL)
    (line,) = capsys.readouterr().err.splitlines()
    assert "cut off before its end" in line and f"cdp report {tmp_path}" in line
    assert (f"cdp audit {tmp_path}" in line) is sends


def test_an_overlay_that_is_not_there_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = '[targets.here]\nbase_url = "http://127.0.0.1:8080/api"\ntoken_env = "T"\noverlay = "none.yaml"\n'
    (tmp_path / "targets.toml").write_text(entry)
    monkeypatch.setenv("T", "a-token")
    with (
        pytest.raises(click.ClickException, match=r"none\.yaml cannot be read"),
        command.opened(Choice(name="here", file=str(tmp_path / "targets.toml"))),
    ):
        pass


def test_a_refused_connection_is_told_in_the_words_of_the_system() -> None:
    target = Target("gone", f"http://127.0.0.1:{free_port()}/api", Credentials(token="t"))
    client = Client(target, Secrets())
    exchange = client.send("GET", target.base_url)
    client.close()
    assert (exchange.failure, exchange.detail) == (REFUSED, "Connection refused")


def test_a_search_for_capacity_is_repeated_as_it_was_asked() -> None:
    options = LoadOptions(
        scenario="ingest", slo="p99<1s", find_capacity=True, time_s=75, precision=0.1, confirm=8, batch="2"
    )
    url = "http://127.0.0.1:8080/api"
    header = {"load": "ingest", "target": "127.0.0.1-8080", "base_url": url, "options": options.as_record()}
    told = shlex.split(repeat_command(LoadRun(header)))
    assert told[:5] == ["cdp", "capacity", "ingest", "--slo", "p99<1s"]
    given = dict(zip(told[5::2], told[6::2], strict=True))
    assert given == {"--url": url, "--time": "75s", "--precision": "0.1", "--confirm": "8s", "--batch": "2"}


def test_what_is_usual_is_not_repeated() -> None:
    usual = LoadOptions(scenario="search", find_capacity=True).as_record()
    assert {name: value for name, (value, _) in REPEATED.items() if name != "time_s"} == {
        name: usual[name] for name in REPEATED if name != "time_s"
    }
    assert REPEATED["time_s"][0] == CAPACITY_TIME_S


def test_a_process_that_fails_before_the_run_says_so() -> None:
    """Whoever waits for it would wait for ever."""
    said: list[str] = []
    secrets = Secrets()
    secrets.add("hidden-token")
    node = Node.__new__(Node)
    node.is_worker = False
    node.coordinator = SimpleNamespace(ready=lambda _, error: said.append(error))  # type: ignore[assignment]

    def fail() -> None:
        raise RuntimeError("one\nword: hidden-token")

    node._work(SimpleNamespace(prepare=fail, secrets=secrets))  # type: ignore[arg-type]
    assert len(said) == 1
    assert said[0].startswith("the suite itself failed before the run: RuntimeError: one word")
    assert "hidden-token" not in said[0]
