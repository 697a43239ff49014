"""What other programs read: each export is a pure function of what a run stored, and of what earlier runs say.

`FORMATS` lists them; `exported` makes one. Nothing here adds to what the results hold, so that what was taken out of
them as a secret is in no export.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from cdp.gate.record import GATE_FILE, Gate, read_gate, runs_of
from cdp.history import HistoryError, Since, known_of
from cdp.load_results import LoadRun, read_load_results
from cdp.records import ResultsError, read_records, storable
from cdp.results import Run, read_results
from reports.earlier import past_of
from reports.exports.allure import allure
from reports.exports.code_quality import code_quality
from reports.exports.document import document
from reports.exports.har import contract_har, load_har
from reports.exports.markdown import contract_markdown, load_markdown
from reports.exports.prometheus import contract_metrics, gate_metrics, load_metrics
from reports.exports.sarif import sarif
from reports.gate import gate_markdown, gate_page
from reports.html import html
from reports.junit import junit
from reports.load_page import load_page
from reports.past import NOTHING, Past

AnyRun = Run | LoadRun | Gate
MARKDOWN_FILE = "summary.md"


@dataclass(frozen=True)
class Stored:
    """What is stored of a run or a gate: where, what, since when its broken cells are, its earlier runs, and a gate's
    parts."""

    path: Path
    run: AnyRun
    since: Mapping[str, Since] = field(default_factory=dict)
    past: Past = NOTHING
    parts: tuple[Stored, ...] = ()

    @property
    def kind(self) -> str:
        """contract, load, or gate."""
        return {Run: "contract", LoadRun: "load", Gate: "gate"}[type(self.run)]


@dataclass(frozen=True)
class Format:
    """A format: its name, what it is for, the file (or the directory) that it makes, and how, by kind of run."""

    name: str
    purpose: str
    file: str
    exports: Mapping[str, Callable[[Stored], bytes | dict[str, bytes]]]

    @property
    def kinds(self) -> list[str]:
        return list(self.exports)


def read_stored(path: Path) -> Stored:
    """A run or a gate from its results file or its record. ResultsError in one line when it cannot be read; what the
    history cannot tell is left out."""
    if path.name == GATE_FILE:
        gate = read_gate(path)
        return Stored(path, gate, parts=tuple(read_stored(part) for part in runs_of(gate, path.parent)))
    run = read_load_results(path) if read_records(path).of_load else read_results(path)
    try:
        since, runs = known_of(path.parent)
    except HistoryError:
        return Stored(path, run)
    return Stored(path, run, since, past_of(path.absolute().parent.parent, since, runs))


def exported(stored: Stored, format_: Format) -> dict[str, bytes]:
    """The files of an export by their names, relative to where it goes. ResultsError when the format is for other kinds
    of runs."""
    make = format_.exports.get(stored.kind)
    if make is None:
        kinds = " and ".join(f"{kind} runs" if kind != "gate" else "gates" for kind in format_.kinds)
        raise ResultsError(f"the format {format_.name} is for {kinds}, and this is a {stored.kind} run")
    made = make(stored)
    if isinstance(made, bytes):
        return {format_.file: made}
    return {f"{format_.file}/{name}": content for name, content in made.items()}


def as_json(value: object) -> bytes:
    """JSON that any reader takes: what JSON cannot hold (half a surrogate pair) is shown as an escape."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(value, option=options)
    except TypeError:
        return orjson.dumps(storable(value), option=options)


def markdown(stored: Stored) -> str:
    """The summary of whatever is stored; of a gate with those of its parts."""
    if isinstance(stored.run, Run):
        return contract_markdown(stored.run, stored.since)
    if isinstance(stored.run, LoadRun):
        return load_markdown(stored.run)
    return gate_markdown(stored.run)


def _of_contract(make: Callable[[Run], object]) -> Callable[[Stored], bytes]:
    """An export that is JSON and needs nothing but the run."""

    def export(stored: Stored) -> bytes:
        assert isinstance(stored.run, Run)
        return as_json(make(stored.run))

    return export


def _html(stored: Stored) -> bytes:
    run = stored.run
    if isinstance(run, Gate):
        return gate_page(run).encode("utf-8")
    page = html(run, stored.past) if isinstance(run, Run) else load_page(run, stored.past)
    return page.encode("utf-8")


def _junit(stored: Stored) -> bytes:
    assert isinstance(stored.run, Run)
    return junit(stored.run)


def _markdown(stored: Stored) -> bytes:
    return markdown(stored).encode("utf-8")


def _document(stored: Stored) -> bytes:
    return as_json(document(stored.run, stored.since))


def _allure(stored: Stored) -> dict[str, bytes]:
    assert isinstance(stored.run, Run)
    files = allure(stored.run, stored.path.parent.name)
    return {name: content if isinstance(content, bytes) else as_json(content) for name, content in files.items()}


def _har(stored: Stored) -> bytes:
    if isinstance(stored.run, LoadRun):
        return load_har(stored.run)
    assert isinstance(stored.run, Run)
    return contract_har(stored.run)


def _prometheus(stored: Stored) -> bytes:
    run = stored.run
    if isinstance(run, Run):
        return contract_metrics(run)
    return load_metrics(run) if isinstance(run, LoadRun) else gate_metrics(run)


def _all(make: Callable[[Stored], bytes]) -> dict[str, Callable[[Stored], bytes]]:
    return dict.fromkeys(("contract", "load", "gate"), make)


FORMATS = {
    each.name: each
    for each in (
        Format("html", "a page for people, self-contained", "report.html", _all(_html)),
        Format("junit", "test results of GitHub actions, GitLab and Jenkins", "junit.xml", {"contract": _junit}),
        Format("markdown", "a comment on a pull request, a job's summary", MARKDOWN_FILE, _all(_markdown)),
        Format("json", "any other program; its schema is docs/results.schema.json", "report.json", _all(_document)),
        Format("sarif", "code scanning (SARIF 2.1.0)", "report.sarif", {"contract": _of_contract(sarif)}),
        Format(
            "gitlab",
            "GitLab's code quality widget",
            "gl-code-quality-report.json",
            {"contract": _of_contract(code_quality)},
        ),
        Format("allure", "results for Allure Report", "allure-results", {"contract": _allure}),
        Format(
            "har", "the exchanges that show what is broken (HAR 1.2)", "broken.har", {"contract": _har, "load": _har}
        ),
        Format("prometheus", "the textfile collector of the node exporter", "cdp.prom", _all(_prometheus)),
    )
}
