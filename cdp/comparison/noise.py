"""By how much runs of the same build differ: the measure of every difference between two runs.

Windows within a run say nothing of what differs from run to run (what else the machine did, where things lay in memory,
how full the caches were). Runs that were accepted one after the other do. Where there are too few of them, the halves
of the runs have to stand in, and the noise is never taken for less than ten per cent then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cdp.statistics.ranks import Shift, hodges_lehmann
from cdp.statistics.series import variation

LEAST_ACCEPTED = 4  # runs, from which on their variation is known well enough
MOST_ACCEPTED = 12  # older ones are of other times
FLOOR = 0.10
"""The noise at least, as a share, where only halves of runs tell it."""


@dataclass(frozen=True)
class Noise:
    """How far two runs of the same build may be apart, as a difference of logarithms, and from where that is known.
    `whole`: all that makes runs differ is in it, what varies within them included."""

    reach: float
    source: str
    whole: bool

    def widened(self, shift: Shift) -> tuple[float, float]:
        """The interval of a shift between two runs, given that between their windows."""
        if self.whole:
            return min(shift.low, shift.estimate - self.reach), max(shift.high, shift.estimate + self.reach)
        return shift.low - self.reach, shift.high + self.reach


def noise_of(before: Sequence[float], after: Sequence[float], accepted: Sequence[Sequence[float]]) -> Noise:
    """The noise between two runs. All values are logarithms of a measure, window by window: of the two runs, and of
    accepted runs, oldest first."""
    levels = [float(np.median(values)) for values in accepted[-MOST_ACCEPTED:]]
    if len(levels) >= LEAST_ACCEPTED:
        return Noise(variation(levels).reach, f"from {len(levels)} accepted runs", True)
    # Halves have half the windows, and differ √2 times as much as whole runs do.
    apart = [abs(hodges_lehmann(*_halves(values)).estimate) / math.sqrt(2) for values in (before, after)]
    apart += [abs(two - one) for one, two in pairwise(levels)]
    told = (
        f"from the halves of the runs, at least {FLOOR * 100:.0f} % (with {LEAST_ACCEPTED} accepted runs, from those)"
    )
    return Noise(max(*apart, math.log1p(FLOOR)), told, False)


def _halves(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    middle = len(values) // 2
    return values[:middle], values[middle:]
