"""What the audit costs, how quickly it reads back, and whether faithful runs pass it.

    python -m benchmarks.audit [--events N] [--runs N] [--batch N] [--rate N]

Three tables: CPU of the ledger and the watch for each event that is sent (limit: 0.5 µs), bytes of the ledger for each
event (limit: 1), and runs on the embedded instance, each of N events, with what the audit said and how many records it
read back a second. Ends with 1 when a limit is not kept or a run of the faithful instance has a finding.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cdp.audit_results import CLEAN, Audit
from cdp.cli.load import LOCUSTFILE
from cdp.load_results import read_load_results
from cdp.records import RESULTS_FILE
from load.answer import Answer
from load.audit.ledger import Ledger
from load.scenario import Entries
from load.scenarios.batches import Batch
from load.scenarios.ingest import BatchAnswer
from reports.audit import headline, reading, visibility

LIMIT_US, LIMIT_BYTES = 0.5, 1.0
_ROUNDS = 9
_EVENTS = 200_000
_UNDER_WAY = 256  # requests
_SIZES = (1, 2, 5, 10, 50, 200)


def cost_us(size: int, directory: Path, *, noting: bool) -> float:
    """CPU µs an event of noting batches of a size as the engine does; the smallest of several rounds. Without `noting`
    it is what the engine pays for asking whether there is a ledger."""
    answer, rounds = Answer(status=201, sent_ns=1, done_ns=2), []
    for number in range(_ROUNDS):
        ledger = Ledger(directory / f"{size}-{noting}-{number}.ledger")
        ingest: Any = SimpleNamespace(ledger=ledger, watch_for=lambda batch, answer, kept=ledger: _go_on(kept))
        took_s, answered = 0.0, 0
        while answered < _EVENTS:
            starts = range(answered, answered + _UNDER_WAY * size, size)
            batches = [Batch(first, size, False, False, first) for first in starts]
            shots: list[Entries | None] = [BatchAnswer(ingest, batch) if noting else None for batch in batches]
            began_s = time.process_time()
            for entries in shots:
                if entries is not None:
                    entries.begin()
            for entries in shots:
                if entries is not None:
                    entries.settle(answer)
            took_s += time.process_time() - began_s
            answered += _UNDER_WAY * size
        rounds.append(took_s / answered * 1e6)
        ledger.close()
    return min(rounds)


def _go_on(ledger: Ledger) -> None:
    """One in a thousand is handed to the watch, which goes its own way then."""
    ledger.unwatched += 1000


def bytes_per_event(directory: Path) -> float:
    """Bytes of a ledger of many events, each noted."""
    ledger = Ledger(directory / "bytes.ledger")
    count = 10_000_000
    for first in range(0, count, 10_000):
        ledger.begin(first, 10_000)
    ledger.close()
    return ledger.path.stat().st_size / count


def faithful_run(events: int, batch: int, rate: float, runs: Path, seed: int) -> Audit:
    """Load an embedded instance with so many events, and audit. Raises RuntimeError when there was no audit."""
    seconds = max(2, round(events / batch / rate))
    arguments = ["ingest", "--rate", f"{rate:g}", "--batch", str(batch), "--time", f"{seconds}s", "--uploads", "2%"]
    command = [sys.executable, "-m", "cdp", "load", *arguments, "--seed", str(seed), "--runs", str(runs)]
    done = subprocess.run(command, cwd=LOCUSTFILE.parents[1], capture_output=True, text=True, check=False)
    found = list(runs.glob(f"*/{RESULTS_FILE}"))
    audit = read_load_results(found[0]).audit if found else None
    if audit is None:
        raise RuntimeError(f"no audit: {done.stderr.strip()[-500:]}")
    return audit


def main(arguments: list[str] | None = None) -> int:
    """Print the tables. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Cost, read-back rate and false alarms of the audit.")
    parser.add_argument("--events", type=int, default=100_000, help="events of each run (default 100,000)")
    parser.add_argument("--runs", type=int, default=1, help="faithful runs (default 1)")
    parser.add_argument("--batch", type=int, default=100, help="events of a batch (default 100)")
    parser.add_argument("--rate", type=float, default=40.0, help="batches a second (default 40)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        kept = _costs(Path(directory))
    return 0 if _runs(given) and kept else 1


def _costs(directory: Path) -> bool:
    print(f"{'events of a batch':<20}{'CPU µs an event':>18}{'a search':>14}")
    worst = 0.0
    for size in _SIZES:
        cost, idle = cost_us(size, directory, noting=True), cost_us(size, directory, noting=False)
        worst = max(worst, cost)
        print(f"{size:<20}{cost:>18.3f}{idle * size:>11.3f} µs")
    each = bytes_per_event(directory)
    print(f"ledger: {each:.3f} bytes an event, {each * 100:.0f} MB for 100 million")
    kept = worst <= LIMIT_US and each <= LIMIT_BYTES
    print(f"limits {'kept' if kept else 'NOT KEPT'}: {LIMIT_US} µs and {LIMIT_BYTES:g} byte an event")
    return kept


def _runs(given: argparse.Namespace) -> bool:
    clean, rates = 0, []
    for number in range(1, given.runs + 1):
        with tempfile.TemporaryDirectory() as runs:
            audit = faithful_run(given.events, given.batch, given.rate, Path(runs), number)
        clean += audit.verdict == CLEAN
        rates.append(audit.records_per_s)
        print(f"{number:>3}  {audit.events:,} events: {headline(audit)}")
        print(f"     {reading(audit)}; {visibility(audit)}", flush=True)
    if rates:
        print(f"{clean} of {given.runs} faithful runs without a finding; {statistics.median(rates):,.0f} records/s")
    return clean == given.runs


if __name__ == "__main__":
    sys.exit(main())
