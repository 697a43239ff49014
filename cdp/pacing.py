"""How fast a target is asked, and how long it is left alone when it says that it is asked too much.

429 says that a request was refused and not done: it may be sent again, whatever it is. 503 says nothing about what was
done: only a request that changes nothing is sent again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from pyrate_limiter import GCRA, AbstractClock, Rate, RateItem, StateBucket

TOO_MANY, UNAVAILABLE = 429, 503
LONGEST_PAUSE_S = 60.0
PAUSES_AFTER_429 = 3
PAUSES_AFTER_503 = 2  # three tries
FIRST_PAUSE_S = 1.0
_SCALE = 1000  # the limiter counts in whole requests: so many in as many seconds make 0.5 a second possible
_REPEATABLE = ("GET", "HEAD")


@dataclass(frozen=True)
class Time:
    """The clocks and the sleep of pacing: `now` never runs backwards, `wall` is the time of day in epoch seconds."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class _Clock(AbstractClock):
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> int:
        return int(self._now() * 1000)


class Limiter:
    """Lets requests through one after the other, evenly, `max_rps` of them a second at most; all of them without."""

    def __init__(self, max_rps: float | None, clock: Time) -> None:
        self._time = clock
        self._clock = _Clock(clock.now)
        self._bucket: StateBucket | None = None
        if max_rps is not None:
            rate = Rate(max(1, math.floor(max_rps * _SCALE)), _SCALE * 1000, burst=1)
            self._bucket = StateBucket([rate], algorithm=GCRA(), clock=self._clock)

    def wait(self) -> None:
        """Return once the next request may be sent."""
        if self._bucket is None:
            return
        while True:
            item = RateItem("request", self._clock.now())
            if self._bucket.put(item):
                return
            wait_ms = self._bucket.waiting(item)
            assert isinstance(wait_ms, int)
            self._time.sleep(max(1, wait_ms) / 1000)


def retry_after(value: str, wall: float) -> float | None:
    """Seconds that a Retry-After asks for, from a number of seconds or an HTTP date; None when it is neither."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - wall)


def pause_before_next(method: str, status: int, asked: str, tries: int, wall: float) -> float | None:
    """Seconds to wait before a refused request is sent again; None when its answer stands.

    `tries`: how often it was sent; `asked`: the Retry-After of the answer. Without one the pauses are 1, 2, 4 seconds.
    """
    if status == TOO_MANY:
        allowed = PAUSES_AFTER_429
    elif status == UNAVAILABLE and method in _REPEATABLE:
        allowed = PAUSES_AFTER_503
    else:
        return None
    if tries > allowed:
        return None
    wanted = retry_after(asked, wall)
    if wanted is not None and wanted > (allowed - tries + 1) * LONGEST_PAUSE_S:
        return None  # all the pauses together would not be enough
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tries - 1) if wanted is None else wanted)
