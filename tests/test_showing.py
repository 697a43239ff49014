"""How much commands print: one screen, one line, one JSON object; in GitHub Actions a summary and annotations."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import jsonschema_rs
import pytest
from rich.console import Console

from cdp.cli.load import check_otel, run_locust
from cdp.cli.showing import Shown
from cdp.history import Since, record
from cdp.results import Run
from cdp.targets import Credentials, Target
from cdp.verdicts import Verdict
from load.options import LoadOptions
from reports.screen import print_screen
from tests.running_instance import RunningInstance
from tests.sample_runs import HOSTILE, broken, large_run, result, run_of
from tests.stored_runs import store_contract
from tests.test_command_line import ROOT, cdp, told
from tests.test_exports import SCHEMA, STARTED

PATHS = [Path("reports/runs/20270104T020000Z-staging") / name for name in ("report.html", "junit.xml", "summary.md")]
TOKEN = re.compile("::stop-commands::([0-9a-f]{32})")


def screen(run: Run, width: int = 80, **others: object) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    print_screen(run, console, paths=PATHS, **others)  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


# --- one screen -------------------------------------------------------------------------------------------------------


def many_findings() -> Run:
    """More findings than fit, with everything else there is to say."""
    return run_of(
        *(broken(f"PAGE-{n % 40:02d}/list_{n}", sentence=f"{'word' * n} is wrong") for n in range(300)),
        *(result(f"ROLE-01/o{n}", Verdict.SKIP, sentence="no second caller " * 20) for n in range(50)),
        *(result(f"{family}-01/a") for family in ("AUTH", "ORDER", "STRUCT", "MEDIA", "CODE", "SHAPE", "LIFE")),
        header={"target": "a-rather-long-name-of-a-target", "profile": "nightly", "budget_min": 45},
        leftovers=["create_tag 7"] * 30,
        stays=["send_event 1"] * 30,
    )


@pytest.mark.parametrize("run", [large_run(), large_run(calm=True), many_findings(), run_of(), run_of(finished=False)])
def test_any_run_fits_on_a_screen_of_80_by_24(run: Run) -> None:
    lines = screen(run)
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("reports/runs")] == list(map(str, PATHS))


def test_findings_are_grouped_and_the_rest_is_counted() -> None:
    text = "\n".join(screen(many_findings(), lines=40))
    shown = len(re.findall(r"^✗ PAGE-\d\d", text, re.MULTILINE))
    (rest,) = re.findall(r"and (\d+) more findings", text)
    assert shown >= 10 and shown + int(rest) == 300
    assert "NO-GO" in text and "Not judged: 50 cells" in text and "30 records left on the target" in text


def test_a_screen_says_since_when() -> None:
    run = run_of(broken("PAGE-03/a"), broken("PAGE-04/a"), result("PAGE-01/a"))
    since = {"PAGE-03/a": Since("night-3", STARTED, 5, True), "PAGE-04/a": Since("now", STARTED, 1, True)}
    text = "\n".join(screen(run, since=since, width=120))
    assert "since night-3 (5 runs): the page holds" in text and "new: the page holds" in text


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_from_a_target_commands_the_terminal(value: str) -> None:
    text = "\n".join(screen(run_of(broken("PAGE-03/a", sentence=value), header={"target": value}, leftovers=[value])))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


# --- one line, one object ---------------------------------------------------------------------------------------------


def contract(instance: RunningInstance, runs: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ("contract", "--url", instance.origin, "--section", "Tags", "--runs", str(runs), *more)
    return cdp(*command, environment={"CDP_TOKEN": instance.token})


@pytest.mark.slow
def test_a_run_is_told_as_asked(instance: RunningInstance, tmp_path: Path) -> None:
    quiet = contract(instance, tmp_path, "--quiet")
    lines = quiet.stdout.splitlines()
    assert quiet.returncode == 0 and quiet.stderr == "" and lines[0].startswith("GO  ")
    assert all(Path(line).is_file() for line in lines[1:]) and len(lines) == 4
    spoken = contract(instance, tmp_path, "--json")
    found = json.loads(spoken.stdout)
    SCHEMA.validate(found)
    assert spoken.returncode == 0 and found["decision"]["headline"] == "GO" and "cells" not in found
    assert found["reports"] == [str(Path(found["directory"]) / Path(line).name) for line in lines[1:]]
    assert list(found["sections"]) == ["Tags"], "only the section that was chosen"
    both = contract(instance, tmp_path, "--json", "--quiet")
    assert both.returncode == 2 and "exclude one another" in told(both)


@pytest.mark.slow
def test_stored_runs_are_told_as_objects(tmp_path: Path) -> None:
    for number, item in enumerate((result("PAGE-02/a"), broken("PAGE-02/a"))):
        store_contract(tmp_path / f"n{number}", item, started=f"2027-01-0{number + 1}T02:00:00+00:00")
        record(tmp_path / f"n{number}" / "results.jsonl")
    runs = ("--json", "--runs", str(tmp_path))
    report = json.loads(cdp("report", "n1", *runs).stdout)
    SCHEMA.validate(report)
    assert report["findings"][0]["since"]["run"] == "n1"
    history = json.loads(cdp("history", "--target", "staging", *runs).stdout)
    assert [run["headline"] for run in history["histories"][0]["runs"]] == ["GO", "NO-GO"]
    broken_now = json.loads(cdp("history", "--target", "staging", "--broken", *runs).stdout)
    assert broken_now["run"] == "n1" and broken_now["cells"]["PAGE-02/a"]["new"]
    compared = cdp("compare", "n0", "n1", *runs)
    assert compared.returncode == 1 and json.loads(compared.stdout)["told"] == "worse"
    assert cdp("compare", "n0", "n1", "--quiet", "--runs", str(tmp_path)).stdout.count("\n") == 1


def test_a_diagnosis_is_an_object(instance: RunningInstance) -> None:
    done = cdp("doctor", "--json", "--url", instance.origin, environment={"CDP_TOKEN": instance.token})
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode and found["lines"] and found["reach"]


# --- help and completion ----------------------------------------------------------------------------------------------


def test_alone_it_says_what_to_do_first() -> None:
    done = cdp()
    assert done.returncode == 0 and "cdp contract --section" in done.stdout and "cdp doctor" in done.stdout


def test_help_has_every_command_in_groups_on_one_screen() -> None:
    done = cdp("--help", environment={"COLUMNS": "80"})
    names = re.findall(r"^  ([a-z]+)  ", done.stdout, re.MULTILINE)
    assert {"doctor", "gate", "contract", "load", "report", "history", "completion"} <= set(names)
    assert "Judge a target:" in done.stdout and "..." not in done.stdout.partition("Before a run")[2]
    wrong = cdp("contrat")
    assert wrong.returncode == 2 and "contrat" in told(wrong)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_formats(shell: str) -> None:
    source = cdp("completion", shell)
    assert source.returncode == 0 and f"_CDP_COMPLETE={shell}_complete" in source.stdout
    if shell == "bash":
        asked = {"_CDP_COMPLETE": "bash_complete", "COMP_WORDS": "cdp report x --format sa", "COMP_CWORD": "4"}
        assert cdp(environment=asked).stdout.strip() == "plain,sarif"
        asked = {"_CDP_COMPLETE": "bash_complete", "COMP_WORDS": "cdp co", "COMP_CWORD": "1"}
        assert {line.partition(",")[2] for line in cdp(environment=asked).stdout.splitlines()} == {
            "contract",
            "compare",
            "completion",
        }


# --- GitHub Actions ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_in_github_a_run_is_summed_up_and_annotated(instance: RunningInstance, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("what was there\n")
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "CDP_TOKEN": instance.token}
    command = ("contract", "--url", instance.origin, "--section", "Tags", "--runs", str(tmp_path / "runs"))
    done = cdp(*command, environment=environment)
    assert done.returncode == 0, done.stderr
    assert re.match("what was there\n## . GO: contract of", summary.read_text())
    lines = done.stderr.splitlines()
    token = TOKEN.fullmatch(lines[0])
    assert token and lines[-1] == f"::{token.group(1)}::"
    (notice,) = [number for number, line in enumerate(lines) if line.startswith("::notice title=GO::")]
    assert lines[notice - 1] == f"::{token.group(1)}::" and TOKEN.fullmatch(lines[notice + 1])
    assert "::" not in done.stdout
    blocked = cdp(*command, environment={**environment, "GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert blocked.returncode == 0 and "cannot be written" in blocked.stderr


def test_colours_are_for_terminals_that_want_them() -> None:
    script = (
        "from reports.console import make_console; from reports.screen import print_screen;"
        "from tests.sample_runs import large_run; print_screen(large_run(), make_console())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    for wants, expected in (({}, True), ({"NO_COLOR": "1"}, False)):
        shown = _on_terminal([sys.executable, "-c", script], {**environment, **wants})
        assert bool(re.search("\x1b\\[[0-9;]*3[0-9]", shown)) is expected
    piped = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert piped.returncode == 0 and "\x1b" not in piped.stdout


def _on_terminal(command: list[str], environment: dict[str, str]) -> str:
    """What a program writes to a terminal."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # the end of a terminal
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return written.decode("utf-8", "replace")


def test_the_schema_is_a_schema() -> None:
    jsonschema_rs.meta.validate(json.loads((ROOT / "docs" / "results.schema.json").read_text()))


# --- live metrics -----------------------------------------------------------------------------------------------------


def test_metrics_need_packages_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    check_otel(False)
    with pytest.raises(click.ClickException, match=r"pip install -c constraints\.txt"):
        check_otel(True)


def test_metrics_are_sent_by_locusts_own_option(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []

    def note(command: list[str], environment: dict[str, str], shown: Shown) -> tuple[int, bool]:
        started.append((command, environment))
        return 0, False

    monkeypatch.setattr("cdp.cli.load._run", note)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    options = LoadOptions(scenario="search", rate=5, runs=str(tmp_path))
    target = Target("staging", "https://staging.example.com/api", Credentials())
    for otel in (False, True):
        run_locust(options, target, otel=otel)
    (plain, _), (sending, environment) = started
    assert "--otel" not in plain and "--otel" in sending
    assert environment["OTEL_SERVICE_NAME"] == "mine" and environment["OTEL_TRACES_EXPORTER"] == "none"
