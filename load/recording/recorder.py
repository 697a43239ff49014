"""The recorder: takes one line a request as cheaply as can be, and folds them into figures twice a second.

A good answer is one extension of a list. Every five hundred lines numpy counts them into histograms, so that no fold
holds up the hub for long and memory stays flat. What was never sent, or not answered by the end, enters the latency at
the age it had then, so that overload can never make a percentile better.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from cdp.distribution import Distribution, Numbers
from cdp.load_figures import ChannelKey, Error, Figures
from load.answer import Failure
from load.recording.histogram import Counters

OTHER = "other errors"
NEVER_SENT = "never sent: every connection was busy until the run ended"
_TEXTS = 200  # a target may say something new each time
_REMEMBERED = 1000  # texts as they came, with what is shown of them
_LONGEST = 300
_LINES = 512  # are counted at once; about a fifth of a millisecond
_COLUMNS, _AGE_COLUMNS = 5, 3
_SECOND_NS = 1_000_000_000


@dataclass
class Untold:
    """What came of one operation since the last fold and no event told of: good answers, and arrivals that were never
    sent. `seconds`: how many good answers ended in each second since 1970; `never_sent`: the ages."""

    latency: Distribution
    service: Distribution
    bytes: int
    seconds: Counter[int]
    never_sent: Distribution


class _Times:
    """Latency, service time and lateness of lines that begin with intended, sent (0: never) and done times in ns."""

    __slots__ = ("_latency", "_lateness", "_service")

    def __init__(self) -> None:
        self._latency, self._service, self._lateness = Counters(), Counters(), Counters()

    def add(self, lines: Numbers) -> None:
        intended, sent, done = lines[:, 0], lines[:, 1], lines[:, 2]
        self._latency.add(done - intended)
        if not sent.all():
            went = sent > 0
            intended, sent, done = intended[went], sent[went], done[went]
        self._service.add(done - sent)
        self._lateness.add(sent - intended)

    def take(self) -> tuple[Distribution, Distribution, Distribution]:
        return self._latency.take(), self._service.take(), self._lateness.take()


class Channel:
    """One row of the tables. All times are ns on the monotonic clock; lengths are bytes."""

    __slots__ = (
        "_ages",
        "_bad",
        "_bytes",
        "_events",
        "_figures",
        "_good",
        "_lines",
        "_redact",
        "_seconds",
        "_shown",
        "_texts",
        "_unsent",
        "_unsent_ages",
        "_wall_ns",
        "add",
        "key",
    )

    def __init__(self, key: ChannelKey, redact: Callable[[str], str]) -> None:
        self.key = key
        self._redact = redact
        self._texts: dict[str, str] = {}
        self._shown: set[str] = set()
        self._wall_ns = time.time_ns() - time.monotonic_ns()
        self._lines: list[int] = []
        self._ages: list[int] = []
        self._unsent_ages: list[int] = []
        self._good, self._bad, self._unsent = _Times(), _Times(), Counters()
        self._bytes = self._events = 0  # of good answers
        self._seconds: Counter[int] = Counter()
        self._figures = Figures()
        lines, extend, count_lines, full = self._lines, self._lines.extend, self._count_lines, _LINES * _COLUMNS

        # A closure is a third cheaper than a method here, and this is called for every single request.
        def add(intended_ns: int, sent_ns: int, done_ns: int, length: int, events: int = 0) -> None:
            """A good answer."""
            extend((intended_ns, sent_ns, done_ns, length, events))
            if len(lines) >= full:
                count_lines()

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
        self._age(intended_ns, sent_ns, done_ns)

    def never_sent(self, intended_ns: int, now_ns: int) -> None:
        """An arrival that was due and could not be sent."""
        self._figures.never_sent += 1
        self._unsent_ages.append(now_ns - intended_ns)
        if len(self._unsent_ages) >= _LINES:
            self._count_ages()

    def unanswered(self, intended_ns: int, sent_ns: int, now_ns: int) -> None:
        """A request that had no answer when the run ended."""
        self._figures.unanswered += 1
        self._age(intended_ns, sent_ns, now_ns)

    def take(self) -> tuple[Figures, Untold]:
        """What came since the last time, and what of it no event told of."""
        self._count_lines()
        self._count_ages()
        latency, service, lateness = self._good.take()
        bad_latency, bad_service, bad_lateness = self._bad.take()
        untold = Untold(latency, service, self._bytes, self._seconds, self._unsent.take())
        figures, self._figures = self._figures, Figures()
        figures.good, figures.events = latency.count, self._events
        figures.bytes += self._bytes
        figures.latency = Distribution.merged((latency, bad_latency, untold.never_sent))
        figures.service = Distribution.merged((service, bad_service))
        figures.lateness = Distribution.merged((lateness, bad_lateness))
        self._bytes = self._events = 0
        self._seconds = Counter()
        return figures, untold

    def _bounded(self, text: str) -> str:
        """What the tables show of an error: redacted, not too long, and one of a limited number of texts."""
        shown = self._texts.get(text)
        if shown is None:
            shown = self._redact(text)[:_LONGEST]
            if shown not in self._shown:
                if len(self._shown) >= _TEXTS:
                    return OTHER
                self._shown.add(shown)
            if len(self._texts) < _REMEMBERED:
                self._texts[text] = shown
        return shown

    def _age(self, intended_ns: int, sent_ns: int, done_ns: int) -> None:
        self._ages.extend((intended_ns, sent_ns, done_ns))
        if len(self._ages) >= _LINES * _AGE_COLUMNS:
            self._count_ages()

    def _count_ages(self) -> None:
        if self._ages:
            self._bad.add(_table(self._ages, _AGE_COLUMNS))
        if self._unsent_ages:
            self._unsent.add(_table(self._unsent_ages, 1)[:, 0])

    def _count_lines(self) -> None:
        if self._lines:
            lines = _table(self._lines, _COLUMNS)
            self._good.add(lines)
            self._bytes += int(lines[:, 3].sum())
            self._events += int(lines[:, 4].sum())
            self._count_seconds(lines[:, 2] + self._wall_ns)

    def _count_seconds(self, ended_ns: Numbers) -> None:
        first, last = int(ended_ns.min()) // _SECOND_NS, int(ended_ns.max()) // _SECOND_NS
        if first == last:
            self._seconds[first] += len(ended_ns)
        else:
            seconds, counts = np.unique(ended_ns // _SECOND_NS, return_counts=True)
            self._seconds.update(dict(zip(seconds.tolist(), counts.tolist(), strict=True)))


def _table(numbers: list[int], columns: int) -> Numbers:
    """The numbers of a list in rows, a copy; the list is empty afterwards."""
    table = np.fromiter(numbers, np.int64, len(numbers)).reshape(-1, columns)
    numbers.clear()
    return table


class Recorder:
    """The channels of one process. `on_untold` is told at each fold what Locust's own tables do not know from events;
    `redact` takes secrets out of error texts."""

    def __init__(
        self, on_untold: Callable[[ChannelKey, Untold], None] | None = None, redact: Callable[[str], str] = str
    ) -> None:
        self._on_untold = on_untold
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
            figures, untold = channel.take()
            if not figures.offered:
                continue
            folded[key] = figures
            if self._on_untold is not None:
                self._on_untold(key, untold)
        return folded


def merged(parts: Iterable[dict[ChannelKey, Figures]]) -> dict[ChannelKey, Figures]:
    """The figures of several processes or times together; exact, and the same in any order."""
    parts = list(parts)
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: Figures.merged(part[key] for part in parts if key in part) for key in keys}
