"""The time that a run may take, its clean-up included.

The clock starts with the command. When what is left is needed for the clean-up, no request is sent any more: the cell
under way is given up, and what was judged before stays. So a run ends within its budget, give or take one request (the
target's time-out and the pauses that it asks for) and how far the estimate of the clean-up is off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from contracts.examples import EXAMPLES
from contracts.profiles import PROFILES

LONGEST_MIN = 24 * 60.0
SHORTEST_MIN = 0.1
CLOSING_S = 3.0  # the last lines, the reports, and stopping an instance of our own
LEAST_CLEAN_UP_S = 60.0  # a run may clean up after itself for so long, however little there is
_CAUTION = 2.0  # removing a record takes this many times an average request
_LOOKS = 3  # requests that look through a list after a run


class DepthError(Exception):
    """What was asked for beside the profile makes no sense; the message is one line."""


class OutOfTime(KeyboardInterrupt):
    """The budget is spent. Like Ctrl-C it is nobody's to catch but the run's, and no example is to blame for it."""


@dataclass
class Budget:
    """So many minutes from now on."""

    minutes: float
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def spent_s(self) -> float:
        """Seconds since the clock was started."""
        return self.clock() - self.started

    @property
    def left_s(self) -> float:
        """Seconds until the budget is spent; negative afterwards."""
        return self.minutes * 60 - self.spent_s


def budget_of(minutes: float | None, profile: str) -> Budget | None:
    """The budget that was asked for, its clock running. Raises DepthError where it makes no sense."""
    if minutes is None:
        return None
    if profile != "nightly":
        raise DepthError(
            f"a budget is for the nightly profile; {profile} always does the same (--profile nightly, or no --budget)"
        )
    if not (math.isfinite(minutes) and SHORTEST_MIN <= minutes <= LONGEST_MIN):
        raise DepthError(
            f"a budget is a number of minutes from {SHORTEST_MIN:g} to {LONGEST_MIN:g}, not {minutes:g}; "
            "10 or 45 are usual"
        )
    return Budget(minutes)


@dataclass(frozen=True)
class Depth:
    """What a run is given beside its profile: a budget, and where examples are kept. None: neither."""

    budget: Budget | None = None
    examples: Path | None = None


def depth_of(profile: str, minutes: float | None = None, examples: str | None = None) -> Depth:
    """What was asked for, the clock of a budget running. Raises DepthError where it makes no sense."""
    if examples is not None and not PROFILES[profile].keeps:
        raise DepthError(f"the {profile} profile keeps no examples (--profile release or nightly, or no --examples)")
    place = Path(examples) if examples is not None else EXAMPLES
    return Depth(budget_of(minutes, profile), place if PROFILES[profile].keeps else None)


def removal_s(records: int, lists: int, request_s: float, max_rps: float | None = None) -> float:
    """Seconds that it takes to remove so many records from so many lists, when an answer takes `request_s` and a target
    is asked `max_rps` times a second at most. Cautious: removing is slower than reading, and some is tried again."""
    pace_s = max(request_s, 1 / max_rps if max_rps else 0.0)
    return _CAUTION * pace_s * (records + _LOOKS * lists)


def clean_up_s(records: int, lists: int, request_s: float, max_rps: float | None = None) -> float:
    """Seconds to keep back for the end of a run."""
    return CLOSING_S + removal_s(records, lists, request_s, max_rps)
