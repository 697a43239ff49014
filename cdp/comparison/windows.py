"""A load run cut into windows, and the figures of each: the samples that comparisons of load runs are made of.

The rows of a run, one a second, depend on each other: a queue, a pause or a busy neighbour lasts longer than a second.
So rows are put together to windows of five seconds or more, long enough for a percentile to be one; what dependence is
left between windows is measured and widens the intervals (`cdp.statistics.series.inflation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Figures, Span
from cdp.load_results import LoadRun

LEAST_WINDOWS = 8  # of each run: with fewer no difference is sure enough
_WINDOW_S = 5.0
_SHORT_WINDOW_S = 3.0  # where a run is too short for windows of five seconds
_MARGIN = 1.3  # windows do not all have as many requests as the rate says
_EDGE_S = 0.5  # by which the last row may end after the schedule


@dataclass(frozen=True)
class Window:
    """Rows of a run that follow each other."""

    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        return self.spans[-1].to_s - self.spans[0].from_s

    def _of(self, key: ChannelKey | None) -> list[Figures]:
        if key is None:
            return [figures for span in self.spans for figures in span.channels.values()]
        return [span.channels[key] for span in self.spans if key in span.channels]

    def percentile_ms(self, key: ChannelKey | None, percentile: float) -> float | None:
        """A percentile of the latency of one operation or, without a key, of all; None when nothing came."""
        times = Distribution.merged(figures.latency for figures in self._of(key))
        return times.percentile(percentile) / 1e6 if times.count else None

    def good_per_s(self, key: ChannelKey | None) -> float:
        """Good answers a second."""
        return sum(figures.good for figures in self._of(key)) / self.seconds

    def bad_share(self, key: ChannelKey | None) -> float:
        """Which share of the requests did not get a good answer."""
        found = self._of(key)
        offered = sum(figures.offered for figures in found)
        return sum(figures.bad for figures in found) / offered if offered else 0.0


class Windows:
    """The measured part of a run: after its warm-up, until its schedule was over."""

    def __init__(self, run: LoadRun) -> None:
        self.run = run
        planned = run.header.get("planned_s")
        end_s = float(planned) + _EDGE_S if isinstance(planned, int | float) and planned else float("inf")
        self._spans = [span for span in run.spans if span.from_s >= run.warm_up_s - 1e-6 and span.to_s <= end_s]
        self._cut: dict[float, list[Window]] = {}

    @property
    def seconds(self) -> float:
        """How long the measured part is."""
        return sum(span.to_s - span.from_s for span in self._spans)

    def requests(self, key: ChannelKey | None) -> int:
        """How many requests of one operation or, without a key, of all are in it."""
        return sum(
            figures.offered
            for span in self._spans
            for name, figures in span.channels.items()
            if key is None or name == key
        )

    @cached_property
    def keys(self) -> list[ChannelKey]:
        """The operations in it."""
        return list(dict.fromkeys(key for span in self._spans for key in span.channels))

    def of(self, seconds: float) -> list[Window]:
        """The part in windows of so many seconds each; what is left at its end makes none."""
        if seconds not in self._cut:
            windows, part = [], []
            for span in self._spans:
                part.append(span)
                if span.to_s - part[0].from_s >= seconds * 0.98:
                    windows.append(Window(tuple(part)))
                    part = []
            self._cut[seconds] = windows
        return self._cut[seconds]


def window_s(runs: tuple[Windows, Windows], key: ChannelKey | None, needed: int) -> float | None:
    """How long the windows of two runs have to be, so that each holds as many requests as are needed; None when a run
    is too short to have enough of them."""
    seconds = min(each.seconds for each in runs)
    rate = min(each.requests(key) / each.seconds if each.seconds else 0.0 for each in runs)
    if not rate or not seconds:
        return None
    usual = min(_WINDOW_S, max(_SHORT_WINDOW_S, seconds / LEAST_WINDOWS * 0.9))
    long = max(usual, float(round(needed * _MARGIN / rate + 0.499)))
    return long if all(len(each.of(long)) >= LEAST_WINDOWS for each in runs) else None
