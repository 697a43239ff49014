"""The recorder: exact counts, honest ages, the layout of HDR histograms, and what Locust shows of it."""

from __future__ import annotations

import csv
import io
import itertools
import random
from pathlib import Path

import locust.stats
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st
from locust.env import Environment
from locust.stats import PERCENTILES_TO_REPORT, RequestStats, StatsCSV

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Error, Figures, Span
from cdp.load_results import LoadRun
from load.answer import Failure
from load.recording.hdr_log import write_hdr_log
from load.recording.histogram import DIGITS, HIGHEST_UNITS, bucket_of, distribution_of, hdr_histogram, value_of
from load.recording.locust_stats import LocustTables, fine_bucket, measure_finely, nearest_rank
from load.recording.recorder import NEVER_SENT, OTHER, Recorder, merged

KEY = ChannelKey("search", "GET", "/api/customers")
times_ns = st.integers(0, 200_000_000_000)


@given(st.lists(times_ns, min_size=1, max_size=50))
@settings(deadline=None)
def test_buckets_are_those_of_an_hdr_histogram(times: list[int]) -> None:
    array = np.array(times, dtype=np.int64)
    histogram = HdrHistogram(1, HIGHEST_UNITS, DIGITS)
    units = [max(1, -(-time // 100)) for time in times]
    assert bucket_of(array).tolist() == [histogram._counts_index_for(unit) for unit in units]
    assert value_of(bucket_of(array)).tolist() == [histogram.get_highest_equivalent_value(u) * 100 for u in units]


@given(st.integers(10_000, 100_000_000_000))
def test_a_time_is_kept_to_one_per_cent_and_never_told_too_short(time: int) -> None:
    told = int(value_of(bucket_of(np.array([time])))[0])
    assert time <= told <= time * 1.01


def test_times_beyond_the_range_are_kept_at_its_ends() -> None:
    assert value_of(bucket_of(np.array([-5, 0, 1]))).tolist() == [100, 100, 100]
    assert int(value_of(bucket_of(np.array([10**18])))[0]) >= 3600 * 10**9


@given(st.lists(times_ns, min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_merging_parts_is_the_whole(times: list[int], cuts: list[int]) -> None:
    borders = sorted({0, len(times), *(min(cut, len(times)) for cut in cuts)})
    parts = [distribution_of(np.array(times[a:b], dtype=np.int64)) for a, b in itertools.pairwise(borders)]
    assert Distribution.merged(parts) == distribution_of(np.array(times, dtype=np.int64))


@given(st.lists(times_ns, min_size=1, max_size=60))
@settings(deadline=None, max_examples=30)
def test_an_hdr_histogram_says_the_same(times: list[int]) -> None:
    distribution = distribution_of(np.array(times, dtype=np.int64))
    histogram = HdrHistogram.decode(hdr_histogram(distribution).encode())
    assert histogram.get_total_count() == distribution.count == len(times)
    for value, count in zip(distribution.values_ns.tolist(), distribution.counts.tolist(), strict=True):
        assert histogram.get_count_at_value(value // 100) == count


def test_every_kind_of_end_is_counted() -> None:
    recorder = Recorder()
    channel = recorder.channel("GET", "/api/customers", "search")
    assert recorder.channel("GET", "/api/customers", "search") is channel
    channel.add(0, 1_000, 5_000_000, 300)
    channel.add(0, 2_000, 6_000_000, 200, 5)
    channel.fail(0, 3_000, 7_000_000, 50, "500", "CODE-01")
    channel.fail(0, 3_000, 8_000_000, 0, "no answer", indeterminate=True, failure=Failure.TIMEOUT)
    channel.unanswered(0, 4_000, 9_000_000)
    channel.never_sent(0, 10_000_000)
    figures = recorder.fold()[KEY]
    assert (figures.good, figures.failed, figures.unanswered, figures.never_sent) == (2, 2, 1, 1)
    assert (figures.sent, figures.offered, figures.indeterminate, figures.violations) == (5, 6, 1, 1)
    assert (figures.bytes, figures.events) == (550, 5)
    assert (figures.latency.count, figures.service.count, figures.lateness.count) == (6, 5, 5)
    assert figures.latency.max_ns == pytest.approx(10_000_000, rel=0.01), "at the age it had"
    assert sorted((e.text, e.kind, n) for e, n in figures.errors.items()) == [
        ("500", "", 1),
        ("no answer", "TIMEOUT", 1),
    ]
    assert recorder.fold() == {}


def test_texts_of_errors_are_bounded_and_redacted() -> None:
    recorder = Recorder(redact=lambda text: text.replace("secret", "…"))
    channel = recorder.channel("GET", "/", "search")
    for number in range(1000):
        channel.fail(0, 1, 2, 0, f"secret {number}")
    errors = recorder.fold()[ChannelKey("search", "GET", "/")].errors
    assert len(errors) == 201 and sum(errors.values()) == 1000
    assert max(errors, key=lambda e: errors[e]).text == OTHER
    assert not any("secret" in error.text for error in errors)


def test_a_text_that_differs_by_a_secret_only_is_one_text() -> None:
    recorder = Recorder(redact=lambda text: text.split(" token")[0])
    channel = recorder.channel("GET", "/", "search")
    for number in range(5000):
        channel.fail(0, 1, 2, 0, f"refused token {number}")
    for number in range(300):
        channel.fail(0, 1, 2, 0, f"text {number}")
    channel.fail(0, 1, 2, 0, "refused token again")
    channel.fail(0, 1, 2, 0, "x" * 10_000)
    errors = recorder.fold()[ChannelKey("search", "GET", "/")].errors
    assert errors[Error("refused")] == 5001
    assert errors[Error(OTHER)] == 300 - 199 + 1
    assert max(len(error.text) for error in errors) <= 300


def test_nothing_is_lost_or_kept_when_nobody_folds_for_long() -> None:
    """More lines than are kept: they are counted on the way, and what is held stays bounded."""
    recorder = Recorder()
    channel = recorder.channel("GET", "/api/customers", "search")
    for number in range(5000):
        channel.add(number, number + 1_000, number + 1_000_000 * (1 + number % 7), 10, 2)
        channel.fail(number, 0, number + 500_000, 1, "connection refused", failure=Failure.REFUSED)
        channel.never_sent(number, number + 3_000_000)
        assert len(channel._lines) < 5 * 1024 and len(channel._ages) < 3 * 1024 and len(channel._unsent_ages) < 1024
    figures = recorder.fold()[KEY]
    assert (figures.good, figures.failed, figures.never_sent, figures.offered) == (5000, 5000, 5000, 15_000)
    assert (figures.bytes, figures.events) == (55_000, 10_000)
    assert (figures.latency.count, figures.service.count, figures.lateness.count) == (15_000, 5000, 5000)
    assert figures.latency.above(999_000_000) == 0


Event = tuple[str, int, int, int]  # what became of it, when it was due, how late it went, how long it took
events = st.lists(
    st.tuples(
        st.sampled_from(["good", "failed", "unanswered", "never"]),
        st.integers(0, 10**9),
        st.integers(0, 10**8),
        st.integers(1, 10**9),
    ),
    min_size=1,
    max_size=40,
)


def record(recorder: Recorder, all_of: list[Event], end_ns: int) -> None:
    channel = recorder.channel("GET", "/api/customers", "search")
    for what, due, late, took in all_of:
        sent = 1 + due + late
        if what == "good":
            channel.add(due, sent, sent + took, 1)
        elif what == "failed":
            channel.fail(due, sent, sent + took, 0, "500")
        elif what == "unanswered":
            channel.unanswered(due, sent, end_ns)
        else:
            channel.never_sent(due, end_ns)


@given(events, st.data())
@settings(max_examples=200)
def test_overload_never_makes_a_percentile_better(all_of: list[Event], data: st.DataObject) -> None:
    """Slower, or never answered, or never sent: no percentile of the latency goes down."""
    end_ns = 10**10
    place = data.draw(st.integers(0, len(all_of) - 1))
    what, due, late, took = all_of[place]
    worse = data.draw(
        st.sampled_from([(what, due, late, took * 2), ("unanswered", due, late, took), ("never", due, late, took)])
    )
    if what in ("unanswered", "never"):
        worse = ("never", due, late, took)
    before, after = Recorder(), Recorder()
    record(before, all_of, end_ns)
    record(after, [*all_of[:place], worse, *all_of[place + 1 :]], end_ns)
    first, second = before.fold()[KEY].latency, after.fold()[KEY].latency
    assert first.count == second.count == len(all_of), "nobody drops out of the latency"
    assert all(first.percentile(p) <= second.percentile(p) for p in (1, 25, 50, 75, 90, 99, 99.9, 100))


@given(events, st.integers(1, 4), st.integers(0, 10**6))
@settings(max_examples=60)
def test_processes_and_folds_add_up_to_the_whole_in_any_order(all_of: list[Event], workers: int, seed: int) -> None:
    order = random.Random(seed)
    whole = Recorder()
    record(whole, all_of, 10**10)
    parts = []
    recorders = [Recorder() for _ in range(workers)]
    for each in all_of:
        worker = order.choice(recorders)
        record(worker, [each], 10**10)
        if order.random() < 0.3:
            parts.append(worker.fold())
    parts += [worker.fold() for worker in recorders]
    order.shuffle(parts)
    told = [{key: Figures.from_record(f.as_record()) for key, f in part.items()} for part in parts]
    assert merged(told)[KEY].as_record() == whole.fold()[KEY].as_record()


@pytest.mark.parametrize("closed_loop", [False, True])
def test_locust_shows_the_same_figures(closed_loop: bool) -> None:
    measure_finely()
    stats = RequestStats()
    tables = LocustTables(stats, closed_loop)
    recorder = Recorder(tables.take)
    channel = recorder.channel("GET", "/api/customers", "search")
    rng = np.random.default_rng(4)
    sent = rng.exponential(3e6, 5000).astype(np.int64) + 1
    done = sent + (10 ** rng.uniform(4.5, 9.5, 5000)).astype(np.int64)
    for s, d in zip(sent.tolist(), done.tolist(), strict=True):
        channel.add(0, s, d, 10)
    figures = recorder.fold()[KEY]
    ours = figures.service if closed_loop else figures.latency
    for entry in (stats.get("/api/customers", "GET"), stats.total):
        assert (entry.num_requests, entry.num_failures, entry.total_content_length) == (5000, 0, 50_000)
        for share in (0.5, 0.9, 0.99, 0.999):
            assert entry.get_response_time_percentile(share) * 1e6 == pytest.approx(
                ours.percentile(share * 100), rel=0.01
            )
        assert entry.avg_response_time * 1e6 == pytest.approx(ours.mean_ns, rel=0.01)
        assert entry.max_response_time * 1e6 == pytest.approx(ours.max_ns, rel=0.01)
        assert sum(entry.num_reqs_per_sec.values()) == 5000


def test_all_that_locust_shows_of_a_run_with_failures(tmp_path: Path) -> None:
    """Good answers from the recorder, failures by Locust's events, and what was never sent: one table, one truth."""
    measure_finely()
    environment = Environment()
    runner = environment.create_local_runner()
    tables = LocustTables(environment.stats, closed_loop=False)
    recorder = Recorder(tables.take)
    rng = np.random.default_rng(8)
    for name, count in (("/api/customers", 1000), ("/api/events", 37)):
        channel = recorder.channel("GET", name, "search")
        for number, took in enumerate((10 ** rng.uniform(4.7, 9.3, count)).astype(np.int64).tolist()):
            if number % 10 == 3:
                channel.fail(0, 1, took, 20, "500 Internal Server Error")
                environment.events.request.fire(
                    request_type="GET",
                    name=name,
                    response_time=took / 1e6,
                    response_length=20,
                    exception=RuntimeError("500 Internal Server Error"),
                )
            elif number % 50 == 7:
                channel.never_sent(0, took)
            else:
                channel.add(0, 1, took, 300)
        if name == "/api/customers":
            recorder_first = recorder.fold()
    figures = merged([recorder_first, recorder.fold()])
    runner.quit()
    written = io.StringIO()
    StatsCSV(environment, PERCENTILES_TO_REPORT).requests_csv(csv.writer(written))
    rows = {row["Name"]: row for row in csv.DictReader(io.StringIO(written.getvalue()))}
    ours = {key.name: each for key, each in figures.items()} | {"Aggregated": Figures.merged(figures.values())}
    assert rows.keys() == ours.keys()
    for name, row in rows.items():
        mine = ours[name]
        assert int(row["Request Count"]) == mine.offered
        assert int(row["Failure Count"]) == mine.bad
        assert float(row["Average Content Size"]) == pytest.approx(mine.bytes / mine.offered)
        shares = [0.5, *PERCENTILES_TO_REPORT]
        texts = [row["Median Response Time"], *(row[t] for t in locust.stats.get_readable_percentiles(shares[1:]))]
        for share, text in zip(shares, texts, strict=True):
            assert float(text) * 1e6 == pytest.approx(mine.latency.percentile(share * 100), rel=0.01)
        assert float(row["Average Response Time"]) * 1e6 == pytest.approx(mine.latency.mean_ns, rel=0.01)
        assert float(row["Max Response Time"]) * 1e6 == pytest.approx(mine.latency.max_ns, rel=0.01)
        assert float(row["Min Response Time"]) * 1e6 == pytest.approx(int(mine.latency.values_ns[0]), rel=0.01)
    errors = {(e.name, e.to_name().split(": ", 1)[1]): e.occurrences for e in environment.stats.errors.values()}
    assert sum(errors.values()) == ours["Aggregated"].bad
    assert errors["/api/customers", NEVER_SENT] == ours["/api/customers"].never_sent > 0
    total = environment.stats.total
    assert sum(total.num_reqs_per_sec.values()) == total.num_requests
    assert sum(total.num_fail_per_sec.values()) == total.num_failures


def test_good_answers_count_once_when_events_tell_of_them() -> None:
    stats = RequestStats()
    recorder = Recorder(LocustTables(stats, closed_loop=False, good_too=False).take)
    channel = recorder.channel("GET", "/", "search")
    channel.add(0, 1, 5_000_000, 10)
    channel.never_sent(0, 7_000_000)
    assert recorder.fold()[ChannelKey("search", "GET", "/")].offered == 2
    assert (stats.total.num_requests, stats.total.num_failures) == (1, 1)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0]))
def test_percentiles_of_locust_take_the_same_rank_as_ours(times: list[int], share: float) -> None:
    values, counts = np.unique(times, return_counts=True)
    found = nearest_rank(dict(zip(values.tolist(), counts.tolist(), strict=True)), len(times), share)
    assert found == Distribution(values, counts).percentile(share * 100)


def test_a_slow_one_in_a_hundred_is_not_the_99th_percentile() -> None:
    measure_finely()
    stats = RequestStats()
    for number in range(1000):
        stats.log_request("GET", "/", 900 if number < 10 else 5, 1)
    assert stats.total.get_response_time_percentile(0.99) == 5
    assert stats.total.get_response_time_percentile(0.991) == 900


@given(st.floats(0.01, 1e6))
def test_buckets_of_locust_are_fine(milliseconds: float) -> None:
    assert fine_bucket(milliseconds) == pytest.approx(milliseconds, rel=0.005)
    assert fine_bucket(0) == 0


def test_the_log_is_read_by_tools_of_hdr_histogram(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    spans = []
    for second in range(3):
        latency = distribution_of(rng.integers(10**5, 10**9, 200))
        spans.append(Span(second, second + 1, {KEY: Figures(good=200, latency=latency, service=latency)}))
    path = tmp_path / "run.hlog"
    write_hdr_log(LoadRun({}, spans), path, 1_700_000_000.0)
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_UNITS, DIGITS))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append((histogram.get_tag(), histogram.get_total_count(), histogram.get_max_value() * 100))
    reader.close()
    assert {tag for tag, _, _ in found} == {"latency:GET_/api/customers", "service:GET_/api/customers"}
    assert [count for _, count, _ in found] == [200] * 6
    assert [most for tag, _, most in found if tag and tag.startswith("latency")] == [
        span.channels[KEY].latency.max_ns for span in spans
    ]
