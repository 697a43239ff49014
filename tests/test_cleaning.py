"""Clean-up: a run that is killed at any point leaves nothing that `cdp clean` does not remove, and nothing else is
touched."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cdp.ledger import Created, Intent, Ledger, LeftLedger
from cdp.prefixes import letters_of, prefix_in
from cdp.results import Run
from cdp.verdicts import Cell, Result, Verdict, exit_code
from reports.html import html
from reports.terminal import print_run
from tests.loopback import Reply, serving
from tests.running_instance import ROOT, RunningInstance, start_instance, stop_instance
from tests.target_state import state
from tests.test_command_line import answering

KILLS, FEW_KILLS, WORKERS = 20, 2, 4
SEED = 20240517
SECTIONS = ("tags", "users", "segments", "segments-acl", "segments-tags", "segment-s-notes", "stitching-categories")
MOST_LINES = 200  # a run of the sections writes some more
SMALL = ("--customers", "60", "--events", "500")


def command(instance: RunningInstance, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cdp", *arguments, "--url", instance.base_url, "--allow"]


def account(instance: RunningInstance) -> dict[str, str]:
    return {**os.environ, "CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}


def clean(instance: RunningInstance, runs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(instance, "clean"), "writes", "--runs", str(runs), *options],
        cwd=ROOT,
        env=account(instance),
        capture_output=True,
        text=True,
        timeout=60,
    )


def killed_at(instance: RunningInstance, runs: Path, lines: int) -> bool:
    """Start a run and kill it once its ledger holds so many lines. Whether it was still going then."""
    options = [part for section in SECTIONS for part in ("--section", section)]
    process = subprocess.Popen(
        [*command(instance, "contract", *options, "--runs", str(runs)), "writes,destructive"],
        cwd=ROOT,
        env=account(instance),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    late = threading.Event()
    timer = threading.Timer(50, late.set)
    timer.start()
    try:
        while process.poll() is None and not late.is_set():
            ledger = next(runs.glob("*/ledger.jsonl"), None)
            if ledger is not None and ledger.read_bytes().count(b"\n") >= lines:
                break
            late.wait(0.005)
        alive = process.poll() is None
    finally:
        timer.cancel()
        process.kill()
        process.wait(10)
    return alive


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file with the small data."""
    path = tmp_path_factory.mktemp("seeded") / "data.sqlite"
    stop_instance(start_instance("--data", str(path), *SMALL))
    return path


@pytest.fixture
def own_instance(seeded: Path, tmp_path: Path) -> Iterator[RunningInstance]:
    running = started(seeded, tmp_path)
    yield running
    stop_instance(running)


def started(seeded: Path, directory: Path) -> RunningInstance:
    path = directory / "data.sqlite"
    shutil.copyfile(seeded, path)
    return start_instance("--data", str(path), *SMALL)


@pytest.mark.parametrize("kills", [FEW_KILLS, pytest.param(KILLS, marks=pytest.mark.slow)])
def test_what_a_killed_run_leaves_is_removed(kills: int, seeded: Path, tmp_path: Path) -> None:
    """Twenty runs (in short: two), each killed at another point, each on data that the one before left clean."""
    rng = random.Random(SEED)
    early, workers = kills // 5, min(kills, WORKERS)
    points = [rng.randint(*span) for span in [(1, 40)] * early + [(20, MOST_LINES)] * (kills - early)]

    def work(number: int) -> list[str]:
        directory = tmp_path / str(number)
        directory.mkdir()
        instance = started(seeded, directory)
        told = []
        try:
            before = state(instance)
            for turn, point in enumerate(points[number::workers]):
                runs = directory / f"runs-{turn}"
                alive = killed_at(instance, runs, point)
                result = clean(instance, runs)
                dirty = ": 0 removed" not in result.stdout
                after = state(instance)
                if result.returncode != 0 or not alive or after != before:
                    told.append(f"{point} lines, alive {alive}: {result.returncode} {result.stdout} {result.stderr}")
                    told += [f"{path} differs" for path in before if before[path] != after.get(path)]
                told.append("dirty" if dirty else "unchanged")
        finally:
            stop_instance(instance)
        return told

    with ThreadPoolExecutor(workers) as pool:
        told = [line for lines in pool.map(work, range(workers)) for line in lines]
    assert [line for line in told if line not in ("dirty", "unchanged")] == []
    assert told.count("dirty") >= kills * 3 // 4  # else nothing was proved


# --- the clean-up itself ---------------------------------------------------------------------------------------------


def tag(instance: RunningInstance, name: str) -> int:
    return int(instance.call("POST", "/tags", json={"name": name}).json()["tag"]["id"])


def tags(instance: RunningInstance) -> set[int]:
    return {record["id"] for record in instance.get("/tags", limit=100)["tags"]}


def note(runs: Path, *lines: dict[str, str], prefix: str = "cdp-0a1b2c3d", target: str = "") -> Path:
    """A ledger as a killed run leaves it."""
    directory = runs / "20240101T000000Z-there"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "ledger.jsonl"
    told = [{"prefix": prefix, "target": target, "at": "2024-01-01T00:00:00+00:00", **line} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in told))
    return path


def test_only_the_prefix_is_touched(own_instance: RunningInstance, tmp_path: Path) -> None:
    """Neither names that only look alike nor what a ledger of another time lists."""
    ours = tag(own_instance, "cdp-0a1b2c3d name 1")
    others = {
        tag(own_instance, name)
        for name in ("cdp-campaign", "cdp-0A1B2C3D", "my cdp-0a1b2c3d", "cdp-0a1b2c3", "CDP tags")
    }
    wrong = min(others)
    url = f"{own_instance.base_url}/tags/{wrong}"
    lines: list[dict[str, str]] = [
        {"kind": "intent", "n": "1.1", "operation": "create_tag", "path": "/api/tags", "name": "cdp-0a1b2c3d name 9"},
        {"kind": "created", "n": "1.1", "operation": "create_tag", "id": str(wrong), "delete_url": url},
    ]
    note(tmp_path / "runs", *lines, target=own_instance.base_url)
    before = tags(own_instance)
    result = clean(own_instance, tmp_path / "runs")
    assert tags(own_instance) == before - {ours}
    assert result.returncode == 1
    assert f"create_tag {wrong}: does not carry the prefix, so it is not touched" in result.stdout


def test_the_choice_of_runs(own_instance: RunningInstance, tmp_path: Path) -> None:
    one, two = tag(own_instance, "cdp-11111111 name"), tag(own_instance, "cdp-22222222 name")
    runs = tmp_path / "runs"
    dry = clean(own_instance, runs, "--dry-run")
    assert dry.returncode == 1 and f"would remove tag {one} of cdp-11111111" in dry.stdout
    assert {one, two} <= tags(own_instance)
    assert clean(own_instance, runs, "--older-than", "1").returncode == 0
    assert {one, two} <= tags(own_instance)
    assert clean(own_instance, runs, "--prefix", "cdp-22222222").returncode == 0
    assert tags(own_instance) & {one, two} == {one}
    assert clean(own_instance, runs).returncode == 0
    assert not tags(own_instance) & {one, two}


def test_a_run_that_is_still_going_is_left_alone(own_instance: RunningInstance, tmp_path: Path) -> None:
    directory = tmp_path / "runs" / "20240101T000000Z-there"
    directory.mkdir(parents=True)
    ledger = Ledger(directory / "ledger.jsonl")
    ledger.intend(Intent("create_tag", "/api/tags", "cdp-33333333 a", "cdp-33333333", own_instance.base_url))
    made = tag(own_instance, "cdp-33333333 a")
    result = clean(own_instance, directory.parent)
    assert result.returncode == 0 and "still going" in result.stderr
    assert made in tags(own_instance)
    ledger.close()
    assert clean(own_instance, directory.parent).returncode == 0
    assert made not in tags(own_instance)
    assert LeftLedger(directory / "ledger.jsonl").entries.settled


def test_usage_and_reach(own_instance: RunningInstance, tmp_path: Path) -> None:
    def ended(*arguments: str, token: str = "") -> tuple[int, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
        known = (
            {"CDP_TOKEN": token} if token else {"CDP_EMAIL": own_instance.email, "CDP_PASSWORD": own_instance.password}
        )
        result = subprocess.run(
            [sys.executable, "-m", "cdp", "clean", "--runs", str(tmp_path), *arguments],
            cwd=ROOT,
            env={**environment, **known},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "Traceback" not in result.stderr
        return result.returncode, result.stderr

    url = ("--url", own_instance.base_url)
    assert ended()[0] == 2
    assert "writes" in ended(*url)[1] and ended(*url)[0] == 2
    assert ended(*url, "--allow", "writes", "--prefix", "everything")[0] == 2
    assert ended("--url", "http://127.0.0.1:9/api", "--allow", "writes", token="some-token")[0] == 3
    code, told = ended(*url, "--allow", "writes", token="not-a-token-of-theirs")
    assert code == 3 and "refused the token" in told
    with answering(200, "text/html", b"<html>Welcome</html>") as portal:
        code, told = ended("--url", portal, "--allow", "writes", token="some-token")
    assert code == 3 and "no list could be read" in told and len(told.splitlines()) == 4


@pytest.mark.slow
def test_the_ledger_comes_before_the_request(own_instance: RunningInstance, tmp_path: Path) -> None:
    """What is in the ledger when a creating request is on its way names the record that it will make."""
    from cdp.http import Client, Exchange
    from cdp.targets import target_from_url
    from contracts.catalogue import load_catalogue
    from contracts.cells import Selection
    from contracts.plan import make_plan
    from contracts.profiles import PROFILES
    from contracts.run import ContractRun

    from cdp.contract import load_contract  # isort: skip

    environment = {"CDP_EMAIL": own_instance.email, "CDP_PASSWORD": own_instance.password}
    target = target_from_url(own_instance.base_url, environment, {"writes", "destructive", "sends"})
    selection = Selection(requirements=("CODE-02", "CODE-05", "MEDIA-04", "MEDIA-06", "AUTH-05"))
    run = ContractRun(make_plan(load_contract(), load_catalogue(), selection, PROFILES["quick"], 1), target, tmp_path)
    prefix, forms = run.session.prefix, (run.session.prefix, letters_of(run.session.prefix))
    missing: list[str] = []
    unmarked: list[str] = []
    checked = 0
    send = Client.send

    def sending(client: Client, method: str, url: str, **more: Any) -> Exchange:
        nonlocal checked
        operation = run.plan.contract.operations.get(more.get("operation", ""))
        if operation and operation.action == "create" and method == operation.method:
            checked += 1
            last = json.loads((tmp_path / "ledger.jsonl").read_bytes().splitlines()[-1])
            fits = last["kind"] == "intent" and last["operation"] == operation.id and last["target"] == target.base_url
            if not fits or not url.endswith(last["path"]):
                missing.append(f"{operation.id} {last}")
        exchange: Exchange = send(client, method, url, **more)
        if operation and exchange.ok and operation.action in ("create", "update") and operation.method == method:
            body = more.get("body") or b""
            if operation.body_media_type == "multipart/form-data" and f'filename="{prefix}'.encode() not in body:
                unmarked.append(operation.id)
            elif operation.body_media_type == "application/json":
                sent = json.loads(body)
                named = [sent[n] for n in ("name", "email", "content", "subject", "description", "title") if n in sent]
                made = run.plan.contract.by_action(operation.entity, "create") is not None
                unmarked.extend(f"{operation.id} {n!r}" for n in named if made and not str(n).startswith(forms))
        return exchange

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "send", sending)
        run.start()
        results = list(run.judge_all())
    run.finish()
    assert len(results) == len(run.plan.cells)
    assert [r.sentence for r in results if r.verdict.name == "ERROR"] == []
    assert checked > 100
    assert (missing, unmarked) == ([], [])
    assert run.leftovers == []
    assert run.stays and not any(line.startswith("create_tag") for line in run.stays)


def test_an_answer_that_never_came_is_made_good_at_the_end(own_instance: RunningInstance, tmp_path: Path) -> None:
    from cdp.contract import load_contract
    from cdp.secrets import Secrets
    from cdp.targets import target_from_url
    from contracts.cleaning import clean_after_run
    from contracts.profiles import PROFILES
    from contracts.session import Identity, Session

    environment = {"CDP_TOKEN": own_instance.token}
    target = target_from_url(own_instance.base_url, environment, {"writes"})
    ledger = Ledger(tmp_path / "ledger.jsonl")
    session = Session(load_contract(), target, PROFILES["quick"], 1, ledger, Secrets())
    session.admin = Identity("admin", own_instance.token)
    ledger.intend(Intent("create_tag", "/api/tags", f"{session.prefix} name 1", session.prefix, target.base_url))
    made = tag(own_instance, f"{session.prefix} name 1")
    number = ledger.intend(Intent("create_tag", "/api/tags", f"{session.prefix} x", session.prefix, target.base_url))
    url = f"{target.base_url}/no/such/place/7"
    ledger.created(number, Created("create_tag", "7", url))
    outcome = clean_after_run(session, ledger)
    session.client.close()
    ledger.close()
    assert made not in tags(own_instance)
    assert not ledger.pending
    assert [str(kept) for kept in outcome.left] == []


def test_a_run_has_the_time_that_its_clean_up_needs_and_users_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdp.contract import load_contract
    from cdp.secrets import Secrets
    from cdp.targets import Credentials, Target
    from contracts import cleaning
    from contracts.profiles import PROFILES
    from contracts.session import Session

    monkeypatch.setattr(cleaning, "LEAST_CLEAN_UP_S", 0.2)
    with serving(lambda asked: Reply(200, b'{"tags": [], "users": [], "roles": []}')) as loopback:
        target = Target("there", f"{loopback.url}/api", Credentials(token="some-token"), max_rps=40)
        ledger = Ledger(tmp_path / "ledger.jsonl")
        session = Session(load_contract(), target, PROFILES["quick"], 1, ledger, Secrets())
        kinds = [("create_user_role", "users/user_roles"), ("create_user", "users"), ("create_tag", "tags")]
        for operation, path in kinds:
            for made in range(10):
                number = ledger.intend(Intent(operation, f"/api/{path}", "cdp-", session.prefix, target.base_url))
                ledger.created(number, Created(operation, str(made), f"{target.base_url}/{path}/{made}"))
        outcome = cleaning.clean_after_run(session, ledger)
        session.client.close()
        ledger.close()
    assert (len(outcome.removed), outcome.left) == (30, [])
    removed = [asked.path.rpartition("/")[0] for asked in loopback.asked if asked.method == "DELETE"]
    assert list(dict.fromkeys(removed)) == ["/api/users", "/api/users/user_roles", "/api/tags"]


def test_a_run_removes_along_the_way_what_nobody_needs_any_more(own_instance: RunningInstance, tmp_path: Path) -> None:
    from cdp.contract import load_contract
    from cdp.targets import target_from_url
    from contracts.catalogue import load_catalogue
    from contracts.cells import Selection
    from contracts.plan import make_plan
    from contracts.profiles import PROFILES
    from contracts.run import ContractRun

    environment = {"CDP_EMAIL": own_instance.email, "CDP_PASSWORD": own_instance.password}
    target = target_from_url(own_instance.base_url, environment, {"writes", "destructive"})
    plan = make_plan(load_contract(), load_catalogue(), Selection(sections=("Tags", "Feeds")), PROFILES["quick"], 1)
    run = ContractRun(plan, target, tmp_path)
    run.start()
    results = list(run.judge_all())
    made = (tmp_path / "ledger.jsonl").read_text().count('"operation":"create_tag","id"')
    kept = [record for record in run.ledger.open_records if record.operation == "create_tag"]
    last = {record.operation for record in run.ledger.passing}
    run.finish()
    assert {r.verdict for r in results} == {Verdict.PASS}
    assert made > 20 and len(kept) < 8
    assert last <= {"create_feed"}, "only what the last operation made is left to the end, beside what lasts"
    assert run.leftovers == []


@pytest.mark.parametrize("prefix", ["cdp-00000000", "cdp-0a1b2c3d", "cdp-ffffffff"])
def test_the_prefix_in_letters(prefix: str) -> None:
    letters = letters_of(prefix)
    assert letters.isalpha() and letters.islower()
    assert prefix_in(letters + "abc") == prefix
    assert prefix_in(prefix + " name") == prefix
    for text in ("cdpcstmrprfl", "cdpcampaigns", "cdp", letters[:-1] + ("b" if letters[-1] != "b" else "c"), None, 7):
        assert prefix_in(text) == ""


def test_leftovers_are_a_warning_and_break_a_strict_run() -> None:
    cell = Cell("PAGE-03", "list_tags", "admin")
    result = Result(cell, "Tags", "PAGE", "MUST", Verdict.PASS, "kept in 1 case", 1, 1, 1, "Pages are pages")
    footer = {
        "leftovers": ["delete_tag 5: answered 409 <b>"],
        "stays": ["run_segment_export 7", "run_segment_export 8", "list_trashed_emails 9: kept in the trash"],
    }
    run = Run({"cells": 1, "target": "there"}, [result], footer)
    assert (exit_code(run), exit_code(run, strict=True)) == (0, 1)
    console = Console(width=200, record=True, file=io.StringIO())
    print_run(run, console)
    shown = console.export_text()
    assert "WARNING  1 record left on the target: delete_tag 5: answered 409 <b>" in shown
    assert "no operation removes it: run_segment_export 2\n" in shown
    assert "Deleted, and listed in a trash that no operation empties: list_trashed_emails 1" in shown
    page = html(run)
    assert "delete_tag 5: answered 409 &lt;b&gt;" in page and "<strong>1 record left on the target</strong>" in page
