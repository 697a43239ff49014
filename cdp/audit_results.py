"""What an audit says, as it stands in the results of a load run (a record of kind ``audit``, before the footer).

An audit reads back what a run sent. Every event is in one cell of the balance: how far it came by the ledger
(acknowledged, refused, unknown ...), and what was found of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from cdp.distribution import Distribution

CLEAN, FOUND, ERROR, NOT_AUDITED = "clean", "findings", "error", "not audited"
PRESENT, REORDERED, DUPLICATED, CHANGED, MISATTRIBUTED, ABSENT = (
    "present",
    "reordered",
    "duplicated",
    "corrupted",
    "misattributed",
    "absent",
)
CLASSES = (PRESENT, REORDERED, DUPLICATED, CHANGED, MISATTRIBUTED, ABSENT)


@dataclass(frozen=True)
class AuditFinding:
    """One way in which the target did wrong by events: its name (lost, phantom ...), how many events, the requirement
    of the catalogue that it breaks (empty: none names it), and examples in one line each."""

    name: str
    count: int
    sentence: str
    requirement: str = ""
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Audit:
    """An audit. `verdict`: clean, findings, error (it could not be done, or its counts do not balance) or not audited;
    `reason` why, of the latter two.

    `balance`: events by what the ledger says and by what was found; `records`: how many records of the run were read,
    `strays` of them belong to no event; `visible`: of a sample, the time from the acknowledgement until it could be
    read, `never_visible` of it were not seen while the run went on. `notes`: what was not audited, and why.
    """

    verdict: str
    reason: str = ""
    balance: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: list[AuditFinding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: int = 0
    strays: int = 0
    requests: int = 0
    read_s: float = 0.0
    waited_s: float = 0.0
    deadline_s: float = 0.0
    visible: Distribution = field(default_factory=Distribution)
    never_visible: int = 0

    @property
    def events(self) -> int:
        """How many events were audited."""
        return sum(sum(row.values()) for row in self.balance.values())

    @property
    def records_per_s(self) -> float:
        """How many records were read back a second."""
        return self.records / self.read_s if self.read_s > 0 else 0.0

    def of(self, state: str, *classes: str) -> int:
        """How many events of a state of the ledger were found in one of these ways; in any way without."""
        row = self.balance.get(state, {})
        return sum(row.get(name, 0) for name in classes or CLASSES)

    def count(self, name: str) -> int:
        """How many events a finding is about; 0 where there is none of this name."""
        return sum(each.count for each in self.findings if each.name == name)

    def as_record(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {**asdict(self), "kind": "audit", "visible": self.visible.as_record()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What `as_record` wrote. Raises ValueError, TypeError or KeyError when it is anything else."""
        names = {item.name for item in fields(cls)}
        known = {name: value for name, value in record.items() if name in names}
        known["findings"] = [AuditFinding(**each) for each in known.get("findings", [])]
        known["visible"] = Distribution.from_record(record["visible"]) if record.get("visible") else Distribution()
        return cls(**known)
