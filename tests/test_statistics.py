"""Ranks, shifts, series and change points: against published examples and definitions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.statistics.change_points import LEAST, _energies, change_points, without_pattern
from cdp.statistics.ranks import hodges_lehmann, holm, mann_whitney, midranks
from cdp.statistics.series import autocorrelation, inflation, student_t, variation

numbers = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=15)
long_numbers = st.lists(st.integers(-20, 20).map(float), min_size=8, max_size=15)


def test_midranks_share_the_mean_of_ties() -> None:
    assert midranks([10.0, 20.0, 10.0, 5.0]).tolist() == [2.5, 4.0, 2.5, 1.0]


def test_mann_whitney_of_a_published_example() -> None:
    """Ages at the diagnosis of diabetes, the example of SciPy's manual, whose figures agree with R's."""
    males, females = [19.0, 22, 16, 29, 24], [20.0, 11, 17, 12]
    found = mann_whitney(females, males)
    assert found.u == 17
    assert found.p == pytest.approx(0.11134688653314041)
    assert found.delta == pytest.approx(2 * 17 / 20 - 1)


def test_hodges_lehmann_of_a_published_example() -> None:
    """Permeability of chorioamnion (Hollander and Wolfe, section 4.1): the shift from early to late pregnancy."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert mann_whitney(early, term).u == 35
    assert hodges_lehmann(early, term).estimate == pytest.approx(0.305)


def test_holm_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(numbers, numbers)
def test_u_counts_pairs(one: list[float], two: list[float]) -> None:
    pairs = sum((b > a) + (b == a) / 2 for a in one for b in two)
    found, turned = mann_whitney(one, two), mann_whitney(two, one)
    assert found.u == pytest.approx(pairs)
    assert found.delta == pytest.approx(-turned.delta)
    assert found.p == pytest.approx(turned.p)
    assert 0 <= found.p <= 1


@given(numbers, numbers, st.integers(-50, 50))
def test_a_shift_moves_with_its_sample(one: list[float], two: list[float], by: int) -> None:
    found = hodges_lehmann(one, two)
    moved = hodges_lehmann(one, [value + by for value in two])
    assert found.low <= found.estimate <= found.high
    assert moved.estimate == pytest.approx(found.estimate + by)
    assert found.estimate == np.median([b - a for a in one for b in two])


@given(long_numbers, long_numbers)
def test_dependence_widens_the_interval_and_softens_the_test(one: list[float], two: list[float]) -> None:
    narrow, wide = hodges_lehmann(one, two), hodges_lehmann(one, two, inflation=3.0)
    assert wide.low <= narrow.low and narrow.high <= wide.high
    assert mann_whitney(one, two, 3.0).p >= mann_whitney(one, two).p


def test_the_interval_holds_the_true_shift_as_often_as_it_says() -> None:
    draw = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        shift = hodges_lehmann(draw.normal(0, 1, 12), draw.normal(0.7, 1, 12))
        held += shift.low <= 0.7 <= shift.high
    assert 0.92 <= held / 400 <= 0.98


def test_too_small_a_sample_has_no_interval() -> None:
    assert hodges_lehmann([1.0], [2.0]) == pytest.approx(hodges_lehmann([1.0], [2.0]))
    assert math.isinf(hodges_lehmann([1.0], [2.0]).high)
    with pytest.raises(ValueError, match="empty"):
        mann_whitney([], [1.0])


def test_a_series_that_depends_on_itself_is_told_from_one_that_does_not() -> None:
    draw = np.random.default_rng(1)
    fresh = draw.normal(size=2000)
    carried = [0.0]
    for value in fresh:
        carried.append(0.7 * carried[-1] + value)
    assert abs(autocorrelation(fresh)) < 0.15
    assert autocorrelation(carried) == pytest.approx(0.65, abs=0.1)  # of ranks
    assert inflation(carried) > 3 > 1.5 > inflation(fresh)
    assert inflation([1.0, 1.0, 1.0, 1.0]) >= 1.0
    assert inflation([1.0], [2.0]) == 1.0


def test_the_variation_of_runs_does_not_see_a_step_between_two_levels() -> None:
    draw = np.random.default_rng(2)
    noise = draw.normal(0, 0.02, 40)
    stepped = np.concatenate((noise[:20], noise[20:] + 0.2))
    assert variation(noise.tolist()).deviation == pytest.approx(0.02, rel=0.3)
    assert variation(stepped.tolist()).deviation < np.std(stepped, ddof=1) / 2
    assert math.isinf(variation([1.0]).reach)
    # Two runs at one level differ by 2.8 standard deviations at most in 95 of 100 cases.
    assert variation(noise.tolist()).reach == pytest.approx(1.96 * math.sqrt(2) * 0.02, rel=0.3)


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (4, 2.776), (15, 2.131), (20, 2.086), (40, 2.021), (60, 2.000), (1e9, 1.960)]
)
def test_student_t_is_that_of_the_tables(freedom: float, t: float) -> None:
    assert student_t(freedom) == pytest.approx(t, rel=0.02)
    assert math.isinf(student_t(0.5))


@settings(max_examples=50)
@given(st.lists(st.integers(-5, 5).map(float), min_size=6, max_size=12))
def test_energies_are_those_of_the_definition(values: list[float]) -> None:
    """Matteson and James 2014, equations 5 and 6, with exponent 1."""
    found = _energies(np.array([values]), 2)[0]
    for place, energy in enumerate(found, start=2):
        one, two = values[:place], values[place:]
        m, n = len(one), len(two)
        across = 2 / (m * n) * sum(abs(a - b) for a in one for b in two)
        within = [sum(abs(a - b) for a in part for b in part) / (len(part) * (len(part) - 1)) for part in (one, two)]
        assert energy == pytest.approx(m * n / (m + n) * (across - sum(within)))


def stepped(*levels: tuple[int, float], noise: float = 0.02, seed: int = 3) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.concatenate([level + draw.normal(0, noise, count) for count, level in levels])


def test_steps_are_found_where_they_are() -> None:
    points = change_points(stepped((30, 1.0), (20, 1.2), (25, 1.0)))
    assert [point.index for point in points] == [30, 50]
    assert [(round(p.before, 1), round(p.after, 1)) for p in points] == [(1.0, 1.2), (1.2, 1.0)]
    assert all(point.p <= 0.003 for point in points)


def test_the_same_series_has_always_the_same_change_points() -> None:
    series = stepped((20, 1.0), (9, 1.04), seed=11)
    assert change_points(series) == change_points(series.copy())


def test_a_step_is_found_at_the_border_and_not_beyond() -> None:
    assert [p.index for p in change_points(stepped((40, 1.0), (LEAST, 1.5)))] == [40]
    assert change_points(stepped((40, 1.0), (LEAST - 1, 1.5))) == []
    assert change_points([1.0] * 50) == []
    assert change_points([]) == []


def test_single_bad_nights_are_no_change() -> None:
    series = stepped((50, 1.0))
    series[[12, 30, 48, 49]] += 2.0
    assert change_points(series) == []


def test_a_pattern_of_the_week_is_no_change_and_hides_none() -> None:
    days = [number % 7 for number in range(63)]
    week = np.array([0.1 if day >= 5 else 0.0 for day in days])
    calm = stepped((63, 1.0)) + week
    assert change_points(calm, days) == []
    moved = stepped((56, 1.0), (7, 1.1)) + week
    assert [point.index for point in change_points(moved, days)] == [56]
    assert np.ptp(without_pattern(calm, days)) < np.ptp(calm)


def test_medians_are_of_the_parts_between_change_points() -> None:
    series = stepped((30, 1.0), (20, 1.2), (25, 1.0))
    points = change_points(series)
    for one, two in pairwise(points):
        assert one.after == two.before == np.median(series[one.index : two.index])
