"""The runs of a target in a row: what is shown, what is left out, and where a series moved."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.simulated_nights import load_run, nights
from cdp.comparison.history import History, histories
from cdp.load_results import LoadRun
from reports.comparison import print_endings, print_history
from tests.sample_runs import broken
from tests.stored_runs import store_contract, store_load
from tests.test_command_line import cdp

FIRST = datetime(2027, 1, 4, 2, tzinfo=UTC)


def store_night(runs: Path, number: int, p99_ms: float, run: LoadRun, **header: Any) -> None:
    """A night whose footer tells this p99."""
    whole = {"latency_ms": {"p50": p99_ms / 4, "p99": p99_ms}, "rate_per_s": 100.0}
    night = LoadRun(run.header, run.spans[:1], footer={**(run.footer or {}), "totals": [whole]})
    started = (FIRST + timedelta(number)).isoformat()
    store_load(runs / f"night-{number:03d}", night, started=started, **header)


def shown(history: History, last: int = 30) -> str:
    console = Console(file=io.StringIO(), width=160, markup=False, highlight=False)
    print_history(history, console, last)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_night_on_which_a_series_moved_is_named(tmp_path: Path) -> None:
    run = load_run(np.random.default_rng(1), seconds=1)
    series = nights(np.random.default_rng(1), 45, 0.02, 0.15, 40)
    for number, value in enumerate(series.values):
        store_night(tmp_path, number, float(np.exp(value)) * 1000, run)
    (history,), unread = histories(tmp_path, "staging")
    assert not unread and history.kind == "load/search" and len(history.nights) == 45
    moved = {each.figure: each for each in history.moved}
    assert set(moved) == {"p50", "p99"}
    assert moved["p99"].night.directory.name == "night-040"
    assert 0.10 < moved["p99"].share < 0.20
    text = shown(history)
    assert "p99 latency moved on 2027-02-13, with night-040" in text
    assert "15 earlier runs not shown" in text


def test_runs_that_asked_something_else_or_judged_nothing_are_in_no_series(tmp_path: Path) -> None:
    run = load_run(np.random.default_rng(1), seconds=1)
    limited = LoadRun(run.header, run.spans, footer={**(run.footer or {}), "interrupted": True})
    store_night(tmp_path, 0, 200, run, schedule="7/s for 60 s")
    store_night(tmp_path, 1, 200, limited)
    store_night(tmp_path, 2, 200, run, objectives="p99<1s")
    store_night(tmp_path, 3, 200, run)
    (history,), _ = histories(tmp_path, "staging")
    assert [bool(night.left_out) for night in history.nights] == [True, True, False, False]
    assert "left out: other schedule" in shown(history)


def test_each_kind_of_run_has_its_own_rows_and_other_targets_have_none(tmp_path: Path) -> None:
    for number, results in enumerate(([], [broken("PAGE-01/a")])):
        store_contract(tmp_path / f"c{number}", *results, started=(FIRST + timedelta(number)).isoformat())
    store_contract(tmp_path / "other", target="other", started=FIRST.isoformat())
    store_night(tmp_path, 0, 200, load_run(np.random.default_rng(1), seconds=1))
    found, _ = histories(tmp_path, "staging")
    assert [history.kind for history in found] == ["contract/release", "load/search"]
    assert [night.headline for night in found[0].nights] == ["GO", "NO-GO"]
    assert "NO-GO" in shown(found[0])


def test_history_as_a_command(tmp_path: Path) -> None:
    runs = ("--runs", str(tmp_path))
    nothing = cdp("history", "--target", "staging", *runs)
    assert nothing.returncode == 3 and "no run of staging is stored" in nothing.stderr
    as_json = cdp("history", "--target", "staging", "--json", *runs)
    assert (as_json.returncode, json.loads(as_json.stdout)["histories"]) == (3, [])
    broken = cdp("history", "--target", "staging", "--broken", "--json", *runs)
    assert (broken.returncode, json.loads(broken.stdout)["cells"]) == (3, {})
    store_contract(tmp_path / "a", started=FIRST.isoformat())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "results.jsonl").write_text("{\n")
    done = cdp("history", "--target", "staging", *runs)
    assert done.returncode == 0 and "2027-01-04" in done.stdout
    assert "left out" in done.stderr and "Traceback" not in done.stderr


def test_a_narrow_terminal_has_one_line_for_each_run_and_one_for_runs_alike(tmp_path: Path) -> None:
    run = load_run(np.random.default_rng(1), seconds=1)
    for number in range(4):
        store_load(
            tmp_path / f"202701{number + 4:02d}T020000Z-staging", run, started=(FIRST + timedelta(number)).isoformat()
        )
        contract = tmp_path / f"202701{number + 4:02d}T030000Z-staging"
        failed = [broken("PAGE-01/list_tags")] if number else []
        store_contract(contract, *failed, started=(FIRST + timedelta(number, hours=1)).isoformat())
    found, _ = histories(tmp_path, "staging")
    console = Console(file=io.StringIO(), width=80, markup=False, highlight=False)
    for each in found:
        print_history(each, console, 30)
    print_endings(found, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("T020000Z-staging" in line and "MET" in line for line in lines) == 4
    assert [line.split()[:2] for line in lines if "T030000Z" in line] == [
        ["20270104T030000Z-staging", "GO"],
        ["20270105T030000Z-staging", "NO-GO"],
    ]
    assert "3 runs alike" in console.file.getvalue()
    assert "since 2027-01-05, 3 runs" in next(line for line in lines[-2:] if "contract/release" in line)
