"""The results file of a load run: a file of records (`cdp.records`) that every report of load reads.

Kinds of records, in the order in which they come:

- ``header``: ``load`` (the scenario; its being there is what tells a load run from a contract run), ``target``,
  ``base_url``, ``loop`` ("open" or "closed"), ``schedule`` (in words), ``objectives`` (as given), ``options`` (all of
  them by name), ``seed``, ``warm_up_s``, ``planned_s``, ``processes``, ``started`` (ISO 8601), ``versions``,
  ``machine``, ``shares_machine`` (whether the target runs on it, too), ``users`` (of a closed loop).
- ``interval``: what came between two moments of the run: ``from_s``, ``to_s`` (from the start of the schedule),
  ``offered`` (arrivals that became due), ``waiting`` (due and not sent) and ``in_flight`` at its end, and ``channels``,
  one for each operation, with counts, errors and the whole distributions of latency, service time and lateness. All
  of it adds up: any figure over any time can be computed from the file, and a run that was killed has its totals.
- ``step``: one step of a search for capacity (see `Step`); the times of its spans are those of the whole run.
- ``finding``: the first time that the target broke a requirement, with the redacted exchange.
- ``health``: how one process of the generator was, see `load.health`.
- ``audit``: what became of the events that were sent, see `cdp.audit_results`; at most one.
- ``footer``: ``ended``, ``wall_s``, ``books``, ``objectives`` (judged), ``health`` (judged), ``decision``,
  ``exit_code``, ``totals`` (the figures of the tables, for other programs), ``interrupted``, ``token_renewals``
  (how often a token that had run out was renewed), ``sent_again`` (requests that met that, and were sent again); of a
  search for capacity also ``capacity`` (see `Capacity`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from cdp.audit_results import Audit
from cdp.load_figures import ChannelKey, Figures, Span
from cdp.records import RESULTS_FILE, ResultsError, read_records

__all__ = [
    "RESULTS_FILE",
    "Books",
    "Capacity",
    "Decision",
    "Finding",
    "HealthJudged",
    "Judged",
    "LoadRun",
    "ObjectiveJudged",
    "Step",
    "read_load_results",
]

T = TypeVar("T")

MET, MISSED, INCONCLUSIVE = "MET", "MISSED", "INCONCLUSIVE"
FOUND, SUSTAINED = "LIMIT FOUND", "SUSTAINED"
OMISSION = "closed loop: latencies are subject to coordinated omission"


@dataclass(frozen=True)
class Finding:
    """The first time that a requirement was broken in one way: where, what was said, and the redacted exchange."""

    requirement: str
    sentence: str
    method: str
    name: str
    at_s: float
    statement: str = ""
    exchange: dict[str, Any] | None = None


@dataclass(frozen=True)
class Step:
    """One step of a search for capacity: a fixed rate, and what became of it.

    `purpose`: what it was for (climb, bisect, confirm, refine, baseline, recovery); `verdict`: passed, failed or void,
    and `reason` why; `clear`: every objective lay on one side of its interval. Rates are a second; `growth`: by how
    many requests a second the backlog rose. `objectives`: each with state, value and share; `curve`: percentiles of
    latency and service time in ns, each with its 95 % interval where there is one; `tails`: of each objective, block by
    block, requests and those beyond fractions of the limit (`load.capacity.estimate`). `recovery_s`: after overload,
    until nothing was under way and the target was as quick as at first.
    """

    number: int
    purpose: str
    rate: float
    from_s: float
    to_s: float
    judged_s: float = 0.0
    verdict: str = ""
    reason: str = ""
    clear: bool = False
    offered_rate: float = 0.0
    good_rate: float = 0.0
    events_rate: float = 0.0
    in_flight: float = 0.0
    growth: float = 0.0
    objectives: list[dict[str, Any]] = field(default_factory=list)
    curve: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    tails: list[dict[str, Any]] = field(default_factory=list)
    mean_latency_ns: int = 0
    generator: str = ""
    recovery_s: float | None = None

    @property
    def by_little(self) -> float:
        """How many requests should have been under way: rate times mean latency (Little's law)."""
        return self.offered_rate * self.mean_latency_ns / 1e9


@dataclass(frozen=True)
class Capacity:
    """The answer of a search for capacity. Rates are arrivals a second.

    `rate`: where the objective `binding` breaks, with its 95 % interval from `low` to `high`; `method`: how it was
    estimated (`line` through the steps, or the `bracket` of two of them). `held` and `failed`: the highest rate that
    held and the lowest that failed, `because` why. `headroom`: of the lower end over `peak`. `recovery_s`: after each
    overload. `shape`: of the universal scalability law, a shape only. `void`: steps that say nothing; `refuted`:
    steps that failed on the way up and held when they were repeated at once.
    """

    rate: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = ""
    binding: str = ""
    held: float | None = None
    failed: float | None = None
    because: str = ""
    confirmed: float | None = None
    confirmed_s: float = 0.0
    events_rate: float = 0.0
    peak: float | None = None
    headroom: float | None = None
    recovery_s: list[float] = field(default_factory=list)
    shape: dict[str, float] | None = None
    void: int = 0
    refuted: int = 0


class Judged(StrEnum):
    """What became of an objective."""

    MET = "met"
    MISSED = "missed"
    NOT_JUDGEABLE = "not judgeable"


@dataclass(frozen=True)
class ObjectiveJudged:
    """An objective and what became of it: `value` as people read it ("212 ms"), `detail` what there is to say beside
    it (an interval, the worst window, why it could not be judged). `implied`: nobody gave it, it always holds."""

    objective: str
    scenario: str
    judged: Judged
    value: str
    detail: str = ""
    implied: bool = False


@dataclass(frozen=True)
class HealthJudged:
    """Whether the generator was the limit, why, what else is to be known, and how it was in one line."""

    inconclusive: bool
    reasons: list[str]
    notes: list[str]
    line: str


@dataclass(frozen=True)
class Books:
    """What was offered and what became of it, over all processes; `balanced` says whether nothing is missing."""

    offered: int
    sent: int
    never_sent: int
    answered: int
    failed: int
    unanswered: int
    balanced: bool
    detail: str = ""


@dataclass(frozen=True)
class Decision:
    """What a load run says: MET (0), MISSED (1) or INCONCLUSIVE (3), in one sentence, and why, a line each."""

    headline: str
    sentence: str
    exit_code: int
    reasons: list[str] = field(default_factory=list)


@dataclass
class LoadRun:
    """A load run as read from its results file. ``torn``: the last line was cut in the middle and left out."""

    header: dict[str, Any]
    spans: list[Span] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    audit: Audit | None = None
    footer: dict[str, Any] | None = None
    torn: bool = False

    @property
    def scenario(self) -> str:
        return str(self.header.get("load") or "")

    @property
    def open_loop(self) -> bool:
        return self.header.get("loop") != "closed"

    @property
    def warm_up_s(self) -> float:
        return _number(self.header.get("warm_up_s"))

    @property
    def complete(self) -> bool:
        """The run came to its end."""
        return self.footer is not None and not self.footer.get("interrupted")

    @cached_property
    def totals(self) -> dict[ChannelKey, Figures]:
        """Each operation over the whole run, warm-up included, in order of appearance."""
        keys = dict.fromkeys(key for span in self.spans for key in span.channels)
        return {key: Figures.merged(s.channels[key] for s in self.spans if key in s.channels) for key in keys}

    @cached_property
    def all(self) -> Figures:
        """Every operation over the whole run."""
        return Figures.merged(self.totals.values())

    @property
    def lasted_s(self) -> float:
        """Until when there are figures, in seconds from the start."""
        return self.spans[-1].to_s if self.spans else 0.0

    @property
    def decision(self) -> Decision:
        """What the run says; INCONCLUSIVE when it was cut off before it said anything."""
        found = (self.footer or {}).get("decision")
        if not isinstance(found, dict):
            return Decision(INCONCLUSIVE, "the run was cut off before its end; nothing was judged", 3)
        return _made(Decision, found)

    @property
    def objectives(self) -> list[ObjectiveJudged]:
        found = (self.footer or {}).get("objectives") or []
        return [_made(ObjectiveJudged, {**each, "judged": Judged(each["judged"])}) for each in found]

    @property
    def health_judged(self) -> HealthJudged | None:
        found = (self.footer or {}).get("health")
        return _made(HealthJudged, found) if isinstance(found, dict) else None

    @property
    def finds_capacity(self) -> bool:
        """It searches for the highest rate, in steps."""
        return bool((self.header.get("options") or {}).get("find_capacity"))

    @property
    def capacity(self) -> Capacity | None:
        found = (self.footer or {}).get("capacity")
        return _made(Capacity, found) if isinstance(found, dict) else None

    @property
    def books(self) -> Books | None:
        found = (self.footer or {}).get("books")
        return _made(Books, found) if isinstance(found, dict) else None


def read_load_results(path: str | os.PathLike[str]) -> LoadRun:
    """Read the results file of a load run.

    A last line without its end is what a killed run leaves and is left out. Anything else that does not fit raises
    ``ResultsError`` naming the file and the line; kinds of records that a later version added are left out.
    """
    records = read_records(path)
    if not records.of_load:
        raise ResultsError(f"{records.path}: not the results of a load run")
    run = LoadRun(records.header, torn=records.torn)
    for number, kind, record in records:
        try:
            if kind == "interval":
                run.spans.append(Span.from_record(record))
            elif kind == "finding":
                run.findings.append(_made(Finding, record))
            elif kind == "health":
                run.health.append(record)
            elif kind == "step":
                run.steps.append(_made(Step, record))
            elif kind == "audit":
                run.audit = Audit.from_record(record)
            elif kind == "footer":
                run.footer = record
                _ = (
                    run.decision,
                    run.objectives,
                    run.health_judged,
                    run.books,
                    run.capacity,
                )  # they must be readable, too
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ResultsError(f"{records.path}, line {number}: a broken record of kind {kind} ({error!r})") from error
    return run


def _made(kind: type[T], record: dict[str, Any]) -> T:
    names = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in record.items() if name in names})


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
