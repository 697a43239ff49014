"""`python -m benchmarks.load`: the load generator beside its peers, and whether its figures are true.

One server, nginx on one core; one generator at a time on the other, in rounds that are interleaved, so that whatever
else the machine does strikes everybody. Writes `reports/benchmarks/load.md` and `load.svg`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.load.contenders import CONTENDERS
from benchmarks.load.honesty import FREEZE_RATE, TRUE_P99_MS, freeze_table, frozen_by_k6, frozen_by_ours, run_probe
from benchmarks.load.measure import Cost, running, steady_cost
from benchmarks.load.report import bar_chart, cost_table, machine
from benchmarks.load.server import BenchError, Server
from benchmarks.load.works import WORKS

REPORTS = Path("reports") / "benchmarks"
YARDSTICK = "k6"
FULL_RATE = 20_000
CONNECTIONS = (32, 2000)


def main() -> int:
    """Measure and write; 0 when it was measured, 2 when something is missing here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds of each measurement (default 4)")
    parser.add_argument(
        "--memory-minutes", type=float, default=10.0, help="length of the memory test (default 10; 0: none)"
    )
    parser.add_argument("--only", default="", help="one part: cost, freeze, pace or memory")
    given = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("the benchmark needs two cores: one for the server, one for the generator", file=sys.stderr)
        return 2
    parts = [part for part in ("cost", "freeze", "pace", "memory") if given.only in ("", part)]
    texts = [
        f"# The load generator beside its peers\n\nMachine: {machine()}. nginx on one core, a generator on another."
    ]
    REPORTS.mkdir(parents=True, exist_ok=True)
    try:
        with Server(cores[0]) as server:
            if "cost" in parts:
                costs = measure_costs(server, cores[1], given.rounds, given.seconds)
                texts.append("## What a request costs\n\n" + cost_table(costs, YARDSTICK))
                (REPORTS / "load.svg").write_text(bar_chart(costs))
            if "freeze" in parts:
                texts.append(freeze(server, cores[1], given.rounds))
            if "pace" in parts:
                texts.append(pace(server, cores[1], given.rounds))
            if "memory" in parts and given.memory_minutes:
                texts.append(memory(server, cores[1], given.memory_minutes))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    text = "\n\n".join(texts) + "\n"
    (REPORTS / "load.md").write_text(text)
    print(text)
    print(REPORTS / "load.md")
    return 0


def measure_costs(server: Server, core: int, rounds: int, seconds: float) -> dict[tuple[str, str], list[Cost]]:
    """CPU and rate of every contender on every piece of work."""
    costs: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        for number in range(rounds):
            for work in WORKS:
                for contender in CONTENDERS:
                    print(f"round {number + 1} of {rounds}: {work.name}, {contender.name}", file=sys.stderr)
                    command, environment = contender.start(server, work)
                    log = Path(directory) / "log"
                    with running(command, core, log, environment) as process:
                        costs[contender.name, work.name].append(steady_cost(server, process, log, seconds))
    return costs


def freeze(server: Server, core: int, rounds: int) -> str:
    """The server stands still for a second: who tells?"""
    found = []
    for connections in CONNECTIONS:
        print(f"freeze: {connections} connections", file=sys.stderr)
        ours = [frozen_by_ours(server, core, connections) for _ in range(rounds)]
        found.append(sorted(ours, key=lambda each: each.p99_ms or 0)[len(ours) // 2])
        found.append(frozen_by_k6(server, core, connections))
    return (
        f"## A server that stands still for a second of ten, {FREEZE_RATE:,} requests a second\n\n"
        f"The true p99 is {TRUE_P99_MS:,.0f} ms (ours: median of {rounds}).\n\n{freeze_table(found)}"
    )


def pace(server: Server, core: int, rounds: int) -> str:
    """How well it keeps to its schedule."""
    lines = ["| arrivals a second | offered | never sent | lateness p50 (ms) | lateness p99 (ms) | CPU µs a request |"]
    lines.append("|---|---|---|---|---|---|")
    for rate in (1_000, FULL_RATE):
        for _ in range(rounds):
            print(f"pace: {rate:,}/s", file=sys.stderr)
            found = run_probe(server, core, rate, 5, 200)
            lines.append(
                f"| {rate:,} | {found['offered']:,} | {found['never_sent']:,} | {found['lateness_p50']:.3f} | "
                f"{found['lateness_p99']:.3f} | {found['cpu_us']:.1f} |"
            )
    return "## How it keeps to its schedule (one core)\n\n" + "\n".join(lines)


def memory(server: Server, core: int, minutes: float) -> str:
    """Whether it grows over a long time."""
    print(f"memory: {minutes:g} minutes", file=sys.stderr)
    found = run_probe(server, core, 2_000, minutes * 60, 50)
    per_million = found["grown_mb"] / max(1, found["good"]) * 1e6
    return (
        f"## Memory over {minutes:g} minutes at 2,000 a second\n\n{found['good']:,} requests, "
        f"{found['memory_mb']:.0f} MB at the end, {found['grown_mb']:+.1f} MB since a fifth of the time: "
        f"{per_million:+.1f} MB per million requests."
    )


if __name__ == "__main__":
    sys.exit(main())
