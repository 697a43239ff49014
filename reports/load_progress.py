"""Progress of a load run: one line, written over on a terminal, a new one every few seconds elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console
from rich.text import Text

from cdp.distribution import Numbers, in_words, rank
from cdp.load_figures import Span
from reports.console import make_console
from reports.wording import one_line

_PER_E = 100  # buckets for each factor of e
_BUCKETS = 32 * _PER_E
_NOW_S = 5.0  # what the progress line calls now


class LoadProgress:
    """One line on how a load run goes: time, rates, p99 of the last five seconds, errors, backlog.

    Use it as a context manager and `update` it with each span. On a terminal the line is written over, elsewhere a new
    one comes every few seconds. It starts no thread and costs a fraction of a millisecond a second, because it runs
    where requests are sent; for that its p99 is one of buckets of 1 %.
    """

    def __init__(
        self,
        planned_s: float | None,
        console: Console | None = None,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._planned_s = planned_s
        self._console = console or make_console()
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal and not self._console.quiet
        self._interval_s = 1.0 if self._live else interval_s
        self._clock = clock
        self._spoke = clock()
        self._recent: deque[tuple[Span, Numbers]] = deque()
        self._errors = 0
        self._shown = False

    def __enter__(self) -> Self:
        self._spoke = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def update(self, span: Span) -> None:
        """Take in what came last."""
        self._recent.append((span, _in_buckets(span)))
        self._errors += sum(each.bad for each in span.channels.values())
        while self._recent[0][0].to_s <= span.to_s - _NOW_S:
            self._recent.popleft()
        if self._clock() - self._spoke >= self._interval_s:
            self._spoke = self._clock()
            self._show(self.line)

    def say(self, sentence: str) -> None:
        """Print one line above the display."""
        self._clear()
        self._console.print(Text(one_line(sentence)), soft_wrap=True)

    @property
    def line(self) -> str:
        """The state on one line."""
        if not self._recent:
            return "starting"
        spans = [span for span, _ in self._recent]
        last = spans[-1]
        seconds = max(last.to_s - spans[0].from_s, 1e-6)
        good = sum(each.good for span in spans for each in span.channels.values())
        offered = sum(span.offered for span in spans)
        counts = np.sum([counts for _, counts in self._recent], axis=0)
        parts = [
            self._elapsed(last.to_s),
            f"offered {offered / seconds:,.0f}/s" if offered else "",
            f"good {good / seconds:,.0f}/s",
            f"p99 {in_words(_p99_of(counts))}" if counts.any() else "no answers",
            f"errors {self._errors:,}",
            f"backlog {last.waiting:,}",
        ]
        return "  ".join(part for part in parts if part)

    def _elapsed(self, now_s: float) -> str:
        if not self._planned_s:
            return f"{now_s:.0f} s"
        if now_s > self._planned_s + 1:
            return f"{self._planned_s:.0f} s over, {now_s - self._planned_s:.0f} s of waiting for the last answers"
        return f"{max(0.0, now_s):.0f} s of {self._planned_s:.0f} s"

    def _show(self, line: str) -> None:
        if not self._live:
            self._console.print(Text(line), soft_wrap=True)
            return
        self._console.file.write(f"\r{line[: self._console.width - 1]}\x1b[K")
        self._console.file.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self._console.file.write("\r\x1b[K")
            self._console.file.flush()
            self._shown = False


def _in_buckets(span: Span) -> Numbers:
    """How many latencies of a span there are in each bucket of 1 %."""
    parts = [each.latency for each in span.channels.values()]
    if not parts:
        return np.zeros(_BUCKETS, dtype=np.int64)
    values = np.concatenate([each.values_ns for each in parts])
    places = np.minimum(np.log(np.maximum(values, 1)) * _PER_E, _BUCKETS - 1).astype(np.int64)
    return np.bincount(places, np.concatenate([each.counts for each in parts]), _BUCKETS).astype(np.int64)


def _p99_of(counts: Numbers) -> float:
    sums = np.cumsum(counts)
    return float(np.exp((np.searchsorted(sums, rank(99, int(sums[-1]))) + 0.5) / _PER_E))
