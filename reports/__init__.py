"""Reports: pure functions of a run's stored results.

`write_reports` renders every file that belongs to a run; ``python -m reports RUN_DIR`` does it again at any time.
"""

from __future__ import annotations

import os
from pathlib import Path

from cdp.results import ResultsError, read_results
from reports.html import write_html
from reports.junit import write_junit

HTML_FILE = "report.html"
JUNIT_FILE = "junit.xml"


def write_reports(results_path: str | os.PathLike[str]) -> list[Path]:
    """Render the HTML page and the JUnit file beside a results file and return their paths.

    ``ResultsError`` (one line) when the results cannot be read or a report cannot be written.
    """
    results_path = Path(results_path)
    run = read_results(results_path)
    written = []
    for name, write in ((HTML_FILE, write_html), (JUNIT_FILE, write_junit)):
        path = results_path.parent / name
        try:
            write(run, path)
        except OSError as error:
            raise ResultsError(f"cannot write the report {path}: {error.strerror}") from error
        written.append(path)
    return written
