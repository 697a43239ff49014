"""What the store keeps of a run's results."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from cdp.comparison.stored import kind_of, target_of
from cdp.history.model import CAPACITY, P50, P99, RATE, RunSummary
from cdp.load_figures import ChannelKey
from cdp.load_results import INCONCLUSIVE, LoadRun
from cdp.records import Records, ResultsError
from cdp.results import read_results
from cdp.verdicts import Verdict, decide


def summed(records: Records) -> tuple[RunSummary, dict[str, Verdict] | None] | None:
    """A run as the store keeps it, and the verdicts of its cells by address; None when it does not say when it was.
    ResultsError in one line when it cannot be read."""
    started = _started(records.header)
    if started is None:
        return None
    if records.of_load:
        return _load(records, started), None
    run = read_results(records.path)
    decision = decide(run)
    summary = RunSummary(
        records.path.parent.name,
        target_of(run),
        kind_of(run),
        started,
        decision.headline,
        decision.sentence,
        counts=dict(Counter(result.verdict for result in run.results)),
    )
    return summary, {result.cell.address: result.verdict for result in run.results}


def _load(records: Records, started: datetime) -> RunSummary:
    """A load run, from its header and its footer alone."""
    run = LoadRun(records.header, footer=records.footer)
    try:
        decision, capacity = run.decision, run.capacity
        _ = (run.health_judged, run.books)  # they must be readable, too
    except (ValueError, TypeError, KeyError) as error:
        raise ResultsError(f"{records.path}: a broken footer ({error!r})") from None
    interval = None
    if capacity is not None and capacity.low is not None and capacity.high is not None:
        interval = (float(capacity.low), float(capacity.high))
    return RunSummary(
        records.path.parent.name,
        target_of(run),
        kind_of(run),
        started,
        decision.headline if run.footer else INCONCLUSIVE,
        decision.sentence,
        figures=_figures(run),
        interval=interval,
        operations=_operations(run),
        header=run.header,
        footer=_slim(run.footer),
    )


def _figures(run: LoadRun) -> dict[str, float]:
    """The figures of a run, of all operations together, as the footer tells them. Of a search for capacity only its
    answer is one."""
    if run.finds_capacity:
        capacity = run.capacity
        return {CAPACITY: float(capacity.rate)} if capacity is not None and capacity.rate else {}
    totals = _totals(run)
    return _of(totals[-1]) if totals else {}


def _operations(run: LoadRun) -> dict[str, dict[str, float]]:
    """The figures of each operation, as the tables name it."""
    found = {}
    for each in _totals(run)[:-1]:
        key = ChannelKey(*(str(each.get(name) or "") for name in ChannelKey._fields))
        found[f"{key.scenario}: {key.operation}" if key.scenario else key.operation] = _of(each)
    return found


def _totals(run: LoadRun) -> list[dict[str, Any]]:
    """Each operation, and all together at the end."""
    totals = (run.footer or {}).get("totals")
    return [each for each in totals if isinstance(each, dict)] if isinstance(totals, list) else []


def _of(totals: dict[str, Any]) -> dict[str, float]:
    times = totals.get("latency_ms")
    times = times if isinstance(times, dict) else {}
    found = {P50: times.get(P50), P99: times.get(P99), RATE: totals.get("rate_per_s")}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def _slim(footer: dict[str, Any] | None) -> dict[str, Any] | None:
    """What tells whether a run may be compared; its figures are kept apart."""
    if footer is None:
        return None
    return {name: value for name, value in footer.items() if name not in ("totals", "objectives")}


def _started(header: dict[str, Any]) -> datetime | None:
    try:
        started = datetime.fromisoformat(str(header.get("started")))
    except ValueError:
        return None
    return started.astimezone(UTC) if started.tzinfo else started.replace(tzinfo=UTC)
