"""Reports of load runs: they say what the results hold, fit on a screen, and whatever a target sent stays text."""

from __future__ import annotations

import html as html_text
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Error, Span
from cdp.load_results import OMISSION, Finding, LoadRun
from reports import load_summary, write_reports
from reports.__main__ import main
from reports.load_page import load_page
from reports.load_progress import LoadProgress
from reports.load_terminal import milliseconds, print_load_run
from reports.past import Night, Past
from reports.plots import Series, line_chart, linear_axis, log_axis
from tests.sample_load_runs import (
    INGEST,
    SEARCH,
    figures,
    printed,
    sample,
    samples,
    served,
    span,
    write_run,
)
from tests.sample_pages import capacity_run, overloaded_run
from tests.sample_runs import HOSTILE

VIOLATION = Error("segments/0/id is missing", "", "SHAPE-01")
TIMEOUT = Error("no answer in time", "TIMEOUT")


def broken_spans() -> list[Span]:
    """A stall of two seconds, and an operation that breaks its contract and times out."""
    spans = served(100, 30, stalls=[(10, 12)])
    for each in spans[20:24]:
        errors = Counter({VIOLATION: 2, TIMEOUT: 1})
        each.channels[INGEST] = figures(17, 30.0, failed=3, errors=errors)
        each.offered += 20
    return spans


FOUND = Finding(
    "SHAPE-01", VIOLATION.text, "POST", INGEST.name, 10.2, "a body has the shape", {"response": {"status": 200}}
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LoadRun:
    path = tmp_path_factory.mktemp("run") / "results.jsonl"
    header = {"options": {"rate": 100, "batch": "50"}, "machine": {"cores": 2}, "versions": {"suite": "1"}}
    return write_run(
        path, broken_spans(), "p99<300ms,p99@5s<500ms;search:p50<20ms", findings=[FOUND], warm_up_s=2, header=header
    )


def mixed_run(path: Path) -> LoadRun:
    """A run of the mixed scenario: every operation that it has."""
    names = ["/customers/fulltext_search", "/customers/{customer_id}/attributes", "/customers/{customer_id}/events"]
    names += ["/segments", "/events", "/attributes", "/customer_events/", "/customer_events/async"]
    keys = [ChannelKey("mixed", "GET", name) for name in names]
    spans = [
        span(n, n + 1, {key: figures(100, 1234.5, lateness=Distribution([10**6], [100])) for key in keys})
        for n in range(60)
    ]
    return write_run(path, spans, "p99<300ms,p99.9<2s,errors<0.1%,rate>=95%")


class TestTerminal:
    def test_the_decision_comes_first_and_everything_else_below(self, run: LoadRun) -> None:
        text = printed(run, 120)
        assert text.startswith("MISSED  3 of 5 objectives missed: p99<300ms was ")
        for part in (
            "✗ p99<300ms",
            "✓ p50<20ms",
            "GET /customers/fulltext_search",
            "SHAPE-01   8 × segments/0/id is missing (POST /customer_events/)",
            "error      4 × no answer in time",
            "books      3,080 offered = 3,080 sent + 0 never sent; 3,080 sent = 3,068 good + 12 failed",
            "generator  CPU 40% of a core",
            "open loop",
        ):
            assert part in text

    def test_latency_and_service_time_stand_side_by_side(self, run: LoadRun) -> None:
        rows = [line for line in printed(run, 100).splitlines() if line.startswith("GET /customers/fulltext_search")]
        search = run.totals[SEARCH]
        numbers = rows[1].split()[2:]
        assert numbers == [
            milliseconds(value)
            for times in (search.latency, search.service)
            for value in (*(times.percentile(p) for p in (50, 90, 99, 99.9)), times.max_ns)
        ]
        assert float(numbers[2]) > 1000 > float(numbers[7])

    @pytest.mark.parametrize("width", [80, 120, 170])
    def test_it_fits_on_a_screen_and_nothing_is_cut(self, tmp_path: Path, width: int) -> None:
        text = printed(mixed_run(tmp_path / "results.jsonl"), width)
        lines = text.splitlines()
        assert max(map(len, lines)) <= width
        assert len(lines) <= 45
        table = [line for line in lines if "1234" in line or "1235" in line or "1,234" in line]
        assert table
        numbers = re.findall(r"\S*…\S*", "\n".join(lines))
        assert all("/" in each or "_" in each or "}" in each for each in numbers), "only names may be shortened"

    def test_without_colours_it_says_the_same(self, run: LoadRun, monkeypatch: pytest.MonkeyPatch) -> None:
        coloured = printed(run, 100, force_terminal=True)
        monkeypatch.setenv("NO_COLOR", "1")
        plain = printed(run, 100, force_terminal=True)
        codes = re.compile(r"\x1b\[[0-9;]*m")
        assert codes.sub("", coloured) == codes.sub("", plain)
        assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7])m", plain)

    def test_a_closed_loop_is_marked(self, tmp_path: Path) -> None:
        found = write_run(tmp_path / "results.jsonl", served(50, 5), header={"loop": "closed"}, open_loop=False)
        assert OMISSION in printed(found)
        assert OMISSION.capitalize() in html_text.unescape(load_page(found))
        assert load_summary.summary(found)["note"] == OMISSION

    def test_an_inconclusive_run_says_why_first(self, tmp_path: Path) -> None:
        found = write_run(tmp_path / "results.jsonl", served(50, 10), health=samples(10, cpu=0.97))
        text = printed(found, 120)
        assert text.startswith("INCONCLUSIVE  the generator was the limit: CPU: worker 1 used 97% of a core")

    def test_a_run_that_was_cut_off_shows_what_it_had(self, tmp_path: Path) -> None:
        found = write_run(tmp_path / "results.jsonl", served(50, 10), finished=False)
        text = printed(found)
        assert text.startswith("INCONCLUSIVE  the run was cut off before its end")
        assert "GET /customers/fulltext_search" in text
        assert "This run is not complete." in load_page(found)

    def test_a_run_without_a_single_request(self, tmp_path: Path) -> None:
        found = write_run(tmp_path / "results.jsonl", [], obstacle="the token was refused", health=[])
        assert printed(found).startswith("INCONCLUSIVE  the token was refused")
        assert "the token was refused" in load_page(found)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_commands_no_terminal(self, tmp_path: Path, text: str) -> None:
        shown = printed(hostile_run(tmp_path, text), 100)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)

    @pytest.mark.parametrize(
        ("time_ns", "words"), [(854_000, "0.85"), (12_345_000, "12.3"), (212_400_000, "212"), (12_400_000_000, "12400")]
    )
    def test_times_take_five_characters(self, time_ns: float, words: str) -> None:
        assert milliseconds(time_ns) == words


def hostile_run(directory: Path, text: str) -> LoadRun:
    """A run in which everything that can come from a target or a caller is this text."""
    key = ChannelKey(text, text, text)
    errors = Counter({Error(text, text, text): 1, Error(text, text, ""): 1})
    found = Finding(text, text, text, text, 0.1, text, {"response": {"body": text, text: [text]}})
    header = {**dict.fromkeys(("load", "target", "base_url", "schedule", "started"), text), "options": {text: text}}
    path = directory / "results.jsonl"
    spans = [span(0, 1, {key: figures(200, 10.0, failed=2, errors=errors)})]
    return write_run(
        path, spans, "p99<1s", header=header, findings=[found], health=[sample(0, 5, process=text)], obstacle=text
    )


class TestPage:
    def test_it_loads_nothing(self, run: LoadRun) -> None:
        page = load_page(run)
        assert not re.search(r"<(link|img|iframe|object|embed|base|form)\b", page)
        assert not re.search(r"\b(src|srcset|action|formaction|style)\s*=", page)
        assert not re.search(r"url\(|@import", page)
        assert all(target.startswith("#") for target in re.findall(r'<a href="([^"]*)"', page))

    def test_every_link_has_its_place(self, run: LoadRun) -> None:
        page = load_page(run)
        places = re.findall(r'\bid="([^"]*)"', page)
        assert len(places) == len(set(places))
        assert set(re.findall(r'href="#([^"]*)"', page)) <= set(places)

    def test_it_says_what_came_out(self, run: LoadRun) -> None:
        page = html_text.unescape(load_page(run))
        assert '<p class="headline">MISSED</p>' in page
        for part in (
            run.decision.sentence,
            "always holds",
            "SHAPE-01",
            "8 answers",
            "It was not the limit",
            "batch 50",
        ):
            assert part in page

    def test_charts_are_drawings_that_parse(self, run: LoadRun) -> None:
        drawings = re.findall(r'<svg class="plot".*?</svg>', load_page(run), re.DOTALL)
        titles = [ElementTree.fromstring(each).attrib["aria-label"] for each in drawings]
        assert titles == [
            "Latency, from the intended start",
            "Service time, from the send",
            "Requests a second",
            "Errors a second, by class",
            "Waiting for an answer, and waiting to be sent",
            "Latency by percentile, over the whole run",
            "CPU of the processes that send (limit 85 %)",
        ]
        assert all("NaN" not in each and "inf" not in each for each in drawings)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_adds_no_element_and_no_attribute(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        hostile, harmless = load_page(hostile_run(tmp_path / "a", text)), load_page(hostile_run(tmp_path / "b", "x"))
        elements = re.compile(r"<(\w+)((?:\s+[\w-]+(?==))*)")
        found, wanted = elements.findall(hostile), elements.findall(harmless)
        assert [each for each in found if each != ("mark", "")] == [each for each in wanted if each != ("mark", "")]
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", hostile)

    def test_a_long_run_is_put_together(self) -> None:
        spans = [span(n / 2, n / 2 + 0.5, figures(1)) for n in range(7200)]
        found = load_summary.coarse(spans)
        assert len(found) <= 241
        assert sum(each.all.good for each in found) == 7200
        assert sum(each.offered for each in found) == 7200
        assert (found[0].from_s, found[-1].to_s) == (0, 3600)


class TestPlots:
    @given(st.lists(st.floats(1e-4, 1e7), min_size=1, max_size=30))
    def test_axes_hold_all_values_and_tick_within(self, values: list[float]) -> None:
        for axis in (linear_axis("x", values), log_axis("y", values)):
            assert axis.low <= min(values) * (1 + 1e-9)
            assert axis.high >= max(values) * (1 - 1e-9)
            assert 2 <= len(axis.ticks) <= 12
            assert all(axis.low <= at <= axis.high * (1 + 1e-9) for at, _ in axis.ticks)
            assert all(0 <= axis.share(value) <= 1 for value in values)

    def test_a_gap_breaks_the_line_and_a_lone_point_is_drawn(self) -> None:
        x = linear_axis("x", [4])
        drawn = line_chart("t", [Series("a", [(0, 1), (1, 2), (2, None), (3, 4)])], x, linear_axis("y", [4]))
        (path,) = re.findall(r'class="line c0" d="([^"]*)"><title>', drawn)
        assert path.count("M") == 2
        assert "L " not in path

    def test_nothing_to_draw(self) -> None:
        assert "<svg" in line_chart("t", [Series("a", [])], linear_axis("x", []), log_axis("y", []))


class TestCapacityPage:
    def test_the_first_screen_says_how_much_it_takes(self) -> None:
        page = html_text.unescape(load_page(capacity_run()))
        first = page[: page.index('id="objectives"')]
        for part in ("487/s", "95 % between 470 and 505", "3.1 s", "2.35 ×", "step 6", "the generator was the limit"):
            assert part in first

    def test_a_search_without_an_answer_sustains_nothing(self) -> None:
        run = capacity_run()
        assert run.footer is not None
        sentence = "no answer: at 600/s the generator was the limit"
        run.footer["decision"] = {"headline": "INCONCLUSIVE", "sentence": sentence, "exit_code": 3}
        page = load_page(run)
        first = page[: page.index('id="objectives"')]
        assert "the search came to no answer" in first
        assert "475/s" in first and "how much more holds is not known" in first
        assert '<span class="name">sustained</span>' not in page

    def test_steps_carry_their_verdict_in_the_curve_and_in_the_table(self) -> None:
        page = load_page(capacity_run())
        curve = page[page.index("<figcaption>Latency and service time by rate") :].partition("</figure>")[0]
        assert curve.count("latency p99: passed") == 6
        assert curve.count("latency p99: failed") == 2
        assert curve.count("latency p99: void") == 1
        assert curve.count('class="bar') == 3
        assert page.count('<tr class="void">') == 1

    def test_percentiles_have_intervals_as_far_as_there_are_enough_requests(self, run: LoadRun) -> None:
        page = load_page(run)
        curve = page[page.index("<figcaption>Latency by percentile") :].partition("</figure>")[0]
        assert curve.count('class="band') == 2

    def test_what_broke_and_what_was_not_judged_come_first(self, tmp_path: Path) -> None:
        page = html_text.unescape(load_page(overloaded_run(tmp_path)))
        first = page[: page.index('id="objectives"')]
        for part in ("lost</span></a> 10 events", "SHAPE-01", "p99<300ms was", "the first 2.0 s are left out"):
            assert part in first
        assert "Until an acknowledged event can be read" in page

    def test_earlier_runs_are_shown_when_they_are_handed_over(self, run: LoadRun) -> None:
        past = Past(
            [Night("before", "2026-02-01T02:00:00", "MET", {"p99": "212 ms"}, "p99 moved: +12 %", "../b/report.html")]
        )
        page = load_page(run, past)
        for part in ('id="history"', "212 ms", "p99 moved: +12 %", '<a href="../b/report.html">before</a>'):
            assert part in page


class TestFiles:
    def test_a_directory_is_rendered_again_whatever_run_it_holds(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_run(tmp_path / "results.jsonl", broken_spans(), findings=[FOUND])
        assert main([str(tmp_path)]) == 0
        out = capsys.readouterr().out
        assert out.startswith("MISSED")
        first = {name: (tmp_path / name).read_bytes() for name in ("report.html", "summary.json")}
        names = ("report.html", "summary.json", "summary.md")
        assert write_reports(tmp_path / "results.jsonl") == [tmp_path / name for name in names]
        assert {name: (tmp_path / name).read_bytes() for name in first} == first
        assert not (tmp_path / "junit.xml").exists()

    def test_the_summary_is_for_programs(self, tmp_path: Path) -> None:
        run = write_run(tmp_path / "results.jsonl", broken_spans(), findings=[FOUND])
        write_reports(tmp_path / "results.jsonl")
        found = json.loads((tmp_path / "summary.json").read_text())
        assert (found["decision"], found["exit_code"], found["complete"]) == ("MISSED", 1, True)
        assert found["all"]["latency_ms"]["p99"] == run.all.latency.percentile(99) / 1e6
        assert found["all"]["violations"] == 8
        assert [each["name"] for each in found["operations"]] == [SEARCH.name, INGEST.name]

    def test_a_broken_file_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "results.jsonl").write_text('{"kind":"header","schema":1,"load":"x"}\n{"kind":"interval"}\n')
        assert main([str(tmp_path)]) == 2
        assert "line 2: a broken record of kind interval" in capsys.readouterr().err


class TestProgress:
    def progress(self, times: list[float], **options: bool) -> tuple[LoadProgress, io.StringIO]:
        file = io.StringIO()
        console = Console(file=file, width=70, **options)  # type: ignore[arg-type]
        return LoadProgress(60, console, clock=iter(times).__next__), file

    def test_a_line_tells_how_it_goes_now(self) -> None:
        progress, _ = self.progress([0.0] * 50)
        for n in range(10):
            progress.update(span(n, n + 1, figures(100, 500.0 if n < 3 else 20.0, failed=1), waiting=4))
        line = re.sub(r"p99 (19\.[89]|20\.[0-2]) ms", "p99 20 ms", progress.line)  # in buckets of 1 %
        assert line == "10 s of 60 s  offered 101/s  good 100/s  p99 20 ms  errors 10  backlog 4"

    def test_what_comes_after_the_schedule_is_said(self) -> None:
        progress, _ = self.progress([0.0] * 50)
        progress.update(span(62, 63, figures(10)))
        assert progress.line.startswith("60 s over, 3 s of waiting for the last answers  ")

    def test_elsewhere_a_line_comes_every_few_seconds(self) -> None:
        progress, file = self.progress([0.0, 0.0, 1.0, 6.0, 6.0, 7.0])
        with progress:
            for n in range(3):
                progress.update(span(n, n + 1, figures(10)))
        assert file.getvalue().count("\n") == 1

    def test_on_a_terminal_it_is_written_over_and_taken_away(self) -> None:
        progress, file = self.progress([0.0, 0.0, 2.0, 2.0], force_terminal=True)
        with progress:
            progress.update(span(0, 1, figures(10)))
            progress.say("the target\x1b[31m is gone")
        text = file.getvalue()
        assert text.startswith("\r1 s of 60 s  offered 10/s")
        assert "the target\\x1b[31m is gone\n" in text
        assert "\n" not in text.partition("the target")[0]


@pytest.mark.parametrize("kind", ["capacity", "overload"])
def test_on_a_terminal_it_fits_one_screen_and_says_where_the_rest_is(kind: str, tmp_path: Path) -> None:
    run = capacity_run() if kind == "capacity" else overloaded_run(tmp_path)
    assert len(printed(run, width=80).splitlines()) > 24
    file = io.StringIO()
    options: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    terminal = Console(file=file, width=80, height=24, force_terminal=True, no_color=True, **options)
    print_load_run(run, terminal, whole=False)
    lines = [Text.from_ansi(line).plain for line in file.getvalue().splitlines()]
    assert lines[0].startswith(run.decision.headline)
    assert len(lines) <= 20, "\n".join(lines)  # the paths of the reports come below
    assert lines[-1] == "Everything: the page, or cdp report RUN --details"


def test_a_file_gets_everything() -> None:
    file = io.StringIO()
    print_load_run(capacity_run(), Console(file=file, width=80, height=24), whole=False)
    assert file.getvalue() == printed(capacity_run(), width=80)
