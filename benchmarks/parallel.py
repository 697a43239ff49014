"""How long a contract run takes in one process and in several, with a network in between.

`python -m benchmarks.parallel [--latency MS] [--processes 1 2] [-- options of cdp contract]`

Every run has an instance of its own. What is compared, beside the times, are the verdicts: they have to be the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.latency import delayed
from cdp.embedded import embedded_instance
from cdp.results import RESULTS_FILE, Run, read_results

_ALLOW = "writes,destructive,sends"


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the same target with each number of processes, and print how long each took. 1 if verdicts differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel", description=__doc__)
    parser.add_argument("--latency", type=float, default=50.0, metavar="MS", help="milliseconds a request takes more")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="how many judge; the first to compare")
    parser.add_argument("--deadline", type=float, default=7200.0, metavar="S", help="seconds that a run may take")
    parser.add_argument("contract", nargs="*", help="options of cdp contract, after --")
    given = parser.parse_args(arguments)
    first: Run | None = None
    for processes in given.processes:
        run = _measure(processes, given.latency / 1000, given.contract, given.deadline)
        footer = run.footer or {}
        print(
            f"{processes} process{'es' if processes > 1 else ''}: {footer.get('wall_s', 0):.1f} s, "
            f"{footer.get('requests', 0):,} requests, {len(run.results):,} cells, {footer.get('counts')}",
            flush=True,
        )
        if first is None:
            first = run
        elif different := _differing(first, run):
            print(f"different verdicts: {', '.join(different[:20])}")
            return 1
    return 0


def _measure(processes: int, latency_s: float, options: Sequence[str], deadline_s: float) -> Run:
    with (
        embedded_instance() as target,
        delayed(target.base_url, latency_s) as url,
        tempfile.TemporaryDirectory(prefix="cdp-parallel-") as runs,
    ):
        credentials = {"CDP_EMAIL": target.credentials.email, "CDP_PASSWORD": target.credentials.password}
        command = [sys.executable, "-m", "cdp", "contract", "--url", url, "--allow", _ALLOW, "--runs", runs]
        command += ["--processes", str(processes), *options]
        subprocess.run(
            command,
            env={**os.environ, **credentials},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=deadline_s,
        )
        return read_results(next(Path(runs).glob(f"*/{RESULTS_FILE}")))


def _differing(one: Run, other: Run) -> list[str]:
    """Addresses of the cells that were not judged alike."""
    verdicts = [{result.cell: result.verdict for result in run.results} for run in (one, other)]
    cells = verdicts[0].keys() | verdicts[1].keys()
    return sorted(cell.address for cell in cells if verdicts[0].get(cell) != verdicts[1].get(cell))


if __name__ == "__main__":
    sys.exit(main())
