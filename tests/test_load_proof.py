"""Faults under load: what a load run says of each, and that one of them is really named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cdp.audit_results import Audit, AuditFinding
from cdp.load_figures import ChannelKey, Error, Figures, Span
from cdp.load_results import Finding, LoadRun
from cdp.proof_results import FOUND, PROOF_FILE, read_proof
from load.proof import prove_load, told

KEY = ChannelKey("search", "GET", "search")


def test_what_a_run_says_is_wrong() -> None:
    errors = Counter({Error("503 Service Unavailable"): 3, Error("closed by the target", "CLOSED"): 1})
    run = LoadRun(
        {"load": "mixed"},
        spans=[Span(0.0, 1.0, {KEY: Figures(good=5, failed=4, errors=errors)})],
        findings=[Finding("SEARCH-01", "another was found", "GET", "search", 0.5)],
        audit=Audit("findings", findings=[AuditFinding("lost", 2, "two are lost", "EVENT-02")]),
        footer={
            "objectives": [
                {"objective": "p99<1s", "scenario": "", "judged": "missed", "value": "2 s"},
                {"objective": "errors<1%", "scenario": "", "judged": "met", "value": "0 %"},
            ]
        },
    )
    assert told(run) == {"audit:lost", "objective:p99<1s", "SEARCH-01", "error:503", "error:closed"}
    assert told(LoadRun({"load": "mixed"})) == set()


@pytest.mark.slow
def test_every_fault_under_load_is_named(tmp_path: Path) -> None:
    told_of = list(prove_load(tmp_path, seed=1))
    trials = [trial for trial, _ in told_of]
    assert {total for _, total in told_of} == {len(trials)}
    assert len(trials) >= 10 and {trial.outcome for trial in trials} == {FOUND}, trials
    stored = read_proof(tmp_path / PROOF_FILE)
    assert stored.complete and stored.header["clean"] == {"1": []}
