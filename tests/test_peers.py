"""Other tools on the same faults: what is read from their reports, what they are handed, and what counts as found."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.peers import __main__ as peers
from benchmarks.peers import dredd_run, node_tools, portman_run, schemathesis_run
from benchmarks.peers.accounts import administrator, token
from benchmarks.peers.contest import Alarm, Attempt, Course, PeerError, Tool, contest, labels, of_trial, stored
from benchmarks.peers.course import shuffled
from benchmarks.peers.described import described
from benchmarks.peers.plain import Plain, callable_by_example, plain, schema, skeleton
from benchmarks.peers.table import by_family, common, document, table
from cdp.contract import Contract, load_contract
from cdp.embedded import embedded_instance
from cdp.proof_results import FOUND, MISNAMED, SURVIVED, Trial
from cdp.targets import Target
from contracts.proof.mutants import Mutant
from contracts.proof.pool import SMALL

NAMES = {"GET /tags": "list_tags", "GET /api/tags": "list_tags", "DELETE /api/tags/{tag_id}": "delete_tag"}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


# --- reports ----------------------------------------------------------------------------------------------------------


def scenario(label: str, *failures: tuple[str, str]) -> str:
    """A line of Schemathesis' report: a scenario in which these checks failed on these operations."""
    failed = [
        {"name": "check", "status": "failure", "failure_info": {"failure": {"operation": operation, "title": title}}}
        for operation, title in failures
    ]
    checks = {"case": [{"name": "not_a_server_error", "status": "success"}, *failed]}
    return json.dumps({"ScenarioFinished": {"phase": "fuzzing", "recorder": {"label": label, "checks": checks}}})


def test_schemathesis_tells_the_operation_of_every_check_those_of_the_stateful_phase_too() -> None:
    lines = [
        json.dumps({"Initialize": {"seed": 1}}),
        scenario("GET /tags"),
        scenario("GET /tags", ("GET /tags", "Server error"), ("GET /tags", "Undocumented status code")),
        scenario("Stateful tests", ("GET /tags", "Use after free"), ("POST /elsewhere", "Server error")),
    ]
    assert schemathesis_run.reported(lines, NAMES) == {
        ("list_tags", "Server error"),
        ("list_tags", "Undocumented status code"),
        ("list_tags", "Use after free"),
        ("POST /elsewhere", "Server error"),
    }


def test_an_error_of_schemathesis_itself_is_something_that_it_says_a_section_without_links_is_not() -> None:
    errors = [("GET /tags", "ReadTimeout"), ("Stateful tests", "NoLinksFound")]
    lines = [json.dumps({"NonFatalError": {"label": label, "value": {"type": kind}}}) for label, kind in errors]
    assert schemathesis_run.reported(lines, NAMES) == {("list_tags", "error: ReadTimeout")}


def transaction(expected: str, *errors: str, passed: bool = False) -> dict[str, Any]:
    """What the hooks report of a transaction of Dredd's."""
    return {"operation": "GET /api/tags", "expected": expected, "passed": passed, "errors": list(errors)}


def test_dredd_says_one_thing_of_each_expected_status() -> None:
    report = [
        transaction("200", "body: At '/tags' Missing required property: tags", "headers: no type"),
        transaction("401", "body: not the same", "statusCode: Expected 401, but got 500."),
        transaction("403", passed=True),
    ]
    assert dredd_run.reported(report, NAMES) == {
        ("list_tags", "200: body: At '/tags' Missing required property: tags; headers: no type"),
        ("list_tags", "401: statusCode: Expected 401, but got 500."),
    }


def execution(name: str, method: str, path: list[str], **assertions: bool) -> dict[str, Any]:
    """A request of Newman's report, and which of its assertions held."""
    told: list[dict[str, Any]] = []
    for assertion, held in assertions.items():
        shown = {"assertion": f"[{method}]::/{'/'.join(path)} - {assertion}"}
        told.append(shown if held else {**shown, "error": {"message": "expected otherwise"}})
    return {"item": {"name": name, "request": {"method": method, "url": {"path": path}}}, "assertions": told}


def test_newman_says_one_thing_of_each_request_and_variation() -> None:
    executions = [
        execution("List tags", "GET", ["api", "tags"], status=True, schema=False, type=False),
        execution("Delete a tag[no-token]", "DELETE", ["api", "tags", ":tag_id"], status=False),
        execution("Delete a tag", "DELETE", ["api", "tags", ":tag_id"], status=True),
    ]
    executions.append(
        {**execution("List tags[nobody]", "GET", ["api", "tags"]), "requestError": {"code": "ECONNRESET"}}
    )
    assert portman_run.reported({"run": {"executions": executions}}, NAMES) == {
        ("list_tags", "as documented: schema; type"),
        ("delete_tag", "no-token: status"),
        ("list_tags", "nobody: no answer"),
    }


def test_operations_are_known_with_and_without_the_base_path(contract: Contract) -> None:
    names = labels(contract)
    assert names["GET /tags"] == names["GET /api/tags"] == "list_tags"


# --- what they are handed ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """An instance as the tools meet it."""
    with embedded_instance(*SMALL) as target:
        yield target


@pytest.fixture(scope="module")
def known(contract: Contract, target: Target) -> dict[str, Any]:
    """The contract with examples of that instance."""
    return described(contract, target)


def test_the_description_has_an_example_of_everything_but_files_and_credentials(
    contract: Contract, known: dict[str, Any]
) -> None:
    lacking = {
        name
        for name, operation in contract.operations.items()
        if not callable_by_example(known["paths"][operation.path][operation.method.lower()])
    }
    files = {"upload_promo_codes", "upload_image", "upload_customer_events_async"}
    credentials = {"login_user", "refresh_token", "logout_user", "login_with_oidc"}
    assert lacking == files | credentials | {"get_customer_events_async_upload"}


def test_examples_are_of_stored_records_and_what_is_deleted_is_not_what_is_read(
    target: Target, known: dict[str, Any]
) -> None:
    item = known["paths"]["/tags/{tag_id}"]
    ids = {method: item[method]["parameters"][0]["example"] for method in ("get", "patch", "delete")}
    assert ids["get"] == ids["patch"] != ids["delete"]
    headers = {"X-Access-Token": token(target, administrator(target))}
    for number in ids.values():
        assert requests.get(f"{target.base_url}/tags/{number}", headers=headers, timeout=30).status_code == 200


def test_the_plain_description_carries_answers_of_the_instance_and_no_word_of_3_1(
    contract: Contract, target: Target, known: dict[str, Any]
) -> None:
    found = Plain(known, contract, target, token(target, administrator(target))).of(["list_tags", "login_user"])
    assert list(found["paths"]) == ["/api/tags"]  # nobody makes up credentials
    answer = found["paths"]["/api/tags"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    assert len(answer["tags"]) == 1
    assert "name" in answer["tags"][0]
    text = json.dumps(plain(known, contract, list(contract.operations)))
    assert not [word for word in ("$ref", "x-", "const", "links") if f'"{word}' in text.replace('"x-access', "")]


def test_a_schema_of_3_1_becomes_one_of_3_0() -> None:
    whole = {"components": {"schemas": {"Id": {"type": ["integer", "null"], "minimum": 1}}}}
    told = {"type": "object", "properties": {"id": {"$ref": "#/components/schemas/Id"}, "kind": {"const": "a"}}}
    assert schema(whole, told) == {
        "type": "object",
        "properties": {"id": {"type": "integer", "nullable": True, "minimum": 1}, "kind": {"enum": ["a"]}},
    }


def test_a_schema_that_refers_to_itself_ends() -> None:
    whole = {"components": {"schemas": {"Node": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}}}
    assert json.dumps(schema(whole, {"$ref": "#/components/schemas/Node"})).count("array") < 20


def test_of_an_answer_what_any_answer_has_is_kept() -> None:
    item = {"type": "object", "required": ["id", "settings"], "properties": {"id": {}, "settings": {}, "note": {}}}
    told = {"allOf": [{"required": ["tags"], "properties": {"tags": {"items": item}}}]}
    records = [{"id": 1, "settings": {"free": 1}, "note": "x"}, {"id": 2, "settings": {}}]
    assert skeleton(told, {"tags": records, "more": 1}) == {"tags": [{"id": 1, "settings": {}}]}


def test_portman_is_told_how_to_bring_about_each_documented_refusal(contract: Contract) -> None:
    told = portman_run.configuration(contract, ["update_tag", "list_tags"])["tests"]["variationTests"]
    made = {(test["openApiOperationId"], test["openApiResponse"]): test["variations"][0]["name"] for test in told}
    assert made == {
        ("update_tag", "401"): "no-token",
        ("update_tag", "403"): "nobody",
        ("update_tag", "404"): "unknown-id",
        ("update_tag", "415"): "as-text",
        ("update_tag", "422"): "unknown-field",
        ("list_tags", "401"): "no-token",
        ("list_tags", "400"): "negative-limit",
    }


def test_a_body_with_a_field_called_value_is_not_mistaken_for_an_example_object() -> None:
    media = {"schema": {}, "example": {"value": "dark"}}
    short = {"paths": {"/settings": {"patch": {"requestBody": {"content": {"application/json": media}}}}}}
    body = portman_run.unmistakable(short)["paths"]["/settings"]["patch"]["requestBody"]
    assert body["content"]["application/json"] == {"schema": {}, "examples": {"stored": {"value": {"value": "dark"}}}}
    assert media["example"] == {"value": "dark"}


# --- what counts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asking:
    """A tool that asks for the tags with an empty filter and reports what is no success."""

    target: Target
    fails: bool = False

    def prepare(self, operations: list[str]) -> None:
        headers = {"X-Access-Token": token(self.target, administrator(self.target))}
        assert requests.get(f"{self.target.base_url}/tags?name_filter=", headers=headers, timeout=30).ok  # no fault yet

    def look(self, operations: list[str]) -> set[Alarm]:
        if self.fails:
            raise PeerError("it broke")
        assert "list_tags" in operations
        headers = {"X-Access-Token": token(self.target, administrator(self.target))}
        answer = requests.get(f"{self.target.base_url}/tags?name_filter=", headers=headers, timeout=30)
        noise = {("create_tag", "says this always")}
        return noise if answer.ok else noise | {("list_tags", str(answer.status_code))}


@pytest.fixture
def running(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contests take place on the instance that is there."""
    monkeypatch.setattr("benchmarks.peers.contest.embedded_instance", lambda *options: nullcontext(target))


@pytest.mark.usefixtures("running")
def test_only_what_is_new_on_the_faulty_operation_counts(contract: Contract, tmp_path: Path) -> None:
    mutants = [Mutant("empty-filter-is-500", "list_tags"), Mutant("not-found-is-500", "delete_tag")]
    told: list[Attempt] = []
    contest(Course("two", 1, mutants, contract), "asking", Asking, tmp_path / "asking.jsonl", told.append)
    tool = stored(tmp_path / "asking.jsonl")
    assert [(a.found, a.placed, a.said) for a in told] == [(True, True, ["list_tags: 500"]), (False, False, [])]
    assert [a.requests for a in told] == [2, 2]  # the login and the list
    assert (tool.attempts, tool.clean, tool.complete) == (told, ["create_tag: says this always"], True)


@pytest.mark.usefixtures("running")
def test_a_tool_that_was_stopped_goes_on_where_it_was(contract: Contract, tmp_path: Path) -> None:
    mutants = [Mutant("empty-filter-is-500", "list_tags"), Mutant("not-found-is-500", "delete_tag")]
    course, file = Course("two", 1, mutants, contract), tmp_path / "asking.jsonl"

    def stop(attempt: Attempt) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contest(course, "asking", Asking, file, stop)
    first, told = stored(file), list[Attempt]()
    contest(course, "asking", Asking, file, told.append, go_on=True)
    assert [attempt.fault for attempt in told] == ["not-found-is-500"]
    whole = stored(file)
    assert (whole.attempts, whole.clean, whole.complete) == (first.attempts + told, first.clean, True)


@pytest.mark.usefixtures("running")
def test_a_tool_that_fails_on_the_clean_instance_is_not_measured(contract: Contract, tmp_path: Path) -> None:
    course = Course("one", 1, [Mutant("empty-filter-is-500", "list_tags")], contract)
    file = tmp_path / "asking.jsonl"
    with pytest.raises(PeerError, match="it broke"):
        contest(course, "asking", lambda target: Asking(target, fails=True), file, lambda attempt: None)
    assert not stored(file).complete


@pytest.mark.parametrize(
    ("outcome", "named", "strangers", "elsewhere", "expected"),
    [
        (FOUND, ["PAGE-03"], [], [], (True, True, True)),
        (MISNAMED, [], ["CODE-01"], [], (True, True, False)),
        (MISNAMED, [], [], ["CODE-01/get_tag"], (True, False, False)),
        (SURVIVED, [], [], [], (False, False, False)),
    ],
)
def test_this_suite_is_measured_more_strictly(
    outcome: str, named: list[str], strangers: list[str], elsewhere: list[str], expected: tuple[bool, bool, bool]
) -> None:
    attempt = of_trial(Trial("fault", "list_tags", "Tags", outcome, named, strangers, elsewhere, 7, 1.5))
    assert (attempt.found, attempt.placed, attempt.named) == expected


def test_the_table_says_what_each_tool_made_of_the_sample() -> None:
    attempts = [
        Attempt("slow", "list_tags", True, True, False, ["list_tags: 500"], 10, 1.0),
        Attempt("odd", "get_tag", True, False, False, ["list_tags: 500"], 30, 3.0, "it took long"),
    ]
    tool = Tool("other", "two", attempts, ["get_tag: odd", "list_tags: odd"], 1, complete=False)
    assert table([tool])[-1] == "| other | 2 of 2 | 1 | – | 2 | 20 | 2.0 |"
    assert by_family([tool], {"slow": "PAGE", "odd": "LIFE"})[-2:] == ["| LIFE | 0 of 1 |", "| PAGE | 1 of 1 |"]
    text = document("two", [tool], {"slow": "PAGE", "odd": "LIFE"})
    assert "Missed: odd/get_tag." in text
    assert "Cut off after 2 mutants." in text
    assert "- odd: 2 (such as get_tag)" in text
    assert "- odd/get_tag: it took long" in text


def test_tools_that_were_stopped_are_compared_on_what_all_have_tried() -> None:
    first, second = (Attempt("slow", name, True, True, False, [], 10, 1.0) for name in ("list_tags", "get_tag"))
    tools = [Tool("whole", "two", [first, second], complete=True), Tool("stopped", "two", [second])]
    assert [tool.attempts for tool in common(tools)] == [[second], [second]]
    text = document("two", tools, {"slow": "PAGE"})
    assert "On the 1 mutants that all of them have tried:" in text
    assert "| whole | 2 of 2 |" in text
    assert "| whole | 1 of 1 |" in text
    assert "all of them have tried" not in document("two", tools[:1], {"slow": "PAGE"})


def test_a_stopped_sample_is_a_fair_one_and_the_same_every_time() -> None:
    mutants = [Mutant("slow", f"operation_{number}") for number in range(50)]
    assert shuffled(mutants, 1) == shuffled(mutants, 1)
    assert sorted(shuffled(mutants, 1)) == sorted(mutants)
    assert shuffled(mutants, 1) not in (mutants, shuffled(mutants, 2))


# --- when something is missing ----------------------------------------------------------------------------------------


def test_without_node_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(node_tools.Missing, match=r"^node and npm not found; it takes Node 20 or newer$"):
        node_tools.installed("dredd")


def test_an_unknown_tool_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--tools", "suite,postman"])
    with pytest.raises(SystemExit) as ended:
        peers.main()
    assert ended.value.code == 2
    assert "no tool is called 'postman'" in capsys.readouterr().err
