"""What recording costs: `python -m benchmarks.recorder [--rounds N]`.

Prints the CPU time of one recorded answer, folding included, with and without Locust's own tables; how long the hub
stands still while a thousand lines are counted and while a fold is made; and whether memory stays flat. The cheapest of
many short rounds counts, because others on the machine can only make a round dearer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import psutil
from locust.stats import RequestStats

from load.recording.locust_stats import LocustTables, measure_finely
from load.recording.recorder import Recorder

LINES = 10_000  # of a round: half a second at 20,000 requests/s
Line = tuple[int, int, int]


def answers(seed: int = 1) -> list[Line]:
    """Intended, sent and done times as at 20,000 requests/s, with answers after 0.3 to 30 ms."""
    random = np.random.default_rng(seed)
    intended = time.monotonic_ns() + np.cumsum(random.exponential(50_000, LINES)).astype(np.int64)
    sent = intended + random.integers(5_000, 200_000, LINES)
    done = sent + (10 ** random.uniform(5.5, 7.5, LINES)).astype(np.int64)
    return list(zip(intended.tolist(), sent.tolist(), done.tolist(), strict=True))


def cheapest(rounds: int, once: Callable[[], object]) -> float:
    """CPU nanoseconds of the cheapest round."""
    found = []
    for _ in range(rounds):
        before = time.process_time_ns()
        once()
        found.append(time.process_time_ns() - before)
    return min(found)


def cost_ns(lines: list[Line], rounds: int, tables: bool) -> float:
    """CPU nanoseconds of a recorded answer, the fold included and the loop around it left out."""
    recorder = Recorder(LocustTables(RequestStats(), closed_loop=False).take if tables else None)
    add = recorder.channel("GET", "/api/customers", "search").add

    def record() -> None:
        for intended, sent, done in lines:
            add(intended, sent, done, 512)
        recorder.fold()

    def loop() -> None:
        for _intended, _sent, _done in lines:
            pass

    return (cheapest(rounds, record) - cheapest(rounds, loop)) / len(lines)


def empty_call_ns(lines: list[Line], rounds: int) -> float:
    """CPU nanoseconds of a call with the same arguments that does nothing, with the loop around it."""

    def nothing(intended_ns: int, sent_ns: int, done_ns: int, length: int, events: int = 0) -> None:
        pass

    def call() -> None:
        for intended, sent, done in lines:
            nothing(intended, sent, done, 512)

    return cheapest(rounds, call) / len(lines)


def pauses_ns(lines: list[Line], rounds: int) -> tuple[float, float]:
    """Nanoseconds that one `add` takes when it counts what came before, and that a fold takes."""
    recorder = Recorder(LocustTables(RequestStats(), closed_loop=False).take)
    add = recorder.channel("GET", "/api/customers", "search").add
    longest, folds = [], []
    for _ in range(rounds):
        worst = 0
        for intended, sent, done in lines:
            before = time.perf_counter_ns()
            add(intended, sent, done, 512)
            worst = max(worst, time.perf_counter_ns() - before)
        longest.append(worst)
        before = time.perf_counter_ns()
        recorder.fold()
        folds.append(time.perf_counter_ns() - before)
    return min(longest), min(folds)


def growth_mb(lines: list[Line], millions: float) -> float:
    """MB that the process grows by while so many million answers are recorded, the first hundred thousand left out."""
    recorder = Recorder(LocustTables(RequestStats(), closed_loop=False).take)
    add = recorder.channel("GET", "/api/customers", "search").add
    process = psutil.Process()
    before = 0
    for number in range(int(millions * 1_000_000 / len(lines))):
        for intended, sent, done in lines:
            add(intended, sent, done, 512)
        if number % 5 == 4:  # folds that come late must not matter
            recorder.fold()
        if number == 10:
            before = process.memory_info().rss
    return (process.memory_info().rss - before) / 1e6


def main() -> None:
    """Print what recording an answer costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    rounds = max(1, parser.parse_args().rounds)
    measure_finely()
    lines = answers()
    print(f"for scale, a call that does nothing: {empty_call_ns(lines, rounds):,.0f} ns of CPU")
    print(f"an answer, folded: {cost_ns(lines, rounds, tables=False):,.0f} ns of CPU")
    print(f"an answer, folded, in Locust's tables, too: {cost_ns(lines, rounds, tables=True):,.0f} ns of CPU")
    longest, fold = pauses_ns(lines, rounds)
    print(f"the hub stands still: {longest / 1e6:.2f} ms for a thousand lines, {fold / 1e6:.2f} ms for a fold")
    print(f"memory: {growth_mb(lines, 2.0):+.1f} MB over two million answers")


if __name__ == "__main__":
    main()
