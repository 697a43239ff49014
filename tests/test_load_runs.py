"""Load runs from end to end: real processes, real sockets, the embedded instance and servers that misbehave."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cdp.load_results import LoadRun
from cdp.ports import free_port
from tests.load_runs import (
    PATIENT,
    Ended,
    account,
    cdp_load,
    ended,
    locust,
    start,
    stored,
    unless_the_machine_was_busy,
    wait_for_rows,
)
from tests.loopback import Asked, Reply, forwarding, serving
from tests.running_instance import RunningInstance, start_instance, stop_instance


def balanced(run: LoadRun) -> None:
    """The books balance, and the rows of the file say the same as the footer."""
    assert run.books is not None and run.books.balanced, run.books
    whole = run.all
    assert run.books.offered == run.books.sent + run.books.never_sent
    assert run.books.sent == run.books.answered + run.books.failed + run.books.unanswered
    assert whole.good == run.books.answered
    assert whole.latency.count == whole.offered


@pytest.mark.parametrize(
    "scenario", ["mixed", *(pytest.param(s, marks=pytest.mark.slow) for s in ("search", "ingest"))]
)
def test_each_scenario_runs_on_a_faithful_instance(scenario: str, instance: RunningInstance, tmp_path: Path) -> None:
    arguments = [scenario, "--rate", "25", "--time", "3s", "--slo", PATIENT, "--batch", "1-20", "--uploads", "10%"]
    done = cdp_load([*arguments, "--url", instance.origin, "--runs", str(tmp_path)], account(instance))
    run = stored(tmp_path)
    unless_the_machine_was_busy(run, done.code, 0)
    balanced(run)
    assert run.complete and run.open_loop
    assert run.all.failed == 0, run.all.errors
    assert run.decision.headline in done.output
    assert instance.password not in done.said
    for file in ("report.html", "summary.json", "histograms.hlog"):
        assert (next(tmp_path.glob("*Z-*")) / file).stat().st_size > 100
    if scenario != "search":
        assert run.all.events > 0


@pytest.mark.slow
def test_the_same_seed_offers_the_same_whatever_the_number_of_processes(
    instance: RunningInstance, tmp_path: Path
) -> None:
    offered = []
    for processes in ("1", "2"):
        runs = tmp_path / processes
        arguments = ["search", "--rate", "40", "--time", "3s", "--slo", PATIENT, "--seed", "5"]
        arguments += ["--processes", processes, "--url", instance.origin, "--runs", str(runs)]
        done = cdp_load(arguments, account(instance))
        run = stored(runs)
        unless_the_machine_was_busy(run, done.code, 0)
        balanced(run)
        counts = {name: figures.offered for (_, _, name), figures in run.totals.items()}
        offered.append(counts)
    assert offered[0] == offered[1]


@pytest.mark.slow
def test_users_are_a_closed_loop_and_say_so(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["mixed", "--users", "12", "--time", "4s", "--slo", f"{PATIENT},errors<1%"]
    done = cdp_load([*arguments, "--url", instance.origin, "--runs", str(tmp_path)], account(instance))
    run = stored(tmp_path)
    assert not run.open_loop
    assert run.all.good > 0 and run.all.failed == 0, run.all.errors
    assert "coordinated omission" in done.output
    assert "coordinated omission" in next(tmp_path.glob("*Z-*")).joinpath("report.html").read_text()


@pytest.mark.slow
def test_locust_by_itself_runs_the_file(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = locust("-H", instance.origin, "--scenario", "search", "--rate", "30", "--run-time", "3s")
    done = ended(start([*arguments, "--slo", PATIENT, "--runs", str(tmp_path)], account(instance)))
    run = stored(tmp_path)
    unless_the_machine_was_busy(run, done.code, 0)
    balanced(run)
    assert "Aggregated" in done.said, "Locust's own tables are there, too"
    assert f" {run.all.offered} " in done.said


@pytest.fixture
def cluster(instance: RunningInstance, tmp_path: Path) -> Iterator[tuple]:
    """A master and three workers, as one starts them on several machines."""
    port = str(free_port())
    arguments = ["-H", instance.origin, "--scenario", "search", "--rate", "60", "--run-time", "4s", "--slo", PATIENT]
    arguments += ["--runs", str(tmp_path), "--master", "--expect-workers", "3", "--master-bind-port", port]
    master = start(locust(*arguments, "--expect-workers-max-wait", "60"), account(instance))
    workers = [start(locust("--worker", "--master-port", port), account(instance)) for _ in range(3)]
    yield master, workers
    for process in (master, *workers):
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_master_and_three_workers_are_one_run(cluster: tuple, tmp_path: Path) -> None:
    master, workers = cluster
    done = ended(master)
    run = stored(tmp_path)
    unless_the_machine_was_busy(run, done.code, 0)
    balanced(run)
    assert {sample["process"] for sample in run.health} == {"worker 0", "worker 1", "worker 2"}
    for worker in workers:
        assert ended(worker).code == 0


@pytest.mark.slow
def test_a_worker_that_is_killed_is_seen_and_its_share_is_counted(cluster: tuple, tmp_path: Path) -> None:
    master, workers = cluster
    wait_for_rows(tmp_path, 1, master)
    workers[1].kill()
    done = ended(master)
    run = stored(tmp_path)
    assert done.code == run.decision.exit_code == 3
    assert "died" in run.decision.sentence
    assert run.books is not None and run.books.balanced
    assert run.books.never_sent > 0
    planned = run.books.offered
    assert planned == pytest.approx(240, abs=70), "everything that its stripe should have sent is offered"


def test_the_first_interrupt_ends_a_run_in_good_order(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["search", "--rate", "30", "--time", "60s", "--slo", PATIENT, "--processes", "2"]
    process = start(
        ["-m", "cdp", "load", *arguments, "--url", instance.origin, "--runs", str(tmp_path)], account(instance)
    )
    wait_for_rows(tmp_path, 2, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    done = ended(process)
    run = stored(tmp_path)
    assert done.code == run.decision.exit_code != 0, "what was not run to its end has met nothing"
    assert any("interrupted" in reason for reason in run.decision.reasons)
    balanced(run)
    assert run.all.good > 0
    assert "Traceback" not in done.said
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_what_a_killed_run_had_is_kept(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["search", "--rate", "30", "--time", "60s", "--url", instance.origin, "--runs", str(tmp_path)]
    process = start(["-m", "cdp", "load", *arguments], account(instance), start_new_session=True)
    wait_for_rows(tmp_path, 2, process)
    children = psutil.Process(process.pid).children(recursive=True)
    for child in (*children, psutil.Process(process.pid)):
        child.kill()
    process.communicate()
    run = stored(tmp_path)
    assert run.footer is None and run.all.good > 0
    assert run.decision.exit_code == 3


@pytest.mark.slow
def test_a_run_ends_when_the_command_that_started_it_is_killed(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["search", "--rate", "30", "--time", "60s", "--url", instance.origin, "--runs", str(tmp_path)]
    process = start(["-m", "cdp", "load", *arguments], account(instance))
    wait_for_rows(tmp_path, 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    _gone, alive = psutil.wait_procs(children, timeout=40)
    process.communicate()
    assert not alive
    assert any("is gone" in reason for reason in stored(tmp_path).decision.reasons)


@pytest.mark.slow
def test_what_comes_after_an_answer_is_told_and_no_answer(instance: RunningInstance, tmp_path: Path) -> None:
    forward = forwarding(instance.origin)
    count = 0

    def twice(asked: Asked) -> Reply:
        nonlocal count
        reply = forward(asked)
        count += "fulltext_search" in asked.path
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(reply.body)
        return replace(reply, after=head + reply.body) if count % 10 == 9 else reply

    with serving(twice) as server:
        arguments = ["search", "--rate", "30", "--time", "2s", "--slo", PATIENT, "--url", server.url]
        cdp_load([*arguments, "--runs", str(tmp_path)], account(instance))
    run = stored(tmp_path)
    balanced(run)
    assert not run.findings and not run.all.bad, "the second answer was taken for the next one's"
    assert run.health_judged is not None
    assert any(note.startswith("bytes after an answer") for note in run.health_judged.notes)


@pytest.mark.slow
def test_a_worker_that_stands_still_is_given_up_and_ended(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["search", "--time", "5s", "--slo", PATIENT, "--runs", str(tmp_path), "--processes", "2"]
    arguments += ["--rate", "30", "--url", instance.origin]
    process = start(["-m", "cdp", "load", *arguments], account(instance))
    wait_for_rows(tmp_path, 1, process)
    worker = psutil.Process(process.pid).children()[0].children()[0]
    worker.suspend()
    try:
        done = ended(process)
    finally:
        if left := worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
            worker.kill()
    run = stored(tmp_path)
    assert not left
    assert done.code == run.decision.exit_code == 3 and "died" in run.decision.sentence
    assert run.books is not None and run.books.balanced and run.books.never_sent > 0


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_workers_end_with_the_master_that_forked_them(alone: bool, instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["--slo", PATIENT, "--runs", str(tmp_path), "--processes", "2", "--rate", "30"]
    if alone:  # plain Locust, where nobody is left to end them
        port = ["--master-bind-port", str(free_port())]
        port += ["--master-port", port[-1]]
        command = locust(*arguments, *port, "-H", instance.origin, "--scenario", "search", "--run-time", "60s")
    else:
        command = ["-m", "cdp", "load", "search", "--time", "60s", *arguments, "--url", instance.origin]
    process = start(command, account(instance))
    wait_for_rows(tmp_path, 1, process)
    started = psutil.Process(process.pid)
    master = started if alone else started.children()[0]
    workers = master.children()
    assert len(workers) == 2
    master.kill()
    _gone, alive = psutil.wait_procs(workers, timeout=20)
    done = ended(process)
    assert not alive
    assert "heartbeat" not in done.said
    if not alone:
        assert done.code == 3 and "cut off" in done.errors


@pytest.mark.slow
def test_a_target_that_dies_is_told_and_not_asked_for_ever(tmp_path: Path) -> None:
    mortal = start_instance()
    try:
        arguments = ["search", "--rate", "50", "--time", "60s", "--slo", PATIENT]
        process = start(
            ["-m", "cdp", "load", *arguments, "--url", mortal.origin, "--runs", str(tmp_path)], account(mortal)
        )
        wait_for_rows(tmp_path, 2, process)
        mortal.process.kill()
        done = ended(process)
    finally:
        stop_instance(mortal)
    run = stored(tmp_path)
    unless_the_machine_was_busy(run, done.code, 1)
    balanced(run)
    assert run.lasted_s < 40, "a burst of refused connections ends it"
    assert any(error.kind in ("REFUSED", "RESET", "CLOSED") for error in run.all.errors)
    assert "broken connections" in done.said


@pytest.mark.slow
def test_a_machine_without_descriptors_is_the_limit_and_not_the_target(tmp_path: Path) -> None:
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    frozen = start_instance()
    try:
        arguments = locust("-H", frozen.origin, "--scenario", "search", "--rate", "60", "--run-time", "5s")
        arguments += ["--slo", PATIENT, "--runs", str(tmp_path)]
        process = start(arguments, account(frozen), preexec_fn=few_descriptors)
        wait_for_rows(tmp_path, 1, process)
        frozen.process.send_signal(signal.SIGSTOP)  # nothing is answered, so that each request needs a connection
        done = ended(process)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
        stop_instance(frozen)
    assert done.code == 3, done.said[-2000:]
    assert "descriptors" in done.said
    balanced(stored(tmp_path))


WRONG = [
    (["search", "--rate", "0"], "above 0"),
    (["search", "--rate", "many"], "above 0"),
    (["search"], "how much?"),
    (["search", "--rate", "5", "--users", "2"], "one of them"),
    (["search", "--rate", "5", "--shape", "triangle"], "not one of"),
    (["search", "--shape", "trace", "/nowhere/rates.csv"], "cannot read the trace"),
    (["search", "--rate", "5", "--slo", "p99<fast"], "no value"),
    (["search", "--rate", "5", "--slo", "ingest:p99<1s"], "no scenario 'ingest'"),
    (["ingest", "--rate", "5", "--batch", "0-3"], "no batch size"),
    (["search", "--rate", "5", "--time", "soon"], "no time span"),
    (["search", "--rate", "5", "--url", "ftp://example.com"], "scheme"),
    (["search", "--rate", "5", "--url", "https://staging.example.com"], "does not allow load"),
    (["search", "--rate", "5", "--url", "https://cdp-prod.example.com"], "looks like production"),
    (["search", "--rate", "5", "--target", "nobody"], "targets.toml"),
    (["search", "--rate", "9000", "--time", "1h", "--max-requests", "1000"], "more than --max-requests"),
]


# Each starts a process; every third stands for the others in `make test`.
@pytest.mark.parametrize(
    ("arguments", "words"),
    [case if number % 3 == 0 else pytest.param(*case, marks=pytest.mark.slow) for number, case in enumerate(WRONG)],
    ids=[words for _, words in WRONG],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    environment = {**os.environ, "CDP_TOKEN": "token-of-the-test"}
    done = cdp_load([*arguments, "--runs", str(tmp_path)], environment)
    assert done.code == 2, done.said
    assert words in done.errors
    assert "Traceback" not in done.said
    assert not list(tmp_path.iterdir()), "nothing was begun"


def refused(done: Ended, words: str) -> None:
    """It could not be judged, and says why in one line."""
    assert done.code == 3, done.said
    assert words in " ".join(done.said.split()), "a terminal breaks lines"
    assert "Traceback" not in done.said


@pytest.mark.slow
def test_nobody_listens(tmp_path: Path) -> None:
    environment = {**os.environ, "CDP_TOKEN": "", "CDP_EMAIL": "a@example.com", "CDP_PASSWORD": "a password"}
    url = f"http://127.0.0.1:{free_port()}"
    arguments = ["search", "--rate", "5", "--time", "3s", "--url", url, "--runs", str(tmp_path)]
    refused(cdp_load(arguments, environment), "cannot be reached")


@pytest.mark.slow
def test_a_wrong_token(instance: RunningInstance, tmp_path: Path) -> None:
    environment = {**os.environ, "CDP_TOKEN": "wrong-token-of-the-test"}
    arguments = ["search", "--rate", "5", "--time", "3s", "--url", instance.origin, "--runs", str(tmp_path)]
    done = cdp_load(arguments, environment)
    refused(done, "401")
    assert "wrong-token-of-the-test" not in done.said


@pytest.mark.slow
def test_a_wrong_password(instance: RunningInstance, tmp_path: Path) -> None:
    environment = {**account(instance), "CDP_PASSWORD": "wrong password of the test"}
    arguments = ["search", "--rate", "5", "--time", "3s", "--url", instance.origin, "--runs", str(tmp_path)]
    done = cdp_load(arguments, environment)
    refused(done, "without a token")
    assert "wrong password of the test" not in done.said


def test_a_directory_that_cannot_be_made(instance: RunningInstance, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = [
        "search",
        "--rate",
        "5",
        "--time",
        "3s",
        "--url",
        instance.origin,
        "--runs",
        str(tmp_path / "file" / "x"),
    ]
    refused(cdp_load(arguments, account(instance)), "cannot make the run's directory")


@pytest.mark.slow
def test_a_report_that_cannot_be_written_does_not_hide_the_answer(instance: RunningInstance, tmp_path: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    arguments = ["search", "--rate", "20", "--time", "1s", "--slo", PATIENT, "--url", instance.origin]
    done = cdp_load([*arguments, "--runs", str(tmp_path)], account(instance), preexec_fn=little_room)
    run = stored(tmp_path)
    assert done.code == run.decision.exit_code, done.said
    assert f"load: {run.decision.headline}: {run.decision.sentence}" in done.errors
    assert "cannot write the report" in done.errors and "`cdp report " in done.errors and "Traceback" not in done.said


@pytest.mark.slow
def test_loaders_stop_when_the_ledger_is_closed(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["ingest", "--users", "5", "--time", "3s", "--batch", "1-5", "--slo", f"{PATIENT},visible.p50<60s"]
    given = ["--url", instance.origin, "--audit-sample", "1", "--runs", str(tmp_path)]
    done = cdp_load([*arguments, *given], account(instance))
    run = stored(tmp_path)
    assert run.audit is not None and run.all.visible.count == run.audit.visible.count + run.audit.never_visible > 0
    assert "Traceback" not in done.said and "mmap" not in done.said, done.said
    assert run.audit is not None and run.audit.verdict == "clean", run.audit
