"""Locust's own tables, CSV files and web page show the same figures: good answers, and arrivals that were never sent,
are folded into its statistics in batches; failures reach them through Locust's events as always."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import locust.stats
import numpy as np
from locust.stats import RequestStats, StatsError

from cdp.distribution import Distribution, Numbers, rank
from cdp.load_figures import ChannelKey
from load.recording.histogram import BUCKETS, bucket_of, value_of
from load.recording.recorder import NEVER_SENT, Untold

_DIGITS = 3
_FINEST = 4  # digits behind the point of a millisecond: 0.1 µs


def fine_bucket(response_time: float) -> float:
    """A response time in milliseconds to three significant digits, at least to 0.1 µs: within 0.5 %."""
    if response_time <= 0:
        return 0
    return round(response_time, min(_FINEST, _DIGITS - 1 - math.floor(math.log10(response_time))))


def nearest_rank(response_times: Mapping[float, int], num_requests: int, percent: float) -> float:
    """The response time at a share of 0 to 1, by the rank that the suite takes everywhere (`cdp.distribution.rank`).

    Locust itself takes ⌊p·n⌋ + 1, which is one more where p·n is whole: of 1,000 requests with ten slow ones its 99 %
    is a slow one.
    """
    wanted = rank(percent * 100, num_requests)
    passed = 0
    for response_time in sorted(response_times):
        passed += response_times[response_time]
        if passed >= wanted:
            return response_time
    return 0


def measure_finely() -> None:
    """Let Locust keep response times to 0.5 % instead of its 1 ms and up to 4.8 %, with percentiles by the nearest
    rank, and write them to its CSV files as they are instead of cut to whole milliseconds."""
    locust.stats.bucket_response_time = fine_bucket  # type: ignore[assignment]
    locust.stats.calculate_response_time_percentile = nearest_rank  # type: ignore[assignment]
    locust.stats.StatsCSV._percentile_fields = _percentile_fields  # type: ignore[method-assign]


def _percentile_fields(self: Any, stats_entry: Any, use_current: bool = False) -> list[Any]:
    """What `StatsCSV` does, without rounding."""
    if not stats_entry.num_requests:
        return list(self.percentiles_na)
    current = use_current and stats_entry.use_response_times_cache
    read = stats_entry.get_current_response_time_percentile if current else stats_entry.get_response_time_percentile
    return [read(share) or 0 for share in self.percentiles_to_report]


class LocustTables:
    """Puts into Locust's statistics what no event told of. `closed_loop`: the service time is shown, else the latency
    from the intended start; `good_too`: good answers, too, are told by no event."""

    def __init__(self, stats: RequestStats, closed_loop: bool, good_too: bool = True) -> None:
        self._stats = stats
        self._closed_loop = closed_loop
        self._good_too = good_too

    def take(self, key: ChannelKey, untold: Untold) -> None:
        """What came of a channel since the last fold."""
        times = untold.service if self._closed_loop else untold.latency
        if self._good_too and times.count:
            self._log(key, times, untold.bytes, untold.seconds)
        if count := untold.never_sent.count:
            now = {int(time.time()): count}
            self._log(key, untold.never_sent, 0, now)
            for entry in self._entries(key):
                entry.num_failures += count
                _add(entry.num_fail_per_sec, now)
            self._error(key, NEVER_SENT, count)

    def _entries(self, key: ChannelKey) -> tuple[Any, Any]:
        return self._stats.get(key.name, key.method), self._stats.total

    def _log(self, key: ChannelKey, times: Distribution, length: int, seconds: Mapping[int, int]) -> None:
        """What Locust's `StatsEntry.log` does, for many requests at once."""
        response_times = _in_fine_buckets(times)
        least, most = int(times.values_ns[0]) / 1e6, times.max_ns / 1e6
        for entry in self._entries(key):
            _cache_second(entry)
            entry.num_requests += times.count
            entry.total_content_length += length
            entry.total_response_time += times.mean_ns * times.count / 1e6
            before = entry.min_response_time
            entry.min_response_time = least if before is None else min(before, least)
            entry.max_response_time = max(entry.max_response_time, most)
            _add(entry.response_times, response_times)
            _add(entry.num_reqs_per_sec, seconds)

    def _error(self, key: ChannelKey, text: str, count: int) -> None:
        """What Locust's `RequestStats.log_error` does, for many errors at once."""
        errors, name = self._stats.errors, StatsError.create_key(key.method, key.name, text)
        if name not in errors:
            errors[name] = StatsError(key.method, key.name, text)
        errors[name].occurrences += count - 1
        errors[name].occurred()


@cache
def _fine_buckets() -> tuple[list[float], Numbers]:
    """The buckets of `fine_bucket` in ms, and for each bucket of the recorder's which of them its times fall into."""
    fine = [fine_bucket(value_ns / 1e6) for value_ns in value_of(np.arange(BUCKETS)).tolist()]
    buckets, where = np.unique(fine, return_inverse=True)
    return buckets.tolist(), where


def _in_fine_buckets(times: Distribution) -> dict[float, int]:
    """A distribution as Locust keeps it: response times in ms with their counts."""
    names, fine_of = _fine_buckets()
    fine = fine_of[bucket_of(times.values_ns)]  # rising, as the values are
    starts = np.flatnonzero(np.diff(fine, prepend=-1))
    sums = np.add.reduceat(times.counts, starts)
    return {names[index]: count for index, count in zip(fine[starts].tolist(), sums.tolist(), strict=True)}


def _cache_second(entry: Any) -> None:
    """What Locust does before the first request of a second, so that its page can show the last ten."""
    now = time.time()
    if entry.use_response_times_cache and entry.last_request_timestamp and int(now) > int(entry.last_request_timestamp):
        entry._cache_response_times(int(now) - 1)
    entry.last_request_timestamp = now


def _add(counts: dict[Any, int], more: Mapping[Any, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count
