"""The recorder: takes one line a request as cheaply as can be, and folds them into figures twice a second.

A good answer is one extension of a list; numpy does the rest for thousands at once. What was never sent, or not
answered by the end, enters the latency at the age it had then, so that overload can never make a percentile better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from cdp.load_results import ChannelKey, Error, Figures
from load.answer import Failure
from load.recording.histogram import distribution_of

_COLUMNS = 5
_TEXTS = 200  # a target may say something new each time
OTHER = "other errors"
_FULL = 200_000  # numbers; a channel that holds so many is folded at once


class Channel:
    """One row of the tables. All times are ns on the monotonic clock; lengths are bytes."""

    __slots__ = ("_ages", "_errors", "_figures", "_known", "_redact", "_rows", "add", "key", "on_fold")

    def __init__(self, key: ChannelKey, redact: Callable[[str], str]) -> None:
        self.key = key
        self._rows: list[int] = []
        self._ages: list[int] = []
        self._figures = Figures()
        self._known: set[str] = set()
        self._redact = redact
        extend = self._rows.extend

        def add(intended_ns: int, sent_ns: int, done_ns: int, length: int, events: int = 0) -> None:
            """A good answer."""
            extend((intended_ns, sent_ns, done_ns, length, events))

        self.add = add

    def fail(
        self,
        intended_ns: int,
        sent_ns: int,
        done_ns: int,
        length: int,
        error: str,
        requirement: str = "",
        indeterminate: bool = False,
        failure: Failure | None = None,
    ) -> None:
        """An answer that was not good, or a failure in its place."""
        figures = self._figures
        figures.failed += 1
        figures.indeterminate += indeterminate
        figures.errors[Error(self._bounded(error), failure.name if failure else "", requirement)] += 1
        figures.bytes += length
        self._ages.extend((intended_ns, sent_ns, done_ns))

    def never_sent(self, intended_ns: int, now_ns: int) -> None:
        """An arrival that was due and could not be sent."""
        self._figures.never_sent += 1
        self._ages.extend((intended_ns, 0, now_ns))

    def unanswered(self, intended_ns: int, sent_ns: int, now_ns: int) -> None:
        """A request that had no answer when the run ended."""
        self._figures.unanswered += 1
        self._ages.extend((intended_ns, sent_ns, now_ns))

    def _bounded(self, text: str) -> str:
        if text in self._known:
            return text
        if len(self._known) >= _TEXTS:
            return OTHER
        text = self._redact(text)
        self._known.add(text)
        return text

    def take(self) -> tuple[Figures, np.ndarray]:
        """What came since the last time, and the rows of the good answers."""
        figures, self._figures = self._figures, Figures()
        rows = np.array(self._rows, dtype=np.int64).reshape(-1, _COLUMNS)
        self._rows.clear()
        ages = np.array(self._ages, dtype=np.int64).reshape(-1, 3)
        self._ages.clear()
        figures.good = len(rows)
        figures.bytes += int(rows[:, 3].sum())
        figures.events = int(rows[:, 4].sum())
        intended = np.concatenate((rows[:, 0], ages[:, 0]))
        sent = np.concatenate((rows[:, 1], ages[:, 1]))
        done = np.concatenate((rows[:, 2], ages[:, 2]))
        was_sent = sent > 0
        figures.latency = distribution_of(done - intended)
        figures.service = distribution_of((done - sent)[was_sent])
        figures.lateness = distribution_of((sent - intended)[was_sent])
        return figures, rows


class Recorder:
    """The channels of one process. `on_rows` is told the good answers of a channel at each fold (for Locust's own
    tables); `redact` takes secrets out of error texts."""

    def __init__(
        self, on_rows: Callable[[ChannelKey, Any], None] | None = None, redact: Callable[[str], str] = str
    ) -> None:
        self._on_rows = on_rows
        self._redact = redact
        self._channels: dict[ChannelKey, Channel] = {}

    def channel(self, method: str, name: str, scenario: str) -> Channel:
        """The channel of an operation; the same one each time."""
        key = ChannelKey(scenario, method, name)
        found = self._channels.get(key)
        if found is None:
            found = self._channels[key] = Channel(key, self._redact)
        return found

    def fold(self) -> dict[ChannelKey, Figures]:
        """What came since the last fold, of the channels to which something came."""
        folded = {}
        for key, channel in self._channels.items():
            figures, rows = channel.take()
            if len(rows) and self._on_rows is not None:
                self._on_rows(key, rows)
            if figures.offered:
                folded[key] = figures
        return folded


def merged(parts: list[dict[ChannelKey, Figures]]) -> dict[ChannelKey, Figures]:
    """The figures of several processes or times together; exact, and the same in any order."""
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: Figures.merged(part[key] for part in parts if key in part) for key in keys}


__all__ = ["OTHER", "Channel", "Counter", "Recorder", "merged"]
