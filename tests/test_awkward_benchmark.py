"""The benchmark of false alarms: what counts as one, and a run of it from end to end."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.awkward import Judged, main, report, seeds_of
from cdp.results import Run
from cdp.verdicts import Cell, Result, Verdict


def result(verdict: Verdict) -> Result:
    cell = Cell("PAGE-01", "list_tags", verdict.name.lower())
    return Result(cell, "Tags", "PAGE", "MUST", verdict, "a sentence\nof two lines", 1, 1, 7, "the rule")


def test_everything_that_is_wrong_with_an_instance_that_keeps_the_contract_is_an_alarm() -> None:
    run = Run({"cells": 7}, [result(verdict) for verdict in Verdict if verdict], {"wall_s": 3.2, "requests": 1234})
    assert run.footer is not None
    alarms = Judged("quick", 7, run).alarms()
    assert [alarm.split()[0] for alarm in alarms[:3]] == ["WARN", "FAIL", "ERROR"]
    assert alarms[3].startswith("no verdict") and len(alarms) == 4, "one cell of seven was not judged"
    assert alarms[0] == "WARN `PAGE-01/list_tags/warn`: a sentence of two lines"
    run.header["cells"], run.footer["leftovers"] = 6, ["create_tag 5: refused"]
    assert Judged("quick", 7, run).alarms()[3:] == ["left: create_tag 5: refused"]
    assert Judged("quick", 7, None, "Error: no").alarms() == ["no results: Error: no"]
    told = report([Judged("quick", 7, run), Judged("quick", 8, None)], "all")
    assert "| quick | 7 | 6 | 4 | 1 | 1 | 1 | 1,234 | 3 |" in told and "False alarms: 5 in 2 runs." in told
    assert "- quick, seed 7: WARN `PAGE-01/list_tags/warn`: a sentence of two lines" in told


def test_seeds_are_numbers_and_ranges() -> None:
    assert seeds_of("3,6-8, 1") == [3, 6, 7, 8, 1]
    for text in ("", "3-", "a", "5-3"):
        with pytest.raises(argparse.ArgumentTypeError, match="such as 1-5,8"):
            seeds_of(text)


@pytest.mark.slow
def test_a_run_leaves_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "table.md"
    kinds = "latency_ms=0,cold_ms=0,busy_every=3000,big=2000"
    assert main(["--seeds", "2", "--awkward", kinds, "-o", str(output), "--", "--section", "Tags"]) == 0
    assert output.read_text("utf-8") == capsys.readouterr().out.removesuffix("\n")
    assert "| quick | 2 | " in output.read_text("utf-8") and "False alarms: 0 in 1 runs." in output.read_text("utf-8")
