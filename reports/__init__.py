"""Reports: pure functions of a run's stored results.

`write_reports` renders every file that belongs to a run, of whichever kind it is; ``python -m reports RUN_DIR`` does it
again at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cdp.load_results import read_load_results
from cdp.records import ResultsError, read_records
from cdp.results import read_results
from reports.html import write_html
from reports.junit import write_junit
from reports.load_page import write_load_page
from reports.load_summary import SUMMARY_FILE, write_summary

HTML_FILE = "report.html"
JUNIT_FILE = "junit.xml"

_CONTRACT_REPORTS = ((HTML_FILE, write_html), (JUNIT_FILE, write_junit))
_LOAD_REPORTS = ((HTML_FILE, write_load_page), (SUMMARY_FILE, write_summary))


def write_reports(results_path: str | os.PathLike[str]) -> list[Path]:
    """Render the reports of a run beside its results file and return their paths: the HTML page, and the JUnit file of
    a contract run or the summary of a load run.

    ``ResultsError`` (one line) when the results cannot be read or a report cannot be written.
    """
    results_path = Path(results_path)
    run: Any
    reports: tuple[tuple[str, Callable[[Any, Path], None]], ...]
    if read_records(results_path).of_load:
        run, reports = read_load_results(results_path), _LOAD_REPORTS
    else:
        run, reports = read_results(results_path), _CONTRACT_REPORTS
    written = []
    for name, write in reports:
        path = results_path.parent / name
        try:
            write(run, path)
        except OSError as error:
            raise ResultsError(f"cannot write the report {path}: {error.strerror}") from error
        written.append(path)
    return written
