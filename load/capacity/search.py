"""Which rate comes next: doubling until one fails, then halving the bracket geometrically, then a confirmation.

Pure logic: it is told what became of each step and says which step comes next. Rates are arrivals a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a step is for."""

    BASELINE = "baseline"
    CLIMB = "climb"
    BISECT = "bisect"
    CONFIRM = "confirm"
    REFINE = "refine"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Order:
    """The next step."""

    kind: Kind
    rate: float


class Search:
    """The search for the highest rate that holds, from `start` on, up to `ceiling`.

    `precision`: how far apart the highest rate that held and the lowest that failed may be at the end, as a share.
    """

    def __init__(self, start: float, *, precision: float, ceiling: float, floor: float) -> None:
        self.start = min(max(start, floor), ceiling)
        self.precision = precision
        self.ceiling = ceiling
        self.floor = floor
        self.held: list[float] = []
        self.failed: list[float] = []
        self.confirmed: float | None = None

    @property
    def highest_held(self) -> float | None:
        """The highest rate below all that failed."""
        below = [rate for rate in self.held if not self.failed or rate < min(self.failed)]
        return max(below, default=None)

    @property
    def lowest_failed(self) -> float | None:
        return min(self.failed, default=None)

    def next(self) -> Order | None:
        """The next step; None when there is nothing more to find out."""
        held, failed = self.highest_held, self.lowest_failed
        if held is None and failed is None:
            return Order(Kind.CLIMB, self.start)
        if failed is None:
            assert held is not None
            if held >= self.ceiling:
                return None if self.confirmed == held else Order(Kind.CONFIRM, held)
            return Order(Kind.CLIMB, min(2 * held, self.ceiling))
        if held is None:
            return None if failed <= self.floor else Order(Kind.CLIMB, max(failed / 2, self.floor))
        if failed / held > 1 + self.precision:
            return Order(Kind.BISECT, math.sqrt(held * failed))
        return None if self.confirmed == held else Order(Kind.CONFIRM, held)

    def take(self, order: Order, passed: bool) -> None:
        """What became of a step. A rate that failed once has failed, whatever it did before."""
        if order.kind in (Kind.BASELINE, Kind.RECOVERY, Kind.REFINE):
            return
        if not passed:
            self.failed.append(order.rate)
            self.held = [rate for rate in self.held if rate < order.rate]
            return
        self.held.append(order.rate)
        if order.kind is Kind.CONFIRM:
            self.confirmed = order.rate
