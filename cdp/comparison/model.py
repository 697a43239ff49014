"""What a comparison says: for each thing that was compared, and in one word for all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class Told(StrEnum):
    """What was found out about one thing, or about two runs."""

    WORSE = "worse"
    BETTER = "better"
    UNCHANGED = "no evidence of change"
    UNKNOWN = "cannot tell"


EXIT_CODES = {Told.UNCHANGED: 0, Told.BETTER: 0, Told.WORSE: 1, Told.UNKNOWN: 3}


@dataclass(frozen=True)
class Row:
    """One thing that was compared: `subject` (a cell, an operation), `measure` ("p99 latency", "verdict"), how it was
    before and after in words, what is told of it, and the sentence that says so. `numbers` are for other programs:
    shares (0.05 is 5 %), p-values and counts."""

    subject: str
    measure: str
    before: str
    after: str
    told: Told
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What stands in a stored comparison. KeyError, TypeError or ValueError when it is anything else."""
        return cls(**{**record, "told": Told(record["told"])})


@dataclass(frozen=True)
class Comparison:
    """Two runs compared. `reasons`: why it cannot be told, a line each; `notes`: what else is to be known."""

    kind: str
    before: str
    after: str
    told: Told
    sentence: str
    rows: list[Row] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 no evidence of a change for the worse, 1 worse, 3 it cannot be told."""
        return EXIT_CODES[self.told]

    def as_record(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What `as_record` gave. KeyError, TypeError or ValueError when it is anything else."""
        rows = [Row.from_record(each) for each in record.get("rows", [])]
        return cls(**{**record, "told": Told(record["told"]), "rows": rows})


def unknown(kind: str, before: str, after: str, reasons: Iterable[str]) -> Comparison:
    """Two runs that cannot be compared, and why."""
    reasons = list(reasons)
    return Comparison(kind, before, after, Told.UNKNOWN, f"cannot tell: {'; '.join(reasons)}", [], reasons)


def per_cent(share: float) -> str:
    """A share in per cent as people read it: 0.4, 7.5, 12."""
    number = abs(share) * 100
    return f"{number:.0f}" if number >= 9.95 else f"{number:.1f}".removesuffix(".0")


def counted(count: int, noun: str) -> str:
    """``1 cell``, ``1,234 cells``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
