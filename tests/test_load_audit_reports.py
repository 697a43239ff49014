"""What reports show of an audit: terminal, page and summary say the same, and nothing of a target runs in them."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.audit_results import CLEAN, ERROR, FOUND, NOT_AUDITED, Audit, AuditFinding
from cdp.distribution import Distribution
from cdp.load_results import read_load_results
from load.results import LoadResultsWriter
from reports.audit import books, headline, reading, recovered
from reports.load_page import load_page
from reports.load_summary import summary
from tests.sample_load_runs import printed

EVIL = "<script>alert(1)</script>"
BALANCE = {
    "acknowledged": {"present": 990, "duplicated": 2, "absent": 8},
    "unknown": {"present": 3, "absent": 2},
    "unsent": {"absent": 40},
}
LOST = AuditFinding("lost", 8, "not to be seen", "EVENT-02", [f"cdp-0badcafe-0-{seq}" for seq in range(8)])
TWICE = AuditFinding("duplicated", 2, "there more than once", "EVENT-02", [f"cdp-0badcafe-0-9, {EVIL}"])
VISIBLE = Distribution([5_000_000, 40_000_000], [9, 1])
AUDITS = {
    FOUND: Audit(FOUND, "", BALANCE, [LOST, TWICE], records=997, requests=40, read_s=2.0, visible=VISIBLE),
    CLEAN: Audit(CLEAN, "", {"acknowledged": {"present": 7}}, notes=["one thing was not compared"], never_visible=1),
    ERROR: Audit(ERROR, "events could not be read back: it is gone"),
    NOT_AUDITED: Audit(NOT_AUDITED, "the target does not let events be read back"),
}


@pytest.mark.parametrize("audit", AUDITS.values(), ids=AUDITS)
def test_all_reports_say_what_the_audit_says(audit: Audit, tmp_path: Path) -> None:
    with LoadResultsWriter(tmp_path / "results.jsonl") as writer:
        writer.header(load="ingest", target="made up", loop="open")
        writer.audit(audit)
    run = read_load_results(tmp_path / "results.jsonl")
    assert run.audit == audit
    page, terminal = load_page(run), " ".join(printed(run, 300).split())
    shown = re.sub(r"\s+", " ", html.unescape(page))
    for words in (headline(audit), *(each.sentence for each in audit.findings), *audit.notes):
        assert words in terminal and words in shown
    for finding in audit.findings:
        assert all(example in shown for example in finding.examples)
        assert finding.examples[0] in terminal
    assert EVIL not in page
    assert summary(run)["audit"]["verdict"] == audit.verdict


def test_the_books_add_up_in_words() -> None:
    found = AUDITS[FOUND]
    assert books(found) == (
        "1,000 acknowledged = 990 there once + 2 duplicated + 8 not there; "
        "5 unknown (no whole answer, or 502, 504) = 3 there once + 2 not there"
    )
    assert recovered(found) == 3
    assert headline(found) == "8 lost, 2 duplicated; 990 of 1,000 acknowledged events are in order"


def test_a_wait_that_was_in_vain_is_not_told_as_one_that_ended_well() -> None:
    seen = Audit(CLEAN, records=5, requests=9, read_s=1.0, waited_s=3.2, deadline_s=4.0)
    assert reading(seen).endswith("after 3.2 s until the latest could be seen")
    assert reading(replace(seen, waited_s=4.1)).endswith("after 4.1 s in which the latest could not be seen")
