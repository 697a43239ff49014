"""Verdicts, cell addresses, and the exit code of a run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.results import Run
from cdp.verdicts import CANNOT_TELL, GO, NO_GO, Cell, Verdict, decide, exit_code, worst
from tests.sample_runs import result, run_of

NAMES = st.text(st.characters(exclude_characters="/"), min_size=1)


def test_the_ladder_rises_in_the_written_order() -> None:
    names = ["NOT_APPLICABLE", "PASS", "SKIP", "UNCONFIRMED", "WARN", "FAIL", "ERROR"]
    assert [verdict.name for verdict in sorted(Verdict)] == names


@given(st.lists(st.sampled_from(Verdict)), st.sampled_from(Verdict))
def test_worst_can_only_rise(verdicts: list[Verdict], added: Verdict) -> None:
    assert worst([*verdicts, added]) == max(worst(verdicts), added)


def test_worst_of_nothing_is_not_applicable() -> None:
    assert worst([]) is Verdict.NOT_APPLICABLE


@given(NAMES, NAMES, st.text())
def test_an_address_leads_back_to_its_cell(requirement: str, operation: str, role: str) -> None:
    cell = Cell(requirement, operation, role)
    assert Cell.parse(cell.address) == cell


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("PAGE-03/list_segments", Cell("PAGE-03", "list_segments")),
        ("PAGE-03/list_segments/admin", Cell("PAGE-03", "list_segments", "admin")),
        ("ROLE-02/list_emails/emails/view", Cell("ROLE-02", "list_emails", "emails/view")),
    ],
)
def test_addresses_are_read(address: str, expected: Cell) -> None:
    assert Cell.parse(address) == expected
    assert expected.address == address


@pytest.mark.parametrize("text", ["", "PAGE-03", "/list_segments", "PAGE-03/", "PAGE-03//admin", "//"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cell"):
        Cell.parse(text)


def test_a_cell_with_a_slash_in_its_operation_is_refused() -> None:
    with pytest.raises(ValueError, match="operation"):
        Cell("PAGE-03", "list/segments")


@given(st.lists(st.builds(Cell, *(st.sampled_from(letters) for letters in ("ABC", "xyz", "st")))))
def test_cells_sort_by_requirement_then_operation_then_role(cells: list[Cell]) -> None:
    assert sorted(cells) == sorted(cells, key=lambda cell: (cell.requirement, cell.operation, cell.role))


def of(*verdicts: Verdict, level: str = "MUST") -> Run:
    return run_of(*(result(f"PAGE-03/list_{n}", verdict, level=level) for n, verdict in enumerate(verdicts)))


P, S, U, W, F, E = (
    Verdict.PASS,
    Verdict.SKIP,
    Verdict.UNCONFIRMED,
    Verdict.WARN,
    Verdict.FAIL,
    Verdict.ERROR,
)


@pytest.mark.parametrize(
    ("run", "code", "strict_code"),
    [
        (of(P), 0, 0),
        (of(P, S, U), 0, 0),
        (of(P, W), 0, 1),
        (of(P, F), 1, 1),
        (of(F), 1, 1),
        (of(F, E), 1, 1),
        (of(P, E), 3, 3),
        (of(P, W, E), 3, 1),
        (of(), 3, 3),
        (of(S, U), 3, 3),
        (of(Verdict.NOT_APPLICABLE), 3, 3),
        (of(W), 3, 1),
        (of(P, F, level="SHOULD"), 1, 1),
        (of(P, F, level="MAY"), 3, 3),
        (of(P, E, level="MAY"), 3, 3),
    ],
)
def test_exit_codes(run: Run, code: int, strict_code: int) -> None:
    assert exit_code(run, strict=False) == code
    assert exit_code(run, strict=True) == strict_code


def test_a_broken_may_is_reported_and_not_counted() -> None:
    run = run_of(result("PAGE-03/a"), result("PAGE-11/a", F, level="MAY"))
    assert exit_code(run, strict=True) == 0


def test_strict_comes_from_the_header_unless_it_is_given() -> None:
    run = run_of(result("PAGE-03/a"), result("PAGE-07/a", W, level="SHOULD"), header={"strict": True})
    assert exit_code(run) == 1
    assert exit_code(run, strict=False) == 0


def test_a_run_that_was_cut_off_cannot_be_judged_even_when_everything_passed() -> None:
    run = run_of(result(), finished=False)
    assert decide(run).headline == CANNOT_TELL
    assert "cut off" in decide(run).sentence
    assert exit_code(run) == 3


def test_a_cut_off_run_says_what_was_broken_until_then() -> None:
    run = run_of(result("PAGE-03/a"), result("PAGE-03/b", F), finished=False, header={"cells": 10})
    assert decide(run).sentence == "The run was cut off: 2 of 10 cells have a verdict, 1 of them broken so far."


def test_an_interrupted_run_cannot_be_judged() -> None:
    assert exit_code(run_of(result(), interrupted=True)) == 3


def test_a_run_that_lost_cells_cannot_be_judged() -> None:
    run = run_of(result("PAGE-03/a"), result("PAGE-03/a"), header={"cells": 2})
    assert exit_code(run) == 3, "the same cell twice is one cell"
    assert "not complete" in decide(run).sentence
    assert exit_code(run_of(result("PAGE-03/a"), result("PAGE-03/b"), header={"cells": 2})) == 0


@pytest.mark.parametrize("place", ["header", "footer"])
def test_an_obstacle_stands_above_every_verdict(place: str) -> None:
    obstacle: dict[str, Any] = {"obstacle": "the token was refused (401)"}
    failed = result("PAGE-03/b", F)
    run = run_of(failed, header=obstacle) if place == "header" else run_of(failed, **obstacle)
    assert decide(run).code == 3
    assert decide(run).sentence == "Nothing can be concluded: the token was refused (401)."


def test_the_decision_says_what_stands_behind_it() -> None:
    good = decide(of(P, P, S, W))
    assert (good.headline, good.sentence) == (
        GO,
        "No MUST is broken: all 2 that were exercised passed (1 WARN, 1 cell could not be judged).",
    )
    softer = decide(run_of(result("CODE-02/a", level="SHOULD")))
    assert (softer.headline, softer.sentence) == (GO, "No MUST was exercised; 1 cells of other levels passed.")
    bad = decide(run_of(result("PAGE-01/a", F), result("PAGE-01/b", F), result("PAGE-02/a", F), result("PAGE-02/b")))
    assert (bad.headline, bad.sentence) == (NO_GO, "2 MUST requirements broken in 3 cells.")
