"""The time a run may take: what is refused, and how much is kept back. No clock of the machine is looked at."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from contracts.budget import CLOSING_S, Budget, Depth, DepthError, clean_up_s, depth_of
from contracts.examples import EXAMPLES, ExamplesError, examples_for


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_runs_from_its_making() -> None:
    clock = Hands()
    budget = Budget(10, clock)
    assert budget.left_s == 600
    clock.now += 599
    assert budget.left_s == 1
    clock.now += 2
    assert budget.left_s == -1


@pytest.mark.parametrize("profile", ["quick", "release"])
def test_a_budget_is_for_the_nightly_profile(profile: str) -> None:
    with pytest.raises(DepthError, match=f"a budget is for the nightly profile; {profile} always does the same"):
        depth_of(profile, 10)


@pytest.mark.parametrize("minutes", [0, -1, 0.05, 1441, math.inf, math.nan])
def test_a_budget_that_makes_no_sense_is_refused(minutes: float) -> None:
    with pytest.raises(DepthError, match=r"a budget is a number of minutes from 0\.1 to 1440, not ") as refusal:
        depth_of("nightly", minutes)
    assert "\n" not in str(refusal.value)


def test_what_each_profile_is_given() -> None:
    assert depth_of("quick") == Depth()
    assert depth_of("release").examples == depth_of("nightly").examples == EXAMPLES
    assert depth_of("nightly", examples="here").examples == Path("here")
    budget = depth_of("nightly", 45).budget
    assert budget is not None and budget.minutes == 45


def test_examples_of_a_profile_that_keeps_none_are_refused() -> None:
    with pytest.raises(DepthError, match="the quick profile keeps no examples"):
        depth_of("quick", examples="here")


def test_a_place_where_nothing_can_be_kept_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ExamplesError, match=r"cannot keep examples in .*taken/staging: Not a directory"):
        examples_for(tmp_path / "taken", "staging")


@pytest.mark.parametrize("target", ["..", ".", "a/../../b", "", "https://staging.example.com/api"])
def test_no_name_of_a_target_leads_out_of_the_directory(tmp_path: Path, target: str) -> None:
    examples = examples_for(tmp_path / "examples", target)
    assert examples is not None and examples.directory.parent == tmp_path / "examples"


def test_what_is_kept_back_grows_with_the_records_and_with_the_time_that_each_takes() -> None:
    few, many, slow = clean_up_s(10, 3, 0.01), clean_up_s(1000, 3, 0.01), clean_up_s(1000, 3, 0.15)
    assert CLOSING_S < few < many < slow
    assert clean_up_s(1250, 20, 0.01, max_rps=10) > 125, "ten requests a second are no more, however fast the answers"
    assert clean_up_s(0, 0, 0.5) == CLOSING_S, "who created nothing has nothing to remove"
