"""Whether the figures are true: against a server that stands still for a second, at rates that keep a core busy, and
over a long time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

from benchmarks.load.contenders import HERE, k6_metrics
from benchmarks.load.server import BenchError, Server
from benchmarks.load.works import SMALL

FREEZE_S, FREEZE_RATE, FREEZE_TIME_S = 1.0, 1000, 10
TRUE_P99_MS = 900.0
"""Of 1,000 arrivals a second over 10 s a tenth comes while the server stands still for a second. They wait from 0 to
1,000 ms, evenly: the longest hundredth of all arrivals is the longest tenth of these, beyond 900 ms."""


@dataclass(frozen=True)
class Frozen:
    """What a generator says of the frozen server. `p99_ms` None: it says nothing."""

    name: str
    connections: int
    p99_ms: float | None


def run_probe(server: Server, core: int, rate: float, seconds: float, connections: int) -> dict[str, Any]:
    """One run of the probe on its core. Raises BenchError when it does not end well."""
    command = [sys.executable, "-m", "benchmarks.load.probe", server.origin, f"{rate:g}", f"{seconds:g}"]
    done = subprocess.run(
        [*command, str(connections)],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        cwd=HERE.parents[1],
    )
    if done.returncode:
        raise BenchError(f"the probe failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _freezing(server: Server) -> threading.Thread:
    """Freeze the server for a second once it has answered enough of the run."""

    def freeze() -> None:
        before = server.requests()
        waiting = threading.Event()
        while server.requests() - before < FREEZE_RATE * FREEZE_TIME_S * 0.4:
            waiting.wait(0.02)
        server.freeze()
        waiting.wait(FREEZE_S)
        server.thaw()

    thread = threading.Thread(target=freeze, daemon=True)
    thread.start()
    return thread


def frozen_by_ours(server: Server, core: int, connections: int) -> Frozen:
    """What the open loop says of the frozen server."""
    thread = _freezing(server)
    found = run_probe(server, core, FREEZE_RATE, FREEZE_TIME_S, connections)
    thread.join(10)
    return Frozen("ours", connections, found["latency_p99"])


def frozen_by_k6(server: Server, core: int, users: int) -> Frozen:
    """What k6 says of it, with its constant arrival rate and so many virtual users."""
    environment = {
        "BENCH_METHOD": SMALL.method,
        "BENCH_URL": server.origin + SMALL.path,
        "BENCH_POINTER": "/".join(SMALL.pointer),
        "BENCH_VALUE": str(SMALL.value),
        "BENCH_RATE": str(FREEZE_RATE),
        "BENCH_TIME": f"{FREEZE_TIME_S}s",
        "BENCH_VUS": str(users),
    }
    thread = _freezing(server)
    metrics = k6_metrics(HERE / "k6.js", environment, 120, core)
    thread.join(10)
    found = (metrics or {}).get("http_req_duration", {}).get("p(99)")
    return Frozen("k6", users, float(found) if found is not None else None)


def freeze_table(found: list[Frozen]) -> str:
    """What each says, and how far that is off."""
    lines = ["| Generator | connections or users | p99 in ms | off the true one |", "|---|---|---|---|"]
    for each in found:
        off = f"{each.p99_ms / TRUE_P99_MS - 1:+.1%}" if each.p99_ms is not None else "–"
        said = f"{each.p99_ms:,.1f}" if each.p99_ms is not None else "–"
        lines.append(f"| {each.name} | {each.connections:,} | {said} | {off} |")
    return "\n".join(lines)
