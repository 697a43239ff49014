"""CPU microseconds that scenarios take of each request: making a shot, and judging its answer.

    python -m benchmarks.scenarios [--requests N] [--rounds N]

Answers are fetched from an embedded instance first, one a shot; then shots are made and answers judged without any
network. The smallest of the rounds is what the code takes, the median what this machine gave it meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from cdp.contract import load_contract
from cdp.embedded import embedded_instance
from cdp.http import Client
from cdp.secrets import Secrets
from cdp.targets import Target
from load.admission import sign_in
from load.answer import Answer
from load.scenario import Shot
from load.scenarios import make_scenario

RUN = "cdp-0badcafe"
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("search", {"scenario": "search"}),
    ("search, all answers sampled", {"scenario": "search", "check_every": 1}),
    ("ingest, batches of 1", {"scenario": "ingest", "batch": "1", "uploads": 0.0}),
    ("ingest, batches of 50", {"scenario": "ingest", "batch": "50", "uploads": 0.0}),
    ("ingest, uploads of 50", {"scenario": "ingest", "batch": "50", "uploads": 1.0}),
    ("mixed, batches of 50", {"scenario": "mixed"}),
)
DEFAULTS = {
    "seed": 1,
    "check_every": 20,
    "zipf": 1.0,
    "misses": 0.2,
    "searches": 0.5,
    "ingestion": 0.3,
    "batch": "50",
    "uploads": 0.02,
    "new_customers": 0.1,
}


def main(arguments: list[str] | None = None) -> int:
    """Print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(description="CPU microseconds of scenarios a request.")
    parser.add_argument("--requests", type=int, default=1000, help="shots and answers of each case (default 1000)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (default 7)")
    given = parser.parse_args(arguments)
    with embedded_instance() as target:
        print(f"{'µs of CPU a request: smallest (median)':<42}{'make':>16}{'judge':>16}{'bytes':>9}")
        for title, options in CASES:
            print(_line(title, _measured(target, options, given.requests, given.rounds)))
            sys.stdout.flush()
    return 0


def _line(title: str, figures: tuple[list[float], list[float], float]) -> str:
    made, judged, length = figures
    shown = [f"{min(column):.1f} ({statistics.median(column):.1f})" for column in (made, judged)]
    return f"{title:<42}{shown[0]:>16}{shown[1]:>16}{length:>9.0f}"


def _measured(
    target: Target, options: dict[str, Any], count: int, rounds: int
) -> tuple[list[float], list[float], float]:
    """Microseconds a shot and a judgement, of each round, and the mean length of an answer."""
    contract, secrets = load_contract(), Secrets()
    token = sign_in(target, contract, secrets)
    scenario = make_scenario(SimpleNamespace(**{**DEFAULTS, **options}), target, contract, token, RUN, 0)
    scenario.prepare()
    shots = [scenario.shot(number) for number in range(count)]
    client = Client(target, secrets)
    answers = [_fetched(client, target, shot) for shot in shots]
    client.close()
    bad = [outcome for shot, answer in zip(shots, answers, strict=True) if not (outcome := shot.judge(answer)).good]
    if bad:
        raise SystemExit(f"an answer of the embedded instance is not good: {bad[0]}")
    pairs = list(zip(shots, answers, strict=True))

    def make() -> None:
        for number in range(count):
            scenario.shot(number)

    def judge() -> None:
        for shot, answer in pairs:
            shot.judge(answer)

    made, judged = ([_cpu_us(work, count) for _ in range(rounds)] for work in (make, judge))
    return made, judged, statistics.mean(len(answer.body) for answer in answers)


def _cpu_us(work: Callable[[], None], count: int) -> float:
    started = time.process_time_ns()
    work()
    return (time.process_time_ns() - started) / 1000 / count


def _fetched(client: Client, target: Target, shot: Shot) -> Answer:
    """The answer of the instance to a shot."""
    head, _, body = shot.request.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ")
    given = (header.partition(": ") for header in lines)
    headers = {name: value for name, _, value in given if name not in ("Host", "Content-Length")}
    exchange = client.send(method, target.origin + path, headers=headers, body=body or None)
    now_ns = time.monotonic_ns()
    found = tuple((n.encode("latin-1"), v.encode("latin-1")) for n, v in exchange.headers.items())
    return Answer(exchange.status, found, exchange.body, now_ns, now_ns)


if __name__ == "__main__":
    sys.exit(main())
