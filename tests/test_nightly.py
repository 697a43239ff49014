"""Nights: rare faults, the examples that are kept of them, rounds that end with the budget, and sets of features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cdp.contract import Contract, load_contract
from cdp.results import Run, read_results
from cdp.verdicts import Verdict, exit_code
from contracts.budget import Budget, OutOfTime
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.examples import Examples
from contracts.plan import make_plan
from contracts.profiles import PROFILES, Profile
from contracts.run import ContractRun
from instance.faults.listing import limit, offset
from instance.faults.model import (
    Alteration,
    Answer,
    Fault,
    Request,
    World,
    records_of,
    refusal,
    with_records,
)
from reports import write_reports
from tests.broken_server import BrokenServer

NIGHTLY = replace(PROFILES["nightly"], rounds=1)
CATALOGUE = load_catalogue()


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("nightly"))
    yield running
    running.stop()


class Ticking:
    """A clock on which every look takes a moment, so that a run on it has the same length on every machine."""

    def __init__(self, step_s: float) -> None:
        self.now = 0.0
        self.step_s = step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


@dataclass
class Nights:
    """Runs over the same cells of a server with the same bug."""

    server: BrokenServer
    contract: Contract
    base: Path
    selection: Selection
    alter: Alteration | None
    through: tuple[str, ...] = ()
    runs: int = 0

    def night(
        self, seed: int, profile: Profile = NIGHTLY, budget: Budget | None = None, keep: bool = True
    ) -> tuple[Run, ContractRun]:
        """A whole run, with its results as they are read from its file."""
        self.runs += 1
        directory = self.base / f"run-{self.runs}"
        directory.mkdir()
        plan = make_plan(self.contract, CATALOGUE, self.selection, profile, seed)
        operations = tuple(plan_operation.id for plan_operation in plan.operations)
        bug = Fault("rare", "rare", operations, (), self.alter, through=frozenset(self.through))  # type: ignore[arg-type]
        examples = Examples(self.base / "examples", "staging") if keep else None
        with self.server.breaking(bug if self.alter else None) as target:
            run = ContractRun(plan, target, directory, budget, examples)
            try:
                run.start()
                list(run.judge_all())
                list(run.judge_deeper())
            except OutOfTime:
                pass
            finally:
                run.finish()
        return read_results(directory / "results.jsonl"), run

    @property
    def kept(self) -> list[Path]:
        """The files of the kept examples, Hypothesis' own list of their names left out."""
        files = [path for path in (self.base / "examples").rglob("*") if path.is_file()]
        return [path for path in files if not path.read_bytes().startswith((b"search ", b"steps"))]


TAGS = Selection(cells=("PAGE-03/list_tags/admin",))


def loses_one(asked: list[bool] | None = None, mended: list[bool] | None = None) -> Alteration:
    """Longer pages that begin at some few places miss their last record."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        drawn = request.get("limit") is not None and request.get("offset") is not None
        hit = drawn and offset(request) % 23 == 7 and 17 <= limit(request) <= 60
        if asked is not None and drawn:
            asked.append(hit)
        if not hit or mended:
            return answer
        return with_records(request, answer, records_of(request, answer)[:-1])

    return alter


def test_a_rare_failure_of_one_night_is_the_first_to_be_tried_in_the_next(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    asked: list[bool] = []
    nights = Nights(server, contract, tmp_path, TAGS, loses_one(asked))
    thorough, hasty = replace(NIGHTLY, examples=100), replace(NIGHTLY, examples=2)

    first, _ = nights.night(seed=8, profile=thorough)
    assert first.results[0].verdict is Verdict.FAIL
    assert nights.kept
    before = asked.index(True)
    assert before > 5, "a fault that the first examples find is not rare"

    asked.clear()
    without, _ = nights.night(seed=2, profile=hasty, keep=False)
    assert without.results[0].verdict is Verdict.PASS and True not in asked

    asked.clear()
    second, _ = nights.night(seed=2, profile=hasty)
    assert second.results[0].verdict is Verdict.FAIL
    assert second.results[0].example == first.results[0].example, "the smallest example is kept"
    assert asked.index(True) <= 3, "only the fixed pages of the cell come before what is kept"


def test_an_example_that_does_not_fail_any_more_is_dropped(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    mended: list[bool] = []
    nights = Nights(server, contract, tmp_path, TAGS, loses_one(mended=mended))
    nights.night(seed=1, profile=replace(NIGHTLY, examples=100))
    kept = len(nights.kept)
    mended.append(True)
    run, _ = nights.night(seed=2, profile=replace(NIGHTLY, examples=100))
    assert run.results[0].verdict is Verdict.PASS
    assert len(nights.kept) < kept


def test_a_target_that_is_too_busy_drops_no_example(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    busy: list[bool] = []

    async def alter(request: Request, world: World) -> Answer:
        answer = await loses_one()(request, world)
        refused = busy and offset(request) % 23 == 7
        return replace(refusal(429), headers=(*answer.headers, ("retry-after", "0"))) if refused else answer

    nights = Nights(server, contract, tmp_path, TAGS, alter)
    nights.night(seed=1, profile=replace(NIGHTLY, examples=100))
    kept = sorted(nights.kept)
    busy.append(True)
    run, _ = nights.night(seed=2, profile=replace(NIGHTLY, examples=2))
    assert run.results[0].verdict is Verdict.ERROR
    assert sorted(nights.kept) == kept


def test_what_is_drawn_depends_on_the_seed_and_not_on_what_is_kept(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    pages: list[str] = []
    mended: list[bool] = []

    async def alter(request: Request, world: World) -> Answer:
        pages.append(f"{request.get('limit')}+{request.get('offset')}")
        return await loses_one(mended=mended)(request, world)

    nights = Nights(server, contract, tmp_path, TAGS, alter)
    nights.night(seed=1, profile=replace(NIGHTLY, examples=100))
    mended.append(True)
    found = []
    for keep in (True, False):
        pages.clear()
        nights.night(seed=3, keep=keep)
        found.append([asked for asked in pages if not asked.endswith("None")][-8:])  # others come at once, in any order
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_kept_life_is_lived_first(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    """A tag that is changed twice in a row loses its last change: the life that every profile takes reads between."""
    steps: list[str] = []

    async def alter(request: Request, world: World) -> Answer:
        steps.append(request.method)
        changes = world.memory.setdefault("changes", Counter())
        if request.method == "GET":
            changes[request.path] = 0
        if request.method == "PATCH" and request.operation is not None:
            changes[request.path] += 1
            if changes[request.path] == 2:
                return await world.forward(replace(request, method="GET", body=b""))
        return await world.forward(request)

    cells = ("LIFE-03/update_tag/admin",)
    nights = Nights(server, contract, tmp_path, Selection(cells=cells), alter, through=("create_tag", "get_tag"))
    first, _ = nights.night(seed=1, profile=replace(NIGHTLY, lives=200))
    assert first.results[0].verdict is Verdict.WARN
    patches = steps.count("PATCH")
    steps.clear()
    short = replace(NIGHTLY, lives=1, steps=3)
    without, _ = nights.night(seed=2, profile=short, keep=False)
    assert without.results[0].verdict is Verdict.PASS
    steps.clear()
    second, _ = nights.night(seed=2, profile=short)
    assert second.results[0].verdict is Verdict.WARN
    assert second.results[0].example == first.results[0].example
    assert steps.count("PATCH") < patches


def test_nothing_that_is_kept_holds_a_secret(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    async def echo(request: Request, world: World) -> Answer:
        """Takes a token with a ~ in it for the administrator's, and tells the token in every answer."""
        token = request.header(b"x-access-token") or b""
        answer = await loses_one()(world.as_admin(request) if b"~" in token else request, world)
        return answer.showing({**answer.json, "asked_by": token.decode("latin-1")})

    selection = Selection(cells=("AUTH-03/list_tags", "PAGE-03/list_tags/admin"))
    nights = Nights(server, contract, tmp_path, selection, echo)
    run, made = nights.night(seed=1, profile=replace(NIGHTLY, examples=100, tokens=90))
    assert {r.verdict for r in run.results} == {Verdict.FAIL}
    assert len({path.parent for path in nights.kept}) >= 2
    token, password = made.session.admin.token, made.target.credentials.password
    for file in nights.kept:
        for secret in (token, password):
            assert secret and secret.encode() not in file.read_bytes(), file
            assert token[:12].encode() not in file.read_bytes(), file


# --- rounds ----------------------------------------------------------------------------------------------------------


def test_a_failure_of_a_later_round_is_repeated_by_its_seed(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    nights = Nights(server, contract, tmp_path, TAGS, loses_one())
    run, made = nights.night(seed=4, profile=replace(NIGHTLY, examples=4, rounds=40), keep=False)
    (found,) = run.results
    assert found.verdict is Verdict.FAIL and found.round > 1 and found.seed != 4
    assert exit_code(run) == 1
    assert run.again == found.round - 1, "what is broken is not judged again"
    lines = [path.read_text() for path in write_reports(made.directory / "results.jsonl")]
    command = f"cdp contract --profile nightly --cell PAGE-03/list_tags/admin --seed {found.seed}"
    assert all(command in text for text in lines)

    again, _ = nights.night(seed=found.seed, profile=replace(NIGHTLY, examples=4), keep=False)
    assert again.results[0].verdict is Verdict.FAIL
    assert (again.results[0].example, again.results[0].round) == (found.example, 1)


MIXED = Selection(operations=("list_tags", "get_tag", "create_tag", "update_tag", "delete_tag"))


@pytest.mark.slow
def test_rounds_add_evidence_find_nothing_and_leave_nothing(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    nights = Nights(server, contract, tmp_path, MIXED, None)
    run, made = nights.night(seed=1, profile=replace(NIGHTLY, rounds=3))
    assert {r.verdict for r in run.results} <= {Verdict.PASS, Verdict.SKIP}
    assert run.complete and exit_code(run) == 0
    assert run.rounds == 3 and run.again > 30 and run.gained > 300
    assert run.leftovers == [] and nights.kept == []
    assert made.counts == Counter(r.verdict.name for r in run.results)


@pytest.mark.slow
def test_what_rounds_remove_is_not_relied_upon_afterwards(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    """Events that are sent name a definition of events, which may be one that the run made and has removed."""
    cells = ("CODE-01/create_event/admin", "MEDIA-06/update_event/admin", "EVENT-02/create_customer_events/admin")
    nights = Nights(server, contract, tmp_path, Selection(cells=cells), None)
    run, _ = nights.night(seed=1, profile=replace(NIGHTLY, rounds=4))
    assert [r.verdict for r in run.results] == [Verdict.PASS] * 3
    assert run.rounds == 4


@pytest.mark.slow
def test_the_budget_ends_the_rounds_and_not_the_verdicts(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    selection = Selection(operations=("list_tags", "update_tag"))
    nights = Nights(server, contract, tmp_path, selection, None)
    once, _ = nights.night(seed=1, keep=False)
    clock = Ticking(0.05)
    run, made = nights.night(seed=1, budget=Budget(1.5, clock), keep=False)
    assert run.complete and not run.out_of_time and exit_code(run) == 0
    assert run.again > 10 and run.leftovers == []
    assert 45 < clock.now < 90, "what is left was kept for the clean-up"
    assert {r.cell: r.verdict for r in run.results} == {r.cell: r.verdict for r in once.results}
    assert made.rounds.next() != [], "there was more to do"


@pytest.mark.slow
def test_a_budget_too_short_for_every_cell_tells_nothing(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    nights = Nights(server, contract, tmp_path, MIXED, None)
    run, made = nights.night(seed=1, budget=Budget(0.4, Ticking(0.03)))
    assert 0 < len(run.results) < run.planned
    assert {r.verdict for r in run.results} <= {Verdict.PASS, Verdict.SKIP}, "what was under way is not blamed"
    assert run.out_of_time and exit_code(run) == 3
    assert run.leftovers == []
    junit = write_reports(made.directory / "results.jsonl")[1].read_text()
    assert "The budget of 0.4 min ended before every cell was judged once" in junit


# --- sets of features ------------------------------------------------------------------------------------------------

ROLES = Selection(cells=("ROLE-03/list_tags/feature-sets", "ROLE-03/create_tag/feature-sets"))


def two_open_it(first: str, second: str) -> Alteration:
    """Two features that together open what neither of them does."""

    async def alter(request: Request, world: World) -> Answer:
        held = world.features(request)
        return await world.forward(world.as_admin(request) if held and {first, second} <= held else request)

    return alter


def too_many_close_it(most: int) -> Alteration:
    async def alter(request: Request, world: World) -> Answer:
        held = world.features(request)
        return refusal(403) if held and most < len(held) < 45 else await world.forward(request)

    return alter


def test_sets_around_what_is_needed_are_tried(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    nights = Nights(server, contract, tmp_path, ROLES, None)
    run, _ = nights.night(seed=1, profile=replace(NIGHTLY, lattice=40))
    assert {r.verdict for r in run.results} == {Verdict.PASS}
    few, _ = nights.night(seed=1, profile=replace(NIGHTLY, lattice=0))
    assert sum(r.evidence for r in run.results) > sum(r.evidence for r in few.results) + 40
    assert run.footer is not None and few.footer is not None
    assert run.footer["callers"] == few.footer["callers"], "one caller is enough for all of them"


def test_more_features_that_close_an_operation_are_found(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    nights = Nights(server, contract, tmp_path, ROLES, too_many_close_it(3))
    profile = replace(NIGHTLY, feature_sets=0, lattice=60)
    run, _ = nights.night(seed=1, profile=profile)
    assert {r.verdict for r in run.results} <= {Verdict.WARN, Verdict.FAIL}
    assert all("drawn around them got 403, although that opens it" in r.sentence for r in run.results)
    assert run.footer is not None and run.footer["callers"] < 40
    none, _ = nights.night(seed=1, profile=replace(profile, lattice=0), keep=False)
    assert {r.verdict for r in none.results} == {Verdict.PASS}


def test_a_target_that_changes_no_role_is_asked_a_few_times(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    refusals: list[Request] = []

    async def refuse(request: Request, world: World) -> Answer:
        if request.operation is not None and request.operation.id == "update_user_role":
            refusals.append(request)
            return refusal(400)
        return await world.forward(request)

    nights = Nights(server, contract, tmp_path, ROLES, refuse, through=("update_user_role",))
    run, _ = nights.night(seed=1, profile=replace(NIGHTLY, lattice=40))
    assert {r.verdict for r in run.results} == {Verdict.PASS}, "by the sets that have callers of their own"
    assert len(refusals) == 6


def test_a_target_that_is_slow_to_change_a_role_is_not_blamed(
    server: BrokenServer, contract: Contract, tmp_path: Path
) -> None:
    async def first_features_stay(request: Request, world: World) -> Answer:
        """A change of a role's features is acknowledged and not done."""
        if request.operation is not None and request.operation.id == "update_user_role":
            return await world.forward(replace(request, method="GET", body=b""))
        return await world.forward(request)

    nights = Nights(server, contract, tmp_path, ROLES, first_features_stay, through=("update_user_role",))
    run, _ = nights.night(seed=1, profile=replace(NIGHTLY, lattice=40))
    assert {r.verdict for r in run.results} == {Verdict.PASS}
