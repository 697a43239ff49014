"""What the terminal shows of a run while it goes on and when it has ended."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from cdp.results import Run
from cdp.verdicts import Verdict
from reports import terminal
from tests.sample_runs import FAMILIES, HOSTILE, broken, large_run, printed, result, run_of


@pytest.fixture(scope="module")
def run() -> Run:
    return large_run()


class TestTerminal:
    def test_every_section_has_a_row_within_a_hundred_columns(self, run: Run) -> None:
        console = Console(file=io.StringIO(), width=100)
        console.print(terminal.render_matrix(run))
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        assert max(map(len, lines)) <= 100
        for section in run.header["sections"]:
            assert any(line.startswith(f"{section} ") for line in lines)
        assert all(family in lines[0] for family in FAMILIES)

    def test_a_cell_shows_its_worst_verdict_and_its_share(self) -> None:
        run = run_of(
            *(result(f"PAGE-0{n}/list_tags") for n in range(1, 6)),
            result("PAGE-06/list_tags", Verdict.FAIL),
            result("AUTH-01/list_tags"),
            result("ROLE-01/list_tags", Verdict.NOT_APPLICABLE),
        )
        row = next(line for line in printed(run).splitlines() if line.startswith("Segments "))
        assert row.split("  ")[0] == "Segments"
        assert re.sub(r"\s{2,}", " | ", row.strip()) == "Segments | ✓ 1 | · | ✗ 1/6"

    def test_totals_are_given_by_verdict(self, run: Run) -> None:
        text = printed(run)
        for verdict in (Verdict.FAIL, Verdict.WARN, Verdict.SKIP, Verdict.PASS):
            count = sum(item.verdict is verdict for item in run.results)
            assert f"{verdict.name} {count:,}" in text

    def test_a_finding_has_everything_that_is_needed_to_repeat_it(self) -> None:
        item = broken("PAGE-03/list_segments/admin")
        text = printed(run_of(item))
        for part in (item.cell.address, item.statement, item.sentence, item.example, item.curl):
            assert part in text

    def test_a_curl_line_is_neither_wrapped_nor_cut(self) -> None:
        curl = f"curl -d '{'x' * 500}' http://127.0.0.1/api"
        assert curl in printed(run_of(broken("PAGE-03/a", curl=curl)), width=60)

    def test_many_places_are_collapsed_after_three(self) -> None:
        text = printed(run_of(*(broken(f"PAGE-04/list_{n:02d}") for n in range(40))))
        assert len(re.findall(r"^ +PAGE-04/list_\d\d", text, re.MULTILINE)) == 3
        assert "and 37 more cells" in text

    def test_reasons_are_grouped_with_their_counts(self) -> None:
        run = run_of(
            result("PAGE-01/list_tags"),
            *(result(f"PAGE-0{n}/list_feeds", Verdict.SKIP, sentence="list_feeds holds 1 record") for n in (2, 3)),
            result("PAGE-02/list_x", Verdict.UNCONFIRMED, sentence="404 on its route"),
        )
        text = printed(run)
        assert re.search(r"SKIP +2 +list_feeds holds 1 record +PAGE-02, PAGE-03", text)
        assert re.search(r"UNCONFIRMED +1 +404 on its route", text)

    def test_a_cut_off_run_says_so_first(self) -> None:
        text = printed(run_of(result(), finished=False))
        assert text.startswith("CANNOT TELL  The run was cut off")

    def test_the_decision_is_the_last_line(self, run: Run) -> None:
        assert printed(run).rstrip().splitlines()[-1].startswith("NO-GO  ")
        assert printed(large_run(calm=True)).rstrip().splitlines()[-1].startswith("GO  ")

    @pytest.mark.parametrize("text", HOSTILE)
    def test_nothing_from_a_target_commands_the_terminal(self, text: str) -> None:
        item = broken("PAGE-03/a", sentence=text, example=text, curl=text, section=text)
        shown = printed(run_of(item, result("PAGE-04/a", Verdict.SKIP, sentence=text), header={"target": text}))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)

    def test_a_terminal_without_unicode_gets_plain_signs(self) -> None:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
        console = Console(file=stream, width=100)
        console.print(terminal.render_matrix(run_of(result("PAGE-01/a"), result("AUTH-01/a", Verdict.FAIL)), console))
        stream.seek(0)
        row = next(line for line in stream.read().splitlines() if line.startswith("Segments"))
        assert row.split() == ["Segments", "x", "1", "+", "1"]

    def test_elsewhere_than_on_a_terminal_there_are_a_hundred_columns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("COLUMNS", raising=False)
        assert terminal.make_console(io.StringIO()).width == 100
        monkeypatch.setenv("COLUMNS", "140")
        assert terminal.make_console(io.StringIO()).width == 140


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestProgress:
    def test_a_plain_line_every_few_seconds(self) -> None:
        clock, stream = Clock(), io.StringIO()
        with terminal.Progress(100, Console(file=stream, width=80), interval_s=5, clock=clock) as progress:
            for number in range(50):
                clock.now += 0.5
                progress.doing(f"list_{number}")
                progress.done(result(verdict=Verdict.FAIL if number == 3 else Verdict.PASS))
        lines = stream.getvalue().splitlines()
        assert len(lines) == 6
        assert lines[-2] == "49/100 cells  about 26 s left  ✓ 48  ✗ 1  list_49"
        assert lines[-1] == "done: 50 cells in 25 s"

    def test_what_is_left_is_told_once_it_is_known(self) -> None:
        clock = Clock()
        progress = terminal.Progress(600, Console(file=io.StringIO()), clock=clock)
        progress.done(result())
        assert progress.left_s is None
        for _ in range(99):
            progress.done(result())
        clock.now = 100
        assert progress.left_s == pytest.approx(500)

    def test_on_a_terminal_it_is_drawn_and_taken_away(self) -> None:
        stream = io.StringIO()
        console = Console(file=stream, width=80, force_terminal=True)
        with terminal.Progress(3, console) as progress:
            progress.doing("list_segments\x1b[2J")
            progress.done(result())
            progress.say("the embedded instance is ready")
        text = stream.getvalue()
        assert "1/3 cells" in text
        assert "list_segments\\x1b[2J" in text
        assert "\x1b[2J" not in text
        assert "the embedded instance is ready" in text
        assert text.rstrip().endswith("s")

    def test_a_run_that_is_stopped_says_where(self) -> None:
        stream = io.StringIO()
        with (
            pytest.raises(KeyboardInterrupt),
            terminal.Progress(3, Console(file=stream), clock=Clock()) as progress,
        ):
            progress.done(result())
            raise KeyboardInterrupt
        assert stream.getvalue() == "stopped after 1 cell in 0.0 s\n"
