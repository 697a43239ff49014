"""A run as metrics in Prometheus' text format, for the textfile collector of the node exporter.

https://prometheus.io/docs/instrumenting/exposition_formats/ — base units: seconds, events a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cdp.gate.record import Gate
from cdp.load_results import LoadRun
from cdp.results import Run
from cdp.verdicts import Verdict, decide
from reports import load_summary, summary
from reports.wording import one_line

_QUANTILES = (50, 90, 99)


class _Metrics:
    """Families of metrics in order, each with its help and its samples together, as the format wants it."""

    def __init__(self, **labels: str) -> None:
        self._labels = labels
        self._families: dict[str, list[str]] = {}

    def add(self, name: str, meaning: str, value: float | None, **labels: str) -> None:
        """Add a sample; None or what is no number is left out."""
        if value is None or not math.isfinite(value):
            return
        family = self._families.setdefault(name, [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"])
        pairs = ",".join(f'{key}="{escaped(text)}"' for key, text in (self._labels | labels).items())
        family.append(f"{name}{{{pairs}}} {value!r}")

    def text(self) -> bytes:
        return "".join(f"{line}\n" for family in self._families.values() for line in family).encode("utf-8")


def escaped(value: str) -> str:
    """A label's value: backslash, quote and line feed are escaped, whatever else breaks a line is shown."""
    return one_line(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def contract_metrics(run: Run) -> bytes:
    """Cells by verdict, and by family and verdict; requests, leftovers, the answer."""
    header, matrix, decision = run.header, summary.matrix(run), decide(run)
    metrics = _Metrics(target=str(header.get("target") or ""), profile=str(header.get("profile") or "quick"))
    _common(metrics, header, decision.code, summary.wall_seconds(run), "contract")
    for verdict in Verdict:
        if verdict:
            count = matrix.total[verdict]
            metrics.add("cdp_contract_cells", "Cells of the run by verdict.", count, verdict=verdict.name)
    for family in matrix.families:
        for verdict, count in matrix.of_family(family).items():
            if verdict:
                labels = {"family": family, "verdict": verdict.name}
                metrics.add("cdp_contract_family_cells", "Cells by family and verdict.", count, **labels)
    metrics.add("cdp_contract_requests", "Requests of the run.", summary.requests_sent(run))
    metrics.add("cdp_contract_leftovers", "Records left on the target.", len(run.leftovers))
    return metrics.text()


def load_metrics(run: LoadRun) -> bytes:
    """Latency, rates and failures by operation, violations, the audit's findings, capacity with its interval."""
    header = run.header
    metrics = _Metrics(target=str(header.get("target") or ""), scenario=run.scenario)
    wall = (run.footer or {}).get("wall_s")
    _common(metrics, header, run.decision.exit_code, wall, "capacity" if run.finds_capacity else "load")
    lasted_s = run.lasted_s
    for name, figures in load_summary.operations(run) if run.spans else []:
        for kind in ("latency", "service"):
            times = getattr(figures, kind)
            for quantile in _QUANTILES if times.count else ():
                metrics.add(
                    f"cdp_load_{kind}_seconds",
                    "Time from when a request was due until its answer."
                    if kind == "latency"
                    else "Time from sending a request until its answer.",
                    times.percentile(quantile) / 1e9,
                    operation=name,
                    quantile=f"{quantile / 100:g}",
                )
        if lasted_s:
            rate = figures.good / lasted_s
            metrics.add("cdp_load_good_per_second", "Good answers a second.", rate, operation=name)
        metrics.add("cdp_load_offered", "Arrivals.", figures.offered, operation=name)
        metrics.add("cdp_load_bad", "Arrivals without a good answer.", figures.bad, operation=name)
        metrics.add("cdp_load_violations", "Requirements broken under load.", figures.violations, operation=name)
    if run.audit is not None:
        for each in run.audit.findings:
            metrics.add("cdp_load_audit_events", "Events by what is wrong with them.", each.count, finding=each.name)
        metrics.add("cdp_load_audited_events", "Events that were audited.", run.audit.events)
    if (capacity := run.capacity) is not None:
        metrics.add("cdp_capacity_per_second", "The rate at which an objective breaks.", capacity.rate)
        metrics.add("cdp_capacity_low_per_second", "Lower end of its 95 % interval.", capacity.low)
        metrics.add("cdp_capacity_high_per_second", "Upper end of its 95 % interval.", capacity.high)
        metrics.add("cdp_capacity_headroom_ratio", "Lower end over the agreed peak.", capacity.headroom)
    return metrics.text()


def gate_metrics(gate: Gate) -> bytes:
    """The answer, and what each part says."""
    metrics = _Metrics(target=gate.target)
    header = {"started": gate.started}
    _common(metrics, header, gate.exit_code, gate.wall_s, "gate")
    for part in gate.parts:
        labels = {"part": part.name, "outcome": part.outcome}
        metrics.add("cdp_gate_part", "1 for each part of a gate, with its outcome.", 1, **labels)
    return metrics.text()


def _common(metrics: _Metrics, header: Mapping[str, Any], code: int, wall_s: Any, kind: str) -> None:
    metrics.add("cdp_exit_code", "0 in order, 1 broken, 3 it cannot be told.", code, kind=kind)
    metrics.add("cdp_started_timestamp_seconds", "When the run started.", _moment(header), kind=kind)
    if isinstance(wall_s, int | float):
        metrics.add("cdp_duration_seconds", "How long the run took.", float(wall_s), kind=kind)


def _moment(header: Mapping[str, Any]) -> float | None:
    try:
        started = datetime.fromisoformat(str(header.get("started")))
    except ValueError:
        return None
    return (started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp()
