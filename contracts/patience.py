"""Looking until something is seen, for as long as a target may need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.05
PATIENCE_S, LOOK_S = 5.0, 0.5  # until a write shows in other answers, and between looks: how soon is said nowhere
_LONGEST_PAUSE_S, _PAUSES = 2.0, 20  # between looks: a part of the time that has passed


def look_until(seen: Callable[[], bool], longest_s: float, least_pause_s: float = POLL_S) -> bool:
    """Look until something is seen or `longest_s` seconds are up; whether it was seen. Between two looks at least
    `least_pause_s` go by."""
    started = time.monotonic()
    while not seen():
        if time.monotonic() - started > longest_s:
            return False
        pause(started, least_pause_s)
    return True


def last_look(
    look: Callable[[], T], seen: Callable[[T], bool], longest_s: float = PATIENCE_S, least_pause_s: float = LOOK_S
) -> tuple[bool, T]:
    """Look as `look_until` does: whether it was seen, and what the last look brought."""
    looks: list[T] = []

    def enough() -> bool:
        looks.append(look())
        return seen(looks[-1])

    return look_until(enough, longest_s, least_pause_s), looks[-1]


def pause(started: float, least_s: float = POLL_S) -> None:
    """Before the next look: the longer it takes since `started` (time.monotonic()), the less often is it looked."""
    time.sleep(min(_LONGEST_PAUSE_S, max(least_s, (time.monotonic() - started) / _PAUSES)))
