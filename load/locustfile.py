"""Customer search and event ingestion for Locust.

    locust -f load/locustfile.py -H https://instance.example/api --scenario search --rate 200 --run-time 60s --headless
    locust -f load/locustfile.py -H https://instance.example/api            # users, with Locust's web page

With `--rate` (or a trace) requests are sent on a schedule, an open loop; without it users wait for their answers. The
token comes from the environment (CDP_TOKEN, or CDP_EMAIL and CDP_PASSWORD). `cdp load` is the same with less to type.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from locust import events

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from its checkout, from wherever it is called
sys.path.append(sys.path.pop(1))  # Locust has put this directory first, where a module may hide one of Python's own

from cdp.history import record
from cdp.load_figures import Span
from cdp.load_results import Step, read_load_results
from cdp.output import output_lost, print_whatever_comes
from cdp.records import RESULTS_FILE, ResultsError
from load.node import install
from load.options import QUIET_VARIABLE
from load.scenarios.people import *  # noqa: F403 - Locust collects the user classes that it finds here
from reports import write_reports
from reports.capacity import step_in_words
from reports.console import make_console
from reports.load_progress import LoadProgress
from reports.load_terminal import print_load_run


class OnTerminal:
    """Shows a run on the terminal and writes its reports."""

    def __init__(self) -> None:
        self._progress: LoadProgress | None = None

    def progress(self, span: Span, planned_s: float | None) -> None:
        if self._progress is None:
            console = make_console(sys.stderr)
            console.quiet = QUIET_VARIABLE in os.environ
            self._progress = LoadProgress(planned_s, console)
        self._progress.update(span)

    def step(self, step: Step) -> None:
        if self._progress is not None:
            self._progress.say(step_in_words(step))

    def report(self, directory: Path) -> None:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None
        results = directory / RESULTS_FILE
        if problem := record(results):
            print(f"load: {problem}", file=sys.stderr)
        written = write_reports(results)
        print_load_run(read_load_results(results), make_console(), whole=False)
        for path in written:
            print(path)
        if lost := output_lost():
            raise ResultsError(lost)


print_whatever_comes()
install(events, OnTerminal())
