"""A run in several processes: the same verdicts as in one, and nothing lost whatever happens to a process.

What `cdp contract -n` and `pytest contracts -n` (pytest-xdist) have to do alike is tried with both.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from cdp.contract import load_contract
from cdp.results import Run, read_results
from cdp.targets import target_from_url
from cdp.verdicts import Cell, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.parallel.pool import Pool
from contracts.parallel.share import Told, kit
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from instance.faults import FAULTS
from tests.broken_server import BrokenServer
from tests.loopback import Asked, Reply, forwarding, serving
from tests.running_instance import ROOT, RunningInstance, start_instance, stop_instance

CATALOGUE = load_catalogue()
CONTRACT = load_contract()
# What has most to do with each other: parents and children, lists that show what others write, callers and roles.
SECTIONS = (
    *("user-roles", "segments", "segment-s-notes"),
    *("create-customer-events", "trash"),
)
FEW = ("tags", "feeds", "images", "reports")
_MINUTES = 240


class Silent:
    """Watches a run and says nothing."""

    def doing(self, operation: str) -> None:
        pass

    def judged(self, verdict: Verdict, cell: Cell) -> None:
        pass

    def again(self, cell: Cell, verdict: Verdict, number: int) -> None:
        pass


@dataclass(frozen=True)
class Front:
    """One of the two ways to start a run."""

    name: str
    command: tuple[str, ...]
    option: str

    def __str__(self) -> str:
        return self.name

    def run(self, url: str, runs: Path, *more: str, sections: tuple[str, ...] = FEW) -> list[str]:
        """The command that judges sections of what is at a URL, in two processes."""
        chosen = [word for section in sections for word in (f"{self.option}section", section)]
        where = [f"{self.option}url", url, f"{self.option}runs", str(runs)]
        return [sys.executable, "-m", *self.command, *where, *chosen, "-n", "2", *more]

    def allowing(self, permissions: str) -> tuple[str, str]:
        return f"{self.option}allow", permissions


CDP = Front("cdp contract", ("cdp", "contract"), "--")
XDIST = Front("pytest contracts", ("pytest", "contracts", "-q", "-p", "no:cacheprovider"), "--cdp-")
both = pytest.mark.parametrize("front", [CDP, pytest.param(XDIST, marks=pytest.mark.slow)], ids=["cdp", "pytest"])


def environment(instance: RunningInstance) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("CDP_", "PYTEST_"))}
    return {**known, "CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}


@pytest.fixture
def own_instance() -> Iterator[RunningInstance]:
    instance = start_instance("--customers", "60", "--events", "500")
    yield instance
    stop_instance(instance)


def results(runs: Path) -> Run:
    return read_results(next(runs.glob("*/results.jsonl")))


def verdicts(run: Run) -> dict[str, str]:
    """Verdict by cell; no cell stands in the results twice."""
    assert run.again == 0
    return {result.cell.address: result.verdict.name for result in run.results}


@contextmanager
def started(command: list[str], instance: RunningInstance) -> Iterator[subprocess.Popen[str]]:
    """A run that is a process group of its own, as in a terminal; nothing of it is left behind."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(instance),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look, for minutes at most and while the process lives, until something is so."""
    over = threading.Event()
    timer = threading.Timer(_MINUTES, over.set)
    timer.start()
    try:
        while not condition():
            assert process.poll() is None and not over.is_set(), "the run did not get so far"
            over.wait(0.02)
    finally:
        timer.cancel()


def judged(runs: Path) -> int:
    return sum(max(0, path.read_bytes().count(b"\n") - 1) for path in runs.glob("*/results.jsonl"))


def judging(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that judge: those below the run that have its ledger open, the run itself left out."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any(file.path.endswith("ledger.jsonl") for file in child.open_files()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def both_at_work(process: subprocess.Popen[str], runs: Path) -> list[psutil.Process]:
    """The two processes that judge, once both have begun and something is judged."""
    wait_for(lambda: judged(runs) > 60 and len(judging(process)) == 2, process)
    return judging(process)


def ended(process: subprocess.Popen[str]) -> str:
    """What a run has printed, once it has ended; never a traceback of the suite's."""
    output, errors = process.communicate(timeout=_MINUTES)
    assert "Traceback" not in output + errors, output + errors
    return output + errors


def names_left(instance: RunningInstance) -> list[str]:
    lists = {"/tags": "tags", "/feeds": "feeds", "/images": "images", "/reports": "reports", "/users": "users"}
    records = [r for path, key in lists.items() for r in instance.get(path, limit=100)[key]]
    return [name for r in records if str(name := r.get("name") or r.get("email")).startswith("cdp-")]


# --- the same verdicts -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The verdicts of one process."""
    runs = tmp_path_factory.mktemp("alone")
    chosen = [word for section in SECTIONS for word in ("--section", section)]
    subprocess.run(
        [sys.executable, "-m", "cdp", "contract", "--runs", str(runs), *chosen],
        cwd=ROOT,
        capture_output=True,
        timeout=_MINUTES,
    )
    return verdicts(results(runs))


@both
def test_the_same_verdicts_as_one_process(front: Front, alone: dict[str, str], tmp_path: Path) -> None:
    chosen = [word for section in SECTIONS for word in (f"{front.option}section", section)]
    command = [sys.executable, "-m", *front.command, f"{front.option}runs", str(tmp_path), *chosen, "-n", "2"]
    known = {name: value for name, value in os.environ.items() if not name.startswith(("CDP_", "PYTEST_"))}
    process = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, timeout=_MINUTES)
    assert process.returncode == 0, process.stdout + process.stderr
    run = results(tmp_path)
    assert verdicts(run) == alone
    assert len(alone) > 500 and run.complete and run.planned == len(alone)
    assert run.footer is not None and run.footer["leftovers"] == []
    assert 5 < run.footer["most_requests_per_list_and_role"] <= 15 and run.footer["busiest_list"]


@pytest.mark.slow
@both
def test_figures_are_those_of_all_processes(front: Front, own_instance: RunningInstance, tmp_path: Path) -> None:
    with serving(forwarding(own_instance.origin)) as proxy:
        command = front.run(proxy.url + "/api", tmp_path, *front.allowing("writes,destructive"), sections=FEW[:2])
        process = subprocess.run(
            command, cwd=ROOT, env=environment(own_instance), capture_output=True, text=True, timeout=_MINUTES
        )
        sent = len(proxy.asked)
    assert process.returncode == 0, process.stdout + process.stderr
    run = results(tmp_path)
    assert run.footer is not None and run.complete
    assert run.footer["requests"] == sent
    assert sum(run.footer["counts"].values()) == len(run.results) == run.planned
    written = [request for request in proxy.asked if b"cdp-" in request.body]
    prefix = run.header["prefix"].encode()
    assert written and all(prefix in request.body for request in written)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deleted-still-read", "direction-ignored", "any-feature-opens", "no-token-needed"])
def test_what_is_broken_is_found_alike(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    server = BrokenServer(tmp_path)
    operations = tuple(dict.fromkeys((*fault.examples, "list_feeds", "create_feed")))
    plan = make_plan(CONTRACT, CATALOGUE, Selection(operations=operations), PROFILES["quick"], seed=1)
    try:
        found = []
        for processes in (1, 2):
            directory = tmp_path / str(processes)
            directory.mkdir()
            with server.breaking(fault) as target:
                run = ContractRun(plan, target, directory, processes=processes)
                try:
                    if processes == 1:
                        run.start()
                        list(run.judge_all())
                    else:
                        with Pool(run) as pool:
                            run.start()
                            pool.judge_all(Silent())
                finally:
                    run.finish(obstacle="the data are thrown away")
            found.append(verdicts(read_results(directory / "results.jsonl")))
    finally:
        server.stop()
    assert found[0] == found[1]
    for cell in (f"{requirement}/{name}" for requirement in fault.by for name in fault.examples):
        assert any(
            found[1][address] in ("FAIL", "WARN") for address in found[1] if f"{address}/".startswith(f"{cell}/")
        )


# --- what happens to a process ---------------------------------------------------------------------------------------


@pytest.mark.slow
@both
def test_a_process_that_dies_is_an_error_and_no_loss(
    front: Front, own_instance: RunningInstance, tmp_path: Path
) -> None:
    command = front.run(own_instance.base_url, tmp_path, *front.allowing("writes,destructive"))
    with started(command, own_instance) as process:
        processes = both_at_work(process, tmp_path)
        shown = [" ".join(each.cmdline()) for each in psutil.Process(process.pid).children(recursive=True)]
        processes[0].kill()
        output = ended(process)
    assert process.returncode == 3, output
    assert not any(own_instance.password in line or own_instance.token in line for line in shown)
    run = results(tmp_path)
    assert run.complete and len(verdicts(run)) == run.planned
    lost = [result for result in run.results if result.verdict is Verdict.ERROR]
    assert lost and len({result.cell.operation for result in lost}) == 1
    assert all("process" in result.sentence and "while it judged this operation" in result.sentence for result in lost)
    assert {r.verdict for r in run.results if r not in lost} == {Verdict.PASS}
    assert run.footer is not None and run.footer["leftovers"] == []
    assert names_left(own_instance) == []


@pytest.mark.slow
def test_processes_that_all_die_lose_no_cell(own_instance: RunningInstance, tmp_path: Path) -> None:
    """Every process, and those that take their places, is killed as soon as it judges."""
    command = CDP.run(own_instance.base_url, tmp_path, *CDP.allowing("writes,destructive"))
    killed: set[int] = set()
    with started(command, own_instance) as process:
        deadline = threading.Event()
        timer = threading.Timer(_MINUTES, deadline.set)
        timer.start()
        while process.poll() is None and not deadline.wait(0.02):
            for each in judging(process):
                if each.pid not in killed:
                    killed.add(each.pid)
                    each.kill()
        timer.cancel()
        output = ended(process)
    assert process.returncode == 3, output
    run = results(tmp_path)
    assert len(killed) > 2 and run.complete and len(verdicts(run)) == run.planned
    assert "no process of the run was left to judge it" in {result.sentence for result in run.results}
    assert names_left(own_instance) == []


@pytest.mark.slow
@both
def test_an_obstacle_for_one_stops_all(front: Front, own_instance: RunningInstance, tmp_path: Path) -> None:
    forward = forwarding(own_instance.origin)
    refusing = threading.Event()

    def answer(asked: Asked) -> Reply:
        if refusing.is_set() and asked.headers.get("x-access-token"):
            return Reply(401, b'{"message": "who are you?"}')
        return forward(asked)

    with serving(answer) as proxy:
        command = front.run(proxy.url + "/api", tmp_path, *front.allowing("writes,destructive"))
        with started(command, own_instance) as process:
            wait_for(lambda: judged(tmp_path) > 60, process)
            refusing.set()
            output = ended(process)
    assert process.returncode == 3, output
    assert "does not take the run's token any more" in output
    run = results(tmp_path)
    assert "does not take the run's token any more" in run.obstacle
    assert 60 < len(verdicts(run)) < run.planned


@both
def test_ctrl_c_removes_what_all_processes_created(front: Front, own_instance: RunningInstance, tmp_path: Path) -> None:
    command = front.run(own_instance.base_url, tmp_path, *front.allowing("writes,destructive"))
    with started(command, own_instance) as process:
        wait_for(lambda: judged(tmp_path) > 60, process)
        os.killpg(process.pid, signal.SIGINT)
        output = ended(process)
    assert process.returncode == 3, output
    run = results(tmp_path)
    assert not run.complete and run.footer is not None and run.footer["interrupted"]
    assert run.footer["leftovers"] == []
    assert names_left(own_instance) == []


@pytest.mark.slow
def test_no_process_outlives_a_killed_run(own_instance: RunningInstance, tmp_path: Path) -> None:
    """Who would clean up is gone: nothing more is created, and `cdp clean` finds nobody at work."""
    command = CDP.run(own_instance.base_url, tmp_path, *CDP.allowing("writes,destructive"))
    with started(command, own_instance) as process:
        processes = both_at_work(process, tmp_path)
        process.kill()
        gone, alive = psutil.wait_procs(processes, timeout=30)
    assert len(gone) == 2 and not alive
    cleaning = [sys.executable, "-m", "cdp", "clean", "--url", own_instance.base_url, "--allow", "writes"]
    result = subprocess.run(
        [*cleaning, "--runs", str(tmp_path)],
        cwd=ROOT,
        env=environment(own_instance),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert names_left(own_instance) == []


@pytest.mark.slow
def test_a_process_that_hangs_is_ended(own_instance: RunningInstance, tmp_path: Path) -> None:
    credentials = {"CDP_EMAIL": own_instance.email, "CDP_PASSWORD": own_instance.password}
    target = target_from_url(own_instance.base_url, credentials, {"writes", "destructive"})
    plan = make_plan(CONTRACT, CATALOGUE, Selection(sections=FEW), PROFILES["quick"], seed=1)
    run = ContractRun(plan, target, tmp_path, processes=2)

    class Stopping(Silent):
        stopped = 0

        def doing(self, operation: str) -> None:
            if not self.stopped:
                self.stopped = pool.workers[0].process.pid or 0
                os.kill(self.stopped, signal.SIGSTOP)

    watcher = Stopping()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "silence_s", 20.0)
        with Pool(run) as pool:
            run.start()
            pool.judge_all(watcher)
    run.finish()
    assert not psutil.pid_exists(watcher.stopped)
    found = read_results(tmp_path / "results.jsonl")
    lost = {result.sentence for result in found.results if result.verdict is Verdict.ERROR}
    # On a busy machine another process may be silent for as long: it is ended, too, and nothing is lost by that.
    assert f"process {watcher.stopped} of the run was silent for 20 s and was ended" in lost
    assert found.complete and len(verdicts(found)) == found.planned


# --- nights ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@both
def test_every_process_judges_its_own_cells_again(front: Front, own_instance: RunningInstance, tmp_path: Path) -> None:
    night = (f"{front.option}profile", "nightly", f"{front.option}examples", str(tmp_path / "examples"))
    rules = [f"{front.option}requirement={name}" for name in ("PAGE-03", "MEDIA-06", "LIFE-03", "ROLE-03", "CODE-07")]
    command = front.run(
        own_instance.base_url,
        tmp_path / "runs",
        *(*front.allowing("writes,destructive"), *night, *rules),
        sections=("tags", "reports"),
    )
    ended_run = subprocess.run(
        command, cwd=ROOT, env=environment(own_instance), capture_output=True, text=True, timeout=300
    )
    assert ended_run.returncode == 0, ended_run.stdout + ended_run.stderr
    run = results(tmp_path / "runs")
    assert run.complete and run.rounds == 4 and run.again > 20
    assert {result.verdict for result in run.results} <= {Verdict.PASS, Verdict.SKIP}
    assert run.leftovers == [] and names_left(own_instance) == []


@pytest.mark.slow
@both
def test_a_budget_too_short_for_several_processes_is_no_verdict(
    front: Front, own_instance: RunningInstance, tmp_path: Path
) -> None:
    night = (f"{front.option}profile", "nightly", f"{front.option}examples", str(tmp_path / "examples"))
    budget = (f"{front.option}budget", "0.25")
    allowed = front.allowing("writes,destructive")
    command = front.run(own_instance.base_url, tmp_path / "runs", *allowed, *night, *budget, sections=SECTIONS)
    ended_run = subprocess.run(
        command, cwd=ROOT, env=environment(own_instance), capture_output=True, text=True, timeout=300
    )
    assert ended_run.returncode == 3, ended_run.stdout + ended_run.stderr
    if not list((tmp_path / "runs").glob("*/results.jsonl")):
        return  # on a busy machine the time may be up before the run has begun
    run = results(tmp_path / "runs")
    assert len(run.results) < run.planned and run.out_of_time
    assert {result.verdict for result in run.results} <= {Verdict.PASS, Verdict.SKIP}
    assert run.leftovers == [] and names_left(own_instance) == []


# --- the parts -------------------------------------------------------------------------------------------------------


def test_the_limit_of_the_target_is_shared(own_instance: RunningInstance, tmp_path: Path) -> None:
    credentials = {"CDP_EMAIL": own_instance.email, "CDP_PASSWORD": own_instance.password}
    target = replace(target_from_url(own_instance.base_url, credentials, {"writes"}), max_rps=300.0)
    plan = make_plan(CONTRACT, CATALOGUE, Selection(sections=("tags",)), PROFILES["quick"], seed=1)
    run = ContractRun(plan, target, tmp_path, processes=3)
    try:
        run.start()
        kits = [kit(run, place, place + 1) for place in range(3)]
    finally:
        run.finish()
    assert [each.target.max_rps for each in kits] == [100.0] * 3
    changeable = [each.callers.changeable for each in kits]
    assert len({caller.token for caller in changeable if caller is not None}) == 3
    assert len({each.share for each in kits}) == 3
    assert all(each.callers.holding == kits[0].callers.holding for each in kits)


def test_what_is_told_survives_the_way() -> None:
    told = Told(Cell("PAGE-03", "list_tags", "admin"), Verdict.WARN, 2, {"admin": 7, "minimal": 2})
    assert Told.of_record(told.as_record()) == told


def test_no_process_is_no_number_of_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cdp", "contract", "-n", "0", "--runs", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2 and "-n" in result.stderr
    assert not list(tmp_path.iterdir())
