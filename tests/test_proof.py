"""Proofs: which mutants are tried, what is said of each, and that nothing is lost when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cdp.cli import cli
from cdp.contract import Contract, load_contract
from cdp.fault_control import Kind, ProofError
from cdp.proof_results import ERROR, FOUND, INVALID, MISNAMED, PROOF_FILE, SURVIVED, ProofRun, Trial, read_proof
from cdp.records import ResultsError
from contracts.proof.mutants import Mutant, in_rounds, possible, sampled, spread
from contracts.proof.pool import Pool
from contracts.proof.run import Proof, Wanted
from contracts.proof.trial import CleanTask, MutantTask
from instance.faults import FAULTS
from reports.proof import as_json, explained, markdown, summary
from reports.proof_terminal import Trials
from tests.running_instance import start_instance, stop_instance

EASY = ("no-token-needed/list_tags", "offset-in-pages/list_tags", "field-missing/get_tag")


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


def kind(name: str, operations: tuple[str, ...], by: str = "PAGE-03", profile: str = "quick") -> Kind:
    return Kind(name, "what it does", (by,), frozenset(), operations, profile, 1.0, "")


# --- which mutants ----------------------------------------------------------------------------------------------------


def test_only_what_the_clean_run_could_judge_is_tried() -> None:
    kinds = [
        kind("a", ("list_tags", "list_feeds")),
        kind("b", ("list_tags",), "ORDER-01"),
        kind("c", (), profile="release"),
    ]
    assert possible(kinds, {"PAGE-03": {"list_tags"}}, "quick") == {"a": ["list_tags"], "b": []}
    assert set(possible(kinds, {}, "release")) == {"a", "b", "c"}


def test_operations_of_a_kind_come_from_different_sections(contract: Contract) -> None:
    tags = [o.id for o in contract.operations.values() if o.section == contract.operations["list_tags"].section]
    chosen = spread({"a": [*tags, "list_feeds", "list_reports"]}, contract, 3, seed=1)
    assert len({contract.operations[mutant.operation].section for mutant in chosen}) == 3
    assert chosen == spread({"a": [*tags, "list_feeds", "list_reports"]}, contract, 3, seed=1)


def test_a_sample_takes_every_kind_before_any_twice() -> None:
    mutants = [Mutant(name, f"list_{number}") for name in "abcdef" for number in range(4)]
    assert sorted(mutant.fault for mutant in sampled(mutants, 6, seed=3)) == list("abcdef")
    assert sampled(mutants, 6, seed=3) != sampled(mutants, 6, seed=4)
    assert sampled(mutants, 99, seed=3) == sorted(mutants)


# --- the instance with faults -----------------------------------------------------------------------------------------


def test_every_requirement_has_two_kinds_of_faults_and_each_kind_a_source() -> None:
    from contracts.catalogue import load_catalogue
    from instance.faults.sources import source_of

    of = {r.id: [f.name for f in FAULTS.values() if r.id in f.by] for r in load_catalogue().checked}
    assert {name: kinds for name, kinds in of.items() if len(kinds) < 2} == {}
    assert all(source_of(fault) for fault in FAULTS.values()) and len(FAULTS) >= 60


def test_the_control_address_exists_with_faults_only() -> None:
    plain, faulty = start_instance(), start_instance("--faults", "--customers", "20", "--events", "50")
    try:
        control = faulty.origin + "/-/fault"
        put = {"fault": "offset-ignored", "operation": "list_tags"}
        assert plain.session.put(plain.origin + "/-/fault", json=put, timeout=10).status_code == 404
        assert faulty.get("/tags", limit=3, offset=2) != faulty.get("/tags", limit=3)
        assert faulty.session.put(control, json=put, timeout=10).json()["fault"] == "offset-ignored"
        faulty.token = faulty.login(faulty.email, faulty.password)  # the data were laid anew
        shifted, first = faulty.get("/tags", limit=3, offset=2), faulty.get("/tags", limit=3)
        assert shifted["tags"] == first["tags"]
        assert faulty.session.get(control, timeout=10).json()["changed"] == 1
        for wrong, status in (({"fault": "no-such"}, 404), ({**put, "operation": "get_tag"}, 422)):
            assert faulty.session.put(control, json={**put, **wrong}, timeout=10).status_code in (200, status)
        assert faulty.session.delete(control, timeout=10).json()["fault"] is None
        assert faulty.session.get(faulty.origin + "/-/nothing", timeout=10).status_code == 404
    finally:
        for running in (plain, faulty):
            stop_instance(running)


def test_faults_take_no_data_file() -> None:
    with pytest.raises(AssertionError, match="--faults lays the data anew"):
        start_instance("--faults", "--data", "kept.sqlite")


# --- a proof ----------------------------------------------------------------------------------------------------------


def prove(tmp_path: Path, *options: str) -> tuple[int, str, Path]:
    done = CliRunner().invoke(cli, ["prove", "--proofs", str(tmp_path), *options], standalone_mode=False)
    directories = sorted(tmp_path.iterdir()) if tmp_path.exists() else []
    code = done.exception.code if isinstance(done.exception, SystemExit) else done.exit_code
    return int(code or 0), done.output, directories[-1] if directories else tmp_path


def test_a_proof_is_stored_continued_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only = ["-n", "1", *(option for name in EASY for option in ("--only", name))]
    with monkeypatch.context() as patch:
        patch.setattr(Trials, "tried", interrupted_after(2))
        code, output, directory = prove(tmp_path, *only)
    assert code == 3 and f"interrupted; go on with: cdp prove --continue {directory}" in output
    assert "2 of 2 (100.0%) found" in output
    assert "**The proof was cut off.**" in (directory / "proof.md").read_text(encoding="utf-8")

    path = directory / PROOF_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:40])  # killed while it wrote the second trial
    code, output, _ = prove(tmp_path, *only, "--continue", str(directory))
    assert code == 0 and "3 of 3 (100.0%) found" in output and "0 false alarms" in output
    stored = read_proof(path)
    assert stored.complete and {trial.name for trial in stored.trials} == set(EASY)
    assert all(trial.outcome == FOUND and trial.changed and trial.requests for trial in stored.trials)
    assert path.read_bytes().splitlines(keepends=True)[:2] == lines[:2]
    assert "cut off" not in (directory / "proof.md").read_text(encoding="utf-8")

    with pytest.raises(ProofError, match="holds another proof"):
        list(Proof(Wanted(("quick",), 2, 1, 4, None, EASY), directory).run())


def interrupted_after(number: int) -> Callable[[Trials, Trial, int], None]:
    """What to call of each trial: Ctrl-C comes after so many."""

    def tried(_: Trials, trial: Trial, count: int) -> None:
        if count == number:
            raise KeyboardInterrupt

    return tried


def test_every_kind_is_tried_once_before_any_is_tried_again() -> None:
    mutants = [Mutant(kind, operation) for kind in "abc" for operation in ("list_tags", "list_feeds")]
    assert [mutant.fault for mutant in in_rounds(mutants)] == ["a", "b", "c", "a", "b", "c"]
    assert sorted(in_rounds(mutants)) == sorted(mutants)


@pytest.mark.parametrize(
    "name, said",
    [
        ("no-such-fault", "no fault or requirement is called 'no-such-fault'"),
        ("list-renamed/get_tag", "list-renamed cannot be put on 'get_tag'"),
    ],
)
def test_names_that_do_not_exist(tmp_path: Path, name: str, said: str) -> None:
    done = CliRunner().invoke(cli, ["prove", "--proofs", str(tmp_path), "--only", name])
    assert done.exit_code == 1 and said in done.output


def test_a_proof_that_is_terminated_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cdp", "prove", "--proofs", str(tmp_path), "--only", EASY[0]]
    process = subprocess.Popen(command, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stderr is not None and process.stderr.readline().startswith("the clean instance")
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 3 and "Traceback" not in errors
    assert "interrupted; go on with: cdp prove --continue" in errors


@pytest.mark.slow
def test_a_process_that_dies_costs_its_mutant_alone(contract: Contract) -> None:
    kinds = {name: Kind(name, "", f.by, f.also, f.examples, f.profile, 1.0, "") for name, f in FAULTS.items()}
    mutants = [Mutant(*name.split("/")) for name in EASY]
    tasks = [MutantTask(m, kinds[m.fault], contract.operations[m.operation].section, ("quick",), 1) for m in mutants]
    found: list[Trial] = []
    with Pool[Trial](1) as pool:
        for trial in pool.outcomes(tasks):
            found.append(trial)
            if len(found) == 1:
                pid = pool._workers[0].process.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
    outcomes = [trial.outcome for trial in found]
    assert len(found) == 3 and outcomes.count(ERROR) <= 1 and outcomes.count(FOUND) >= 2
    assert all(trial.why == "the process died" for trial in found if trial.outcome == ERROR)


def test_clean_runs_stand_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    proof = Proof(Wanted(("quick",), 3, 2, 1, None, (EASY[0],), clean_seeds=2), tmp_path)
    told = {run.seed: run.passed for run in proof.prepare()}
    assert proof.clean == {"quick, seed 3": [], "quick, seed 4": []}
    assert told.keys() == {3, 4} and all("list_tags" in passed["AUTH-01"] for passed in told.values())
    assert [mutant.name for mutant in proof.mutants] == [EASY[0]]


def test_without_a_clean_run_there_is_no_proof() -> None:
    with pytest.raises(ProofError, match="the run of release on the clean instance came to no end: the process died"):
        CleanTask("release", 1).lost("the process died")


# --- what is told -----------------------------------------------------------------------------------------------------

TRIALS = [
    Trial("a", "list_tags", "Tags", FOUND, ["PAGE-03"], requests=10, wall_s=1.0, seen=5, changed=3, profile="quick"),
    Trial("a", "list_feeds", "Feeds", SURVIVED, requests=10, wall_s=1.0, seen=5, changed=3, profile="release"),
    Trial("b", "list_tags", "Tags", MISNAMED, strangers=["CODE-01"], requests=10, wall_s=1.0, changed=1),
    Trial("b", "list_feeds", "Feeds", ERROR, why="the process died"),
    Trial("b", "list_emails", "Emails", INVALID, why="the fault broke: KeyError"),
]
HEADER = {
    "profiles": ["quick", "release"],
    "seed": 1,
    "clean": {"quick, seed 1": [], "quick, seed 2": ["PAGE-01/list_tags"]},
    "sections": ["Feeds", "Tags", "Emails"],
    "kinds": [
        {"name": "a", "by": ["PAGE-03"], "profile": "quick"},
        {"name": "b", "by": ["ORDER-01", "ORDER-02"], "profile": "release"},
    ],
}


def test_the_score_counts_what_was_named_and_nothing_else() -> None:
    found = summary(ProofRun(HEADER, TRIALS, True, False))
    assert (found.all.found, found.all.counted) == (1, 4)
    assert found.rightly == 0.5 and found.false_alarms == {"quick, seed 2": ["PAGE-01/list_tags"]}
    assert {name: (s.found, s.counted) for name, s in found.requirements.items()} == {
        "PAGE-03": (1, 2),
        "ORDER-01": (0, 2),
        "ORDER-02": (0, 2),
    }
    assert found.sections == ["Feeds", "Tags", "Emails"]


def test_survivors_come_with_the_command_that_shows_them() -> None:
    run = ProofRun(HEADER, TRIALS, False, False)
    text = markdown(run)
    assert "cdp prove --profile release --seed 1 --only a/list_feeds" in text and "was cut off" in text
    assert "reported by CODE-01" in explained(TRIALS[2])
    assert [missed["mutant"] for missed in as_json(run)["missed"]] == ["a/list_feeds", "b/list_feeds", "b/list_tags"]
    assert "Nothing." in markdown(replace(run, trials=TRIALS[:1]))


def test_two_profiles_with_one_seed_are_two_runs_of_the_clean_instance() -> None:
    header = {**HEADER, "clean": {"quick, seed 1": ["PAGE-01/list_tags"], "release, seed 1": []}}
    assert "Clean instance: 1 false alarm in 2 runs." in markdown(ProofRun(header, TRIALS, True, False))
    header = {**HEADER, "clean": {"load, seed 1": []}}
    assert "Clean instance: 0 false alarms in 1 run." in markdown(ProofRun(header, TRIALS, True, False))


def test_a_broken_proof_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / PROOF_FILE
    path.write_bytes(b'{"kind":"header","schema":1,"proof":true}\n{"kind":"trial","odd":1}\n')
    with pytest.raises(ResultsError, match="line 2: not a trial"):
        read_proof(path)
    path.write_bytes(b'{"kind":"header","schema":1}\n')
    with pytest.raises(ResultsError, match="holds no proof"):
        read_proof(path)
