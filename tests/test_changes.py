"""Whether changes are told from noise, in the small: false alarms are rare, and a change is found soon."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.changes import compare, measure
from benchmarks.simulated_nights import USUAL
from cdp.comparison.model import Told


def test_unchanged_nights_give_no_alarm_and_a_change_is_found_within_five() -> None:
    found = measure(0.02, 15, watched=1, latest=5)
    assert found.at_the_end <= 1
    assert found.within(5) >= 0.9


def test_the_same_build_is_not_called_slower_and_a_slower_one_is() -> None:
    build = replace(USUAL, run_noise=0.02)
    same = compare(10, build, 0.0, accepted=8)
    assert same[Told.WORSE] + same[Told.BETTER] <= 1
    assert compare(8, build, 0.4, accepted=8)[Told.WORSE] >= 7


def test_without_accepted_runs_small_differences_are_no_verdict() -> None:
    build = replace(USUAL, run_noise=0.05)
    same = compare(15, build, 0.0, accepted=0)
    assert same[Told.WORSE] + same[Told.BETTER] <= 1
    assert compare(8, build, 0.5, accepted=0)[Told.WORSE] >= 7
