"""Thirty nights of one target, made up from runs of today: what a history has to show to somebody who comes back to it.

Each night has a contract run and a load run, every fifth one a search for capacity. What breaks, and when it is mended,
stands in `BROKEN`; from night 20 on answers take a third longer, and capacity is a quarter lower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulated_nights import Build, load_run
from cdp.history import rebuild
from cdp.load_figures import Figures
from cdp.load_results import Books, HealthJudged, LoadRun, read_load_results
from cdp.records import RESULTS_FILE
from cdp.results import ResultsWriter, Run, read_results
from cdp.verdicts import Result, Verdict
from load.evaluation import Evaluator
from load.objectives import parse_objectives
from load.results import LoadResultsWriter
from load.verdict import decide

NIGHTS = 30
FIRST = datetime(2027, 1, 4, 2, tzinfo=UTC)
SLOWER_FROM, SLOWER = 20, 0.33
LOST_CAPACITY = 0.75
_OBJECTIVES = "p99<300ms,errors<0.1%"

BROKEN: Mapping[str, range] = {
    **dict.fromkeys(("list_users", "list_web_banners", "list_push_notifications", "list_emails"), range(12, 17)),
    **dict.fromkeys(("update_tag", "create_report", "list_journeys", "get_report", "delete_feed"), range(25, 31)),
    **dict.fromkeys(("list_events", "list_channels"), range(3, 31)),
    **dict.fromkeys(("get_tag", "create_customer_events"), range(30, 31)),
}
"""On which nights an operation is broken, counted from 1; those that are not named are from `OTHERS` on."""
OTHERS = range(28, 31)


def broken_on(operation: str, night: int) -> bool:
    """Whether what is broken on an operation is so on that night."""
    return night in BROKEN.get(operation, OTHERS)


def thirty_nights(runs: Path, contract: Path, capacity: Path) -> dict[str, Path]:
    """Store the nights in a directory, from the directories of a contract run and of a search for capacity; the
    directories of the last ones by their kind. What the two runs did is in each night; only when it did it is not."""
    now, searched = read_results(contract / RESULTS_FILE), read_load_results(capacity / RESULTS_FILE)
    draw = np.random.default_rng(1)
    last: dict[str, Path] = {}
    for night in range(1, NIGHTS + 1):
        started = FIRST + timedelta(days=night - 1)
        last["contract"] = _named(runs, started)
        _store_contract(last["contract"], now, night, started)
        started += timedelta(minutes=10)
        last["load"] = _named(runs, started)
        slower = SLOWER if night >= SLOWER_FROM else 0.0
        _store_load(last["load"], load_run(draw, Build(median_ms=60), slower=slower), started)
        if night % 5 == 0:
            started += timedelta(minutes=10)
            last["capacity"] = _named(runs, started)
            share = float(np.exp(draw.normal(0, 0.02))) * (LOST_CAPACITY if night >= SLOWER_FROM else 1.0)
            _store_capacity(last["capacity"], searched, share, started)
    rebuild(runs)
    return last


def _named(runs: Path, started: datetime) -> Path:
    directory = runs / f"{started:%Y%m%dT%H%M%SZ}-staging"
    directory.mkdir(parents=True)
    return directory


def _store_contract(directory: Path, now: Run, night: int, started: datetime) -> None:
    with ResultsWriter(directory / RESULTS_FILE) as writer:
        writer.header(**{**_without_kind(now.header), "started": started.isoformat()})
        for result in now.results:
            broken = result.verdict in (Verdict.FAIL, Verdict.WARN)
            writer.add(result if not broken or broken_on(result.cell.operation, night) else _kept(result))
        writer.footer(**_without_kind(now.footer or {}))


def _kept(result: Result) -> Result:
    return replace(result, verdict=Verdict.PASS, sentence="kept", example="", curl="", exchange=None)


def _store_load(directory: Path, run: LoadRun, started: datetime) -> None:
    objectives = parse_objectives(_OBJECTIVES)
    evaluator = Evaluator(objectives, 0.0)
    header = {**run.header, "target": "staging", "started": started.isoformat(), "objectives": _OBJECTIVES, "seed": 1}
    with LoadResultsWriter(directory / RESULTS_FILE) as writer:
        writer.header(**header)
        for span in run.spans:
            evaluator.feed(span)
            writer.span(span)
        _finish(writer, evaluator, Figures.merged(span.all for span in run.spans))


def _finish(writer: LoadResultsWriter, evaluator: Evaluator, whole: Figures) -> None:
    health = HealthJudged(False, [], [], "CPU 21 % of a core")
    counts = (whole.offered, whole.sent, whole.never_sent, whole.good, whole.failed, whole.unanswered)
    books, judged = Books(*counts, balanced=True), evaluator.judge()
    writer.finish(decide(judged, health, books), judged, health, books, wall_s=60.0)


def _store_capacity(directory: Path, now: LoadRun, share: float, started: datetime) -> None:
    """The search of today with its rates multiplied; what it sent second by second is left out of it."""
    footer = _without_kind(now.footer or {})
    found = dict(footer.get("capacity") or {})
    for name in ("rate", "low", "high", "held", "failed", "confirmed"):
        if isinstance(found.get(name), int | float):
            found[name] = round(found[name] * share, 1)
    if found.get("peak") and found.get("rate"):
        found["headroom"] = found["rate"] / found["peak"]
    sentence = f"sustains {found.get('rate') or 0:.4g}/s of search with {now.header.get('objectives')}"
    decision = {**(footer.get("decision") or {}), "sentence": sentence, "reasons": [sentence]}
    with LoadResultsWriter(directory / RESULTS_FILE) as writer:
        writer.header(**{**_without_kind(now.header), "started": started.isoformat()})
        for step in now.steps:
            rates = {name: getattr(step, name) * share for name in ("rate", "offered_rate", "good_rate")}
            writer.step(replace(step, **rates))
        writer.footer(**{**footer, "capacity": found, "decision": decision})


def _without_kind(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("kind", "schema")}
