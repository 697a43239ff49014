"""The command line as a person meets it.

What goes wrong is told in one line, with the right exit code, and nothing is lost.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cdp.ports import free_port
from cdp.results import read_results
from tests.running_instance import RunningInstance

ROOT = Path(__file__).resolve().parents[1]


def cdp(
    *arguments: str, environment: dict[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
    return subprocess.run(
        [sys.executable, "-m", "cdp", *arguments],
        cwd=ROOT,
        env={**known, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def told(result: subprocess.CompletedProcess[str]) -> str:
    """The last line on standard error, and proof that no traceback was printed anywhere."""
    assert "Traceback" not in result.stderr + result.stdout
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else ""


@contextmanager
def answering(status: int, media_type: str, body: bytes) -> Iterator[str]:
    """A server that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _answer

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def hanging() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"


def run_at(
    url: str, runs: Path, *options: str, token: str = "a-token-that-nobody-knows"
) -> subprocess.CompletedProcess[str]:
    return cdp(
        "contract", "--url", url, "--runs", str(runs), "--section", "tags", *options, environment={"CDP_TOKEN": token}
    )


def test_unreachable_host(tmp_path: Path) -> None:
    result = run_at(f"http://127.0.0.1:{free_port()}/api", tmp_path)
    assert result.returncode == 3
    assert "cannot be reached" in told(result)
    assert list(tmp_path.glob("*/results.jsonl"))


def test_server_that_answers_html(tmp_path: Path) -> None:
    with answering(200, "text/html", b"<html>Welcome</html>") as url:
        result = run_at(url, tmp_path)
    assert result.returncode == 3
    assert "is not the API" in told(result) and "text/html" in told(result)


def test_server_that_hangs(tmp_path: Path) -> None:
    with hanging() as url:
        result = run_at(url, tmp_path, "--timeout", "0.3")
    assert result.returncode == 3
    assert "no answer within 0.3 s" in told(result)


def test_refused_token(tmp_path: Path) -> None:
    with answering(401, "application/json", b'{"message": "no"}') as url:
        result = run_at(url, tmp_path, token="sesame-open-up")
    assert result.returncode == 3
    assert "refused the token" in told(result)
    everything = (
        result.stdout
        + result.stderr
        + "".join(p.read_text(errors="replace") for p in tmp_path.rglob("*") if p.is_file())
    )
    assert "sesame-open-up" not in everything


def test_refused_password(instance: RunningInstance, tmp_path: Path) -> None:
    url = instance.base_url
    environment = {"CDP_EMAIL": "administrator@example.com", "CDP_PASSWORD": "not the password"}
    result = cdp("contract", "--url", url, "--runs", str(tmp_path), environment=environment)
    assert result.returncode == 3
    assert "password was refused" in told(result)
    assert "not the password" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("contract", "--url", "http://127.0.0.1:1/api"), "no credentials"),
        (("contract", "--url", "ftp://host/api"), "scheme"),
        (("contract", "--url", "http://user:secret@host/api"), "credentials"),
        (("contract", "--section", "Nowhere"), "no section"),
        (("contract", "--requirement", "PAGE-99"), "no requirement"),
        (("contract", "--operation", "list_nothing"), "no operation"),
        (("contract", "--requirement", "PAGE-01", "--operation", "create_tag"), "no cell fits"),
        (("contract", "--profile", "thorough"), "thorough"),
        (("contract", "--budget", "10"), "a budget is for the nightly profile"),
        (("contract", "--profile", "release", "--budget", "10"), "a budget is for the nightly profile"),
        (("contract", "--profile", "nightly", "--budget", "0"), "a budget is a number of minutes"),
        (("contract", "--profile", "nightly", "--budget", "nan"), "a budget is a number of minutes"),
        (("contract", "--profile", "nightly", "--budget", "all night"), "all night"),
        (("contract", "--examples", "here"), "the quick profile keeps no examples"),
        pytest.param(
            ("contract", "--profile", "nightly", "--examples", "pyproject.toml/here"),
            "cannot keep examples in",
            marks=pytest.mark.slow,
        ),
        (("contract", "--allow", "everything"), "--url"),
        (("contract", "--contract", "no/such/openapi.yaml"), "cannot be read"),
        (("contract", "--known-failures", "no/such/known.toml"), "cannot be read"),
        (("contract", "--baseline", "no/such/known.toml"), "cannot be read"),
        (("clean", "--url", "http://127.0.0.1:1/api", "--runs", "pyproject.toml"), "is a file"),
        (("contract", "--runs", "pyproject.toml"), "is a file"),
        (("spec", "--section", "Nowhere"), "no section"),
        (("spec", "bundle", "-o", "/no/such/directory/file.yaml"), "cannot write"),
        (("prove", "--continue", "docs"), "docs holds no proof"),
        (("prove", "--proofs", "pyproject.toml", "--only", "PAGE-03"), "cannot make the run's directory"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], words: str) -> None:
    result = cdp(*arguments)
    assert result.returncode == 2
    told(result)
    assert words in result.stderr
    assert "secret@" not in result.stderr


def test_unknown_permission(tmp_path: Path) -> None:
    result = run_at("http://127.0.0.1:1/api", tmp_path, "--allow", "writes,explosions")
    assert result.returncode == 2
    assert "unknown permission explosions" in told(result)


def test_a_file_without_known_failures_is_said(tmp_path: Path) -> None:
    """What was known may be mended by now, or the file may be the wrong one."""
    path = tmp_path / "known.toml"
    path.write_text("# all mended\n")
    result = cdp("contract", "--known-failures", str(path), "--requirement", "PAGE-01", "--dry-run")
    assert result.returncode == 0
    said = result.stderr.splitlines()[0]
    assert said == f"cdp: {path} holds no [[accepted]] entry, so that every failure counts"


def test_dry_run_sends_nothing_and_prints_addresses() -> None:
    result = cdp("contract", "--dry-run", "--section", "Tags", "--requirement", "PAGE")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert "PAGE-03/list_tags/admin" in lines
    assert all(line.startswith("PAGE-") for line in lines)


def test_spec_lists_and_shows() -> None:
    overview = cdp("spec")
    assert overview.returncode == 0
    assert "67 sections, 233 operations: 97 documented, 21 observed, 115 assumed" in overview.stdout
    segments = cdp("spec", "--section", "segments")
    assert (
        "list_segments" in segments.stdout
        and "name_filter" in segments.stdout
        and "foreign_segments/view" in segments.stdout
    )


def test_bundle_can_be_read_by_other_tools(tmp_path: Path) -> None:
    import schemathesis
    import yaml

    files = [tmp_path / "bundle.json", tmp_path / "bundle.yaml"]
    assert all(cdp("spec", "bundle", "-o", str(path)).returncode == 0 for path in files)
    printed = cdp("spec", "bundle", "-o", "-")
    assert printed.returncode == 0
    document = json.loads(files[0].read_bytes())
    for text in (files[1].read_text(encoding="utf-8"), printed.stdout):
        assert yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) == document
    assert len(list(schemathesis.openapi.from_dict(document).get_all_operations())) == 233


def test_a_run_on_the_instance_is_green_and_leaves_nothing(instance: RunningInstance, tmp_path: Path) -> None:
    account = {"CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}
    url = instance.base_url
    arguments = (
        "contract",
        "--url",
        url,
        "--allow",
        "writes,destructive",
        "--section",
        "tags",
        "--runs",
        str(tmp_path),
    )
    result = cdp(*arguments, environment=account)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "left on the target" not in result.stdout
    run = read_results(next(tmp_path.glob("*/results.jsonl")))
    assert run.complete and run.footer is not None and run.footer["leftovers"] == []
    assert {r.verdict.name for r in run.results} == {"PASS"}
    directory = next(tmp_path.glob("*Z-*"))
    assert {"results.jsonl", "junit.xml", "report.html", "ledger.jsonl"} <= {p.name for p in directory.iterdir()}
    assert instance.password not in "".join(p.read_text(errors="replace") for p in directory.iterdir())


def test_a_target_is_only_read_unless_more_is_allowed(instance: RunningInstance, tmp_path: Path) -> None:
    account = {"CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}
    url = instance.base_url
    result = cdp("contract", "--url", url, "--section", "tags", "--runs", str(tmp_path), environment=account)
    assert result.returncode == 0
    run = read_results(next(tmp_path.glob("*/results.jsonl")))
    written = [r for r in run.results if r.cell.operation in ("create_tag", "update_tag", "delete_tag")]
    assert written and {r.verdict.name for r in written} == {"SKIP"}
    assert not (next(tmp_path.glob("*Z-*")) / "ledger.jsonl").read_text()


def test_ctrl_c_keeps_results_and_cleans_up(instance: RunningInstance, tmp_path: Path) -> None:
    environment = {**os.environ, "CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}
    url = instance.base_url
    command = [
        sys.executable,
        "-m",
        "cdp",
        "contract",
        "--url",
        url,
        "--allow",
        "writes,destructive",
        "--runs",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        results = wait_for_results(process, tmp_path, 50)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in output + errors
    assert process.returncode == 3
    run = read_results(results)
    assert not run.complete and len(run.results) >= 50
    assert run.footer is not None and run.footer["interrupted"]
    assert "The run was cut off" in output
    assert (results.parent / "report.html").exists()
    deletable = [line for line in run.footer["leftovers"] if "no operation" not in line]
    assert deletable == []


def wait_for_results(process: subprocess.Popen[str], runs: Path, count: int) -> Path:
    """Wait, a minute at most, until a run has stored so many results."""
    deadline = threading.Event()
    timer = threading.Timer(60, deadline.set)
    timer.start()
    try:
        while not deadline.is_set() and process.poll() is None:
            for path in runs.glob("*/results.jsonl"):
                if path.read_bytes().count(b"\n") > count:
                    return path
            deadline.wait(0.05)
    finally:
        timer.cancel()
    raise AssertionError("the run did not get going")


@contextmanager
def admitted(instance: RunningInstance) -> Iterator[dict[str, str]]:
    """The environment of a run on the session's instance, which may be read only."""
    yield {"CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}


@pytest.mark.slow
def test_a_run_with_a_budget_looks_deeper_and_says_so(instance: RunningInstance, tmp_path: Path) -> None:
    with admitted(instance) as environment:
        result = cdp(
            *("contract", "--url", instance.base_url, "--runs", str(tmp_path / "runs"), "--profile", "nightly"),
            *("--examples", str(tmp_path / "examples"), "--budget", "0.4", "--cell", "PAGE-03/list_tags/admin"),
            environment=environment,
        )
    told(result)
    assert result.returncode == 0, result.stderr
    assert "Budget 0.4 min" in " ".join(result.stdout.split()) and "Judged again" in result.stdout
    (path,) = (tmp_path / "runs").glob("*/results.jsonl")
    run = read_results(path)
    assert run.complete and run.rounds > 1 and run.gained > run.again
    assert (tmp_path / "examples").is_dir()


@pytest.mark.slow
def test_pytest_takes_a_budget_as_well(instance: RunningInstance, tmp_path: Path) -> None:
    def pytest_run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "contracts", "-q", "-p", "no:cacheprovider"),
                *("--cdp-url", instance.base_url, "--cdp-runs", str(tmp_path / "runs")),
                *("--cdp-operation", "list_tags", "--cdp-requirement", "PAGE-03", *options),
            ],
            cwd=ROOT,
            env={**os.environ, "CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password},
            capture_output=True,
            text=True,
            timeout=180,
        )

    refused = pytest_run("--cdp-budget", "10")
    assert refused.returncode == 2 and "a budget is for the nightly profile" in refused.stdout
    nightly = ("--cdp-profile", "nightly", "--cdp-examples", str(tmp_path / "examples"))
    result = pytest_run(*nightly, "--cdp-budget", "0.4")
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = (tmp_path / "runs").glob("*/results.jsonl")
    run = read_results(path)
    assert run.complete and run.rounds > 1 and run.budget == "0.4 min"
