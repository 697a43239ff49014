"""Kills the embedded instance with `kill -9` while it takes events in, starts it again on its data, and audits.

    python -m benchmarks.restarts [--times N] [--rate N] [--batch SIZES] [--seconds N]

No event that it acknowledged may be lost; what was under way when it died may be there or not. Ends with 0 when that
held every time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from cdp.audit_results import CLEAN, PRESENT, Audit
from cdp.embedded import ROOT
from cdp.load_results import LoadRun, read_load_results
from cdp.ports import free_port
from cdp.records import RESULTS_FILE
from cdp.secrets import new_password
from reports.audit import headline, recovered

_DEADLINE_S = 90.0
_LOOK_S = 0.02


@dataclass
class Mortal:
    """An instance on a fixed port and on data that stay when it dies."""

    data: Path
    password: str = field(default_factory=new_password, repr=False)
    email: str = ""
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.port = free_port()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a load run needs to log in."""
        return {**os.environ, "CDP_EMAIL": self.email, "CDP_PASSWORD": self.password, "CDP_TOKEN": ""}

    def start(self) -> None:
        """Start it and wait until it says that it listens. Raises RuntimeError when it does not."""
        command = [sys.executable, "-m", "instance", "--data", str(self.data), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--exit-with-parent", "--customers", "200", "--events", "2000"],
            cwd=ROOT,
            env={**os.environ, "CDP_ADMIN_PASSWORD": self.password},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        second = self.process.stdout.readline()
        if not second:
            raise RuntimeError(f"the instance did not start on {self.data}")
        self.email = second.removeprefix("Administrator: ").split()[0]

    def kill(self) -> None:
        """End it as `kill -9` does."""
        assert self.process is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait(_DEADLINE_S)
        self.process.stdout.close()

    def events(self) -> int:
        """How many events it holds, by its own list."""
        login = {"email": self.email, "password": self.password}
        token = requests.post(f"{self.origin}/api/users/login", json=login, timeout=10).json()["token"]
        headers, count = {"X-Access-Token": token}, 0
        while True:
            query = {"limit": 1000, "offset": count}
            answer = requests.get(f"{self.origin}/api/debugger/events", headers=headers, params=query, timeout=30)
            page = answer.json()["customer_events"]
            count += len(page)
            if len(page) < 1000:
                return count


@dataclass(frozen=True)
class Outcome:
    """What a run says during which the instance was killed."""

    run: LoadRun
    audit: Audit


def killed_and_restarted(
    directory: Path, *, kills: int = 1, rate: float = 60.0, batch: str = "20-60", seconds: int = 6, seed: int = 1
) -> Outcome:
    """Load a new instance in `directory`, kill and restart it `kills` times on the way, and audit at the end.

    Raises RuntimeError when the instance or the run does not come up.
    """
    mortal = Mortal(directory / "data.sqlite")
    mortal.start()
    runs = directory / "runs"
    arguments = ["ingest", "--rate", f"{rate:g}", "--batch", batch, "--time", f"{seconds}s", "--seed", str(seed)]
    arguments += ["--keep-going", "--url", mortal.origin, "--runs", str(runs), "--audit-deadline", "10"]
    load: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, "-m", "cdp", "load", *arguments],
        cwd=ROOT,
        env=mortal.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for number in range(1, kills + 1):
            _wait_for_seconds(runs, number * seconds // (kills + 1), load)
            mortal.kill()
            mortal.start()
        load.wait(_DEADLINE_S + seconds)
    finally:
        load.kill()
        load.wait()
        mortal.kill()
    (results,) = runs.glob(f"*/{RESULTS_FILE}")
    run = read_load_results(results)
    if run.audit is None:
        raise RuntimeError(f"the run was not audited: {run.decision.sentence}")
    return Outcome(run, run.audit)


def _wait_for_seconds(runs: Path, seconds: int, load: subprocess.Popen[Any]) -> None:
    """Wait until a run has stored so many seconds."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        found = list(runs.glob(f"*/{RESULTS_FILE}"))
        if found and found[0].read_bytes().count(b'"kind":"interval"') >= seconds:
            return
        if load.poll() is not None:
            break
        time.sleep(_LOOK_S)
    raise RuntimeError("the load run did not get so far that the instance could be killed")


def main(arguments: list[str] | None = None) -> int:
    """Print one line each time. 0: nothing that was acknowledged was lost, ever; 1: something was."""
    parser = argparse.ArgumentParser(description="Kill the embedded instance under ingestion, and audit.")
    parser.add_argument("--times", type=int, default=20, help="how often (default 20)")
    parser.add_argument("--rate", type=float, default=60.0, help="batches a second (default 60)")
    parser.add_argument("--batch", default="20-60", help="events of a batch (default 20-60)")
    parser.add_argument("--seconds", type=int, default=6, help="how long each run sends (default 6)")
    given = parser.parse_args(arguments)
    bad = 0
    for number in range(1, given.times + 1):
        with tempfile.TemporaryDirectory() as directory:
            options = {"rate": given.rate, "batch": given.batch, "seconds": given.seconds}
            found = killed_and_restarted(Path(directory), seed=number, **options).audit
        bad += found.verdict != CLEAN
        open_ = found.of("unknown") + found.of("sent")
        print(
            f"{number:>3}  {headline(found)}; {found.of('acknowledged', PRESENT):,} acknowledged; of {open_:,} unknown "
            f"{recovered(found):,} are there",
            flush=True,
        )
    print(f"{given.times - bad} of {given.times} times no acknowledged event was lost")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
