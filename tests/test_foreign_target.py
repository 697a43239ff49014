"""The suite on an instance of somebody else's, by the rights that it has there: what is judged, what is not and why,
and what it leaves behind.

The embedded instance is a process of its own on its own data; the suite knows its address, and a token or an account.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from benchmarks.rights import TARGET, Owner, Rights, kinds_of_rights
from cdp.contract import Contract, load_contract
from cdp.results import Run, read_results
from cdp.targets import load_target
from cdp.verdicts import Cell, Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.diagnosis import Diagnosis, State, describe_reach
from contracts.doctor import diagnose
from tests.running_instance import RunningInstance, start_instance, stop_instance
from tests.target_state import Answers, state

SECTIONS = ("tags", "cdm-tags", "segments-acl", "feeds", "user-roles")
SINGLES = ("feeds/view", "settings/cdp_entities")
NOT_JUDGED = (Verdict.SKIP, Verdict.UNCONFIRMED, Verdict.ERROR)
WRITES_NEEDED = "write calls are not allowed on this target; allow writes to judge it"
NO_CALLERS = "no callers with other roles can be made: "
MAY_NOT = "the role of the run's own token may not call create_user_role; a token with settings/roles would make it"


@dataclass
class Outcome:
    """What the suite said of a target, and what the target held before and after."""

    done: subprocess.CompletedProcess[str]
    run: Run
    doctor: Diagnosis
    before: Answers
    after: Answers

    def results(self, *families: str) -> list[Result]:
        return [r for r in self.run.results if not families or r.family in families]

    def judged(self, *families: str) -> list[Result]:
        return [r for r in self.results(*families) if r.verdict not in NOT_JUDGED]

    def reasons(self, *families: str) -> Counter[str]:
        return Counter(r.sentence for r in self.results(*families) if r.verdict in NOT_JUDGED)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInstance]:
    data = tmp_path_factory.mktemp("theirs") / "instance.sqlite"
    running = start_instance("--port", "0", "--data", str(data), "--customers", "60", "--events", "500")
    yield running
    stop_instance(running)


@pytest.fixture(scope="module")
def kinds(theirs: RunningInstance, contract: Contract) -> dict[str, Rights]:
    owner = Owner(theirs.base_url, theirs.email, theirs.password)
    return {rights.name: rights for rights in kinds_of_rights(contract, owner, SINGLES)}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return {}


@pytest.fixture
def outcome(
    request: pytest.FixtureRequest,
    theirs: RunningInstance,
    kinds: dict[str, Rights],
    contract: Contract,
    outcomes: dict[str, Outcome],
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    """What comes out with one kind of rights; found out once."""
    kind: str = request.param
    if kind not in outcomes:
        directory = tmp_path_factory.mktemp("team")
        rights = kinds[kind]
        file = rights.write(directory)
        doctor = diagnose(contract, load_catalogue(), load_target(TARGET, file, rights.environment))
        before = state(theirs, whole=kind == "read-only")
        sections = [part for section in SECTIONS for part in ("--section", section)]
        done = rights.run(directory, "contract", "--runs", "runs", *sections, timeout_s=300)
        after = state(theirs, whole=kind == "read-only")
        files = list((directory / "runs").glob("*/results.jsonl"))
        assert files, done.stderr
        run = read_results(files[0])
        outcomes[kind] = Outcome(done, run, doctor, before, after)
    return outcomes[kind]


def of(*kinds: str) -> pytest.MarkDecorator:
    often = ("read-only",)  # the others run in `make test-all`
    params = [kind if kind in often else pytest.param(kind, marks=pytest.mark.slow) for kind in kinds]
    return pytest.mark.parametrize("outcome", params, indirect=True)


@of("read-only", "no users", "ready-made roles", "full")
def test_a_foreign_target_is_judged_without_harm(outcome: Outcome, theirs: RunningInstance) -> None:
    assert outcome.done.returncode == 0, outcome.done.stdout + outcome.done.stderr
    assert outcome.run.complete
    broken = [r for r in outcome.run.results if r.verdict in (Verdict.WARN, Verdict.FAIL, Verdict.ERROR)]
    assert not broken, [(r.cell.address, r.sentence) for r in broken]
    assert outcome.run.leftovers == []
    assert outcome.after == outcome.before
    assert {"AUTH", "PAGE", "ORDER", "MEDIA", "CODE", "SHAPE"} <= {r.family for r in outcome.judged()}
    assert theirs.token not in outcome.done.stdout + outcome.done.stderr


@of("read-only", "no users", "ready-made roles", "full")
def test_the_doctor_has_told_what_is_judged(outcome: Outcome) -> None:
    reach = outcome.doctor.reach
    assert reach is not None
    real = {r.cell: r.verdict not in NOT_JUDGED for r in outcome.run.results}
    wrong = [cell.address for cell, judged in real.items() if judged == bool(reach.blockers[cell])]
    assert len(wrong) <= 0.01 * len(real), wrong


@of("read-only")
def test_a_token_that_only_reads(outcome: Outcome) -> None:
    assert outcome.run.stays == []
    assert not outcome.judged("ROLE")
    assert all(
        reason.startswith(NO_CALLERS + WRITES_NEEDED) or "allow writes" in reason for reason in outcome.reasons()
    )
    told = {r.cell.address: r.sentence for r in outcome.results()}
    assert told["ROLE-01/list_feeds/no-features"] == (
        f"{NO_CALLERS}{WRITES_NEEDED}; a ready-made token of a role without features (roles in targets.toml) would do "
        "as well"
    )
    assert outcome.doctor.exit_code == 1 and outcome.doctor.reach is not None
    assert "allow writes: +" in "\n".join(describe_reach(outcome.doctor.reach, "quick"))


@of("no users")
def test_a_token_that_may_create_no_users(outcome: Outcome) -> None:
    assert not outcome.judged("ROLE")
    assert {r.family for r in outcome.judged()} >= {"LIFE", "STRUCT"}
    assert all("settings/roles" in reason or "a token with its features" in reason for reason in outcome.reasons()), (
        outcome.reasons()
    )
    told = {r.cell.address: r.sentence for r in outcome.results()}
    assert told["ROLE-07/list_tags/ended-user"].startswith(NO_CALLERS + MAY_NOT)
    gaps = {line.subject: line for line in outcome.doctor.lines if line.state is State.GAP}
    assert "settings/roles, settings/users" in gaps["roles and users"].text
    assert "ready-made" in gaps["roles and users"].advice


@of("ready-made roles")
def test_ready_made_tokens_stand_in_for_users(outcome: Outcome, outcomes: dict[str, Outcome]) -> None:
    verdicts = {r.cell: r.verdict for r in outcome.results()}
    for address in (
        "ROLE-01/list_feeds/no-features",
        "ROLE-01/create_tag/no-features",
        "ROLE-02/list_feeds/feeds/view",
        "ROLE-08/list_feeds/no-features",
    ):
        assert verdicts[Cell.parse(address)] is Verdict.PASS, address
    assert {r.cell.requirement for r in outcome.results("ROLE") if r.verdict is Verdict.SKIP} >= {"ROLE-06", "ROLE-07"}
    if without := outcomes.get("no users"):
        assert len(outcome.judged()) > len(without.judged())


@of("full")
def test_full_rights_judge_everything(outcome: Outcome) -> None:
    assert outcome.reasons() == Counter()
    assert outcome.doctor.exit_code == 0
