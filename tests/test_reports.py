"""Reports say what the results hold, at full size, and whatever a target sent stays text."""

from __future__ import annotations

import html as html_text
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.results import ResultsError, ResultsWriter, Run
from cdp.verdicts import Verdict
from reports import summary, write_reports
from reports.__main__ import main
from reports.html import html
from reports.junit import junit
from reports.wording import duration, one_line, shortened, visible
from tests.sample_runs import FAMILIES, HOSTILE, broken, large_run, printed, result, run_of


@pytest.fixture(scope="module")
def run() -> Run:
    return large_run()


def stored(run: Run, directory: Path) -> Path:
    path = directory / "results.jsonl"
    with ResultsWriter(path) as writer:
        writer.header(**run.header)
        for item in run.results:
            writer.add(item)
        if run.footer is not None:
            writer.footer(**run.footer)
    return path


class TestSummary:
    def test_the_matrix_counts_every_result_once(self, run: Run) -> None:
        matrix = summary.matrix(run)
        assert matrix.total.total() == len(run.results)
        assert matrix.sections == run.header["sections"]
        assert matrix.families == list(FAMILIES)
        assert sum(matrix.of_family(family).total() for family in matrix.families) == len(run.results)

    def test_rows_and_columns_without_a_header_follow_the_results_and_the_catalogue(self) -> None:
        run = run_of(
            result("ZEBRA-01/a", section="Tags"),
            result("SHAPE-01/a", section="Segments"),
            result("AUTH-01/a", section="Tags"),
        )
        matrix = summary.matrix(run)
        assert matrix.sections == ["Tags", "Segments"]
        assert matrix.families == ["AUTH", "SHAPE", "ZEBRA"]

    def test_not_applicable_is_in_no_total(self) -> None:
        run = run_of(result("PAGE-01/a", Verdict.NOT_APPLICABLE), result("PAGE-02/a"))
        tally = summary.matrix(run).total
        assert (tally.judged, tally.worst, tally.in_words) == (1, Verdict.PASS, "1 PASS")

    def test_one_cause_on_many_operations_is_one_finding(self) -> None:
        places = [broken(f"PAGE-04/list_{n}/admin", sentence=f"list_{n} loses 1 record for admin") for n in range(40)]
        (group,) = summary.findings(run_of(*places), Verdict.FAIL)
        assert group.sentence == "‹operation› loses 1 record for ‹role›"
        assert len(group.places) == 40

    def test_a_lone_finding_keeps_its_own_sentence(self) -> None:
        (group,) = summary.findings(run_of(broken("PAGE-04/list_1", sentence="list_1 loses 1 record")), Verdict.FAIL)
        assert group.sentence == "list_1 loses 1 record"

    def test_names_are_taken_out_of_sentences_only_as_whole_words(self) -> None:
        places = [broken(f"PAGE-04/{name}", sentence=f"{name}s and sub/{name} differ") for name in ("tag", "user")]
        assert len(summary.findings(run_of(*places), Verdict.FAIL)) == 2

    def test_the_same_sentence_of_two_requirements_is_two_findings_but_one_reason(self) -> None:
        texts: dict[str, Any] = {"sentence": "writes are off"}
        failed = run_of(broken("PAGE-01/a", **texts), broken("PAGE-02/a", **texts))
        assert len(summary.findings(failed, Verdict.FAIL)) == 2
        skipped = run_of(result("PAGE-01/a", Verdict.SKIP, **texts), result("AUTH-05/b", Verdict.SKIP, **texts))
        (group,) = summary.reasons(skipped)
        assert (group.requirements, group.operations) == (["AUTH-05", "PAGE-01"], ["a", "b"])

    def test_the_smallest_example_comes_first(self) -> None:
        run = run_of(
            broken("PAGE-03/list_a", example=""),
            broken("PAGE-03/list_b", example="limit=10"),
            broken("PAGE-03/list_c", example="x"),
        )
        (group,) = summary.findings(run, Verdict.FAIL)
        assert [place.cell.operation for place in group.ordered] == ["list_c", "list_a", "list_b"]

    @pytest.mark.slow
    def test_the_order_of_results_changes_no_report(self, run: Run) -> None:
        # Sections and families come from the header here, as in every real run.
        turned = Run(run.header, list(reversed(run.results)), run.footer)
        assert html(turned) == html(run)
        assert junit(turned) == junit(run)
        assert printed(turned) == printed(run)


class TestJUnit:
    def test_each_verdict_becomes_its_outcome(self) -> None:
        run = run_of(
            result("PAGE-01/a"),
            broken("PAGE-02/a"),
            broken("PAGE-07/a", Verdict.WARN, level="SHOULD"),
            result("PAGE-03/a", Verdict.ERROR, sentence="no answer"),
            result("PAGE-04/a", Verdict.SKIP, sentence="1 record"),
            result("PAGE-05/a", Verdict.UNCONFIRMED, sentence="404"),
            result("PAGE-06/a", Verdict.NOT_APPLICABLE),
        )
        root = ElementTree.fromstring(junit(run))
        outcomes = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
        assert outcomes == {
            "PAGE-01/a": [],
            "PAGE-02/a": ["failure"],
            "PAGE-03/a": ["error"],
            "PAGE-04/a": ["skipped"],
            "PAGE-05/a": ["skipped"],
            "PAGE-07/a": ["system-out"],
        }
        assert [root.get(name) for name in ("tests", "failures", "errors")] == ["6", "1", "1"]
        assert sum(int(suite.get("skipped", "0")) for suite in root) == 2
        skipped = root.find(".//testcase[@name='PAGE-04/a']/skipped")
        assert skipped is not None
        assert skipped.get("message") == "SKIP: 1 record"

    def test_a_failure_carries_what_is_needed_to_repeat_it(self) -> None:
        item = broken("PAGE-02/a")
        failure = ElementTree.fromstring(junit(run_of(item))).find(".//failure")
        assert failure is not None
        assert failure.get("message") == item.sentence
        assert failure.text
        for part in (item.statement, item.example, item.curl, "Seed: 1", "Žluťoučký kůň"):
            assert part in failure.text

    def test_under_strict_a_warning_fails(self) -> None:
        warned = broken("PAGE-07/a", Verdict.WARN, level="SHOULD")
        root = ElementTree.fromstring(junit(run_of(warned, header={"strict": True})))
        assert [case.tag for case in root.iter("failure")] == ["failure"]

    def test_suites_are_families_and_their_counts_add_up(self, run: Run) -> None:
        root = ElementTree.fromstring(junit(run))
        assert [suite.get("name") for suite in root] == list(FAMILIES)
        for suite in root:
            cases = suite.findall("testcase")
            assert suite.get("tests") == str(len(cases))
            assert {case.get("classname") for case in cases} == {suite.get("name")}
            assert suite.get("failures") == str(len(suite.findall(".//failure")))
        assert root.get("tests") == str(summary.matrix(run).total.judged)

    def test_a_run_that_cannot_be_judged_is_an_error_there_too(self) -> None:
        root = ElementTree.fromstring(junit(run_of(result(), finished=False)))
        error = root.find(".//testcase[@name='run/judged']/error")
        assert error is not None
        assert "cut off" in error.get("message", "")
        assert root.get("errors") == "1"
        assert ElementTree.fromstring(junit(run_of(result()))).find(".//error") is None

    @given(st.text() | st.sampled_from(HOSTILE))
    def test_any_text_makes_a_document_that_parses(self, text: str) -> None:
        texts: dict[str, Any] = dict.fromkeys(("sentence", "example", "curl", "section"), text)
        item = broken("PAGE-02/a/" + text, **texts, exchange={"body": text})
        warned = broken("PAGE-03/a", Verdict.WARN, sentence=text)
        root = ElementTree.fromstring(junit(run_of(item, warned, header={"target": text, "profile": text})))
        assert len(list(root.iter("testcase"))) == 2
        assert len(list(root.iter("failure"))) == 1


class TestHtml:
    def test_the_page_loads_nothing(self, run: Run) -> None:
        page = html(run)
        assert not re.search(r"<(link|img|iframe|object|embed|base|form)\b", page)
        assert not re.search(r"\b(src|srcset|action|formaction)\s*=", page)
        assert not re.search(r"url\(|@import", page)
        assert all(target.startswith("#") for target in re.findall(r'<a href="([^"]*)"', page))

    def test_every_link_has_its_place(self, run: Run) -> None:
        page = html(run)
        places = re.findall(r'\bid="([^"]*)"', page)
        assert len(places) == len(set(places))
        assert set(re.findall(r'href="#([^"]*)"', page)) <= set(places)

    def test_a_cell_leads_to_its_operations_and_what_is_broken_there_to_its_finding(self) -> None:
        run = run_of(result("AUTH-01/list_tags"), broken("PAGE-03/list_tags"))
        page = html(run)
        row = re.search(r"<tr[^>]*><th scope=\"row\"><a href=\"#section-1\">Segments</a></th>(.*?)</tr>", page)
        assert row is not None
        assert re.findall(r'href="#([^"]*)" aria-label="([^"]*)">([^<]*)<', row.group(1)) == [
            ("section-1-1", "Segments, AUTH: 1 PASS", "✓ 1"),
            ("section-1-2", "Segments, PAGE: 1 FAIL", "✗ 1"),
        ]
        assert '<th scope="col" id="section-1-2">PAGE</th>' in page
        assert re.findall(r'<td><a class="fail" href="#([^"]*)" title="([^"]*)">', page) == [("fail-1", "PAGE-03 FAIL")]

    def test_a_finding_has_everything_that_is_needed_to_repeat_it(self) -> None:
        item = broken("PAGE-03/list_segments/admin")
        page = html_text.unescape(html(run_of(item)))
        for part in (item.cell.address, item.statement, item.sentence, item.example, item.curl, "Žluťoučký kůň"):
            assert part in page

    def test_the_top_tells_the_decision(self) -> None:
        assert re.search(r'headline">GO<', html(run_of(result())))
        assert re.search(r'headline">NO-GO<', html(run_of(broken("PAGE-03/a"))))
        cut = html(run_of(result(), finished=False))
        assert re.search(r'headline">CANNOT TELL<', cut)
        assert cut.index("is not complete") < cut.index("<nav")

    def test_facts_and_reasons_are_there(self) -> None:
        skipped = result("PAGE-01/list_feeds", Verdict.SKIP, sentence="list_feeds holds 1 record")
        page = html(run_of(result(), skipped, header={"seed": 77, "started": "2026-03-01T09:15:00Z"}))
        for part in ("list_feeds holds 1 record", "2026-03-01T09:15:00Z", "<td>77</td>", "<td>8</td>"):
            assert part in page

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_adds_no_element_and_no_attribute(self, text: str) -> None:
        def page(given: str) -> str:
            texts: dict[str, Any] = dict.fromkeys(
                ("sentence", "statement", "example", "curl", "section", "level"), given
            )
            item = broken(
                f"PAGE-03/{given.replace('/', '|')}/{given}",
                **texts,
                exchange={"response": {"body": given, given: [given]}},
            )
            skipped = result("PAGE-04/a", Verdict.SKIP, sentence=given)
            header = dict.fromkeys(("target", "base_url", "profile", "started"), given)
            return html(run_of(item, skipped, header=header))

        hostile, harmless = (re.sub("</?mark>", "", page(given)) for given in (text, "x"))
        elements = re.compile(r"<(\w+)((?:\s+[\w-]+(?==))*)")
        assert elements.findall(hostile) == elements.findall(harmless)
        assert hostile.count("<") == harmless.count("<")
        assert hostile.count('"') == harmless.count('"')
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", hostile)

    def test_only_the_pages_own_script_and_style_may_run(self, run: Run) -> None:
        page = html(run)
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy is not None
        assert "default-src 'none'" in html_text.unescape(policy.group(1))
        assert "unsafe" not in policy.group(1)
        assert page.count("<script") == page.count("<style") == 1

    def test_a_page_of_ten_thousand_cells_stays_small(self) -> None:
        body = {"body": "x" * 2000}
        places = [broken(f"PAGE-04/list_{n}", section=f"Section {n % 67}", exchange=body) for n in range(10_000)]
        assert len(html(run_of(*places)).encode()) < 3_000_000

    def test_ten_thousand_cells_of_which_every_other_breaks_by_itself_stay_small(self) -> None:
        body = {"response": {"status": 500, "body": "x" * 3900}}
        sentences = (
            f"field_{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)} is wrong" for n in range(5_000)
        )
        places = [
            broken(f"SHAPE-01/get_{n}", section=f"Section {n % 67}", exchange=body, sentence=sentence)
            for n, sentence in enumerate(sentences)
        ]
        kept = [result(f"CODE-{n % 7:02d}/get_{n}", section=f"Section {n % 67}") for n in range(5_000)]
        assert len(html(run_of(*places, *kept)).encode()) < 3_000_000

    def test_an_empty_run_has_a_page(self) -> None:
        assert "Nothing was exercised" in html(run_of())


class TestFiles:
    def test_reports_are_functions_of_the_results_file(self, run: Run, tmp_path: Path) -> None:
        path = stored(run, tmp_path)
        first = {report.name: report.read_bytes() for report in write_reports(path)}
        second = {report.name: report.read_bytes() for report in write_reports(path)}
        assert first == second
        assert sorted(entry.name for entry in tmp_path.iterdir()) == [
            "junit.xml",
            "report.html",
            "results.jsonl",
            "summary.md",
        ]

    def test_the_command_renders_a_run_again(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        stored(run_of(broken("PAGE-03/a")), tmp_path)
        assert main([str(tmp_path)]) == 0
        out = capsys.readouterr().out
        assert str(tmp_path / "report.html") in out
        assert "NO-GO" in out

    @pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--nonsense"]])
    def test_wrong_usage_is_code_2(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith("usage: ")

    def test_a_directory_without_results_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(tmp_path)]) == 2
        missing = tmp_path / "results.jsonl"
        assert capsys.readouterr().err == f"cannot read results {missing}: No such file or directory\n"

    def test_a_report_that_cannot_be_written_is_one_line(self, tmp_path: Path) -> None:
        path = stored(run_of(result()), tmp_path)
        (tmp_path / "report.html").mkdir()
        with pytest.raises(ResultsError, match=r"cannot write the report .*report\.html"):
            write_reports(path)
        assert not list(tmp_path.glob(".*"))


class TestWording:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0, "0.0 s"), (0.44, "0.4 s"), (12, "12 s"), (59.7, "1 min"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
    )
    def test_durations(self, seconds: float, words: str) -> None:
        assert duration(seconds) == words

    @given(st.text())
    def test_one_line_is_one_line_and_printable(self, text: str) -> None:
        assert len(one_line(text).splitlines()) <= 1
        one_line(text).encode("utf-8")

    @given(st.text(st.characters(categories=["L", "N", "P", "S"])))
    def test_visible_text_is_left_alone(self, text: str) -> None:
        assert visible(text) == text

    def test_shortening_tells_the_length(self) -> None:
        assert shortened("x" * 2000, 3) == "xxx… (2,000 characters)"
        assert shortened("xxx", 3) == "xxx"
