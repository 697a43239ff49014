"""`python -m benchmarks.capacity`: `cdp capacity` against servers whose true capacity is known, beside a k6 breakpoint
test.

For each server: the rate at which the objective breaks, from theory where there is one; what `cdp capacity` answers in
each of some runs with seeds of their own; whether the interval contains the truth and how wide it is; and what k6 says
(a ramping arrival rate that is aborted when the threshold fails). Writes reports/benchmarks/capacity.md.

`--simulated`: the same searches over queues on a clock of their own instead, which no machine disturbs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.capacity.breakpoint import broken_by_k6
from benchmarks.capacity.cases import CASES, Case
from benchmarks.capacity.simulated import simulated_table
from benchmarks.load.report import machine
from cdp.embedded import embedded_instance
from cdp.load_results import LoadRun, read_load_results
from cdp.ports import free_port
from cdp.records import RESULTS_FILE
from cdp.targets import EMAIL_VARIABLE, PASSWORD_VARIABLE, Target

REPORTS = Path("reports") / "benchmarks"
_LONGEST_S = 420.0


@dataclass
class Found:
    """What was answered of one server."""

    case: Case
    runs: list[LoadRun] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    k6_rate: float | None = None


@contextmanager
def queue_server(case: Case, upstream: Target, seed: int) -> Iterator[str]:
    """The base URL of the server, for as long as the context lasts."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.capacity.queue_server", str(port), upstream.origin, case.model]
    process = subprocess.Popen([*command, *case.settings, f"seed={seed}"], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}{urlsplit(upstream.base_url).path}"
    finally:
        process.kill()
        process.wait(10)


def wait_for(port: int) -> None:
    """Return once something listens on a port of this machine; OSError after 20 s."""
    import socket

    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _command(upstream: Target, *arguments: str) -> subprocess.CompletedProcess[str]:
    account = upstream.credentials
    environment = {**os.environ, EMAIL_VARIABLE: account.email, PASSWORD_VARIABLE: account.password}
    command = [sys.executable, "-m", "cdp", *arguments, "--misses", "0", "--check-every", "1000"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LONGEST_S)


def warm_up(url: str, upstream: Target) -> None:
    """Ask for what will be asked for, so that the upstream has nothing to do while the queue is measured."""
    with tempfile.TemporaryDirectory() as directory:
        options = ["--rate", "300", "--time", "20s", "--url", url, "--runs", directory]
        _command(upstream, "load", "search", *options)


def one_run(case: Case, url: str, upstream: Target, seed: int, directory: str) -> tuple[LoadRun, float, int]:
    """One search; the run, how long it took in seconds, and its exit code."""
    arguments = ["capacity", "search", "--url", url, "--slo", case.slo, "--time", "170s"]
    began = time.monotonic()
    done = _command(upstream, *arguments, "--seed", str(seed), "--runs", directory)
    took_s = time.monotonic() - began
    files = sorted(Path(directory).rglob(RESULTS_FILE), key=lambda path: path.stat().st_mtime)
    if not files:
        raise SystemExit(f"the run failed: {done.stderr.strip()}")
    return read_load_results(files[-1]), took_s, done.returncode


def table(found: list[Found]) -> str:
    """A Markdown table: true rate, intervals and how many of them contain it, a row for each server."""
    heads = ("Server", "Objective", "True rate", "Intervals", "contain it", "Width, median", "Time, median", "k6")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---|---|---|---|---|"]
    for each in found:
        answers = [run.capacity for run in each.runs if run.capacity and run.capacity.high and run.capacity.rate]
        ends = ", ".join(f"{a.low:.0f}–{a.high:.0f}" for a in answers if a.low and a.high)
        truth = each.case.truth
        inside = sum(a.low <= truth <= a.high for a in answers if a.low and a.high) if truth else None
        widths = [(a.high - a.low) / a.rate for a in answers if a.low and a.high and a.rate]
        width = f"{statistics.median(widths):.1%} (most {max(widths):.1%})" if widths else "–"
        k6 = f"{each.k6_rate:.0f}" + (f" ({each.k6_rate / truth - 1:+.0%})" if truth else "") if each.k6_rate else "–"
        true = f"{truth:.1f}" if truth else f"about {each.case.about}"
        contain = f"{inside} of {len(each.runs)}" if truth else "–"
        took = f"{statistics.median(each.took_s):.0f} s"
        lines.append(f"| {' | '.join((each.case.name, each.case.slo, true, ends or '–', contain, width, took, k6))} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="runs of each server (default 10)")
    parser.add_argument("--only", default="", help="names of servers that contain this")
    parser.add_argument("--first-seed", type=int, default=1, help="seed of the first run (default 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the runs' results there")
    parser.add_argument("--without-k6", action="store_true", help="leave the comparison away")
    parser.add_argument("--simulated", action="store_true", help="queues on a clock of their own")
    given = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    if given.simulated:
        table_of_all = simulated_table(given.only, given.runs, given.first_seed)
        (REPORTS / "capacity_simulated.md").write_text(f"# Capacity of simulated queues\n\n{table_of_all}\n")
        print(table_of_all)
        return 0
    found = [Found(case) for case in CASES if given.only in case.name]
    seeds = range(given.first_seed, given.first_seed + given.runs)
    with ExitStack() as stack:
        upstream = stack.enter_context(embedded_instance())
        urls = [stack.enter_context(queue_server(each.case, upstream, given.first_seed)) for each in found]
        for result, url in zip(found, urls, strict=True):
            warm_up(url, upstream)
            if not given.without_k6:
                result.k6_rate = broken_by_k6(url, upstream, result.case)
                print(f"{result.case.name}, k6: {result.k6_rate}", file=sys.stderr)
        # Rounds over all servers, so that a machine that changes in between changes for all of them.
        for seed in seeds:
            for result, url in zip(found, urls, strict=True):
                _measure(result, url, upstream, seed, given.keep)
                _write(found)
    print(_write(found))
    return 0


def _measure(result: Found, url: str, upstream: Target, seed: int, keep: Path | None) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run, took_s, code = one_run(result.case, url, upstream, seed, str(keep or directory))
    result.runs.append(run)
    result.took_s.append(took_s)
    result.codes.append(code)
    name, sentence = result.case.name, run.decision.sentence
    print(f"{name}, seed {seed}, {took_s:.0f} s, exit {code}: {sentence}", file=sys.stderr, flush=True)


def _write(found: list[Found]) -> str:
    """The table of what was measured so far, kept after every run so that a cut-off leaves it."""
    measured = table([each for each in found if each.runs])
    text = f"# Capacity of servers that is known\n\nMachine: {machine()}, server and generator on it.\n\n{measured}\n"
    (REPORTS / "capacity.md").write_text(text)
    return text


if __name__ == "__main__":
    sys.exit(main())
