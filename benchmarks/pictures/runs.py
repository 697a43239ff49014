"""The runs that pictures are taken of: a contract run of an instance with many faults, a load run that ends in an
overload, and a search for the capacity of a queue, which theory knows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.capacity.__main__ import queue_server, wait_for
from benchmarks.capacity.cases import Case
from benchmarks.capacity.theory import beyond_mm1, breaking_rate
from cdp.embedded import embedded_instance
from cdp.fault_control import Control
from cdp.ports import free_port
from cdp.records import RESULTS_FILE
from cdp.secrets import new_password
from cdp.targets import EMAIL_VARIABLE, PASSWORD_VARIABLE

TARGET = "staging"
ADMINISTRATOR = "administrator@example.com"
QUEUE = Case(
    "M/M/1, 5 ms",
    "exponential",
    ("service_ms=5",),
    "p99<200ms",
    200,
    breaking_rate(lambda rate: beyond_mm1(rate, 0.005, 0.2), 0.01, 199.0),
)
"""A server that is quick enough to be judged in a minute, and slow enough that a busy machine is not the limit."""

_TRACE = "time_s,rate_per_s\n0,60\n8,60\n10,320\n16,320\n18,60\n30,60\n"  # an overload, and what comes after it
_DEADLINE_S = 600.0
_ENTRY = """[targets.{name}]
base_url = "{url}"
email_env = "{email}"
password_env = "{password}"
allow = ["writes", "destructive", "sends", "load"]
"""


class RunFailed(Exception):
    """A run left no results; the message is one line."""


def contract_run(runs: Path) -> Path:
    """The directory of a quick contract run of an instance with many faults. Raises `RunFailed`."""
    with _faulty_instance() as (url, password):
        return _run(runs, url, ADMINISTRATOR, password, "contract", "-n", "2")


def capacity_run(runs: Path) -> Path:
    """The directory of a search for the capacity of `QUEUE`. Raises `RunFailed`."""
    with embedded_instance() as upstream, queue_server(QUEUE, upstream, 1) as url:
        account = upstream.credentials
        command = ["capacity", "search", "--slo", QUEUE.slo, "--time", "80s", "--start", "40", "--confirm", "10s"]
        return _run(runs, url, account.email, account.password, *command, "--misses", "0", "--peak", "100")


def load_run(runs: Path) -> Path:
    """The directory of a load run on the same queue, with twice what it bears for some seconds. Raises `RunFailed`."""
    trace = runs / "overload.csv"
    trace.write_text(_TRACE, encoding="ascii")
    with embedded_instance() as upstream, queue_server(QUEUE, upstream, 1) as url:
        account = upstream.credentials
        command = ["load", "search", "--shape", "trace", str(trace), "--slo", "p99<200ms,p99@5s<200ms,errors<1%"]
        return _run(runs, url, account.email, account.password, *command, "--misses", "0")


def _run(runs: Path, url: str, email: str, password: str, *command: str) -> Path:
    """Run a command of the suite against `url`, as a target that its entry calls staging."""
    entry = _ENTRY.format(name=TARGET, url=url, email=EMAIL_VARIABLE, password=PASSWORD_VARIABLE)
    (runs / "targets.toml").write_text(entry, encoding="ascii")
    before = set(runs.iterdir())
    where = ["--target", TARGET, "--targets", str(runs / "targets.toml"), "--runs", str(runs)]
    done = subprocess.run(
        [sys.executable, "-m", "cdp", *command, *where],
        env={**os.environ, EMAIL_VARIABLE: email, PASSWORD_VARIABLE: password},
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
    )
    made = [each for each in sorted(set(runs.iterdir()) - before) if (each / RESULTS_FILE).is_file()]
    if not made:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise RunFailed(f"cdp {command[0]} left no run: {said}")
    return made[-1]


@contextmanager
def _faulty_instance() -> Iterator[tuple[str, str]]:
    """The base URL of an instance with many faults and its administrator's password."""
    port, password = free_port(), new_password()
    command = [sys.executable, "-m", "benchmarks.pictures.faulty_instance", str(port)]
    environment = {**os.environ, "CDP_ADMIN_PASSWORD": password}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        Control(f"http://127.0.0.1:{port}").state()  # it listens before its data are made, and answers after that
        yield f"http://127.0.0.1:{port}/api", password
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
