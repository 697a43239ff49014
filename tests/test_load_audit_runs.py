"""Load runs that are audited, as people start them: what is found decides, a kill loses nothing, and `cdp audit`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest

from benchmarks.restarts import killed_and_restarted
from cdp.audit_results import CLEAN, FOUND, PRESENT
from tests.faulty_ingestion import Losing, in_front_of
from tests.load_runs import PATIENT, Ended, account, cdp_load, ended, start, stored, wait_for_rows
from tests.running_instance import RunningInstance

SMALL = ["--batch", "5-15", "--slo", PATIENT, "--uploads", "0"]


def cdp_audit(directory: Path, instance: RunningInstance, origin: str, *more: str) -> Ended:
    arguments = ["-m", "cdp", "audit", str(directory), "--url", origin, *more]
    return ended(start(arguments, account(instance)))


def test_what_is_lost_decides(instance: RunningInstance, tmp_path: Path) -> None:
    fault = Losing(every=50)
    with in_front_of(instance.origin, fault) as origin:
        arguments = ["ingest", "--rate", "20", "--time", "2s", *SMALL, "--audit-deadline", "1", "--audit-sample", "50"]
        done = cdp_load([*arguments, "--url", origin, "--runs", str(tmp_path)], account(instance))
        run = stored(tmp_path)
    directory = next(tmp_path.glob("*Z-*"))
    assert run.audit is not None and run.audit.verdict == FOUND
    assert run.audit.count("lost") == len(fault.marks) > 0
    assert run.audit.events == run.audit.of("acknowledged", PRESENT) + len(fault.marks)
    assert run.audit.visible.count > 0
    assert done.code == run.decision.exit_code == 1
    assert f"{len(fault.marks)} lost" in done.output and "EVENT-02" in done.output and fault.marks[0] in done.output
    page = (directory / "report.html").read_text()
    assert fault.marks[0] in page and "not there" in page
    assert json.loads((directory / "summary.json").read_text())["audit"]["verdict"] == FOUND
    assert instance.password not in done.said
    assert not [p for p in directory.iterdir() if instance.password.encode() in p.read_bytes()]


@pytest.mark.slow
def test_the_ledger_of_a_killed_generator_is_whole(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["mixed", "--rate", "40", "--time", "60s", *SMALL, "--url", instance.origin, "--processes", "2"]
    process = start(["-m", "cdp", "load", *arguments, "--runs", str(tmp_path)], account(instance))
    wait_for_rows(tmp_path, 2, process)
    for child in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
        child.kill()
    process.communicate()
    run = stored(tmp_path)
    assert run.audit is None and run.footer is None
    done = cdp_audit(next(tmp_path.glob("*Z-*")), instance, instance.origin, "--deadline", "5")
    assert done.code == 0, done.said
    (found,) = tmp_path.glob("*/audit-*.result.json")
    balance = json.loads(found.read_text())["balance"]
    whole = sum(figures.events for figures in run.totals.values())
    assert balance["acknowledged"] == {PRESENT: balance["acknowledged"][PRESENT]}
    assert balance["acknowledged"][PRESENT] >= whole > 0, "the ledger knows at least what the results know"


@pytest.mark.slow
def test_an_instance_that_is_killed_and_started_again_loses_nothing(tmp_path: Path) -> None:
    outcome = killed_and_restarted(tmp_path, seconds=4)
    audit = outcome.audit
    assert audit.verdict == CLEAN, audit
    assert audit.of("acknowledged") == audit.of("acknowledged", PRESENT) > 500
    assert outcome.run.all.failed > 0, "it was killed while nothing was sent"


def test_wrong_usage_of_cdp_audit_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("nothing\n")
    done = ended(start(["-m", "cdp", "audit", str(tmp_path)], dict(os.environ)))
    assert done.code == 2 and "Traceback" not in done.said
    assert len(done.errors.strip().splitlines()) == 1
