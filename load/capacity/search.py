"""Which rate comes next: doubling until one fails, then halving the bracket geometrically, then a confirmation of both
of its ends.

Pure logic: it is told what became of each step and says which step comes next. Rates are arrivals a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

_CLOSE = 1.25
"""A search that came so near to a rate that failed, from below, tries it again: if that was a hiccup, the rest of the
way would lead to it."""


class Kind(StrEnum):
    """What a step is for."""

    BASELINE = "baseline"
    CLIMB = "climb"
    BISECT = "bisect"
    CONFIRM = "confirm"
    RECHECK = "recheck"
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
        self.doubted: float | None = None  # a rate that failed on the way up and is tried once more
        self.rising = False  # whether the last step held
        self.withdrawn: float | None = None  # the lowest rate that the generator could not send

    @property
    def highest_held(self) -> float | None:
        """The highest rate below all that failed."""
        below = [rate for rate in self.held if not self.failed or rate < min(self.failed)]
        return max(below, default=None)

    @property
    def lowest_failed(self) -> float | None:
        return min(self.failed, default=None)

    @property
    def can_climb(self) -> bool:
        """Whether there is a rate worth trying between the highest that held and one that the generator cannot send."""
        held = self.highest_held
        return held is not None and (self.withdrawn is None or self.withdrawn / held > 1 + self.precision)

    def next(self) -> Order | None:
        """The next step; None when there is nothing more to find out."""
        held, failed = self.highest_held, self.lowest_failed
        if self.doubted is not None:
            return Order(Kind.CLIMB, self.doubted)
        if held is None and failed is None:
            return Order(Kind.CLIMB, self.start)
        if failed is None:
            assert held is not None
            if held >= self.ceiling:
                return None if self.confirmed == held else Order(Kind.CONFIRM, held)
            if self.withdrawn is not None:
                return Order(Kind.CLIMB, math.sqrt(held * self.withdrawn)) if self.can_climb else None
            return Order(Kind.CLIMB, min(2 * held, self.ceiling))
        if held is None:
            return None if failed <= self.floor else Order(Kind.CLIMB, max(failed / 2, self.floor))
        if failed / held > 1 + self.precision:
            if failed / held <= _CLOSE and self.rising and self.failed.count(failed) == 1:
                return Order(Kind.RECHECK, failed)
            return Order(Kind.BISECT, math.sqrt(held * failed))
        if self.confirmed != held:
            return Order(Kind.CONFIRM, held)
        return None if self.failed.count(failed) > 1 else Order(Kind.RECHECK, failed)

    def take(self, order: Order, passed: bool, *, beyond_doubt: bool = False) -> None:
        """What became of a step. A rate that failed has failed, whatever it did before. On the way up, where a step is
        short and one hiccup would decide on everything below it, a rate has to fail twice in a row or beyond doubt; and
        the lowest that failed, which is half of the answer, has to fail again at the end. When it holds then, the
        search goes on above it."""
        if order.kind in (Kind.BASELINE, Kind.RECOVERY, Kind.REFINE):
            return
        if order.kind is Kind.CLIMB and not passed and self.held and self.doubted is None and not beyond_doubt:
            self.doubted = order.rate
            return
        times = 2 if self.doubted == order.rate else 1
        self.doubted = None
        self.rising = passed
        if not passed:
            self.failed += [order.rate] * times
            self.held = [rate for rate in self.held if rate < order.rate]
            return
        self.held.append(order.rate)
        if order.kind is Kind.RECHECK:
            self.failed = [rate for rate in self.failed if rate != order.rate]
        if order.kind is Kind.CONFIRM:
            self.confirmed = order.rate

    def withdraw(self, order: Order) -> bool:
        """Give up a rate on the way up that the generator cannot send; whether lower ones are left to try. The limit of
        the target may lie below it all the same."""
        if order.kind is not Kind.CLIMB or self.highest_held is None or self.failed:
            return False
        self.withdrawn = order.rate
        return self.can_climb
