"""The gate: what its parts amount to, that it runs them as they are, and that nothing is lost when it is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from benchmarks.simulated_nights import load_run
from cdp.audit_results import CLEAN, ERROR, FOUND, NOT_AUDITED, Audit, AuditFinding
from cdp.cli.gate_steps import Steps, pass_gate
from cdp.cli.targeting import Choice
from cdp.comparison.accepted import read_accepted
from cdp.comparison.model import Comparison, Told
from cdp.contract import load_contract
from cdp.gate.judging import judged_audit, judged_comparison, judged_contract, judged_doctor, judged_load
from cdp.gate.record import GATE_FILE, NOTE, SKIPPED, Gate, Part, find_gate, read_gate, write_gate
from cdp.records import ResultsError
from cdp.targets import Peak, Target, TargetError, read_targets
from cdp.verdicts import CANNOT_TELL, GO, NO_GO
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import Plan, make_plan
from contracts.profiles import PROFILES
from reports.gate import gate_markdown, gate_page, write_gate_reports
from tests.foreign_target import MINIMAL
from tests.running_instance import ROOT, RunningInstance
from tests.sample_runs import HOSTILE, broken
from tests.stored_runs import store_contract, store_load
from tests.test_command_line import cdp, told

DEADLINE_S = 90
LOST = AuditFinding("lost", 3, "gone")


def gate_of(*outcomes: str, **others: Any) -> Gate:
    parts = [Part(f"part {number}", outcome, "because") for number, outcome in enumerate(outcomes)]
    values: dict[str, Any] = {"ended": "2027-01-04T02:10:00+00:00", **others}
    return Gate(
        "staging", "https://staging.example.com/api", "release", "2027-01-04T02:00:00+00:00", "1", parts, **values
    )


# --- what it amounts to -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "headline", "code"),
    [
        ((GO, GO, NOTE), GO, 0),
        ((GO, SKIPPED), GO, 0),
        ((GO, CANNOT_TELL), CANNOT_TELL, 3),
        ((GO, CANNOT_TELL, NO_GO), NO_GO, 1),
        ((NOTE, SKIPPED), CANNOT_TELL, 3),
        ((), CANNOT_TELL, 3),
    ],
)
def test_the_answer_of_the_parts(outcomes: tuple[str, ...], headline: str, code: int) -> None:
    gate = gate_of(*outcomes)
    assert (gate.headline, gate.exit_code) == (headline, code)


def test_a_gate_that_was_stopped_is_no_go_ahead_but_what_broke_stays_broken() -> None:
    for others in ({"interrupted": True}, {"ended": ""}):
        assert gate_of(GO, GO, **others).headline == CANNOT_TELL
        assert gate_of(GO, NO_GO, **others).headline == NO_GO
        assert "gate was" in gate_of(GO, **others).reasons[0]


def test_what_each_part_says(tmp_path: Path) -> None:
    good, bad = store_contract(tmp_path / "good"), store_contract(tmp_path / "bad", broken("PAGE-01/a"))
    cut, load = (
        store_contract(tmp_path / "cut", cells=99),
        store_load(tmp_path / "load", load_run(np.random.default_rng(1))),
    )
    gate = tmp_path / "gate"
    outcomes = [judged_contract(path.parent, gate, 1.0).outcome for path in (good, bad, cut)]
    assert outcomes == [GO, NO_GO, CANNOT_TELL]
    assert judged_contract(good.parent, gate, 1.0).run == "../good"
    assert [part.outcome for part in judged_load(load.parent, gate, 1.0)] == [GO]
    assert judged_doctor(3, ["token: refused"], [], 1.0).outcome == CANNOT_TELL
    assert judged_doctor(1, [], ["rights: few"], 1.0).outcome == NOTE
    with pytest.raises(ResultsError):
        judged_contract(tmp_path / "nowhere", gate, 1.0)


@pytest.mark.parametrize(
    ("audit", "outcome"),
    [
        (Audit(CLEAN, balance={"acknowledged": {"present": 1000}}), GO),
        (Audit(FOUND, findings=[LOST]), NO_GO),
        (Audit(ERROR, "the counts do not balance"), CANNOT_TELL),
        (Audit(NOT_AUDITED, "the target shows no events"), NOTE),
        (Audit("of a later version"), CANNOT_TELL),
    ],
)
def test_the_audit_of_a_load_run_is_taken_over(audit: Audit, outcome: str) -> None:
    assert judged_audit(audit).outcome == outcome


def test_the_audit_is_read_from_the_results_of_the_load(tmp_path: Path) -> None:
    path = store_load(tmp_path / "load", load_run(np.random.default_rng(1)))
    lines = path.read_bytes().splitlines(keepends=True)
    record = Audit(FOUND, findings=[LOST]).as_record()
    path.write_bytes(b"".join([*lines[:-1], orjson.dumps(record) + b"\n", lines[-1]]))
    load, audit = judged_load(path.parent, tmp_path / "gate", 1.0)
    assert (load.outcome, audit.outcome, audit.reasons) == (GO, NO_GO, ["3 lost: gone"])


@pytest.mark.parametrize(
    ("told_", "outcome"),
    [(Told.WORSE, NO_GO), (Told.BETTER, GO), (Told.UNCHANGED, GO), (Told.UNKNOWN, CANNOT_TELL)],
)
def test_a_comparison_decides_and_the_lack_of_one_is_a_note(told_: Told, outcome: str) -> None:
    assert judged_comparison("load", Comparison("load/mixed", "a", "b", told_, "so")).outcome == outcome
    assert judged_comparison("load", None, "nothing was accepted yet").outcome == NOTE


# --- the record and its reports ---------------------------------------------------------------------------------------


def test_the_record_comes_back_as_it_was_and_a_broken_one_is_one_line(tmp_path: Path) -> None:
    gate = gate_of(GO, NOTE)
    compared = Comparison("load/mixed", "a", "b", Told.WORSE, "slower")
    gate.parts.append(judged_comparison("load", compared))
    path = tmp_path / GATE_FILE
    write_gate(gate, path)
    again = read_gate(path)
    assert again == gate and again.parts[-1].compared == compared
    assert find_gate(tmp_path, Path()) == find_gate(tmp_path.name, tmp_path.parent) == path
    for text in (b"{", b"{}", b'{"kind":"gate","schema":7}'):
        path.write_bytes(text)
        with pytest.raises(ResultsError):
            read_gate(path)


def test_reports_lead_to_the_parts_and_nothing_from_a_target_runs_in_them(tmp_path: Path) -> None:
    gate = gate_of(GO)
    gate.parts += [Part(text, NO_GO, text, [text, text], f"../run-{n}") for n, text in enumerate(HOSTILE)]
    gate.parts.append(Part("sly", GO, "x", run="javascript:alert(1)"))
    page, markdown = gate_page(gate), gate_markdown(gate)
    assert 'href="../run-3/report.html"' in page and "../run-3/report.html" in markdown
    assert page.count("<script") == 1 and "javascript:" not in page.replace("javascript:alert(1)</td>", "")
    assert "<img" not in page and "<img" not in markdown.replace("\\<img", "")
    assert "\x1b" not in page + markdown and "\u202e" not in page + markdown
    assert [path.name for path in write_gate_reports(gate, tmp_path)] == ["report.html", "gate.md"]


def test_reports_of_a_gate_are_made_again_by_command(tmp_path: Path) -> None:
    directory = tmp_path / "gate"
    directory.mkdir()
    write_gate(gate_of(GO, CANNOT_TELL), directory / GATE_FILE)
    done = cdp("report", "gate", "--runs", str(tmp_path))
    assert done.returncode == 0 and "CANNOT TELL" in done.stdout
    assert (directory / "report.html").read_text().count("CANNOT TELL") > 1


# --- the peak ---------------------------------------------------------------------------------------------------------


def test_a_target_names_its_peak(tmp_path: Path) -> None:
    file = tmp_path / "targets.toml"
    entry = 'peak = {scenario = "search", rate = 50, time = "2m", slo = "p99<500ms"}'
    file.write_text(f"[targets.staging]\n{MINIMAL}\n{entry}\n")
    assert read_targets(file)["staging"].peak == Peak(50.0, "search", "2m", "p99<500ms")
    for wrong, why in (
        ("peak = 50", "must be a table"),
        ("peak = {}", "rate is missing"),
        ("peak = {rate = 0}", "must be between"),
        ("peak = {rate = 5, users = 3}", "unknown key 'users'"),
    ):
        file.write_text(f"[targets.staging]\n{MINIMAL}\n{wrong}\n")
        with pytest.raises(TargetError, match=why):
            read_targets(file)


# --- on an instance ---------------------------------------------------------------------------------------------------


def plan() -> Plan:
    selection = Selection(operations=("list_tags",))
    return make_plan(load_contract(), load_catalogue(), selection, PROFILES["quick"], 1)


def steps(instance: RunningInstance, runs: Path, peak: Peak | None, *without: str, **others: Any) -> Steps:
    choice = Choice(url=instance.base_url, allow="writes,destructive,load")
    with choice.open() as target:
        return Steps(choice, replace(target, peak=peak, **others), plan(), runs, frozenset(without), 1, 1)


@pytest.fixture(autouse=True)
def account(instance: RunningInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CDP_EMAIL", instance.email), ("CDP_PASSWORD", instance.password), ("CDP_TOKEN", "")):
        monkeypatch.setenv(name, value)


def outcomes(gate: Gate) -> dict[str, str]:
    return {part.name: part.outcome for part in gate.parts}


def test_all_parts_run_and_what_was_accepted_is_compared_the_next_time(
    instance: RunningInstance, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = steps(instance, tmp_path, Peak(20, "search", "3s", "p90<60s", "0s"))
    code = pass_gate(first, accepting=True)
    said = capfd.readouterr()
    found = outcomes(first.gate)
    assert list(found) == ["doctor", "contract", "load", "comparison of contract", "comparison of load"]
    assert found["contract"] == GO and found["comparison of contract"] == found["comparison of load"] == NOTE
    assert found["load"] in (GO, CANNOT_TELL), "a machine that is busy with other tests may be the limit"
    assert code == first.gate.exit_code == (0 if found["load"] == GO else 3)
    assert "[2 of 4] contract, profile quick; then load, comparison" in said.err
    assert read_gate(first.file) == first.gate and (first.directory / "gate.md").is_file()
    assert first.gate.headline in said.out and instance.password not in said.out + said.err
    if found["load"] == CANNOT_TELL:
        return
    assert {entry.kind for entry in read_accepted(tmp_path)} == {"contract/quick", "load/search"}
    second = steps(instance, tmp_path, None, "load")
    assert pass_gate(second, accepting=False) == 0
    assert outcomes(second.gate)["load"] == SKIPPED
    assert outcomes(second.gate)["comparison of contract"] == GO


def test_load_that_is_not_agreed_or_not_allowed_leaves_it_open(instance: RunningInstance, tmp_path: Path) -> None:
    unagreed = steps(instance, tmp_path, None, "comparison")
    assert pass_gate(unagreed, accepting=True) == 3
    assert outcomes(unagreed.gate)["load"] == CANNOT_TELL and not read_accepted(tmp_path)
    away: dict[str, Any] = {"base_url": "https://staging.example.com/api", "allow": frozenset({"writes"})}
    refused = steps(instance, tmp_path, Peak(20), "comparison", **away)
    refused.begin()
    assert refused.no_load is not None and "does not allow load" in refused.no_load.sentence


def test_a_peak_that_no_run_can_be_is_a_usage_error(instance: RunningInstance, tmp_path: Path) -> None:
    import click

    for peak in (Peak(20, "nothing"), Peak(20, time="soon"), Peak(20, slo="p99<<1s")):
        with pytest.raises(click.ClickException, match="key 'peak'"):
            steps(instance, tmp_path, peak).begin()
    assert not any(tmp_path.iterdir())


def test_a_target_that_is_gone_is_told_and_ends_the_gate(tmp_path: Path) -> None:
    choice = Choice(url="http://127.0.0.1:9")
    target = Target("gone", "http://127.0.0.1:9/api", next(_targets(choice)).credentials, timeout_s=1.0)
    gone = Steps(choice, target, plan(), tmp_path, frozenset(), 1, 1)
    assert pass_gate(gone, accepting=False) == 3
    assert outcomes(gone.gate) == {"doctor": CANNOT_TELL}


def _targets(choice: Choice) -> Any:
    with choice.open() as target:
        yield target


@pytest.mark.slow
def test_an_interrupted_gate_keeps_what_it_had(instance: RunningInstance, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cdp", "gate", "--runs", str(tmp_path), "--without", "load", "--profile", "quick"]
    command += ["--url", instance.base_url, "--allow", "writes,destructive"]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + DEADLINE_S
    while not any(b'"kind":"result"' in path.read_bytes() for path in tmp_path.glob("*/results.jsonl")):
        assert process.poll() is None and time.monotonic() < deadline, "it did not begin to judge"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3 and "Traceback" not in output + errors
    (path,) = tmp_path.glob(f"*/{GATE_FILE}")
    gate = read_gate(path)
    assert gate.interrupted and gate.headline == CANNOT_TELL
    assert outcomes(gate)["contract"] == CANNOT_TELL
    assert (path.parent / "report.html").is_file()


def test_usage_errors_are_one_line(tmp_path: Path) -> None:
    done = cdp("gate", "--target", "nowhere", "--targets", str(tmp_path / "none.toml"))
    assert done.returncode == 2 and "there is no such file" in told(done)
    done = cdp("gate", "--without", "contract")
    assert done.returncode == 2
