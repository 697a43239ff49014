"""Exports for other programs: each is valid where it goes, says what the run says, and a hostile target gets nothing
into it that is more than text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cdp.audit_results import FOUND, Audit, AuditFinding
from cdp.gate.record import Gate, Part, write_gate
from cdp.history import Since, record
from cdp.load_figures import Error
from cdp.load_results import Finding, LoadRun
from cdp.records import ResultsError
from cdp.results import Run, read_results
from cdp.verdicts import Verdict
from reports.exports import FORMATS, Stored, as_json, exported, markdown, read_stored
from reports.exports.document import document
from reports.exports.github import MOST_OF_A_KIND, annotated, command
from reports.exports.markdown import MOST_CHARACTERS, text
from reports.exports.prometheus import escaped
from reports.junit import junit
from tests.sample_load_runs import SEARCH, figures, served, span, write_run
from tests.sample_runs import HOSTILE, broken, large_run, result, run_of
from tests.stored_runs import store_contract
from tests.test_command_line import cdp, told

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = jsonschema_rs.validator_for(orjson.loads((ROOT / "docs" / "results.schema.json").read_bytes()))
STARTED = datetime(2027, 1, 4, 2, tzinfo=UTC)
SLIPPED_IN = [
    *HOSTILE,
    "::error title=a::b",
    "\n::stop-commands::x",
    "##[error]x",
    "a|b\n| c | d |",
    "`` ` ``` ````\n```\n<b>",
    "[click](https://evil.example) ![x](https://evil.example/x.png) @everyone #1 www.evil.example",
    'a"} 1\nevil{x="',
    "[[ATTACHMENT|/etc/passwd]]",
    "\x85\u2028::error::x",
]


def stored(run: Run | LoadRun | Gate, **others: Any) -> Stored:
    return Stored(Path("reports/runs/night-1/results.jsonl"), run, **others)


def hostile_run(value: str) -> Run:
    """A run in which a target said this wherever it can say anything."""
    texts: dict[str, Any] = dict.fromkeys(("sentence", "example", "curl", "section", "statement"), value)
    exchange = {"request": {"method": value, "url": value, "headers": {value: value}}, "response": {"body": value}}
    return run_of(
        broken("PAGE-02/a/" + value, **texts, exchange=exchange),
        broken("PAGE-03/a", Verdict.WARN, **texts, exchange=exchange),
        result("PAGE-04/a", Verdict.ERROR, **texts),
        result("PAGE-05/a", Verdict.SKIP, **texts),
        header={"target": value, "profile": value, "contract_version": value, "started": "2027-01-04T02:00:00+00:00"},
        leftovers=[value],
    )


def only(made: dict[str, bytes]) -> bytes:
    (content,) = made.values()
    return content


def contract_export(name: str, run: Run) -> Any:
    return orjson.loads(only(exported(stored(run), FORMATS[name])))


@pytest.fixture
def load_run(tmp_path: Path) -> LoadRun:
    """A load run with an error, a violation, a finding and an audit."""
    failing = figures(50, failed=5, errors={Error("a page too many", "", "PAGE-03"): 3, Error("500"): 2})
    spans = [*served(rate=50, lasts_s=3), span(3, 4, {SEARCH: failing})]
    finding = Finding("PAGE-03", "a page too many", "GET", "/customers", 3.5, exchange=broken("PAGE-03/a").exchange)
    run = write_run(tmp_path / "load" / "results.jsonl", spans, findings=[finding], header={"started": str(STARTED)})
    run.audit = Audit(FOUND, findings=[AuditFinding("lost", 3, "acknowledged and not there")])
    return run


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_documents_of_all_kinds_fit_the_schema(load_run: LoadRun, tmp_path: Path) -> None:
    since = {"PAGE-02/a": Since("n1", STARTED, 3, False)}
    run = run_of(broken("PAGE-02/a"), broken("PAGE-07/a", Verdict.WARN), result("PAGE-04/a", Verdict.SKIP))
    search = write_run(tmp_path / "x" / "results.jsonl", served(), header={"options": {"find_capacity": True}})
    search.footer = {**(search.footer or {}), "capacity": {"rate": 120.0, "low": 110.0, "high": 130.0}}
    search.footer["decision"] = {"headline": "LIMIT FOUND", "sentence": "120/s", "exit_code": 0, "reasons": []}
    gate = Gate("staging", "https://x", "release", str(STARTED), "1", [Part("load", "NO-GO", "slow")], str(STARTED))
    for each in (document(run, since), document(large_run()), document(load_run), document(search), document(gate)):
        SCHEMA.validate(orjson.loads(as_json(each)))
    found = document(run, since, cells=False)
    assert "cells" not in found and found["findings"][0]["since"]["run"] == "n1"
    assert [document(each)["kind"] for each in (load_run, search, gate)] == ["load", "capacity", "gate"]


def test_the_schema_refuses_what_is_no_document() -> None:
    whole = orjson.loads(as_json(document(run_of(broken("PAGE-02/a")))))
    for change in ({"schema": 2}, {"kind": "other"}, {"verdicts": {"GOOD": 1}}, {"decision": {"headline": "GO"}}):
        with pytest.raises(jsonschema_rs.ValidationError):
            SCHEMA.validate({**whole, **change})


@pytest.mark.parametrize("value", SLIPPED_IN)
def test_any_text_makes_a_document_that_fits(value: str) -> None:
    SCHEMA.validate(contract_export("json", hostile_run(value)))


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_the_answer_comes_first_then_families_findings_and_what_was_not_judged() -> None:
    run = run_of(
        *(broken(f"PAGE-03/list_{n}") for n in range(40)),
        result("PAGE-01/a"),
        result("PAGE-05/a", Verdict.SKIP, sentence="1 record; 2 are needed"),
    )
    since = {"PAGE-03/list_3": Since("night-7", STARTED, 4, True)}
    made = markdown(stored(run, since=since))
    lines = made.split("\n")
    assert lines[0].startswith("## ❌ NO-GO")
    assert "40 cells: PAGE" in made and "and 35 more" in made and "since night" in made
    assert (
        made.index("| Family |") < made.index("### FAIL: 1 finding in 40 cells") < made.index("### Not judged: 1 cell")
    )


def test_a_run_of_any_size_fits_into_a_comment() -> None:
    for run in (large_run(), run_of(*(broken(f"PAGE-03/o{n}", sentence=f"word{n}x" * 40) for n in range(3000)))):
        made = markdown(stored(run))
        assert len(made) <= MOST_CHARACTERS
    assert "more findings for which there is no room here" in made


@pytest.mark.parametrize("value", SLIPPED_IN)
def test_a_target_gets_no_markup_into_the_summary(value: str) -> None:
    made = markdown(stored(hostile_run(value)))
    plain = markdown(stored(hostile_run("word")))
    renderer = MarkdownIt("gfm-like", {"linkify": False}).enable("table")
    kinds = [token.type for token in renderer.parse(made)]
    assert kinds == [token.type for token in renderer.parse(plain)]
    inside = [c for token in renderer.parse(made) if token.type == "inline" for c in token.children or []]
    assert not {c.type for c in inside} & {"link_open", "image"}
    assert {c.content for c in inside if c.type == "html_inline"} <= {"<!-- -->"}


@settings(max_examples=40)
@given(st.text() | st.sampled_from(SLIPPED_IN))
def test_text_stays_text(value: str) -> None:
    made = text(value)
    assert "\n" not in made and "|" not in made.replace("\\|", "")
    assert not re.search(r"@\w|://|www\.", made)
    assert not re.search(r"<(?!!-- -->)", made)


def test_a_load_run_has_a_summary(load_run: LoadRun) -> None:
    made = markdown(stored(load_run))
    assert re.match(r"## \S+ (MET|MISSED|INCONCLUSIVE)", made)
    for part in ("| Objective |", "| Operation |", "3 violations of the contract", "**Audit**", "**Generator**"):
        assert part in made


# --- JUnit ------------------------------------------------------------------------------------------------------------

# What the schemas of Jenkins (jenkins-junit.xsd) and Ant (windyroad's JUnit.xsd, which GitLab names) have in common.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "testcase": ["skipped", "error", "failure", "system-out"],
}


@pytest.mark.parametrize("run", [large_run(), run_of(result(), finished=False), *map(hostile_run, SLIPPED_IN)])
def test_junit_has_the_structure_that_its_readers_know(run: Run) -> None:
    root = ElementTree.fromstring(junit(run))
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag
        order = [CHILDREN.get(element.tag, []).index(child.tag) for child in element]
        assert order == sorted(order)
        for name in ("tests", "failures", "errors", "skipped"):
            assert re.fullmatch(r"\d+", element.get(name, "0"))
        assert re.fullmatch(r"\d+\.\d{3}", element.get("time", "0.000"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.get("timestamp", "2027-01-01T00:00:00"))
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name, "-1")) == sum(int(suite.get(name, "0")) for suite in root)
    assert b"[[ATTACHMENT|" not in junit(run)


# --- GitHub -----------------------------------------------------------------------------------------------------------


def test_annotations_are_few_and_the_answer_is_first(load_run: LoadRun) -> None:
    run = run_of(*(broken(f"PAGE-{n:02d}/a", sentence=f"s{n}") for n in range(30)))
    found = annotated(run)
    assert found[0].startswith("::error title=NO-GO::") and len(found) == MOST_OF_A_KIND
    assert annotated(run_of(result()))[0].startswith("::notice title=GO::")
    assert any("PAGE-03 under load" in line for line in annotated(load_run))
    gate = Gate("staging", "x", "release", "", "", [Part("load", "CANNOT TELL", "no peak")], ended="x")
    assert [line.partition("::")[2].partition(" ")[0] for line in annotated(gate)] == ["warning", "warning"]


@settings(max_examples=40)
@given(st.text() | st.sampled_from(SLIPPED_IN))
def test_nothing_ends_a_command_or_begins_another(value: str) -> None:
    line = command("error", value, value)
    assert len(line.splitlines()) == 1
    head, _, rest = line.removeprefix("::error title=").partition("::")
    assert ":" not in head and "," not in head
    assert not re.search("%(?!25|3A|2C)", head) and not re.search("%(?!25)", rest)


# --- SARIF, GitLab, Allure, HAR ---------------------------------------------------------------------------------------


def test_sarif_has_a_rule_for_each_requirement_and_a_result_for_each_cell() -> None:
    run = large_run()
    found = contract_export("sarif", run)
    (told_run,) = found["runs"]
    rules = told_run["tool"]["driver"]["rules"]
    assert found["version"] == "2.1.0" and len({rule["id"] for rule in rules}) == len(rules)
    for each in told_run["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
        assert each["level"] in ("error", "warning") and each["message"]["text"]
        assert each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("contracts/")
        assert (ROOT / each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]).is_file()
    wanted = [r for r in run.results if r.verdict in (Verdict.FAIL, Verdict.WARN)]
    assert len(told_run["results"]) == len(wanted)
    marks = [each["partialFingerprints"]["cell/v1"] for each in told_run["results"]]
    assert len(set(marks)) == len(marks)
    (invocation,) = told_run["invocations"]
    assert invocation["exitCode"] == 1 and len(invocation["toolExecutionNotifications"]) == sum(
        r.verdict is Verdict.ERROR for r in run.results
    )


def test_gitlab_tells_a_cell_by_the_same_fingerprint_in_every_run() -> None:
    one, two = (contract_export("gitlab", run_of(broken("PAGE-02/a", sentence=words))) for words in ("a", "b"))
    assert one[0]["fingerprint"] == two[0]["fingerprint"]
    assert set(one[0]) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert one[0]["severity"] == "critical" and one[0]["location"]["lines"]["begin"] == 1
    assert contract_export("gitlab", run_of(result())) == []


def test_allure_has_a_result_for_each_cell_with_its_exchange_attached() -> None:
    run = run_of(
        broken("PAGE-02/a"),
        result("PAGE-03/a/admin", duration_s=1.5),
        result("PAGE-04/a", Verdict.ERROR),
        result("PAGE-05/a", Verdict.UNCONFIRMED),
        broken("PAGE-07/a", Verdict.WARN),
        result("PAGE-06/a", Verdict.NOT_APPLICABLE),
        header={"started": "2027-01-04T02:00:00+00:00"},
    )
    files = exported(stored(run), FORMATS["allure"])
    assert files == exported(stored(run), FORMATS["allure"])
    results = [orjson.loads(content) for name, content in files.items() if name.endswith("-result.json")]
    assert {each["name"]: each["status"] for each in results} == {
        "PAGE-02/a": "failed",
        "PAGE-03/a/admin": "passed",
        "PAGE-04/a": "broken",
        "PAGE-05/a": "skipped",
        "PAGE-07/a": "passed",
    }
    by_name = {each["name"]: each for each in results}
    attachment = by_name["PAGE-02/a"]["attachments"][0]["source"]
    assert "Žluťoučký" in files[f"allure-results/{attachment}"].decode()
    timed = by_name["PAGE-03/a/admin"]
    assert timed["stop"] - timed["start"] == 1500 and timed["start"] >= STARTED.timestamp() * 1000
    assert timed["parameters"] == [{"name": "role", "value": "admin"}]


def test_har_holds_the_exchanges_of_what_is_broken(load_run: LoadRun) -> None:
    run = run_of(broken("PAGE-02/a"), result("PAGE-03/a"), header={"started": "2027-01-04T02:00:00+00:00"})
    for each in (run, load_run):
        log = orjson.loads(only(exported(stored(each), FORMATS["har"])))["log"]
        (entry,) = log["entries"]
        assert log["version"] == "1.2" and entry["request"]["method"] == "GET"
        assert entry["response"]["status"] == 200 and "Žluťoučký" in entry["response"]["content"]["text"]
        assert {q["name"]: q["value"] for q in entry["request"]["queryString"]} == {"limit": "2", "offset": "1"}
    assert entry["startedDateTime"].startswith("2027-01-04T02:00")


def test_har_knows_how_load_runs_store_an_exchange(tmp_path: Path) -> None:
    request = {"head": "POST /api/x?a=1 HTTP/1.1\r\nHost: y\r\nContent-Type: application/json", "body": "{}"}
    response = {"status": 500, "failure": "", "headers": [["Content-Type", "text/plain"]], "body": "no"}
    exchange = {"request": request, "response": response}
    findings = [Finding("CODE-01", "500", "POST", "/x", 1.0, exchange=exchange)]
    header = {"base_url": "https://y/api"}
    run = write_run(tmp_path / "results.jsonl", served(lasts_s=1), findings=findings, header=header)
    (entry,) = orjson.loads(only(exported(stored(run), FORMATS["har"])))["log"]["entries"]
    assert entry["request"]["url"] == "https://y/api/x?a=1" and entry["request"]["postData"]["text"] == "{}"
    assert {"name": "Host", "value": "y"} in entry["request"]["headers"]
    assert entry["response"]["content"] == {"size": -1, "mimeType": "text/plain", "text": "no"}


# --- Prometheus -------------------------------------------------------------------------------------------------------

LABELS = r'\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\}'
SAMPLE = re.compile(rf"([a-z_]+){LABELS} (-?[0-9.e+-]+)")


def samples(content: bytes) -> list[tuple[str, float]]:
    """The samples of a text in the exposition format; each family's stand together, below its help and type."""
    found, family, seen = [], "", set()
    for line in content.decode().split("\n")[:-1]:
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in seen
            seen.add(family)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {family} gauge"
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match.group(1) == family, line
            found.append((line[: line.rindex(" ")], float(match.group(2))))
    assert len({name for name, _ in found}) == len(found)
    return found


def test_metrics_say_what_the_run_says(load_run: LoadRun) -> None:
    run = run_of(broken("PAGE-02/a"), result("PAGE-03/a"), result("PAGE-04/a"), header={"started": str(STARTED)})
    told_run = dict(samples(only(exported(stored(run), FORMATS["prometheus"]))))
    assert told_run['cdp_contract_cells{target="embedded",profile="quick",verdict="PASS"}'] == 2
    assert told_run['cdp_exit_code{target="embedded",profile="quick",kind="contract"}'] == 1
    loads = samples(only(exported(stored(load_run), FORMATS["prometheus"])))
    names = {name.partition("{")[0] for name, _ in loads}
    assert {"cdp_load_latency_seconds", "cdp_load_good_per_second", "cdp_load_audit_events"} <= names
    p99 = next(value for name, value in loads if name.startswith("cdp_load_latency") and '"0.99"' in name)
    assert 0.001 < p99 < 1
    gate = Gate("staging", "x", "release", str(STARTED), "", [Part("load", "GO", "ok")], ended="x", wall_s=3.0)
    told_gate = dict(samples(only(exported(stored(gate), FORMATS["prometheus"]))))
    assert told_gate['cdp_gate_part{target="staging",part="load",outcome="GO"}'] == 1


@pytest.mark.parametrize("value", SLIPPED_IN)
def test_a_target_gets_no_metric_of_its_own_in(value: str) -> None:
    made = samples(only(exported(stored(hostile_run(value)), FORMATS["prometheus"])))
    assert len(made) == len(samples(only(exported(stored(hostile_run("word")), FORMATS["prometheus"]))))


@settings(max_examples=40)
@given(st.text())
def test_a_label_is_one_line(value: str) -> None:
    assert re.fullmatch(r'(?:[^"\\\n]|\\[\\"n])*', escaped(value))


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("value", SLIPPED_IN)
def test_every_format_can_be_made_of_whatever_a_target_says(name: str, value: str) -> None:
    for content in exported(stored(hostile_run(value)), FORMATS[name]).values():
        content.decode("utf-8")
        if name in ("json", "sarif", "gitlab", "har"):
            json.loads(content)


def test_what_is_stored_is_read_with_its_history(tmp_path: Path) -> None:
    for number, item in enumerate((result("PAGE-02/a"), broken("PAGE-02/a"))):
        store_contract(tmp_path / f"n{number}", item, started=f"2027-01-0{number + 1}T02:00:00+00:00")
    results = tmp_path / "n1" / "results.jsonl"
    assert read_stored(results).since == {}, "a report makes no store"
    assert not record(results)
    found = read_stored(results)
    assert found.since["PAGE-02/a"].new and isinstance(found.run, Run)
    assert [night.name for night in found.past.nights] == ["n0", "n1"] and not found.past.since
    page = only(exported(found, FORMATS["html"])).decode()
    assert "n0" in page and page == only(exported(read_stored(results), FORMATS["html"])).decode()
    gate = Gate("staging", "x", "release", "", parts=[Part("contract", "NO-GO", "x", run="../n1")], ended="x")
    (tmp_path / "g").mkdir()
    write_gate(gate, tmp_path / "g" / "gate.json")
    assert [part.run for part in read_stored(tmp_path / "g" / "gate.json").parts] == [
        read_results(tmp_path / "n1" / "results.jsonl")
    ]


def test_a_format_of_another_kind_is_refused(load_run: LoadRun) -> None:
    with pytest.raises(ResultsError, match="the format sarif is for contract runs, and this is a load run"):
        exported(stored(load_run), FORMATS["sarif"])


@pytest.mark.slow
def test_the_command_writes_formats_where_it_is_told(tmp_path: Path) -> None:
    store_contract(tmp_path / "runs" / "n", broken("PAGE-02/a"), started=str(STARTED))
    runs: Callable[..., tuple[str, ...]] = lambda *more: ("report", "n", "--runs", str(tmp_path / "runs"), *more)  # noqa: E731
    listed = cdp("report", "--list-formats")
    assert listed.returncode == 0 and [line.split()[0] for line in listed.stdout.splitlines()] == list(FORMATS)
    formats = [word for name in FORMATS for word in ("--format", name)]
    done = cdp(*runs(*formats, "--to", str(tmp_path / "to")))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "to" / each.file) for each in FORMATS.values()]
    assert all((tmp_path / "to" / each.file).exists() for each in FORMATS.values())
    assert cdp("report", "last", "--runs", str(tmp_path / "runs"), "-q").stdout.startswith("NO-GO  ")
    assert "no run is stored in" in told(cdp("report", "last", "--runs", str(tmp_path)))
    assert "none of html, junit" in told(cdp(*runs("--format", "pdf")))
    assert "--to says where" in told(cdp(*runs("--to", str(tmp_path))))
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    nowhere = cdp(*runs("--format", "json", "--to", str(blocked / "x")))
    assert nowhere.returncode == 2 and "cannot write" in told(nowhere)
