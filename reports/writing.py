"""The files that a run leaves by itself, rendered beside its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cdp.load_results import LoadRun
from cdp.records import ResultsError
from cdp.results import Run
from reports.exports import MARKDOWN_FILE, Stored, markdown
from reports.html import write_html
from reports.junit import write_junit
from reports.load_page import write_load_page
from reports.load_summary import SUMMARY_FILE, write_summary
from reports.wording import write_whole

HTML_FILE = "report.html"
JUNIT_FILE = "junit.xml"

_Write = Callable[[Stored, Path], None]
_CONTRACT_REPORTS: tuple[tuple[str, _Write], ...] = (
    (HTML_FILE, lambda stored, path: write_html(_contract(stored), path, stored.past)),
    (JUNIT_FILE, lambda stored, path: write_junit(_contract(stored), path)),
    (MARKDOWN_FILE, lambda stored, path: _write_markdown(stored, path)),
)
_LOAD_REPORTS: tuple[tuple[str, _Write], ...] = (
    (HTML_FILE, lambda stored, path: write_load_page(_load(stored), path, stored.past)),
    (SUMMARY_FILE, lambda stored, path: write_summary(_load(stored), path)),
    (MARKDOWN_FILE, lambda stored, path: _write_markdown(stored, path)),
)


def load_reports(directory: Path) -> list[Path]:
    """Where the reports of a load run stand that is stored in a directory."""
    return [directory / name for name, _ in _LOAD_REPORTS]


def write_reports_of(stored: Stored) -> list[Path]:
    """Render the reports of a run beside its results file and return their paths. ResultsError in one line when one
    cannot be written."""
    reports = _CONTRACT_REPORTS if isinstance(stored.run, Run) else _LOAD_REPORTS
    written = []
    for name, write in reports:
        path = stored.path.parent / name
        try:
            write(stored, path)
        except OSError as error:
            raise ResultsError(f"cannot write the report {path}: {error.strerror}") from error
        written.append(path)
    return written


def _write_markdown(stored: Stored, path: Path) -> None:
    write_whole(path, markdown(stored).encode("utf-8", "backslashreplace"))


def _contract(stored: Stored) -> Run:
    assert isinstance(stored.run, Run)
    return stored.run


def _load(stored: Stored) -> LoadRun:
    assert isinstance(stored.run, LoadRun)
    return stored.run
