"""`cdp load`: customer search and event ingestion under load, carried by Locust."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import click

from cdp.cli.compare import against_option, check_against, compared
from cdp.cli.continuous import announce, in_github
from cdp.cli.showing import Shown, showing_options, tell
from cdp.cli.targeting import Choice, target_options
from cdp.contract import ContractError, load_contract
from cdp.exit_codes import NOT_JUDGED
from cdp.load_results import LoadRun
from cdp.ports import free_port
from cdp.records import RESULTS_FILE, ResultsError, run_directory
from cdp.targets import EMAIL_VARIABLE, EMBEDDED, PASSWORD_VARIABLE, TOKEN_VARIABLE, Target, TargetError
from load.options import (
    DIRECTORY_VARIABLE,
    QUIET_VARIABLE,
    SCENARIOS,
    TABLE,
    LoadOptions,
    OptionError,
    read_options,
    span_s,
)

LOCUSTFILE = Path(__file__).resolve().parents[2] / "load" / "locustfile.py"
_LEFT_BEHIND_S = 2.0  # so long processes of a run may end by themselves after it
OF_CAPACITY = {"find-capacity", "start", "max-rate", "peak", "precision", "settle", "step-time", "confirm"}
# Metrics alone: spans of single requests would cost more than the requests. The usual buckets of OpenTelemetry begin at
# five seconds; exponential ones fit any latency. What the environment says comes first.
_OTEL_DEFAULTS = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram",
    "OTEL_METRIC_EXPORT_INTERVAL": "5000",
    "OTEL_SERVICE_NAME": "cdp-load",
}
_ELSEWHERE = {"scenario", "target", "targets", "allow", "i-know-this-is-production", "answer-timeout"}


class _Load(click.Command):
    """Takes `--shape trace FILE` as three words, as it is written in the help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for place in range(len(args) - 2):
            if args[place : place + 2] == ["--shape", "trace"] and not args[place + 2].startswith("-"):
                args = [*args[: place + 1], f"trace {args[place + 2]}", *args[place + 3 :]]
                break
        return super().parse_args(ctx, args)


def load_options(leaving_out: set[str]) -> Callable[[Any], Any]:
    """The options of the table but some, as texts: they are read in one place."""

    def add(command: Any) -> Any:
        for option in reversed([o for o in TABLE if o.name not in _ELSEWHERE | leaving_out]):
            if option.flag:
                command = click.option(f"--{option.name}", option.dest, is_flag=True, help=option.help)(command)
            else:
                shown = f"  [default: {option.default}]" if option.default not in (None, "") else ""
                command = click.option(
                    f"--{option.name}", option.dest, default=None, metavar=option.metavar, help=option.help + shown
                )(command)
        return command

    return add


otel_option = click.option(
    "--otel", is_flag=True, help="Send OpenTelemetry metrics while it runs (to OTEL_EXPORTER_OTLP_ENDPOINT)."
)


def check_otel(wanted: bool) -> None:
    """Whether metrics can be sent. ClickException in one line."""
    if not wanted:
        return
    try:
        importlib.import_module("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    except ImportError:
        raise click.ClickException("--otel needs more packages: pip install -c constraints.txt -e '.[otel]'") from None


@click.command(cls=_Load)
@click.argument("scenario", type=click.Choice(SCENARIOS))
@target_options
@click.option(
    "--users",
    type=click.IntRange(1),
    default=None,
    help="Closed loop: number of users, who wait for each answer and then think.",
)
@click.option("--time", "time_text", default=None, metavar="SPAN", help="Duration: 90s, 5m, 1h30m.  [default: 60s]")
@click.option("--processes", type=click.IntRange(1), default=None, help="Number of processes that send requests.")
@against_option
@load_options(leaving_out=OF_CAPACITY)
@otel_option
@showing_options()
def load(
    scenario: str,
    choice: Choice,
    users: int | None,
    time_text: str | None,
    processes: int | None,
    against: str | None,
    otel: bool,
    shown: Shown,
    **given: Any,
) -> None:
    """Put load on customer search, event ingestion, or both (mixed).

    \b
    cdp load search --rate 200 --time 60s --slo 'p99<300ms,errors<0.1%'
    cdp load ingest --rate 50 --batch 1-200 --target staging
    cdp load mixed --users 20 --time 5m

    Without --target and --url it is the embedded instance. Exit codes: 0 objectives met, 1 missed, 2 usage, 3 it could
    not be judged, because the machine that sends was the limit or the target cannot be reached.
    """
    if users and given.get("rate"):
        raise click.ClickException("--users is a closed loop and --rate an open one; give one of them")
    if not users and not given.get("rate") and not str(given.get("shape") or "").startswith("trace"):
        raise click.ClickException("how much? give --rate N (requests a second), --users N, or --shape trace FILE")
    check_otel(otel)
    options = read_load_options(scenario, choice, time_text, given)
    runs = Path(options.runs)
    check_against(against, runs)
    with shown.working():
        with opened(choice) as target:
            ended = run_locust(options, target, users, processes, shown, otel)
        code, found = compared(ended.code, ended.directory / RESULTS_FILE, against, runs)
    conclude(ended, shown, **({"comparison": found.as_record()} if found else {}))
    sys.exit(code)


def conclude(ended: LoadEnd, shown: Shown, **beside: Any) -> None:
    """What is said when a load run is over, beside what it printed itself."""
    from reports.exports import read_stored
    from reports.writing import load_reports

    results = ended.directory / RESULTS_FILE
    usual = shown is Shown.USUAL and not in_github()
    if not results.is_file() or (usual and ended.code != NOT_JUDGED):
        return
    try:
        stored = read_stored(results)
    except ResultsError as error:
        click.echo(f"{_called()}: {error}", err=True)
        return
    if isinstance(stored.run, LoadRun) and stored.run.footer is None:
        click.echo(f"{_called()}: {_cut_off(ended.directory)}", err=True)
    if usual:
        return
    tell(shown, stored, [path for path in load_reports(ended.directory) if path.is_file()], **beside)
    announce(stored)


def _called() -> str:
    """The command that is under way: cdp load, cdp capacity or cdp gate."""
    context = click.get_current_context(silent=True)
    return context.command_path if context else "cdp load"


def _cut_off(directory: Path) -> str:
    """What is to be said of a run whose own process is gone before it could say anything."""
    audit = f", `cdp audit {directory}` looks for its events" if any(directory.glob("audit-*.ledger")) else ""
    return f"the run was cut off before its end: `cdp report {directory}` shows what came until then{audit}"


def read_load_options(scenario: str, choice: Choice, time_text: str | None, given: dict[str, Any]) -> LoadOptions:
    """The options of a run, checked. Raises click.ClickException in one line."""
    if choice.read_only and scenario != "search":
        raise click.ClickException(f"--read-only leaves nothing of the scenario {scenario}, which sends events")
    values = {
        **{name: value for name, value in given.items() if value is not None},
        "scenario": scenario,
        "target": EMBEDDED if choice.url is None and choice.name is None else choice.name,
        "targets": choice.file,
        "allow": choice.allow,
        "i_know_this_is_production": choice.production_is_known,
        "answer_timeout": choice.timeout_s or LoadOptions.answer_timeout,
    }
    try:
        from load.plan import check

        options = read_options(values, span_s(time_text) if time_text else None)
        check(options)
    except OptionError as error:
        raise click.ClickException(str(error)) from None
    return options


@contextmanager
def opened(choice: Choice) -> Iterator[Target]:
    """The target of a load run. What is wrong with it is a click.ClickException in one line; when nothing can be
    stored, the process ends with 3 and one line."""
    try:
        with choice.open() as target:
            if target.overlay:
                load_contract(overlay=Path(target.overlay))  # what is wrong with it is wrong usage
            yield target
    except (TargetError, ContractError) as error:
        raise click.ClickException(str(error)) from None
    except ResultsError as error:
        click.echo(f"{_called()}: {error}", err=True)
        sys.exit(NOT_JUDGED)


class LoadEnd(NamedTuple):
    """How a run ended: its exit code, the directory with what it stored (which is gone again where the run did not
    begin), and whether it was told to stop."""

    code: int
    directory: Path
    interrupted: bool


def run_locust(
    options: LoadOptions,
    target: Target,
    users: int | None = None,
    processes: int | None = None,
    shown: Shown = Shown.USUAL,
    otel: bool = False,
) -> LoadEnd:
    """Let Locust carry a run, in a process of its own. ResultsError when no directory can be made for it."""
    options = replace(options, answer_timeout=target.timeout_s)  # which may stand in the target's entry
    directory = run_directory(Path(options.runs), target.name)
    try:
        environment = {**os.environ, **_account(target), DIRECTORY_VARIABLE: str(directory)}
        if shown is Shown.QUIET:
            environment[QUIET_VARIABLE] = "1"
        command = _command(options, target, users, processes)
        if otel:
            command.append("--otel")
            environment = {**_OTEL_DEFAULTS, **environment}
        code, interrupted = _run(command, environment, shown)
    finally:
        with suppress(OSError):
            directory.rmdir()  # only where nothing was stored
    return LoadEnd(code, directory, interrupted)


def _account(target: Target) -> dict[str, str]:
    """What the environment has to say about the target: an account never stands on a command line."""
    if target.name != EMBEDDED:
        return {}
    account = target.credentials
    return {EMAIL_VARIABLE: account.email, PASSWORD_VARIABLE: account.password, TOKEN_VARIABLE: ""}


def _command(options: LoadOptions, target: Target, users: int | None, processes: int | None) -> list[str]:
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    command += ["--loglevel", "WARNING", *options.as_arguments(), "--host", target.base_url]
    if options.duration_s and not options.shape.startswith("trace"):
        command += ["--run-time", f"{options.duration_s}s"]
    if users:
        command += ["--users", str(users), "--spawn-rate", str(max(1, min(users, 100)))]
        if not options.duration_s:
            command += ["--run-time", "60s"]
    if processes and processes > 1:
        port = str(free_port())  # Locust's own one may be another run's
        command += ["--processes", str(processes), "--master-bind-host", "127.0.0.1"]
        command += ["--master-bind-port", port, "--master-port", port]
    return command


def _end_group(group: int) -> None:
    """End what Locust left behind: workers of one that was killed, and a worker that stands still. They would hold what
    this command prints to, so that whoever reads it waits for them."""
    deadline_s = time.monotonic() + _LEFT_BEHIND_S
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline_s:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def _run(command: list[str], environment: dict[str, str], shown: Shown) -> tuple[int, bool]:
    """Run Locust until it is over. Ctrl-C and SIGTERM of a CI job end it in good order; it gets a SIGINT for both, as
    Locust's own way with SIGTERM leaves a traceback. Its exit code, and whether there was a signal."""
    root = LOCUSTFILE.parents[1]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), environment.get("PYTHONPATH", "")]))
    environment["CDP_LOAD_OWN_SUMMARY"] = "1"
    elsewhere = {Shown.QUIET: subprocess.DEVNULL, Shown.JSON: sys.stderr}.get(shown)
    process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=elsewhere)

    signals: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process.poll() is None:
            process.kill()
        _end_group(process.pid)
    return (code if code >= 0 else NOT_JUDGED), bool(signals)
