"""The store of a target's runs: what it keeps, what it answers, and what becomes of it when something goes wrong."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.history import build
from benchmarks.simulated_nights import load_run
from cdp.cli import history as cdp_history
from cdp.comparison.history import histories
from cdp.history import HISTORY_FILE, HistoryError, Since, known_of, last_runs, rebuild, record, since
from cdp.targets import EMBEDDED
from cdp.verdicts import Result, Verdict
from reports.earlier import past_of
from tests.sample_runs import broken, result
from tests.stored_runs import store_contract, store_load
from tests.test_command_line import cdp
from tests.test_history import store_night

FIRST = datetime(2027, 1, 4, 2, tzinfo=UTC)


def night(runs: Path, number: int, *results: Result, **header: object) -> Path:
    """A stored contract run, its directory."""
    store_contract(runs / f"n{number}", *results, started=(FIRST + timedelta(number)).isoformat(), **header)
    return runs / f"n{number}"


def test_since_names_the_first_of_the_runs_without_a_break(tmp_path: Path) -> None:
    cell = "PAGE-01/list_tags/admin"
    night(tmp_path, 0, broken(cell))
    night(tmp_path, 1, result(cell))
    night(tmp_path, 2, broken(cell))
    night(tmp_path, 3, result(cell, Verdict.SKIP))
    last = night(tmp_path, 4, broken(cell, Verdict.WARN), broken("PAGE-02/list_tags"))
    assert since(last) == {
        cell: Since("n2", FIRST + timedelta(2), runs=2, known_before=True),
        "PAGE-02/list_tags": Since("n4", FIRST + timedelta(4), runs=1, known_before=False),
    }
    assert since(tmp_path / "n2") == {cell: Since("n2", FIRST + timedelta(2), runs=1, known_before=True)}
    assert since(tmp_path / "n2")[cell].new and not since(last)[cell].new
    assert since(tmp_path / "n0") == {cell: Since("n0", FIRST, runs=1, known_before=False)}


def test_runs_of_another_profile_or_target_say_nothing(tmp_path: Path) -> None:
    cell = "PAGE-01/list_tags"
    night(tmp_path, 0, result(cell))
    night(tmp_path, 1, result(cell), profile="quick")
    night(tmp_path, 2, broken(cell), target="other")
    last = night(tmp_path, 3, broken(cell))
    assert since(last) == {cell: Since("n3", FIRST + timedelta(3), runs=1, known_before=True)}


def test_deleted_runs_stay_in_the_store_and_have_no_page(tmp_path: Path) -> None:
    cell = "PAGE-01/list_tags"
    for number in range(3):
        directory = night(tmp_path, number, broken(cell))
        (directory / "report.html").touch()
        assert record(directory / "results.jsonl") == ""
    assert since(directory)[cell].page == "../n0/report.html"
    shutil.rmtree(tmp_path / "n0")
    assert since(directory)[cell] == Since("n0", FIRST, runs=3, known_before=False)
    assert [run.name for run in last_runs("staging", runs=tmp_path)] == ["n0", "n1", "n2"]
    assert [run.name for run in last_runs("staging", 2, tmp_path)] == ["n1", "n2"]
    count, unread = rebuild(tmp_path)
    assert (count, unread) == (2, [])
    assert [run.name for run in last_runs("staging", runs=tmp_path)] == ["n1", "n2"]


def test_a_run_that_was_going_on_is_read_again(tmp_path: Path) -> None:
    whole = store_contract(tmp_path / "whole", broken("PAGE-01/a"), started=FIRST.isoformat()).read_bytes()
    part = tmp_path / "n1" / "results.jsonl"
    part.parent.mkdir()
    part.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert last_runs("staging", 1, tmp_path)[0].headline == "NO-GO"
    assert {run.name: run.headline for run in last_runs("staging", runs=tmp_path)}["n1"] == "CANNOT TELL"
    part.write_bytes(whole)
    assert {run.name: run.headline for run in last_runs("staging", runs=tmp_path)}["n1"] == "NO-GO"


def test_load_runs_keep_their_figures_by_operation(tmp_path: Path) -> None:
    run = load_run(np.random.default_rng(1), seconds=1)
    operation = {"scenario": "search", "method": "GET", "name": "/x", "rate_per_s": 5.0, "latency_ms": {"p99": 30.0}}
    whole = {"rate_per_s": 5.0, "latency_ms": {"p50": 10.0, "p99": 30.0}}
    run.footer = {**(run.footer or {}), "totals": [operation, whole]}
    store_load(tmp_path / "load", run, started=FIRST.isoformat())
    (kept,) = last_runs("staging", runs=tmp_path)
    assert kept.kind == "load/search" and kept.started == FIRST
    assert kept.figures == {"p50": 10.0, "p99": 30.0, "rate": 5.0}
    assert kept.operations == {"search: GET /x": {"p99": 30.0, "rate": 5.0}}
    assert kept.load_run.decision.headline == kept.headline
    assert since(tmp_path / "load") == {}


def test_a_search_for_capacity_keeps_its_interval(tmp_path: Path) -> None:
    run = load_run(np.random.default_rng(1), seconds=1)
    run.header = {**run.header, "options": {"find_capacity": True}}
    run.footer = {**(run.footer or {}), "capacity": {"rate": 120.0, "low": 110, "high": 131.5}}
    store_load(tmp_path / "load", run, started=FIRST.isoformat())
    (kept,) = last_runs("staging", runs=tmp_path)
    assert kept.figures == {"capacity": 120.0} and kept.interval == (110.0, 131.5)


def test_a_damaged_store_is_one_line_and_can_be_made_again(tmp_path: Path) -> None:
    directory = night(tmp_path, 0, broken("PAGE-01/a"))
    (tmp_path / HISTORY_FILE).write_bytes(b"this is no database, but long enough to look like one" * 40)
    problem = record(directory / "results.jsonl")
    assert "damaged" in problem and "cdp history --rebuild" in problem and "\n" not in problem
    found, unread = histories(tmp_path, "staging")  # what stands there is shown all the same
    assert [len(each.nights) for each in found] == [1] and "damaged" in unread[0]
    again = cdp("history", "--rebuild", "--runs", str(tmp_path))
    assert again.returncode == 0 and "1 run" in again.stderr
    assert record(directory / "results.jsonl") == ""


def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / HISTORY_FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    directory = night(tmp_path, 0)
    assert "its version is 99" in record(directory / "results.jsonl")


def test_a_directory_that_is_not_there_has_no_history(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no directory"):
        rebuild(tmp_path / "none")
    assert last_runs("staging", runs=tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_what_is_broken_and_since_when_as_a_command(tmp_path: Path) -> None:
    night(tmp_path, 0, result("PAGE-01/a"), broken("PAGE-02/a"))
    night(tmp_path, 1, broken("PAGE-01/a"), broken("PAGE-02/a"))
    done = cdp("history", "--target", "staging", "--broken", "--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "new in this run" in done.stdout and "since n0 or longer (2 runs)" in done.stdout
    assert "PAGE-01/a" in done.stdout
    none = cdp("history", "--target", "other", "--broken", "--runs", str(tmp_path))
    assert none.returncode == 3 and "no contract run of other" in none.stderr


def test_a_page_has_the_earlier_runs_and_since_which_of_them(tmp_path: Path) -> None:
    cell = "PAGE-01/list_tags"
    for number, item in enumerate((result(cell), broken(cell), broken(cell))):
        directory = night(tmp_path, number, item)
        (directory / "report.html").touch()
        record(directory / "results.jsonl")
    shutil.rmtree(tmp_path / "n0")
    known, runs = known_of(directory)
    past = past_of(tmp_path, known, runs)
    assert [(night.name, night.href) for night in past.nights] == [
        ("n0", ""),
        ("n1", "../n1/report.html"),
        ("n2", "../n2/report.html"),
    ]
    assert past.since[cell].name == "n1" and past.nights[1].figures["FAIL"] == "1"
    earlier = known_of(tmp_path / "n1")[1]
    assert [run.name for run in earlier] == ["n0", "n1"], "a run knows nothing of those after it"
    assert known_of(tmp_path / "none") == ({}, [])


def test_the_page_of_a_load_run_names_the_night_on_which_a_series_moved(tmp_path: Path) -> None:
    run = load_run(np.random.default_rng(1), seconds=1)
    for number in range(40):
        store_night(tmp_path, number, 200.0 if number < 30 else 300.0 + number % 3, run)
    record(tmp_path / "night-039" / "results.jsonl")
    past = past_of(tmp_path, *known_of(tmp_path / "night-039"))
    assert len(past.nights) == 30 and past.figures == ["p50", "p99", "rate"]
    (moved,) = [night for night in past.nights if night.note]
    assert moved.name == "night-030" and "p99 latency moved on" in moved.note


def test_without_a_target_it_is_the_embedded_one() -> None:
    assert cdp_history.EMBEDDED == EMBEDDED


def test_the_benchmark_builds_what_it_says(tmp_path: Path) -> None:
    build(tmp_path, 30, 200)
    assert len(last_runs("staging", 100, tmp_path, "contract/release")) == 30
    assert len(last_runs("staging", 100, tmp_path, "load/mixed")) == 3
    found = since(tmp_path / "run-00029")
    assert any(each.runs > 20 and not each.known_before for each in found.values())
