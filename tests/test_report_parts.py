"""The parts of a contract page: causes, exchanges with marks, roles, evidence, gaps, and what earlier runs add."""

from __future__ import annotations

import html as html_text
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.results import Run, merged
from cdp.verdicts import Cell, Verdict
from reports import summary
from reports.causes import generalised
from reports.contract_facts import ContractFacts
from reports.exchanges import exchange_of, exchange_text
from reports.exercised import exercised
from reports.findings import findings
from reports.gaps import gaps, most_frequent, not_judged
from reports.html import html
from reports.operations import sections
from reports.page import moment
from reports.past import NOTHING, Night, Past, is_safe
from reports.roles import role_summary, role_tables
from tests.sample_runs import HOSTILE, broken, result, run_of


def causes(*sentences: tuple[str, str]) -> list[str]:
    """The findings of failures with these addresses and sentences."""
    places = [broken(address, sentence=sentence) for address, sentence in sentences]
    return [group.sentence for group in summary.findings(run_of(*places), Verdict.FAIL)]


class TestCauses:
    @pytest.mark.parametrize(
        ("one", "other", "together"),
        [
            ("limit=100 brought 30 records", "limit=50 brought 7 records", "limit=‹n› brought ‹n› records"),
            ("'abc-1' comes twice", "'xyz-2' comes twice", "‹value› comes twice"),
            ("cdp-28e2781e is lost", "cdp-0badcafe is lost", "‹id› is lost"),
            (
                "b169461d-f147-431f-a627-715a24779c31 is lost",
                "c3b90a57-9c4e-444e-a503-0e08093c8c8e is lost",
                "‹id› is lost",
            ),
            ("list_x shows it", "get_y_z shows it", "‹operation› shows it"),
            ("no list under tags", "no list under users", "no list under ‹name›"),
            ("the same 3 words", "the same 3 words", "the same 3 words"),
        ],
    )
    def test_what_only_one_place_has_is_taken_out(self, one: str, other: str, together: str) -> None:
        assert causes(("PAGE-02/list_tags", one), ("PAGE-02/list_users", other)) == [together]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("a request got 500", "a request got 503"),
            ("got 404 instead of 403", "got 404 instead of 401"),
            ("'name' is a required property", "'created' is a required property"),
        ],
    )
    def test_statuses_and_fields_tell_causes_apart(self, one: str, other: str) -> None:
        assert len(causes(("PAGE-02/list_tags", one), ("PAGE-02/list_users", other))) == 2

    @given(st.text() | st.sampled_from(HOSTILE), st.text(min_size=1).filter(lambda name: "/" not in name))
    def test_any_sentence_has_a_general_form(self, sentence: str, operation: str) -> None:
        levels = generalised(sentence, Cell("PAGE-01", operation, sentence))
        assert levels[0] == sentence
        assert len(levels) == 4

    def test_how_often_of_how_many(self) -> None:
        kept = [result(f"PAGE-02/get_{n}") for n in range(3)]
        skipped = result("PAGE-02/get_9", Verdict.SKIP)
        (found,) = findings(run_of(*kept, skipped, broken("PAGE-02/a"), broken("PAGE-02/b")), NOTHING)
        assert found.how_often == "2 operations, 2 of 5 cells in which the rule was exercised"


class TestExchanges:
    def told(self, sentence: str, **response: Any) -> str:
        values = {"status": 400, "headers": {"Content-Type": "text/html"}, "body": '{"id":"48","n":[1]}', **response}
        exchange = {"request": {"method": "GET", "url": "http://x/y", "headers": {"A": "b"}}, "response": values}
        return str(exchange_of(broken("PAGE-01/a", sentence=sentence, exchange=exchange)))

    @pytest.mark.parametrize(
        ("sentence", "marked"),
        [
            ("a request got 400", ["HTTP 400"]),
            ("a request got 1400", []),
            ("a body with status 400 came as text/html", ["HTTP 400", "Content-Type: text/html"]),
            ("id is '48' when read", ["&#34;48&#34;"]),
            ("it came otherwise", []),
        ],
    )
    def test_what_the_sentence_names_is_marked(self, sentence: str, marked: list[str]) -> None:
        assert re.findall("<mark>(.*?)</mark>", self.told(sentence)) == marked

    def test_it_reads_like_an_exchange(self) -> None:
        text = html_text.unescape(self.told("odd"))
        assert text.startswith('GET http://x/y\nA: b\n\nHTTP 400\nContent-Type: text/html\n\n{\n  "id": "48"')

    @pytest.mark.parametrize("body", ['{"a":1,"a":2}', '{"a":NaN}', '{"a":1} {"b":', "<html>", "[" * 5000])
    def test_a_body_that_is_no_strict_json_stays_as_it_is(self, body: str) -> None:
        assert body in html_text.unescape(self.told("odd", body=body))

    @given(st.sampled_from(HOSTILE) | st.text())
    def test_any_text_stays_text(self, text: str) -> None:
        shown = self.told(f"came as '{text}' ({text})", body=text, headers={text: text})
        assert not re.search("<(?!/?mark>)", shown)

    @pytest.mark.parametrize(
        "exchange", [{}, {"response": "x"}, {"request": {"headers": 7}, "response": {"status": []}}]
    )
    def test_what_is_stored_otherwise_is_shown_all_the_same(self, exchange: dict[str, Any]) -> None:
        assert isinstance(exchange_text(exchange, "got 200"), str)


ROLES = [
    result("ROLE-01/list_tags/no-features", family="ROLE"),
    result("ROLE-02/list_tags/tags/view", family="ROLE"),
    broken("ROLE-02/list_tags/tags/edit", sentence="a role with just tags/edit got 403"),
    result("ROLE-03/list_tags/feature-sets", family="ROLE", evidence=5),
    result("ROLE-01/get_tag/no-features", Verdict.SKIP, sentence="writes are off", evidence=0),
]


class TestRoles:
    def test_the_table_is_what_was_observed(self) -> None:
        (table,) = role_tables(run_of(*ROLES), ["Segments"])
        assert table.columns == ["no feature", "tags/edit", "tags/view", "other sets"]
        assert [(cell.verdict.name, cell.words) for cell in table.rows["list_tags"]] == [
            ("PASS", "refused with 403"),
            ("FAIL", "FAIL: a role with just tags/edit got 403"),
            ("PASS", "opens it alone"),
            ("PASS", "5 sets as the contract says"),
        ]
        assert [cell.words for cell in table.rows["get_tag"]] == ["SKIP: writes are off", "", "", ""]
        assert table.in_words == "3 of 4 observations as the contract says"

    def test_features_that_open_only_together_say_so(self) -> None:
        header = {"operations": {"list_tags": {"all_of": ["tags/view", "data/view"]}}}
        (table,) = role_tables(run_of(*ROLES, header=header), ["Segments"])
        assert table.rows["list_tags"][2].words == "opens it together with data/view"

    def test_the_page_leads_from_the_table_to_the_finding(self) -> None:
        page = html(run_of(*ROLES))
        assert re.search(r'<a class="fail" href="#fail-1">✗ FAIL: a role with just tags/edit', page)
        summed = role_summary(run_of(*ROLES))
        assert (summed.operations, summed.features, summed.kept, summed.otherwise) == (1, 2, 3, 1)

    def test_a_run_without_roles_has_no_table(self) -> None:
        assert 'id="roles"' not in html(run_of(result()))


class TestEvidence:
    def test_it_adds_up(self) -> None:
        run = run_of(
            result("PAGE-01/a/admin", seen={"pages": 3, "records": 60, "callers": 1}, evidence=2, requests=3),
            result("PAGE-02/a/viewer", seen={"pages": 1, "records": 20}, evidence=1, requests=1),
            result("AUTH-01/a", Verdict.SKIP, evidence=0, requests=0),
        )
        page, auth, every = exercised(run, ["PAGE", "AUTH"])
        assert (page.cells, page.judged, page.cases, page.pages, page.records, page.roles) == (2, 2, 3, 4, 80, 2)
        assert (auth.judged, auth.pages, every.family, every.cells) == (0, None, "all", 3)

    def test_rounds_of_a_cell_add_up(self) -> None:
        one, other = (result("PAGE-01/a", seen={"pages": n, "callers": 1}, round=n) for n in (1, 2))
        assert merged([one, other]).seen == {"pages": 3, "callers": 2}


class TestGaps:
    @pytest.mark.parametrize(
        ("sentence", "reason", "remedy"),
        [
            (
                "write calls are not allowed on this target; allow writes to judge it",
                "write calls are not allowed on this target",
                "allow writes to judge it",
            ),
            (
                "the role may not call it; a token with its features would make it checkable",
                "the role may not call it",
                "a token with its features would make it checkable",
            ),
            ("one thing; another thing", "one thing; another thing", ""),
            (
                "a role without any feature got 404 instead of 403",
                "a role without any feature got 404 instead of 403",
                "mending what answers so: see the findings",
            ),
        ],
    )
    def test_what_would_help_is_told_apart(self, sentence: str, reason: str, remedy: str) -> None:
        (gap,) = gaps(run_of(result("PAGE-01/a", Verdict.SKIP, sentence=sentence)))
        assert (gap.reason, gap.remedy) == (reason, remedy)

    def test_what_was_not_judged_is_not_called_in_order(self) -> None:
        skipped = [result(f"PAGE-0{n}/b", Verdict.SKIP) for n in range(1, 4)]
        assert "Nothing in the 1 cell that could be judged." in html(run_of(result("PAGE-01/a"), *skipped))
        assert "Nothing could be judged." in html(run_of(*skipped))

    def test_the_most_frequent_come_first(self) -> None:
        often = [result(f"PAGE-01/list_{n}", Verdict.SKIP, sentence="writes are off") for n in range(3)]
        once = result("PAGE-01/z", Verdict.UNCONFIRMED, sentence="404 on its route")
        run = run_of(*often, once, result("PAGE-02/z", Verdict.ERROR))
        assert [gap.reason for gap in gaps(run)] == ["404 on its route", "writes are off"]
        assert [gap.cells for gap in most_frequent(gaps(run), 1)] == [3]
        assert not_judged(run) == 5
        page = html(run)
        assert page.index("5 of 5 cells") < page.index('id="matrix"')


HEADER: dict[str, Any] = {
    "provenance": {"Segments": {"assumed": 2, "documented": 3}},
    "operations": {"list_tags": {"call": "GET /api/tags", "provenance": "assumed"}},
    "sources": {"PAGE-03": "overview page, Paging"},
}


class TestContractFacts:
    def test_the_page_shows_them(self) -> None:
        run = run_of(broken("PAGE-03/list_tags"), header=HEADER)
        page = html(run)
        for part in ("documented 3", "assumed 2", "GET /api/tags", "(overview page, Paging)"):
            assert part in page
        (section,) = sections(run, summary.matrix(run))
        assert list(section.provenance.items()) == [("documented", 3), ("assumed", 2)]

    def test_older_runs_show_nothing_of_it(self) -> None:
        page = html(run_of(broken("PAGE-03/list_tags")))
        assert "Known from" not in page
        assert 'class="known' not in page

    @pytest.mark.parametrize(
        "value", [None, 7, "x", ["x"], {"Segments": 7}, {"list_tags": ["x"]}, {"Segments": {"assumed": "x"}}]
    )
    def test_what_is_no_such_thing_is_left_out(self, value: Any) -> None:
        header = dict.fromkeys(("provenance", "operations", "sources"), value)
        run = run_of(broken("PAGE-03/list_tags"), header=header)
        assert "PAGE-03" in html(run)
        assert ContractFacts(run).operation("list_tags").provenance == ""


class TestPast:
    NIGHTS = (Night("a", "2026-02-01T02:00:00+00:00", "GO"), Night("b", "2026-02-02T02:00:00+00:00", "NO-GO"))

    def run(self) -> Run:
        return run_of(broken("PAGE-03/a"), broken("PAGE-03/b"), broken("PAGE-04/c"))

    def test_since_when_something_fails(self) -> None:
        first, second = self.NIGHTS
        found = findings(self.run(), Past(self.NIGHTS, {"PAGE-03/a": second, "PAGE-03/b": first}))
        assert [(each.since, each.new) for each in found] == [(first, False), (None, True)]
        page = html(self.run(), Past(self.NIGHTS, {"PAGE-03/b": first}))
        assert "since 2026-02-01 02:00 UTC" in page
        assert "new in this run" in page
        assert page.index("2026-02-02 02:00 UTC</td>") < page.rindex("2026-02-01 02:00 UTC</td>")

    def test_without_earlier_runs_nothing_is_said(self) -> None:
        page = html(self.run())
        assert 'id="history"' not in page
        assert "new in this run" not in page

    @pytest.mark.parametrize(
        ("href", "safe"),
        [
            ("../night/report.html", True),
            ("", False),
            ("javascript:alert(1)", False),
            ("https://example.com/", False),
            ("//example.com/", False),
            ("\\\\example.com", False),
        ],
    )
    def test_links_stay_beside_the_page(self, href: str, safe: bool) -> None:
        assert is_safe(href) is safe
        page = html(self.run(), Past((Night("a", href=href),)))
        assert ('<a href="../night' in page) is safe

    def test_times_as_people_read_them(self) -> None:
        assert moment("2026-03-01T10:15:00+01:00") == "2026-03-01 09:15 UTC"
        assert moment("2026-03-01T10:15:00") == "2026-03-01 10:15"
        assert moment("soon\n") == "soon\\n"
