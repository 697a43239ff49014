"""Load runs made up for tests: a server in a small simulation, and samples of a healthy generator.

The simulated server answers one request after the other and may stand still for a while. Arrivals come evenly; what
they wait for counts from when they were due.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Error, Figures, Span
from cdp.load_results import Books, HealthJudged, LoadRun, read_load_results
from load.evaluation import Evaluator
from load.health.judge import judge
from load.health.sample import HealthSample
from load.objectives import parse_objectives
from load.results import LoadResultsWriter
from load.verdict import decide
from reports.load_terminal import print_load_run

MS = 1_000_000
SEARCH = ChannelKey("search", "GET", "/customers/fulltext_search")
INGEST = ChannelKey("ingest", "POST", "/customer_events/")


def figures(good: int = 0, latency_ms: float = 10.0, failed: int = 0, **others: Any) -> Figures:
    """So many answers that all took the same time."""
    times = Distribution([int(latency_ms * MS)], [good + failed])
    errors = Counter({Error("500 Internal Server Error"): failed}) if failed else Counter[Error]()
    values: dict[str, Any] = {"errors": errors, "latency": times, "service": times}
    return Figures(good=good, failed=failed, **{**values, **others})


def span(from_s: float, to_s: float, channels: dict[ChannelKey, Figures] | Figures, **others: Any) -> Span:
    """What came between two moments; as many are offered as have an end, unless it is said."""
    channels = {SEARCH: channels} if isinstance(channels, Figures) else channels
    offered = sum(each.offered for each in channels.values())
    return Span(from_s, to_s, channels, **{"offered": offered, **others})


def served(
    rate: float = 100.0,
    lasts_s: float = 20.0,
    *,
    service_ms: float = 5.0,
    stalls: Sequence[tuple[float, float]] = (),
    step_s: float = 0.5,
    key: ChannelKey = SEARCH,
    drained: bool = True,
) -> list[Span]:
    """The spans of a run against a server that answers one after the other and stands still in `stalls`."""
    arrivals = [(number + 0.5) / rate for number in range(int(rate * lasts_s))]
    ends, starts, free_s = [], [], 0.0
    for due_s in arrivals:
        start_s = max(due_s, free_s)
        end_s = start_s + service_ms / 1000
        for from_s, to_s in stalls:
            if start_s < to_s and end_s > from_s:  # whatever it is at when it stops is done afterwards
                end_s = to_s + service_ms / 1000
        starts.append(start_s)
        ends.append(end_s)
        free_s = end_s
    last_s = max(lasts_s, ends[-1]) if drained else lasts_s
    spans, at, done = [], 0.0, 0
    while at < last_s - 1e-9:
        to_s = at + step_s
        ended = [number for number, end_s in enumerate(ends) if at < end_s <= to_s]
        done += len(ended)
        due = sum(due_s <= to_s for due_s in arrivals)
        latency = Distribution.of([int((ends[n] - arrivals[n]) * 1e9) for n in ended])
        service = Distribution.of([int((ends[n] - starts[n]) * 1e9) for n in ended])
        lateness = Distribution.of([100_000] * len(ended))
        found = Figures(good=len(ended), bytes=500 * len(ended), latency=latency, service=service, lateness=lateness)
        offered = sum(at < due_s <= to_s for due_s in arrivals)
        spans.append(Span(at, to_s, {key: found} if ended else {}, offered, waiting=0, in_flight=due - done))
        at = to_s
    return spans


def sample(from_s: float = 0.0, to_s: float = 0.5, **others: Any) -> HealthSample:
    """A healthy process for a moment."""
    values: dict[str, Any] = {
        "process": "worker 1",
        "host": "here",
        "cpu": 0.4,
        "cpu_wait": 0.01,
        "steal": 0.001,
        "throttled": 0.0,
        "descriptors": 120,
        "descriptor_limit": 1024,
        "sockets": 100,
        "time_wait": 5,
        "ports": 28232,
        "memory_bytes": 90_000_000,
        "memory_free": 0.6,
        "in_flight": 3,
        "hub": Distribution([300_000], [25]),
        "lateness": Distribution([100_000, 400_000], [95, 5]),
        "read_lag": Distribution([200_000], [10]),
    }
    return HealthSample(from_s, to_s, **{**values, **others})


def samples(lasts_s: float = 20.0, *, step_s: float = 0.5, **others: Any) -> list[HealthSample]:
    """A process that stayed as it was for a whole run."""
    return [sample(n * step_s, (n + 1) * step_s, **others) for n in range(int(lasts_s / step_s))]


def write_run(
    path: Path,
    spans: Iterable[Span],
    objectives: str = "p99<300ms",
    *,
    health: Sequence[HealthSample] | None = None,
    warm_up_s: float = 0.0,
    header: dict[str, Any] | None = None,
    findings: Iterable[Any] = (),
    finished: bool = True,
    **decided: Any,
) -> LoadRun:
    """A run as the software writes it: judged, decided, stored, and read again."""
    spans = list(spans)
    health = samples(spans[-1].to_s if spans else 1.0) if health is None else health
    head = {"load": "search", "target": "embedded", "loop": "open", "schedule": "100/s for 20 s", "seed": 1}
    with LoadResultsWriter(path) as writer:
        writer.header(**{**head, "objectives": objectives, "warm_up_s": warm_up_s, **(header or {})})
        parsed = parse_objectives(objectives)
        evaluator = Evaluator(parsed, warm_up_s)
        for each in spans:
            evaluator.feed(each)
            writer.span(each)
        for finding in findings:
            writer.finding(finding)
        for found in health:
            writer.health(found)
        if finished:
            whole = Figures.merged(each.all for each in spans)
            judged, state = evaluator.judge(), judge(health, parsed, whole, warm_up_s=warm_up_s)
            books = balanced(whole)
            writer.finish(decide(judged, state, books, **decided), judged, state, books, wall_s=20.0)
    return read_load_results(path)


def printed(run: LoadRun, width: int = 100, **options: Any) -> str:
    """What the terminal shows."""
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False, **options)
    print_load_run(run, console)
    return file.getvalue()


def balanced(whole: Figures) -> Books:
    """Books in which nothing is missing."""
    counts = (whole.offered, whole.sent, whole.never_sent, whole.good, whole.failed, whole.unanswered)
    return Books(*counts, balanced=True)


HEALTHY = HealthJudged(False, [], [], "CPU 40 % of a core")
BALANCED = Books(1000, 1000, 0, 1000, 0, 0, True)
