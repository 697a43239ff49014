"""The results file of a load run: what is written is read, and a killed run keeps what it had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Error, Figures, Span
from cdp.load_results import Finding, read_load_results
from cdp.records import ResultsError
from cdp.results import ResultsWriter, read_results
from load.results import MOST_FINDINGS, LoadResultsWriter, machine, versions
from tests.sample_load_runs import INGEST, SEARCH, figures, samples, served, span, write_run

TIMES = st.lists(st.integers(1, 10**11), max_size=20).map(Distribution.of)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(0, 10**9)
FIGURES = st.builds(
    Figures,
    good=COUNTS,
    failed=COUNTS,
    indeterminate=COUNTS,
    unanswered=COUNTS,
    never_sent=COUNTS,
    bytes=COUNTS,
    events=COUNTS,
    errors=st.dictionaries(st.builds(Error, TEXTS, TEXTS, TEXTS), st.integers(1, 10**6), max_size=3).map(Counter),
    latency=TIMES,
    service=TIMES,
    lateness=TIMES,
)
SPANS = st.builds(
    Span,
    from_s=st.floats(-1, 1e6),
    to_s=st.floats(-1, 1e6),
    channels=st.dictionaries(st.builds(ChannelKey, TEXTS, TEXTS, TEXTS), FIGURES, max_size=3),
    offered=COUNTS,
    waiting=COUNTS,
    in_flight=COUNTS,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "results.jsonl"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=st.lists(SPANS, max_size=3))
def test_what_is_written_is_read(tmp_path: Path, spans: list[Span]) -> None:
    path = tmp_path / f"{os.urandom(6).hex()}.jsonl"
    with LoadResultsWriter(path) as writer:
        writer.header(load="search", seed=7)
        for each in spans:
            writer.span(each)
    run = read_load_results(path)
    assert run.spans == spans
    assert run.header == {"load": "search", "seed": 7}
    assert run.all == Figures.merged(each.all for each in spans)


@given(st.lists(FIGURES, max_size=4))
def test_figures_add_up_in_any_order(parts: list[Figures]) -> None:
    whole = Figures.merged(parts)
    assert whole == Figures.merged(reversed(parts)) == Figures.merged([Figures.merged(parts[:2]), *parts[2:]])
    assert whole.offered == sum(each.offered for each in parts)
    assert whole.latency.count == sum(each.latency.count for each in parts)


def test_a_whole_run(path: Path) -> None:
    spans = [*served(100, 10), span(10, 11, {INGEST: figures(20, 30.0, failed=3)})]
    run = write_run(path, spans, "p99<300ms,errors<5%")
    assert run.complete
    assert run.decision.headline == "MET"
    assert [each.objective for each in run.objectives] == ["p99<300ms", "errors<5%", "violations=0"]
    assert run.totals[SEARCH].good == 1000
    assert run.all.failed == 3
    assert run.books is not None
    assert run.books.offered == 1023
    assert run.health_judged is not None
    footer = run.footer or {}
    assert footer["exit_code"] == 0
    assert [each["name"] for each in footer["totals"]] == [SEARCH.name, INGEST.name, ""]
    assert footer["totals"][-1]["latency_ms"]["p50"] == run.all.latency.percentile(50) / 1e6


def test_a_finding_is_stored_once_for_each_way_and_place(path: Path) -> None:
    first = Finding("SHAPE-01", "a field is missing", "GET", "/a", 0.5, exchange={"response": {"status": 200}})
    others = [Finding("SHAPE-01", f"way {n}", "GET", "/a", 1.0) for n in range(MOST_FINDINGS + 50)]
    run = write_run(path, [span(0, 1, figures(10))], findings=[first, first, *others])
    assert run.findings[0] == first
    assert len(run.findings) == MOST_FINDINGS


def test_a_second_run_does_not_go_into_the_same_file(path: Path) -> None:
    write_run(path, [span(0, 1, figures(10))])
    with LoadResultsWriter(path) as writer, pytest.raises(ResultsError, match="already holds a run"):
        writer.header(load="search")


def test_a_killed_run_keeps_what_it_had(path: Path) -> None:
    code = f"""
import os, signal
from load.results import LoadResultsWriter
from tests.sample_load_runs import figures, span
writer = LoadResultsWriter({str(path)!r})
writer.header(load="search", loop="open")
for n in range(5):
    writer.span(span(n, n + 1, figures(10)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    run = read_load_results(path)
    assert (len(run.spans), run.all.good, run.complete, run.torn) == (5, 50, False, False)
    assert run.decision.exit_code == 3
    path.write_bytes(path.read_bytes()[:-20])
    run = read_load_results(path)
    assert (len(run.spans), run.torn) == (4, True)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


HEADER = line(kind="header", schema=1, load="search")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no header"),
        (line(kind="interval"), "a header was expected"),
        (line(kind="header", schema=1), "not the results of a load run"),
        (line(kind="header", schema=99, load="x"), "schema 99"),
        (HEADER + b"{nonsense\n", "line 2: not JSON"),
        (HEADER + line(kind="interval", from_s=0), "line 2: a broken record of kind interval"),
        (HEADER + line(kind="interval", from_s=0, to_s=1, channels=[{"name": "a"}]), "line 2: a broken record"),
        (HEADER + line(kind="interval", from_s=0, to_s=1, channels=[], offered=-1), "offered is no count"),
        (HEADER + line(kind="finding", requirement="X"), "line 2: a broken record of kind finding"),
        (HEADER + line(kind="footer", objectives=[{"judged": "maybe"}]), "line 2: a broken record of kind footer"),
        (HEADER + line(kind="footer") + line(kind="health"), "line 3: a record after the footer"),
    ],
)
def test_what_does_not_fit_is_one_line_with_its_place(path: Path, content: bytes, says: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ResultsError) as raised:
        read_load_results(path)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_records_of_a_later_version_are_left_out(path: Path) -> None:
    path.parent.mkdir()
    channel = {"scenario": "s", "method": "GET", "name": "/", "good": 1, "of_later": 1}
    path.write_bytes(
        HEADER + line(kind="of later") + line(kind="interval", from_s=0, to_s=1, channels=[channel], of_later=1)
    )
    assert read_load_results(path).all.good == 1


def test_the_two_kinds_of_runs_are_told_apart(path: Path, tmp_path: Path) -> None:
    write_run(path, [span(0, 1, figures(10))])
    with pytest.raises(ResultsError, match="the results of a load run, not of a contract run"):
        read_results(path)
    contract = tmp_path / "contract.jsonl"
    with ResultsWriter(contract) as writer:
        writer.header(target="embedded")
    with pytest.raises(ResultsError, match="not the results of a load run"):
        read_load_results(contract)


def test_the_machine_and_the_versions_are_known() -> None:
    assert machine()["cores"] >= 1
    assert {"suite", "python", "locust"} <= set(versions())


def test_a_run_of_ten_minutes_stays_small(path: Path) -> None:
    """Whole distributions of every second, and still some kilobytes a second."""
    import random

    draw = random.Random(1)
    times = [
        Distribution.of([int(draw.lognormvariate(2, 1) * 1e6) for _ in range(200)])  # of two digits; 3 in a real run
        for _ in range(20)
    ]
    spans = [span(n, n + 1, figures(200, latency=times[n % 20], service=times[n % 20])) for n in range(600)]
    write_run(path, spans, health=samples(600, step_s=1))
    assert path.stat().st_size < 3_000_000
