"""Starting and ending the server, what it keeps, and that its data depend on the seed alone."""

from __future__ import annotations

import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from instance.contract import Contract
from instance.seeding import seed_instance
from instance.store import Store
from tests.running_instance import ROOT, start_instance, stop_instance

SMALL = ("--customers", "30", "--events", "100")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "instance", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def failed(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a start that failed."""
    assert result.returncode == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("cdp serve: ")
    return lines[0]


def test_port_in_use() -> None:
    """A port that is taken is one clear line and exit code 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen" in failed(run("--port", str(taken.getsockname()[1]), *SMALL))


def test_data_file_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that is no database, a directory and an unreachable path are one clear line and exit code 2."""
    wrong = tmp_path / "notes.txt"
    wrong.write_text("This is no database. " * 100)
    for path in (wrong, tmp_path, tmp_path / "missing" / "x.sqlite"):
        assert str(path) in failed(run("--data", str(path), *SMALL))
    assert wrong.read_text().startswith("This is no database.")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE record (something TEXT)")
        connection.execute("INSERT INTO record VALUES ('x')")
    connection.close()
    assert str(other) in failed(run("--data", str(other), *SMALL))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_cleanly(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it with code 0, at once, also while a client is connected."""
    running = start_instance(*SMALL)
    assert running.get("/tags")["tags"]
    assert running.process.stderr is not None
    running.process.send_signal(number)
    assert running.process.wait(20) == 0
    assert running.process.stderr.read() == ""
    stop_instance(running)


def test_acknowledged_writes_survive_a_kill(tmp_path: Path) -> None:
    """After kill -9 everything that was answered is there; the password can be set anew; tokens stay valid."""
    data = str(tmp_path / "instance.sqlite")
    running = start_instance("--data", data, *SMALL, password="first password")
    made = [running.call("POST", "/tags", json={"name": f"tag {n}"}).json()["tag"] for n in range(25)]
    token = running.token
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(20)
    stop_instance(running)
    again = start_instance("--data", data, *SMALL, password="second password")
    try:
        assert again.get("/tags", limit=25)["tags"] == [{**tag, "segments_count": 0} for tag in reversed(made)]
        assert again.call("GET", "/identity", token).status_code == 200
        old = {"email": again.email, "password": "first password"}
        assert again.session.post(again.url("/users/login"), json=old).status_code == 401
        assert again.call("POST", "/tags", json={"name": "next"}).json()["tag"]["id"] == made[-1]["id"] + 1
    finally:
        assert stop_instance(again) == 0


def test_ends_with_its_parent() -> None:
    """With --exit-with-parent no server is left when the starting process dies."""
    code = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen([sys.executable, '-m', 'instance', '--exit-with-parent', '--customers', '5',"
        " '--events', '5'],"
        " stdout=subprocess.PIPE, text=True)\n"
        "print(p.stdout.readline(), p.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    pid = int(result.stdout.split()[-1])
    try:
        server = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([server], [], [], 20)[0], "the server is still there"
    os.close(server)


def dump(path: Path, seed: int) -> list[tuple[object, ...]]:
    """All seeded rows."""
    store = Store(path, Contract())
    seed_instance(store, seed, 40, 200)
    tables = (
        "record",
        "counter",
        "code",
        "customer",
        "customer_value",
        "customer_event",
        "stitching_value",
        "participation",
    )
    rows = [(table, *row) for table in tables for row in store.connection.execute(f"SELECT * FROM {table} ORDER BY 1")]
    store.close()
    return rows


@pytest.mark.slow
def test_data_depend_on_the_seed_alone(tmp_path: Path) -> None:
    """The same seed gives the same data, another seed gives others; nothing lies in the future."""
    import instance.services

    instance.services.register()
    first, second, other = (dump(tmp_path / f"{n}", seed) for n, seed in enumerate((5, 5, 6)))
    assert first == second
    assert first != other
    assert max(str(row[5]) for row in first if row[0] == "record") < "2025-07-02"
