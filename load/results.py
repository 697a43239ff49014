"""Writes the results file of a load run while it goes; what its records mean is said in `cdp.load_results`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cdp import __version__
from cdp.audit_results import Audit
from cdp.load_figures import ChannelKey, Span, summarised
from cdp.load_results import Books, Decision, Finding, HealthJudged, ObjectiveJudged, Step, read_load_results
from cdp.records import RecordWriter
from load.health.sample import HealthSample

MOST_FINDINGS = 100
_PACKAGES = ("gevent", "httptools", "locust", "msgspec", "numpy")


class LoadResultsWriter(RecordWriter):
    """Appends what a load run knows to its results file: a `header`, spans, findings and samples as they come, and
    `finish`. Nothing is kept back, so that a run that is killed has all it knew. Raises ResultsError."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._found: set[tuple[str, ...]] = set()

    def span(self, span: Span) -> None:
        """What came between two moments."""
        self.write(span.as_record())

    def health(self, sample: HealthSample) -> None:
        """How one process was."""
        self.write({"kind": "health", **sample.as_message()})

    def step(self, step: Step) -> None:
        """One step of a search for capacity."""
        self.write({"kind": "step", **asdict(step)})

    def finding(self, finding: Finding) -> None:
        """A broken requirement; each way of breaking it once for each operation, the rest is in the counts. Nothing
        secret may be in it."""
        key = (finding.requirement, finding.sentence, finding.method, finding.name)
        if key not in self._found and len(self._found) < MOST_FINDINGS:
            self._found.add(key)
            self.write({"kind": "finding", **asdict(finding)})

    def audit(self, audit: Audit) -> None:
        """What became of the events that were sent; once, before the footer."""
        self.write(audit.as_record())

    def finish(
        self,
        decision: Decision,
        objectives: Sequence[ObjectiveJudged],
        health: HealthJudged,
        books: Books,
        **others: Any,
    ) -> None:
        """Write the footer. The totals in it are computed from the file, so that the two cannot differ."""
        run = read_load_results(self.path)
        self.footer(
            **others,
            decision=asdict(decision),
            exit_code=decision.exit_code,
            objectives=[asdict(each) for each in objectives],
            health=asdict(health),
            books=asdict(books),
            totals=[summarised(key, figures, run.lasted_s) for key, figures in run.totals.items()]
            + [summarised(ChannelKey("", "", ""), run.all, run.lasted_s)],
        )


def versions() -> dict[str, str]:
    """What the run was made with."""
    found = {"suite": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What the run was made on: processor, cores that this process may use, memory, system. No name of the machine."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gb": round(_memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "architecture": platform.machine(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or sys.platform


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
