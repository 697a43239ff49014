"""The results file: what is written is read, and what a kill, a full disk or a stranger leaves is told apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.results import SCHEMA, ResultsError, ResultsWriter, Run, read_results
from cdp.verdicts import Cell, Result, Verdict
from tests.sample_runs import broken, result

# Everything that JSON can hold as it is; what it cannot hold has tests of its own.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1)
COUNTS = st.integers(0, 10**9)
RESULTS = st.builds(
    Result,
    cell=st.builds(Cell, NAMES, NAMES, TEXTS),
    section=TEXTS,
    family=TEXTS,
    level=st.sampled_from(["MUST", "SHOULD", "MAY"]),
    verdict=st.sampled_from(Verdict),
    sentence=TEXTS,
    evidence=COUNTS,
    requests=COUNTS,
    seed=COUNTS,
    statement=TEXTS,
    example=TEXTS,
    exchange=st.none() | st.dictionaries(TEXTS, JSON_VALUES, max_size=4),
    curl=TEXTS,
    duration_s=st.floats(0, 1e6),
    round=COUNTS,
)
ONE_A_CELL = st.lists(RESULTS, min_size=1, max_size=4, unique_by=lambda result: result.cell)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "results.jsonl"


def written(path: Path, *results: Result, header: dict[str, Any] | None = None, footer: bool = True) -> Run:
    with ResultsWriter(path) as writer:
        writer.header(**(header or {}))
        for item in results:
            writer.add(item)
        if footer:
            writer.footer(wall_s=1.0)
    return read_results(path)


@given(ONE_A_CELL, st.dictionaries(NAMES, JSON_VALUES, max_size=4))
def test_what_is_written_is_read(results: list[Result], header: dict[str, Any]) -> None:
    header = {key: value for key, value in header.items() if key not in ("kind", "schema")}
    with tempfile.TemporaryDirectory() as directory:
        run = written(Path(directory) / "results.jsonl", *results, header=header)
    assert run.results == results
    assert run.header == header
    assert run.footer == {"wall_s": 1.0}
    assert not run.torn


@given(ONE_A_CELL, st.data())
def test_a_file_cut_anywhere_keeps_every_whole_record(results: list[Result], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "results.jsonl"
        written(path, *results)
        content = path.read_bytes()
        first = content.index(b"\n") + 1
        cut = data.draw(st.integers(first, len(content) - 1))
        path.write_bytes(content[:cut])
        run = read_results(path)
    whole = content[:cut].count(b"\n") - 1
    assert run.results == results[:whole]
    assert run.torn == (not content[:cut].endswith(b"\n"))
    assert not run.complete


def test_the_header_carries_the_schema_and_every_line_is_json(path: Path) -> None:
    written(path, result(sentence="first\nsecond\u2028third"), header={"target": "embedded"})
    # Only a newline ends a record: U+2028 in a text does not, though str.splitlines would say so.
    lines = [json.loads(line) for line in path.read_bytes().removesuffix(b"\n").split(b"\n")]
    assert [line["kind"] for line in lines] == ["header", "result", "footer"]
    assert lines[0] == {"kind": "header", "schema": SCHEMA, "target": "embedded"}
    assert lines[1]["cell"] == "PAGE-03/list_segments/admin"
    assert lines[1]["verdict"] == "PASS"


def test_a_record_is_in_the_file_before_the_next_one_is_made(path: Path) -> None:
    writer = ResultsWriter(path)
    writer.header()
    writer.add(result())
    assert len(read_results(path).results) == 1
    assert not read_results(path).complete
    writer.close()


def test_a_killed_process_leaves_what_it_had(path: Path) -> None:
    program = f"""
import os, signal
from cdp.results import ResultsWriter
from tests.sample_runs import result
writer = ResultsWriter({str(path)!r})
writer.header(cells=3)
writer.add(result("PAGE-03/a"))
writer.add(result("PAGE-03/b"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    here = Path(__file__).parent.parent
    ended = subprocess.run([sys.executable, "-c", program], cwd=here, check=False)
    assert ended.returncode == -9
    run = read_results(path)
    assert [item.cell.operation for item in run.results] == ["a", "b"]
    assert run.footer is None
    assert not run.complete


def _append(path: Path, number: int) -> None:
    with ResultsWriter(path) as writer:
        for count in range(50):
            writer.add(result(f"PAGE-03/list_{number}_{count}", sentence="x" * 5000))


def test_processes_may_append_to_one_file(path: Path) -> None:
    with ResultsWriter(path) as writer:
        writer.header(cells=200)
        workers = [get_context("spawn").Process(target=_append, args=(path, number)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        writer.footer()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert read_results(path).complete


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("half a \ud800 pair", "half a \\ud800 pair"),
        (b"\xff\x00a", "\\xff\x00a"),
        (2**70, str(2**70)),
        ({1: "x", None: "y"}, {"1": "x", "None": "y"}),
        (("a", {"b"}), ["a", ["b"]]),
        (float("nan"), None),
    ],
)
def test_what_json_cannot_hold_becomes_visible(path: Path, sent: object, stored: object) -> None:
    run = written(path, result(exchange={"body": sent}))
    assert run.results[0].exchange == {"body": stored}


def test_a_body_as_deep_as_a_hostile_server_likes_is_stored(path: Path) -> None:
    deep: Any = "end"
    for _ in range(900):
        deep = [deep]
    run = written(path, result(exchange={"body": deep}))
    assert run.results[0].exchange


def test_odd_texts_in_a_sentence_do_not_stop_a_run(path: Path) -> None:
    assert written(path, result(sentence="got \udcff")).results[0].sentence == "got \\udcff"


def test_a_second_header_is_refused(path: Path) -> None:
    written(path)
    with ResultsWriter(path) as writer, pytest.raises(ResultsError, match="already holds a run"):
        writer.header()
    assert read_results(path).complete


def test_a_closed_writer_says_so(path: Path) -> None:
    writer = ResultsWriter(path)
    writer.close()
    writer.close()
    with pytest.raises(ResultsError, match="closed"):
        writer.add(result())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line() -> None:
    with ResultsWriter("/dev/full") as writer:
        with pytest.raises(ResultsError) as caught:
            writer.add(result())
        assert str(caught.value) == "cannot write results to /dev/full: No space left on device"
        with pytest.raises(ResultsError, match="No space left on device, at an earlier write"):
            writer.footer()


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError) as caught:
        ResultsWriter(tmp_path / "file" / "results.jsonl")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="No such file"):
        read_results(tmp_path / "results.jsonl")


HEADER = b'{"kind":"header","schema":1}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no header"),
        (b'{"kind":"head', "no header"),
        (b"not json\n", "line 1: not JSON"),
        (b"[]\n", "line 1: an object was expected"),
        (b'{"kind":"result"}\n', "line 1: a header was expected"),
        (b'{"kind":"header","schema":99}\n', "schema 99"),
        (HEADER + b"{\n" + b'{"kind":"footer"}\n', "line 2: not JSON"),
        (HEADER + b"\n", "line 2: not JSON"),
        (HEADER + b'{"kind":"other"}\n', "line 2: unknown kind of record 'other'"),
        (HEADER + b'{"kind":"result"}\n', "line 2: the field 'section' is missing"),
        (HEADER + b'{"kind":"footer"}\n{"kind":"footer"}\n', "line 3: a record after the footer"),
    ],
)
def test_a_malformed_file_names_the_line(path: Path, content: bytes, message: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=message) as caught:
        read_results(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "GOOD"}, "GOOD"),
        ({"cell": "PAGE-03"}, "not a cell address"),
        ({"evidence": "3"}, "'evidence' has the wrong type"),
        ({"exchange": "GET"}, "'exchange' has the wrong type"),
        ({"verdict": None}, "None"),
    ],
)
def test_a_malformed_result_names_the_line(path: Path, change: dict[str, Any], message: str) -> None:
    written(path, broken("PAGE-03/list_segments"))
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ResultsError, match=message) as caught:
        read_results(path)
    assert "line 2" in str(caught.value)


def test_fields_of_a_later_version_are_no_obstacle(path: Path) -> None:
    written(path, result())
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "flaky": True})
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_results(path).results == [result()]


def test_several_judgements_of_a_cell_are_one_result(path: Path) -> None:
    address, other = "PAGE-03/list_tags/admin", "PAGE-02/list_tags/admin"
    with ResultsWriter(path) as writer:
        writer.header(cells=2, budget_min=10)
        for number in (1, 2, 3):
            writer.add(result(address, evidence=5, requests=7, duration_s=0.5, seed=number, round=number))
        writer.add(result(other))
        writer.footer()
    run = read_results(path)
    assert run.complete and len(run.results) == 2
    merged = run.results[0]
    assert (merged.verdict, merged.evidence, merged.requests, merged.duration_s) == (Verdict.PASS, 15, 21, 1.5)
    assert merged.sentence == "kept in 15 cases, in 3 rounds"
    assert (run.again, run.gained, run.rounds, run.budget) == (2, 10, 3, "10 min")


PASS, SKIP, WARN, FAIL, ERROR = Verdict.PASS, Verdict.SKIP, Verdict.WARN, Verdict.FAIL, Verdict.ERROR


@pytest.mark.parametrize(
    ("verdicts", "stands", "told_by"),
    [
        ([PASS, FAIL], FAIL, 2),
        ([PASS, FAIL, FAIL], FAIL, 2),
        ([PASS, WARN, FAIL], FAIL, 3),
        ([PASS, ERROR], ERROR, 2),
        ([PASS, SKIP], PASS, 1),  # that nothing could be exercised later takes nothing back
        ([SKIP, PASS], PASS, 2),
        ([SKIP, Verdict.UNCONFIRMED], SKIP, 1),
    ],
)
def test_the_worst_judgement_stands_and_is_the_one_to_repeat(
    path: Path, verdicts: list[Verdict], stands: Verdict, told_by: int
) -> None:
    with ResultsWriter(path) as writer:
        writer.header(cells=1)
        for number, verdict in enumerate(verdicts, start=1):
            writer.add(result(verdict=verdict, seed=100 + number, round=number, example=f"example {number}"))
        writer.footer()
    (merged,) = read_results(path).results
    assert merged.verdict is stands
    assert (merged.seed, merged.round, merged.example) == (100 + told_by, told_by, f"example {told_by}")


def test_a_run_that_is_killed_in_a_later_round_keeps_the_rounds_before(path: Path) -> None:
    with ResultsWriter(path) as writer:
        writer.header(cells=1)
        for number in (1, 2, 3):
            writer.add(result(evidence=5, round=number))
    path.write_bytes(path.read_bytes()[:-20])
    run = read_results(path)
    assert run.torn and not run.complete
    assert run.results[0].evidence == 10
