"""What the store keeps of a run, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cdp.load_results import LoadRun
from cdp.verdicts import Verdict

P50, P99, RATE, CAPACITY = "p50", "p99", "rate", "capacity"
PAGE = "report.html"


@dataclass(frozen=True)
class RunSummary:
    """What a run said. `name`: of its directory; `kind`: `contract/release`, `load/mixed`, `capacity/search`;
    `started`: UTC. `counts`: cells by verdict. `figures` of a load run, all operations together: p50 and p99 in ms,
    rate (good answers) and capacity a second; `interval`: of the capacity, 95 %; `operations`: p50, p99 and rate of
    each. `header` and `footer`: of a load run, as they were stored, without its errors."""

    name: str
    target: str
    kind: str
    started: datetime
    headline: str
    sentence: str = ""
    counts: Mapping[Verdict, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    operations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    footer: Mapping[str, Any] | None = None

    @property
    def page(self) -> str:
        """Where the run's page is, seen from the page of another run; it may be gone."""
        return f"../{self.name}/{PAGE}"

    @property
    def load_run(self) -> LoadRun:
        """A load run as far as the store keeps it: header and footer."""
        return LoadRun(dict(self.header), footer=dict(self.footer) if self.footer is not None else None)


@dataclass(frozen=True)
class Since:
    """Since when a cell is broken. `run` and `started`: the first of the runs without a break in which it was; `runs`:
    how many there are, the one that was asked about among them; runs that did not judge the cell do not count.
    `known_before`: an earlier run saw it kept; otherwise it may be older than the store. `page`: where that run's page
    is, seen from the page of the one that was asked about; empty where it is gone."""

    run: str
    started: datetime
    runs: int
    known_before: bool
    page: str = ""

    @property
    def new(self) -> bool:
        """It was kept until the run before, and is broken for the first time."""
        return self.runs == 1 and self.known_before
