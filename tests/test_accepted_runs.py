"""Runs that were accepted, and the commands that compare with them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest

from benchmarks.simulated_nights import load_run
from cdp.cli import main
from cdp.cli.compare import compared
from cdp.comparison.accepted import ACCEPTED_FILE, accept, last_accepted, read_accepted
from cdp.comparison.model import Told
from cdp.comparison.stored import compare_runs
from cdp.load_results import LoadRun
from cdp.records import ResultsError
from cdp.verdicts import Result, Verdict
from tests.sample_runs import broken, result
from tests.stored_runs import store_contract, store_load


def simulated(seed: int = 1, **options: Any) -> LoadRun:
    return load_run(np.random.default_rng(seed), **options)


def test_the_last_accepted_run_of_target_and_kind_is_compared_with(tmp_path: Path) -> None:
    first, second = store_contract(tmp_path / "a"), store_contract(tmp_path / "b")
    other, quick = store_contract(tmp_path / "c", target="other"), store_contract(tmp_path / "d", profile="quick")
    load, now = store_load(tmp_path / "e", simulated()), store_contract(tmp_path / "f")
    assert last_accepted(now, tmp_path) is None
    for path in (first, second, other, quick, load):
        accept(path, tmp_path)
    found = last_accepted(now, tmp_path)
    assert found is not None and (found.results, found.accepted) == (second, [first, second])
    again = last_accepted(second, tmp_path)
    assert again is not None and again.results == first
    accept(first, tmp_path)
    assert [(e.kind, e.run) for e in read_accepted(tmp_path)][-1] == ("contract/release", "a")
    assert len(read_accepted(tmp_path)) == 5


def test_of_load_runs_the_last_that_asked_the_same_is_compared_with(tmp_path: Path) -> None:
    same, faster = store_load(tmp_path / "a", simulated()), store_load(tmp_path / "b", simulated(rate=200))
    now = store_load(tmp_path / "c", simulated(2))
    accept(same, tmp_path)
    accept(faster, tmp_path)
    found = last_accepted(now, tmp_path)
    assert found is not None and found.results == same
    assert compare_runs(found.results, now, found.accepted).told is Told.UNCHANGED


def test_what_judged_nothing_is_not_accepted_and_broken_lists_are_told(tmp_path: Path) -> None:
    cut = store_contract(tmp_path / "a", cells=99)
    with pytest.raises(ResultsError, match="cannot be accepted"):
        accept(cut, tmp_path)
    gone = store_contract(tmp_path / "b")
    accept(gone, tmp_path)
    gone.unlink()
    with pytest.raises(ResultsError, match="is gone"):
        last_accepted(store_contract(tmp_path / "c"), tmp_path)
    for broken_text in (b"[]", b"{", orjson.dumps({"schema": 9, "accepted": []})):
        (tmp_path / ACCEPTED_FILE).write_bytes(broken_text)
        with pytest.raises(ResultsError):
            read_accepted(tmp_path)


def test_a_contract_run_and_a_load_run_cannot_be_compared(tmp_path: Path) -> None:
    one, two = store_contract(tmp_path / "a"), store_load(tmp_path / "b", simulated())
    assert compare_runs(one, two, []).exit_code == 3


# --- the commands -----------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    output: str
    errors: str


Command = Callable[..., Said]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """`cdp` with these arguments, within this process; the runs are in the test's directory."""

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["cdp", *arguments, "--runs", str(tmp_path)])
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return Said(code, *capsys.readouterr())

    return call


def test_compare_and_accept_as_commands(tmp_path: Path, command: Command) -> None:
    good = store_contract(tmp_path / "good", result("PAGE-01/a"))
    bad = store_contract(tmp_path / "bad", broken("PAGE-01/a"))
    assert command("compare", "good", "bad").code == 1
    assert command("compare", str(good.parent), str(good)).code == 0
    nothing = command("compare", "accepted", "bad")
    assert nothing.code == 3 and "no run of this target and kind was accepted yet" in nothing.output
    accepted = command("accept", "good")
    assert accepted.code == 0 and "contract/release of staging" in accepted.output
    for word in ("accepted", "baseline"):
        found = command("compare", word, str(bad))
        assert found.code == 1 and "PAGE-01/a" in found.output


@pytest.mark.parametrize("arguments", [("compare", "nowhere", "good"), ("accept", "nowhere"), ("report", "nowhere")])
def test_a_run_that_is_not_there_is_one_line(arguments: tuple[str, ...], tmp_path: Path, command: Command) -> None:
    store_contract(tmp_path / "good")
    done = command(*arguments)
    assert done.code == 2
    assert "no run is stored as nowhere" in done.errors and len(done.errors.splitlines()) == 1


def test_reports_are_made_again_by_command(tmp_path: Path, command: Command) -> None:
    store_contract(tmp_path / "good")
    assert command("report", "good").code == 0
    assert (tmp_path / "good" / "report.html").stat().st_size > 1000


@pytest.mark.parametrize(
    ("own", "now", "code"),
    [
        (0, broken("PAGE-01/a"), 1),
        (0, result("PAGE-01/a"), 0),
        (0, result("PAGE-01/a", Verdict.ERROR), 3),
        (3, broken("PAGE-01/a"), 3),
    ],
)
def test_a_run_against_the_accepted_one_ends_with_the_codes_of_both(
    own: int, now: Result, code: int, tmp_path: Path
) -> None:
    accept(store_contract(tmp_path / "good", result("PAGE-01/a")), tmp_path)
    results = store_contract(tmp_path / "now", now)
    assert compared(own, results, "accepted", tmp_path)[0] == code
    assert compared(own, results, None, tmp_path) == (own, None)
