"""Runs compared: cells that broke or were mended, load that became slower, and what says nothing about each other."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from rich.console import Console

from benchmarks.simulated_nights import CHANNEL, USUAL, Build, load_run
from cdp.comparison.capacity import compare_capacities
from cdp.comparison.cells import compare_contract_runs
from cdp.comparison.load import compare_load_runs
from cdp.comparison.model import Comparison, Row, Told
from cdp.load_figures import Error
from cdp.load_results import LoadRun
from cdp.results import Run
from cdp.targets import TargetError
from cdp.verdicts import Result, Verdict
from load.admission import find_target
from load.options import LoadOptions
from reports.comparison import print_comparison
from tests.sample_runs import HOSTILE, broken, result, run_of

WARN, SKIP, ERROR = Verdict.WARN, Verdict.SKIP, Verdict.ERROR


def contract(*results: Result, **header: Any) -> Run:
    kept = [result(f"CODE-0{number}/read_tag") for number in range(1, 4)]
    return run_of(*kept, *results, header={"profile": "release", **header})


def of(found: Comparison, subject: str, measure: str = "") -> Row:
    """The only row of a subject."""
    (row,) = [row for row in found.rows if row.subject == subject and measure in row.measure]
    return row


# --- contract runs ----------------------------------------------------------------------------------------------------


def test_new_and_fixed_cells_are_told_and_what_stays_broken_is_not_new() -> None:
    before = contract(result("PAGE-01/a"), broken("PAGE-02/a"), broken("PAGE-03/a"))
    after = contract(broken("PAGE-01/a"), result("PAGE-02/a"), broken("PAGE-03/a"))
    found = compare_contract_runs(before, after)
    assert (found.told, found.exit_code) == (Told.WORSE, 1)
    assert {row.subject: row.told for row in found.rows} == {"PAGE-01/a": Told.WORSE, "PAGE-02/a": Told.BETTER}
    assert found.sentence == "1 cell broken that was not, 1 cell mended; 1 broken in both"


def test_equal_runs_show_no_change_and_fewer_failures_are_better() -> None:
    run, better = contract(broken("PAGE-01/a")), contract(result("PAGE-01/a"))
    same = compare_contract_runs(run, run)
    assert (same.told, same.exit_code, same.rows) == (Told.UNCHANGED, 0, [])
    assert (compare_contract_runs(run, better).told, compare_contract_runs(better, run).told) == (
        Told.BETTER,
        Told.WORSE,
    )


@pytest.mark.parametrize(
    ("after", "header", "expected"),
    [
        (broken("PAGE-01/a", WARN, level="SHOULD"), {}, Told.UNCHANGED),
        (broken("PAGE-01/a", WARN, level="SHOULD"), {"strict": True}, Told.WORSE),
        (broken("PAGE-01/a", level="MAY"), {}, Told.UNCHANGED),
        (result("PAGE-01/a", SKIP), {}, Told.UNCHANGED),
        (result("PAGE-01/a", ERROR), {}, Told.UNKNOWN),
        (broken("PAGE-01/new"), {}, Told.WORSE),
    ],
)
def test_what_counts_as_broken(after: Result, header: dict[str, Any], expected: Told) -> None:
    assert compare_contract_runs(contract(result("PAGE-01/a"), **header), contract(after, **header)).told is expected


def test_an_accepted_failure_is_not_new() -> None:
    entry = {"cell": "PAGE-01/a", "reason": "known", "until": "9999-01-01"}
    found = compare_contract_runs(contract(result("PAGE-01/a")), contract(broken("PAGE-01/a"), baseline=[entry]))
    assert found.told is Told.UNCHANGED


def test_errors_hide_no_broken_cell_and_lost_coverage_is_noted() -> None:
    before = contract(result("PAGE-01/a"), result("PAGE-02/a"), result("PAGE-03/a"))
    after = contract(broken("PAGE-01/a"), result("PAGE-02/a", ERROR), result("PAGE-03/a", SKIP))
    found = compare_contract_runs(before, after)
    assert found.told is Told.WORSE
    assert "1 cell no longer exercised" in found.notes


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (contract(profile="quick"), "other profile: release and quick"),
        (contract(cells=99), "the second run judged nothing for sure"),
        (run_of(result("CODE-01/read_tag"), header={"profile": "release"}, finished=False), "the second run judged"),
        (run_of(result("CODE-01/read_tag"), header={"profile": "release"}, obstacle="down"), "the second run judged"),
        (run_of(result("CODE-01/other"), header={"profile": "release"}), "no cell in common"),
    ],
)
def test_contract_runs_that_say_nothing_about_each_other(after: Run, why: str) -> None:
    found = compare_contract_runs(contract(), after)
    assert (found.told, found.exit_code) == (Told.UNKNOWN, 3)
    assert why in found.sentence and "\n" not in found.sentence


# --- load runs --------------------------------------------------------------------------------------------------------


def simulated(seed: int = 1, build: Build = USUAL, **options: Any) -> LoadRun:
    return load_run(np.random.default_rng(seed), build, **options)


def test_a_run_shows_no_change_against_itself() -> None:
    run = simulated()
    found = compare_load_runs(run, run)
    assert (found.told, found.exit_code) == (Told.UNCHANGED, 0)
    p50 = of(found, "all operations", "p50")
    assert p50.numbers["shift"] == 0
    assert p50.sentence.startswith("no evidence of change (−")


def test_a_slower_build_is_told_with_an_interval_around_the_truth() -> None:
    found = compare_load_runs(simulated(1), simulated(2, slower=0.4))
    p50 = of(found, "all operations", "p50")
    assert (found.told, found.exit_code, p50.told) == (Told.WORSE, 1, Told.WORSE)
    assert p50.numbers["low"] < 0.4 < p50.numbers["high"]
    assert p50.sentence.startswith("slower by ") and p50.sentence.endswith(" %")
    assert "slower by" in found.sentence
    assert compare_load_runs(simulated(2, slower=0.4), simulated(1)).told is Told.BETTER


def test_accepted_runs_tell_the_noise_and_make_small_changes_visible_or_not() -> None:
    steady = replace(USUAL, second_noise=0.03, run_noise=0.0)
    before, now = simulated(1, steady), simulated(2, steady, slower=0.15)
    for run_noise, seen in ((0.01, True), (0.15, False)):
        draw = np.random.default_rng(4)
        accepted = [load_run(draw, replace(steady, run_noise=run_noise)) for _ in range(8)]
        p50 = of(compare_load_runs(before, now, accepted), "all operations", "p50")
        assert (p50.told is Told.WORSE) == seen, p50


def test_what_varies_too_much_cannot_be_told() -> None:
    wild = replace(USUAL, second_noise=0.9, dependence=0.0, spread=1.0)
    found = compare_load_runs(simulated(1, wild, rate=30), simulated(2, wild, rate=30))
    assert (found.told, found.exit_code) == (Told.UNKNOWN, 3)
    assert found.reasons


def test_one_bad_second_is_no_change() -> None:
    run, other = simulated(1), simulated(2)
    other.spans[30] = replace(other.spans[30], channels=simulated(3, slower=20.0).spans[30].channels)
    assert compare_load_runs(run, other).told is Told.UNCHANGED


def test_rising_failures_and_newly_broken_requirements_are_worse() -> None:
    run, other, third = simulated(1), simulated(2), simulated(3)
    for span in other.spans:
        figures = span.channels[CHANNEL]
        figures.good, figures.failed = figures.good - 3, 3
    found = compare_load_runs(run, other)
    assert of(found, "all operations", "failed").told is Told.WORSE and found.told is Told.WORSE
    third.spans[5].channels[CHANNEL].errors = Counter({Error("no id", "", "SHAPE-01"): 2})
    found = compare_load_runs(run, third)
    assert (of(found, "SHAPE-01").told, found.exit_code) == (Told.WORSE, 1)
    assert compare_load_runs(third, run).told is Told.BETTER


def test_fewer_good_answers_are_worse() -> None:
    run, other = simulated(1), simulated(2)
    for span in other.spans:
        figures = span.channels[CHANNEL]
        figures.good, figures.failed = figures.good // 2, figures.good - figures.good // 2
    row = of(compare_load_runs(run, other), "all operations", "good answers")
    assert row.told is Told.WORSE and row.sentence.startswith("less by ")


@pytest.mark.parametrize(
    ("header", "footer", "why"),
    [
        ({"load": "ingest"}, {}, "other scenario: search and ingest"),
        ({"schedule": "200/s for 60 s"}, {}, "other schedule: 100/s for 60 s and 200/s for 60 s"),
        ({"objectives": "p99<1s"}, {}, "other objectives: none and p99<1s"),
        ({"loop": "closed"}, {}, "other loop"),
        ({"planned_s": 90}, {}, "other time: 60 s and 90 s"),
        ({"options": {"batch": "9"}}, {}, "other batch: 50 and 9"),
        ({"machine": {"processor": "another", "cores": 2}}, {}, "other machine"),
        (
            {},
            {"health": {"inconclusive": True, "reasons": ["CPU"], "notes": [], "line": ""}},
            "limited by its generator",
        ),
        ({}, {"interrupted": True}, "the second run ended before its time"),
    ],
)
def test_load_runs_that_say_nothing_about_each_other(header: dict[str, Any], footer: dict[str, Any], why: str) -> None:
    before, after = simulated(1), simulated(2)
    before.header["options"] = {"batch": "50", "seed": 1}
    after.header = {**after.header, "options": {"batch": "50", "seed": 2}, **header}
    after.footer = {**(after.footer or {}), **footer}
    found = compare_load_runs(before, after)
    assert (found.told, found.exit_code) == (Told.UNKNOWN, 3)
    assert why in found.sentence and "\n" not in found.sentence


def test_cut_off_and_short_runs_cannot_be_told() -> None:
    cut = replace(simulated(), footer=None)
    assert "was cut off" in compare_load_runs(simulated(), cut).sentence
    assert "too short: 12 s" in compare_load_runs(simulated(1, seconds=12), simulated(2, seconds=12)).sentence


def test_warm_up_and_drain_are_left_out() -> None:
    run, other = simulated(1, seconds=70), simulated(2, seconds=70)
    for number in (*range(10), *range(65, 70)):
        other.spans[number] = replace(
            other.spans[number], channels=simulated(3, slower=9.0, seconds=70).spans[9].channels
        )
    for each in (run, other):
        each.header |= {"warm_up_s": 10, "planned_s": 65}
    assert compare_load_runs(run, other).told is Told.UNCHANGED


# --- searches for capacity --------------------------------------------------------------------------------------------


def search(low: float, high: float, **header: Any) -> LoadRun:
    """A search that found its limit in the middle of this interval."""
    run = simulated(seconds=1)
    found = {"rate": (low + high) / 2, "low": low, "high": high}
    head = {**run.header, "options": {"find_capacity": True}, **header}
    return LoadRun(head, footer={**(run.footer or {}), "capacity": found})


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(150, 170, Told.WORSE), (175, 190, Told.UNCHANGED), (190, 210, Told.UNCHANGED), (260, 280, Told.BETTER)],
)
def test_a_capacity_fell_or_rose_when_its_intervals_lie_apart(low: float, high: float, expected: Told) -> None:
    found = compare_capacities(search(190, 210), search(low, high))
    assert found.told is expected, found.sentence
    assert Comparison.from_record(found.as_record()) == found


def test_searches_that_found_nothing_or_asked_something_else_cannot_be_told() -> None:
    nothing = replace(search(190, 210), footer={"decision": {}})
    assert "the second run found no limit" in compare_capacities(search(190, 210), nothing).sentence
    other = search(190, 210, objectives="p99<1s")
    assert compare_capacities(search(190, 210), other).told is Told.UNKNOWN


# --- both -------------------------------------------------------------------------------------------------------------


def test_comparisons_survive_being_stored() -> None:
    for found in (
        compare_load_runs(simulated(1), simulated(2, slower=0.3)),
        compare_contract_runs(contract(), contract()),
    ):
        assert Comparison.from_record(orjson.loads(orjson.dumps(found.as_record()))) == found


def test_texts_of_a_target_stay_texts_on_the_terminal() -> None:
    after = [broken(f"PAGE-0{n}/a", sentence=text) for n, text in enumerate(HOSTILE[:9], start=1)]
    found = compare_contract_runs(contract(), contract(*after))
    console = Console(file=io.StringIO(), width=200, markup=False, highlight=False)
    print_comparison(found, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\x1b" not in text and "\u202e" not in text and "WORSE" in text


def test_the_embedded_instance_has_one_name_in_all_its_runs_and_no_other_host_takes_it() -> None:
    account = {"CDP_TOKEN": "a-token"}
    options = LoadOptions(scenario="search", rate=10.0, time_s=5, target="embedded")
    assert find_target(options, "http://127.0.0.1:8123/api", account).name == "embedded"
    with pytest.raises(TargetError, match="does not allow load"):
        find_target(options, "https://staging.example.com/api", account)
