"""What the requests of a load run came to: counts and distributions by operation and time, as they add up and as they
stand in the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple, Self

from cdp.distribution import Distribution

PERCENTILES = (50, 90, 99, 99.9)


class ChannelKey(NamedTuple):
    """One row of the tables."""

    scenario: str
    method: str
    name: str

    @property
    def operation(self) -> str:
        """The operation as the tables name it."""
        return self.name if self.name.startswith(f"{self.method} ") else f"{self.method} {self.name}".strip()


class Error(NamedTuple):
    """One row of the error table. `kind` is the class of the failure (`TIMEOUT`; empty when there was a whole answer),
    `requirement` the rule that a violation breaks (else empty)."""

    text: str
    kind: str = ""
    requirement: str = ""


@dataclass
class Figures:
    """What came of one operation in one time: counts, and distributions. Figures of different operations and
    times add up.

    `good` and `failed` were answered (or are known to have failed); `indeterminate` are those of the failed that the
    target may have carried out; `unanswered` were sent and had no answer when the run ended; `never_sent` were due and
    not sent when it ended. The latter two are in `latency` at the age they had then. `visible`: of a sample of events,
    the time from the acknowledgement until they could be read.
    """

    good: int = 0
    failed: int = 0
    indeterminate: int = 0
    unanswered: int = 0
    never_sent: int = 0
    bytes: int = 0
    events: int = 0
    errors: Counter[Error] = field(default_factory=Counter)
    latency: Distribution = field(default_factory=Distribution)
    service: Distribution = field(default_factory=Distribution)
    lateness: Distribution = field(default_factory=Distribution)
    visible: Distribution = field(default_factory=Distribution)

    @property
    def sent(self) -> int:
        return self.good + self.failed + self.unanswered

    @property
    def offered(self) -> int:
        """All arrivals whose fate is known."""
        return self.sent + self.never_sent

    @property
    def bad(self) -> int:
        """Whatever did not get a good answer."""
        return self.failed + self.unanswered + self.never_sent

    @property
    def violations(self) -> int:
        """How often a requirement of the contract was broken."""
        return sum(count for error, count in self.errors.items() if error.requirement)

    @classmethod
    def merged(cls, parts: Iterable[Figures]) -> Self:
        """All of them taken together."""
        parts = list(parts)
        errors: Counter[Error] = Counter()
        for part in parts:
            errors.update(part.errors)
        sums: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in _COUNTS}
        times: dict[str, Any] = {name: Distribution.merged(getattr(part, name) for part in parts) for name in _TIMES}
        return cls(**sums, errors=errors, **times)

    def as_record(self) -> dict[str, Any]:
        """As it stands in the file; what is empty is left out."""
        record: dict[str, Any] = {name: getattr(self, name) for name in _COUNTS if getattr(self, name)}
        if self.errors:
            record["errors"] = [{**error._asdict(), "count": count} for error, count in self.errors.items()]
        return record | {name: getattr(self, name).as_record() for name in _TIMES if getattr(self, name).count}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What `as_record` wrote. Raises ValueError when it is anything else."""
        counts: dict[str, Any] = {name: _whole(record.get(name, 0), name) for name in _COUNTS}
        errors: Counter[Error] = Counter()
        for each in record.get("errors", []):
            errors[Error(*(str(each.get(name, "")) for name in Error._fields))] += _whole(each.get("count"), "count")
        times: dict[str, Any] = {name: Distribution.from_record(record[name]) for name in _TIMES if name in record}
        return cls(**counts, errors=errors, **times)


_TIMES = ("latency", "service", "lateness", "visible")
_COUNTS = tuple(item.name for item in fields(Figures) if item.name not in (*_TIMES, "errors"))


@dataclass
class Span:
    """What came between two moments, in seconds from the start of the run."""

    from_s: float
    to_s: float
    channels: dict[ChannelKey, Figures] = field(default_factory=dict)
    offered: int = 0
    waiting: int = 0
    in_flight: int = 0

    @cached_property
    def all(self) -> Figures:
        """Every operation taken together."""
        return Figures.merged(self.channels.values())

    def as_record(self) -> dict[str, Any]:
        """As it stands in the file."""
        channels = [{**key._asdict(), **figures.as_record()} for key, figures in self.channels.items()]
        numbers = {name: getattr(self, name) for name in ("from_s", "to_s", "offered", "waiting", "in_flight")}
        return {"kind": "interval", **numbers, "channels": channels}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What `as_record` wrote. Raises ValueError when it is anything else."""
        channels = {
            ChannelKey(*(str(each[name]) for name in ChannelKey._fields)): Figures.from_record(each)
            for each in record["channels"]
        }
        numbers = {name: _whole(record.get(name, 0), name) for name in ("offered", "waiting", "in_flight")}
        return cls(float(record["from_s"]), float(record["to_s"]), channels, **numbers)


def summarised(key: ChannelKey, figures: Figures, lasted_s: float) -> dict[str, Any]:
    """One operation (or all, with an empty key) as plain numbers for other programs: times in ms, rates a second."""
    times = {
        name: {
            **{f"p{percentile:g}": times.percentile(percentile) / 1e6 for percentile in PERCENTILES},
            "max": times.max_ns / 1e6,
            "mean": round(times.mean_ns / 1e6, 4),
            "count": times.count,
        }
        for name in _TIMES
        if (times := getattr(figures, name)).count
    }
    return {
        **key._asdict(),
        **{name: getattr(figures, name) for name in ("offered", "sent", *_COUNTS, "violations")},
        "rate_per_s": round(figures.good / lasted_s, 3) if lasted_s > 0 else 0.0,
        "errors": [{**error._asdict(), "count": count} for error, count in figures.errors.most_common()],
        **{f"{name}_ms": found for name, found in times.items()},
    }


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is no count: {value!r}")
    return value
