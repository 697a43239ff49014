"""Known failures: what the file may hold, what it does for the decision, and how it shrinks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdp.known_failures import KnownFailuresError, read_known_failures, reckon
from cdp.results import Run
from cdp.verdicts import Cell, Result, Verdict, decide

ENTRY = '[[accepted]]\ncell = "PAGE-01/list_tags/*"\nreason = "known, ticket 17"\nuntil = 2027-01-31\n'


def result(address: str, verdict: Verdict, level: str = "MUST") -> Result:
    cell = Cell.parse(address)
    return Result(cell, "Tags", cell.requirement[:4], level, verdict, "said", 1, 1, 1, "statement")


def run_with(*results: Result, started: str = "2026-11-23T10:00:00+00:00", **header: Any) -> Run:
    return Run({"started": started, "cells": len(results), **header}, list(results), {"wall_s": 1.0})


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(ENTRY)
    (entry,) = read_known_failures(path)
    assert entry.covers("PAGE-01/list_tags/admin") and not entry.covers("PAGE-01/list_users/admin")
    assert entry.as_record() == {"cell": "PAGE-01/list_tags/*", "reason": "known, ticket 17", "until": "2027-01-31"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accepted = 1", "entries and nothing else"),
        ("[[accepted]", "no TOML"),
        (ENTRY.replace("reason", "because"), "exactly cell, reason and until"),
        (ENTRY.replace("2027-01-31", '"soon"'), "must be a date"),
        (ENTRY.replace("known, ticket 17", " "), "reason must be a text"),
        (ENTRY.replace("/list_tags/*", ""), "no cell address"),
        (ENTRY + "strict = false\n[other]\n", "entries and nothing else"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(KnownFailuresError, match=told) as caught:
        read_known_failures(path)
    assert "\n" not in str(caught.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KnownFailuresError, match="cannot be read"):
        read_known_failures(tmp_path / "none.toml")


def entries(until: str = "2027-01-31") -> list[dict[str, str]]:
    return [{"cell": "PAGE-01/list_tags/*", "reason": "known", "until": until}]


def test_a_known_failure_does_not_decide_but_others_do() -> None:
    known = result("PAGE-01/list_tags/admin", Verdict.FAIL)
    good = result("PAGE-02/list_tags/admin", Verdict.PASS)
    assert decide(run_with(known, good)).code == 1
    decision = decide(run_with(known, good, baseline=entries()))
    assert decision.code == 0
    assert "1 known to fail" in decision.sentence
    other = result("PAGE-01/list_users/admin", Verdict.FAIL)
    assert decide(run_with(known, other, baseline=entries())).code == 1


def test_strict_counts_warnings_beyond_the_known_ones() -> None:
    soft = result("PAGE-01/list_tags/admin", Verdict.WARN, "SHOULD")
    good = result("PAGE-02/list_tags/admin", Verdict.PASS)
    assert decide(run_with(soft, good), strict=True).code == 1
    assert decide(run_with(soft, good, baseline=entries()), strict=True).code == 0


def test_entry_counts_on_its_last_day_and_not_after_it() -> None:
    known = result("PAGE-01/list_tags/admin", Verdict.FAIL)
    assert decide(run_with(known, baseline=entries("2026-11-23"))).code == 0
    run = run_with(known, baseline=entries("2026-11-22"))
    assert decide(run).code == 1
    assert [e.cell for e in reckon(run, [known]).run_out] == ["PAGE-01/list_tags/*"]


def test_entry_that_no_longer_fails_is_reported() -> None:
    run = run_with(result("PAGE-01/list_tags/admin", Verdict.PASS), baseline=entries())
    assert [e.cell for e in reckon(run, []).unneeded] == ["PAGE-01/list_tags/*"]
    skipped = run_with(result("PAGE-01/list_tags/admin", Verdict.SKIP), baseline=entries())
    assert reckon(skipped, []).unneeded == []
