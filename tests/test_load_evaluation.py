"""Objectives held to runs: what is met, missed and not judgeable, over the whole run and over any window of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.distribution import Distribution, in_words, rank
from cdp.load_figures import ChannelKey, Error, Figures, Span
from cdp.load_results import Judged, ObjectiveJudged
from cdp.statistics.intervals import chance_of, percentile_interval, wilson
from load.evaluation import Evaluator, share_in_words
from load.objectives import parse_objectives
from load.recording.histogram import distribution_of
from tests.sample_load_runs import INGEST, MS, SEARCH, figures, served, span


def judged(text: str, spans: list[Span], warm_up_s: float = 0.0) -> dict[str, ObjectiveJudged]:
    evaluator = Evaluator(parse_objectives(text), warm_up_s)
    for each in spans:
        evaluator.feed(each)
    return {f"{each.scenario}:{each.objective}".removeprefix(":"): each for each in evaluator.judge()}


def outcome(text: str, spans: list[Span], warm_up_s: float = 0.0) -> Judged:
    return judged(text, spans, warm_up_s)[text].judged


class TestDistribution:
    @given(st.lists(st.integers(1, 10**11), min_size=1, max_size=300), st.floats(0.001, 100))
    def test_a_percentile_is_the_nearest_rank_of_what_was_measured(self, values: list[int], percentile: float) -> None:
        times = sorted(value * 100 for value in values)
        whole = Distribution(*zip(*sorted(Counter(times).items()), strict=True))
        assert whole.percentile(percentile) == times[rank(percentile, len(times)) - 1]
        assert whole.percentile(100) == whole.max_ns == times[-1]
        assert whole.count == len(times)
        assert whole.mean_ns == pytest.approx(sum(times) / len(times))

    @given(st.lists(st.lists(st.integers(1, 50)), min_size=1, max_size=6), st.integers(0, 5100))
    def test_parts_add_up_exactly_in_any_order(self, parts: list[list[int]], limit: int) -> None:
        every = sorted(value * 100 for part in parts for value in part)
        made = [Distribution.of([value * 100 for value in part]) for part in parts]
        merged = Distribution.merged(made)
        assert merged == Distribution.merged(reversed(made)) == Distribution.of(every)
        assert merged.above(limit) == sum(value > limit for value in every)
        assert Distribution.from_record(merged.as_record()) == merged

    @given(st.lists(st.integers(1, 10**12), min_size=1))
    def test_single_times_are_kept_to_five_per_cent(self, times: list[int]) -> None:
        found = Distribution.of(times)
        assert found.count == len(times)
        assert found.max_ns == pytest.approx(max(times), rel=0.0501, abs=51)

    @pytest.mark.parametrize(
        "record",
        [None, [], [[1]], [[1], [1, 2]], [["a"], [1]], [[1.5], [1]], [[1, -1], [1, 1]], [[1], [-1]], [[1, 0], [1, 1]]],
    )
    def test_what_is_no_distribution_is_refused(self, record: object) -> None:
        with pytest.raises((ValueError, TypeError)):
            Distribution.from_record(record)

    @pytest.mark.parametrize(
        ("time_ns", "words"),
        [(0, "0.00 ms"), (850_000, "0.85 ms"), (12_340_000, "12.3 ms"), (212_400_000, "212 ms"), (1.24e9, "1.24 s")],
    )
    def test_times_in_words(self, time_ns: float, words: str) -> None:
        assert in_words(time_ns) == words


class TestStatistics:
    def test_wilson_against_published_values(self) -> None:
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        for hits, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
            assert wilson(hits, count) == pytest.approx((low, high), abs=1e-4)
        assert wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=1e-4)
        assert wilson(0, 0) == (0.0, 1.0)

    @given(st.integers(1, 60), st.data())
    def test_the_chance_of_so_many_hits(self, count: int, data: st.DataObject) -> None:
        hits = data.draw(st.integers(0, count))
        assert chance_of(0, count, 0.01) == 1
        assert chance_of(count, count, 0.5) == pytest.approx(0.5**count, abs=1e-12)
        assert chance_of(hits, count, 0.1) <= chance_of(hits, count, 0.2) + 1e-12

    def test_a_percentile_interval_needs_enough_values(self) -> None:
        assert percentile_interval(Distribution([MS], [472]), 99) is None
        values = Distribution([n * MS for n in range(1, 1001)], [1] * 1000)
        assert percentile_interval(values, 99) == (983 * MS, 998 * MS)


class TestWholeRun:
    def test_what_holds_is_met_and_what_does_not_is_missed(self) -> None:
        spans = [span(n, n + 1, figures(95, 10.0, failed=5)) for n in range(10)]
        found = judged("p99<20ms,max<10ms,mean<=10.1ms,errors<10%,rate>=95%,rate>=96/s", spans)
        assert {name: each.judged for name, each in found.items()} == {
            "p99<20ms": Judged.MET,
            "max<10ms": Judged.MISSED,
            "mean<=10.1ms": Judged.MET,
            "errors<10%": Judged.MET,
            "rate>=95%": Judged.MET,
            "rate>=96/s": Judged.MISSED,
            "violations=0": Judged.MET,
        }
        assert found["errors<10%"].value == "5.0 %"
        assert found["errors<10%"].detail == "95 % CI 3.8 % – 6.5 % (Wilson)"
        assert found["rate>=96/s"].value == "95.0/s"
        assert found["p99<20ms"].detail == "95 % CI 10.0 ms – 10.0 ms"

    def test_too_few_requests_for_a_percentile_are_not_judgeable(self) -> None:
        found = judged("p99<300ms", [span(0, 1, figures(37))])["p99<300ms"]
        assert (found.judged, found.detail) == (Judged.NOT_JUDGEABLE, "37 requests, 100 needed")
        assert outcome("p99<300ms", [span(0, 1, figures(100))]) is Judged.MET
        assert outcome("p99.9<300ms", [span(0, 1, figures(999))]) is Judged.NOT_JUDGEABLE

    def test_so_many_slow_ones_of_too_few_are_missed_all_the_same(self) -> None:
        slow = {SEARCH: figures(5, 900.0), INGEST: figures(32, 10.0)}
        found = judged("p99<300ms", [span(0, 1, slow)])["p99<300ms"]
        assert (found.judged, found.detail) == (Judged.MISSED, "5 of only 37 requests were slower")

    def test_nothing_at_all_meets_no_objective_that_needs_an_answer(self) -> None:
        found = judged("p99<1s,mean<1s,errors<1%,indeterminate<1%,rate>=1/s,rate>=1%", [])
        assert {each.judged for name, each in found.items() if name != "violations=0"} == {Judged.NOT_JUDGEABLE}

    def test_what_was_never_sent_or_not_answered_is_an_error(self) -> None:
        times = Distribution([10 * MS], [100])
        spans = [span(0, 1, figures(98, never_sent=1, unanswered=1, latency=times))]
        found = judged("p50<1s", spans)["errors<1%"]
        assert (found.judged, found.value, found.implied) == (Judged.MISSED, "2.0 %", True)

    def test_each_scenario_has_its_own(self) -> None:
        both = {SEARCH: figures(200, 10.0), INGEST: figures(200, 50.0, failed=20)}
        found = judged("search:p99<20ms,errors=0;ingest:p99<20ms,errors<1%", [span(0, 1, both)])
        assert [name for name, each in found.items() if each.judged is Judged.MISSED] == [
            "ingest:p99<20ms",
            "ingest:errors<1%",
        ]
        assert judged("mixed:p99<1s", [span(0, 1, both)])["mixed:p99<1s"].judged is Judged.NOT_JUDGEABLE

    def test_latency_and_service_time_are_two_things(self) -> None:
        spans = served(100, 20, stalls=[(5, 7)])
        assert outcome("p90<300ms", spans) is Judged.MISSED
        assert outcome("service.p90<300ms", spans) is Judged.MET

    def test_the_wait_for_the_last_answers_is_no_time_in_which_a_rate_is_due(self) -> None:
        spans = served(100, 10, stalls=[(9.5, 15)])
        assert spans[-1].to_s > 14
        assert judged("rate>=99/s", spans)["rate>=99/s"].value == "100.0/s"
        assert outcome("rate@5s>=10/s", served(100, 10)) is Judged.MET

    def test_indeterminate_requests(self) -> None:
        found = judged("indeterminate<1%", [span(0, 1, figures(97, failed=3, indeterminate=3))])
        assert found["indeterminate<1%"].value == "3.0 %"


class TestWarmUp:
    def test_it_is_left_out(self) -> None:
        spans = [span(n, n + 1, figures(200, 900.0 if n < 3 else 10.0, failed=0 if n else 100)) for n in range(10)]
        assert outcome("p99<300ms", spans) is Judged.MISSED
        assert outcome("p99<300ms", spans, warm_up_s=3) is Judged.MET
        assert outcome("p99<300ms", spans, warm_up_s=2.5) is Judged.MET  # a span that begins within it is part of it
        assert outcome("p99@5s<300ms", spans, warm_up_s=3) is Judged.MET
        assert judged("p99<300ms", spans)["errors<1%"].judged is Judged.MISSED
        assert judged("p99<300ms", spans, 3)["errors<1%"].judged is Judged.MET

    def test_a_broken_contract_counts_at_any_time(self) -> None:
        error = Counter({Error("a field is missing", "", "SHAPE-01"): 1})
        spans = [span(0, 1, figures(99, failed=1, errors=error)), span(1, 2, figures(100))]
        found = judged("p50<1s", spans, warm_up_s=1)["violations=0"]
        assert (found.judged, found.value) == (Judged.MISSED, "1")


class TestWindows:
    def test_one_bad_window_of_a_good_run_is_missed_and_named(self) -> None:
        spans = [span(n / 2, n / 2 + 0.5, figures(100, 900.0 if n == 40 else 10.0)) for n in range(120)]
        assert outcome("p95<300ms", spans) is Judged.MET
        found = judged("p95@5s<300ms", spans)["p95@5s<300ms"]
        assert (found.judged, found.value) == (Judged.MISSED, "900 ms")
        # The span from 20.0 s to 20.5 s is in the windows that end from 20.5 s to 25.0 s.
        assert found.detail == "worst window: 15.5 s to 20.5 s; missed in 10 of 111 windows"

    def test_a_stall_in_which_nothing_is_answered_does_not_pass(self) -> None:
        """While a target stands still nothing comes back; those who wait are in the window at their age."""
        spans = served(100, 30, stalls=[(10, 99)], drained=False)
        assert all(not each.channels for each in spans if each.from_s >= 10.5)
        found = judged("p50@5s<2s", spans)["p50@5s<2s"]
        assert found.judged is Judged.MISSED
        early = [each for each in spans if each.to_s <= 16]
        assert outcome("p50@5s<2s", early) is Judged.MISSED  # seen while it lasts
        assert outcome("p50@5s<2s", [each for each in spans if each.to_s <= 10]) is Judged.MET

    def test_the_age_of_those_who_wait_is_right_while_everything_stands_still(self) -> None:
        spans = served(100, 16, stalls=[(10, 99)], drained=False)
        found = judged("max@3s<1s", spans)["max@3s<1s"]
        assert found.judged is Judged.MISSED
        assert found.value.startswith("5.9")  # due at 10 s, looked at when it is 16 s; 0.5 s is a span of the series

    def test_a_rate_is_missed_while_nothing_is_answered(self) -> None:
        spans = served(100, 30, stalls=[(10, 99)], drained=False)
        assert judged("rate@5s>=50%", spans)["rate@5s>=50%"].value == "0 %"

    def test_a_slow_trickle_of_late_answers_is_missed_though_too_few_for_a_percentile(self) -> None:
        spans = [span(n, n + 1, figures(2, 5000.0)) for n in range(20)]
        assert outcome("p99@10s<300ms", spans) is Judged.MISSED
        one_slow = [span(n, n + 1, figures(2, 5000.0 if n == 7 else 10.0)) for n in range(20)]
        assert outcome("p99.9@5s<300ms", one_slow[:7] + one_slow[8:]) is Judged.NOT_JUDGEABLE

    def test_windows_with_too_few_requests_are_not_judgeable(self) -> None:
        found = judged("p99@10s<300ms", [span(n, n + 1, figures(5)) for n in range(20)])["p99@10s<300ms"]
        assert found.judged is Judged.NOT_JUDGEABLE
        assert found.detail == "50 requests in the fullest window, 100 needed"

    def test_a_run_shorter_than_its_window_is_not_judgeable(self) -> None:
        found = judged("p99@10s<300ms", [span(n, n + 1, figures(500)) for n in range(6)])["p99@10s<300ms"]
        assert (found.judged, found.detail) == (Judged.NOT_JUDGEABLE, "6 s judged, 10 s needed")

    def test_errors_in_a_window(self) -> None:
        spans = [span(n, n + 1, figures(90, failed=10) if n == 30 else figures(100)) for n in range(60)]
        assert outcome("errors<1%", spans) is Judged.MET
        assert outcome("errors@5s<1%", spans) is Judged.MISSED


@pytest.mark.parametrize(
    ("share", "words"),
    [
        *[(0, "0 %"), (1, "100 %"), (0.00013, "0.013 %"), (0.0013, "0.13 %"), (0.013, "1.3 %"), (0.997, "99.7 %")],
        *[(0.99996, "99.99 %"), (0.000004, "0.0004 %")],
    ],
)
def test_shares_in_words(share: float, words: str) -> None:
    assert share_in_words(share) == words


def test_the_time_until_events_can_be_read_is_judged_by_itself() -> None:
    key = ChannelKey("ingest", "POST", "events")
    quick, slow = (distribution_of(np.full(200, ms * 1_000_000, dtype=np.int64)) for ms in (5, 3000))
    row = Span(0, 1, {key: Figures(good=200, latency=quick, service=quick, visible=slow)}, offered=200)
    found = judged("visible.p99<2s,p99<100ms", [row])
    assert found["visible.p99<2s"].judged is Judged.MISSED
    assert found["p99<100ms"].judged is Judged.MET
    assert outcome("visible.p99<2s", [Span(0, 1, {key: Figures(good=200, latency=quick)})]) is Judged.NOT_JUDGEABLE
