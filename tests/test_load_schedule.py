"""Schedules: the same whatever the number of stripes, with the statistics that they promise."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load.arrivals.schedule import Piece, Schedule, ScheduleError, ramp, spike, steady, steps, trace

rates = st.floats(0.5, 500)


def all_of(schedule: Schedule, stripe: int = 0, stripes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and times of a stripe."""
    chunks = list(schedule.times(stripe, stripes))
    if not chunks:
        return np.array([], dtype=np.int64), np.array([], dtype=np.int64)
    return np.concatenate([c[0] for c in chunks]), np.concatenate([c[1] for c in chunks])


@given(rates, rates, st.integers(0, 2**40), st.integers(1, 7), st.booleans())
@settings(max_examples=60, deadline=None)
def test_stripes_share_one_schedule(rate: float, other: float, seed: int, stripes: int, poisson: bool) -> None:
    schedule = Schedule((Piece(0, 3, rate, other), Piece(3, 5, other, 0.0)), seed, poisson)
    numbers, times = all_of(schedule)
    parts = [all_of(schedule, stripe, stripes) for stripe in range(stripes)]
    assert sorted(np.concatenate([p[0] for p in parts]).tolist()) == numbers.tolist() == list(range(len(numbers)))
    for stripe, (mine, due) in enumerate(parts):
        assert (mine % stripes == stripe).all()
        assert (due == times[mine]).all()
    assert (np.diff(times) >= 0).all()
    assert times.size == 0 or (times[0] >= 0 and times[-1] <= schedule.duration_s * 1e9)


def test_the_same_seed_is_the_same_schedule_and_another_is_another() -> None:
    first, again, other = (all_of(Schedule(steady(100, 10), seed))[1] for seed in (1, 1, 2))
    assert (first == again).all()
    assert len(first) != len(other) or (first != other).any()


def test_gaps_of_a_poisson_stream_are_exponential() -> None:
    _, times = all_of(Schedule(steady(200, 200), seed=7))
    gaps = np.sort(np.diff(times) / 1e9)
    expected = 1 - np.exp(-200 * gaps)
    observed = np.arange(1, len(gaps) + 1) / len(gaps)
    # Kolmogorov-Smirnov: 1.63/sqrt(n) is the border of 1 %.
    assert np.abs(observed - expected).max() < 1.63 / math.sqrt(len(gaps))
    counts = np.bincount((times // 1_000_000_000).astype(int))
    assert 0.7 < counts.var() / counts.mean() < 1.4  # the index of dispersion of a Poisson process is 1
    assert abs(len(times) - 40_000) < 4 * math.sqrt(40_000)


def test_a_changing_rate_stays_a_poisson_process() -> None:
    """Rescaled by its own integral, a Poisson process of any rate is one of rate 1."""
    schedule = Schedule((*ramp(300, 60), Piece(60, 90, 20, 20), Piece(90, 120, 0, 250)), seed=11)
    _, times = all_of(schedule)
    units = np.array([schedule.expected(0, t) for t in (times / 1e9).tolist()])
    gaps = np.sort(np.diff(units))
    observed = np.arange(1, len(gaps) + 1) / len(gaps)
    assert np.abs(observed - (1 - np.exp(-gaps))).max() < 1.63 / math.sqrt(len(gaps))
    for begin, end in ((0, 20), (20, 60), (60, 90), (90, 120)):
        found = np.count_nonzero((times >= begin * 1e9) & (times < end * 1e9))
        expected = schedule.expected(begin, end)
        assert abs(found - expected) < 4 * math.sqrt(expected)


def test_stripes_of_a_poisson_stream_are_not_copies_of_each_other() -> None:
    schedule = Schedule(steady(500, 20), seed=2)
    first, second = (all_of(schedule, stripe, 2)[1] for stripe in (0, 1))
    assert not set(first.tolist()) & set(second.tolist())


def test_uniform_arrivals_are_even() -> None:
    _, times = all_of(Schedule(steady(50, 10), poisson=False))
    assert len(times) == 500
    assert set(np.diff(times).tolist()) == {20_000_000}
    assert times[0] == 10_000_000


@pytest.mark.parametrize("pieces", [ramp(100, 60), spike(100, 60), steps(100, 60), steady(100, 60)])
def test_shapes_bring_what_their_integral_says(pieces: tuple[Piece, ...]) -> None:
    schedule = Schedule(pieces, poisson=False)
    _, times = all_of(schedule)
    for begin, end in ((0, 60), (0, 17), (17, 31.5), (31.5, 60)):
        found = np.count_nonzero((times >= begin * 1e9) & (times < end * 1e9))
        assert abs(found - schedule.expected(begin, end)) <= 1.5
    assert schedule.peak_rate == 100


def test_a_part_without_any_rate_has_no_arrivals() -> None:
    schedule = Schedule((Piece(0, 1, 10, 10), Piece(1, 2, 0, 0), Piece(2, 3, 10, 10)), poisson=False)
    _, times = all_of(schedule)
    assert len(times) == 20
    assert not ((times > 1e9) & (times < 2e9)).any()


def test_how_many_are_due_before_a_time() -> None:
    schedule = Schedule(steady(100, 10), seed=3)
    _, times = all_of(schedule, 1, 3)
    for moment in (0, 1, times[17], times[17] + 1, 10**10):
        assert schedule.count(1, 3, int(moment)) == np.count_nonzero(times < moment)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((), "needs a time"),
        (steady(-1, 5), "below 0"),
        (steady(float("nan"), 5), "finite"),
        (steady(float("inf"), 5), "finite"),
        (steady(0, 5), "from 1 to"),
        (steady(5, 0), "does not come after"),
        (steady(1e9, 100), "from 1 to"),
    ],
)
def test_schedules_that_make_no_sense(pieces: tuple[Piece, ...], words: str) -> None:
    with pytest.raises(ScheduleError, match=words) as told:
        Schedule(pieces)
    assert "\n" not in str(told.value)


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "rates.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("text", ["0,10\n5,20\n10,0\n", "time_s,rate_per_s\n100,10\n105,20\n\n110,0\n"])
def test_a_trace_is_followed(tmp_path: Path, text: str) -> None:
    assert trace(write(tmp_path, text)) == (Piece(0, 5, 10, 20), Piece(5, 10, 20, 0))
    assert trace(write(tmp_path, text), 7.5) == (Piece(0, 5, 10, 20), Piece(5, 7.5, 20, 10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least two lines"),
        ("0,10\n", "at least two lines"),
        ("time,rate\n", "at least two lines"),
        ("0,10\n5\n", "line 2: two numbers"),
        ("0,10\n5,fast\n", "line 2: two numbers"),
        ("a,b\nc,d\n", "line 2: two numbers"),
        ("0,10,3\n5,10,3\n9,1,1\n", "line 1: two numbers"),
        ("0,1O\n5,20\n10,30\n", "line 1: two numbers.*'0,1O'"),  # no header: one of the two is a number
        ("0;10\n5;20\n", "line 1: two numbers"),
        ("time_s,rate_per_s\n0,10\n\n5,1_0\n", "line 4: two numbers"),
        ("0,10\n5,１\n", "line 2: two numbers"),
        ("0,10\n5,1\x002\n", "line 2: two numbers"),
        ('0,10\n"5,20\n', "line 2: unexpected end of data"),
        ("0,10\n5," + "9" * 200_000 + "\n", "line 2: field larger"),
        ("0,10\n5,1e999\n", "line 2: times and rates"),
        ("0,10\n5,-1\n", "line 2: times and rates"),
        ("0,10\n5,nan\n", "line 2: two numbers"),
        ("0,10\n5,20\n5,30\n", "line 3: the time 5 does not come after 5"),
        ("0,10\n5,20\n3,30\n", "line 3: the time 3 does not come after 5"),
        (b"\xff\xfe\x00,1\n", "line 1: no text in UTF-8"),
        (b"0,10\n5,20\n6,\xff\n", "line 3: no text in UTF-8"),
    ],
)
def test_a_broken_trace_is_named_by_its_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ScheduleError, match=words) as told:
        trace(write(tmp_path, text))
    assert "rates.csv" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_trace_that_cannot_be_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # reading it would wait for somebody to write
    for path, why in ((tmp_path / "nothing.csv", "No such file"), (tmp_path, "no file"), (pipe, "no file")):
        with pytest.raises(ScheduleError, match=f"cannot read the trace.*{why}"):
            trace(path)


def test_a_trace_without_any_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError, match="about 0 arrivals"):
        Schedule(trace(write(tmp_path, "0,0\n10,0\n")))


def test_a_long_trace_is_followed_second_by_second() -> None:
    """A day of seconds; each has the arrivals that its rate says."""
    rates = [float(1 + second % 5) for second in range(86_400)]
    pieces = tuple(Piece(second, second + 1, rate, rate) for second, rate in enumerate(rates))
    _, times = all_of(Schedule(pieces, poisson=False))
    assert np.abs(np.bincount(times // 10**9, minlength=86_400) - np.array(rates)).max() <= 1
    assert len(times) == pytest.approx(sum(rates), abs=1)
