"""How fast the history answers: `python -m benchmarks.history [--runs N] [--cells N] [--keep DIR]`.

Builds the store of a target with that many contract runs of that many cells (and as many load runs as tenths of them),
in which some cells break, stay broken for a while and are mended, and others come and go as skipped. Then measures
`cdp history`, `cdp history --broken` and `since` of the last run, each as a person would wait for it: in a process of
its own for the commands. The worst case for "since when" is a cell that is broken in every run; there are some.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from cdp.history import HISTORY_FILE, RunSummary, Store, since
from cdp.verdicts import Verdict

FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
_BREAKING, _MENDING = 0.0005, 0.05  # a run and cell
_ALWAYS_BROKEN = 0.005
TRIES = 5


def build(runs: Path, count: int, cells: int, seed: int = 1) -> None:
    """A store of `count` contract runs with `cells` cells each, a day apart, and a load run for every tenth."""
    draw = np.random.default_rng(seed)
    addresses = [f"PAGE-{n % 40:02d}/operation_{n // 40}/role" for n in range(cells)]
    verdicts = np.where(draw.random(cells) < 0.2, Verdict.SKIP, Verdict.PASS)
    always = draw.random(cells) < _ALWAYS_BROKEN
    with Store(runs / HISTORY_FILE) as store:
        for number in range(count):
            verdicts = np.where((verdicts == Verdict.PASS) & (draw.random(cells) < _BREAKING), Verdict.FAIL, verdicts)
            verdicts = np.where((verdicts == Verdict.FAIL) & (draw.random(cells) < _MENDING), Verdict.PASS, verdicts)
            seen = np.where(always, Verdict.FAIL, np.where(draw.random(cells) < 0.002, Verdict.SKIP, verdicts))
            values, counts = np.unique(seen, return_counts=True)
            named = {Verdict(int(value)): int(n) for value, n in zip(values, counts, strict=True)}
            started = FIRST + timedelta(days=number)
            run = RunSummary(f"run-{number:05d}", "staging", "contract/release", started, "NO-GO", counts=named)
            store.add(run, verdicts={name: Verdict(int(v)) for name, v in zip(addresses, seen, strict=True)})
            if number % 10 == 0:
                store.add(_load_run(number, started, float(np.exp(draw.normal(5, 0.03)))))


def _load_run(number: int, started: datetime, p99_ms: float) -> RunSummary:
    figures = {"p50": p99_ms / 4, "p99": p99_ms, "rate": 100.0}
    header = {"load": "mixed", "target": "staging", "loop": "open", "schedule": "100/s for 60 s"}
    footer = {"decision": {"headline": "MET", "sentence": "all objectives are met", "exit_code": 0}}
    name = f"load-{number:05d}"
    return RunSummary(name, "staging", "load/mixed", started, "MET", figures=figures, header=header, footer=footer)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history")
    parser.add_argument("--runs", type=int, default=1000, help="contract runs (1000)")
    parser.add_argument("--cells", type=int, default=10_000, help="cells of each (10000)")
    parser.add_argument("--keep", type=Path, default=None, help="a directory for the store, which is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = given.keep or Path(scratch)
        runs.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        build(runs, given.runs, given.cells)
        built_s = time.perf_counter() - began
        size = (runs / HISTORY_FILE).stat().st_size
        print(f"{given.runs:,} runs x {given.cells:,} cells: {size / 1e6:.1f} MB, {size / given.runs:,.0f} bytes a run")
        print(f"built in {built_s:.1f} s ({built_s / given.runs * 1000:.1f} ms a run)")
        print(f"{'':<40} {'wall ms':>8} {'CPU ms':>8}   (medians of {TRIES})")
        last = runs / f"run-{given.runs - 1:05d}"
        _report("since(run), within a process", lambda: since(last))
        for words in ("--version", "history --target staging", "history --target staging --broken"):
            asked = [sys.executable, "-m", "cdp", *words.split()]
            asked += ["--runs", str(runs)] if "history" in words else []
            _report(f"cdp {words}", partial(subprocess.run, asked, check=True, stdout=subprocess.DEVNULL))


def _report(name: str, measured: Callable[[], object]) -> None:
    """The medians of wall and CPU time of a few tries, in ms, those of child processes among them."""
    wall_s, cpu_s = [], []
    for _ in range(TRIES):
        began, cpu = time.perf_counter(), sum(os.times()[:4])
        measured()
        wall_s.append(time.perf_counter() - began)
        cpu_s.append(sum(os.times()[:4]) - cpu)
    print(f"{name:<40} {np.median(wall_s) * 1000:8.0f} {np.median(cpu_s) * 1000:8.0f}")


if __name__ == "__main__":
    main()
