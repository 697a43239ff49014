"""What no page says is no finding, and the fault beside it is: orders of texts, nulls, forms of filters, edits between
two looks, soft deletion, and what a server works out or fills in."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cdp.contract import Contract, load_contract
from cdp.verdicts import Result, Verdict
from contracts.answers import fields, marked, with_nulls
from contracts.conventions.life.model import same
from contracts.conventions.order.collation import in_order
from tests.awkward_server import AwkwardServers
from tests.odd_server import Answered, Asked, Forward, Mouth, judged

Speak = Callable[[Asked, Forward], Any]
Judge = Callable[..., dict[str, Result]]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("odd"))


@pytest.fixture
def judge(servers: AwkwardServers, contract: Contract, tmp_path: Path) -> Judge:
    """Judge operations of a server that speaks so."""

    def run(speak: Speak, operations: str, requirements: str, profile: str = "quick") -> dict[str, Result]:
        with servers.serving("extra_headers", wrap=lambda app: Mouth(app, speak)) as served:
            return judged(served, contract, tmp_path, operations.split(), requirements.split(), profile)

    return run


def alarms(results: dict[str, Result]) -> list[str]:
    return [f"{name}: {r.verdict.name} {r.sentence}" for name, r in results.items() if r.verdict >= Verdict.WARN]


def passed(results: dict[str, Result]) -> list[str]:
    return [name for name, r in results.items() if r.verdict is Verdict.PASS]


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ["emails", "email_open"],  # letters folded to capitals come before _
        ["web_visit", "web2"],  # UCA: _ comes before digits
        ["a_c", "a-b"],
        ["hora", "chata"],  # Czech: ch comes after h
        ["sůl", "Šapka", "Tabák"],  # Czech: š comes after s
        ["9", "10"],  # numbers shown as texts
        ["10", "9"],
        ["Zebra", "apple"],  # bytes
        ["apple", "Zebra"],
        ["ab", "a c"],  # without punctuation
        ["draft", "draft", "active", "active", "done", "done"],  # as choices were defined
        [None, "a", "b", None],
    ],
)
def test_what_some_collation_sorts_so_is_in_order(values: list[Any]) -> None:
    assert in_order(values, False)
    assert in_order(values[::-1], True)


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a"],
        ["web_b", "web_a"],
        ["abc", "ab"],
        ["20", "10"],
        ["item 12", "item 11"],
        ["á", "b", "_", "a", "c", "b2", "a2"],  # told by texts that are no neighbours
        ["draft", "active", "draft", "active"],
        [3, 20, 100, 4],
    ],
)
def test_what_no_collation_sorts_so_is_not(values: list[Any]) -> None:
    assert not in_order(values, False)
    assert not in_order(values[::-1], True)


def sorted_so(key: Callable[[Any], Any], *, nulls_last: bool = True, sideways: bool = False) -> Speak:
    """A list that is sorted by this collation, with nulls at the same end both ways."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        field = asked.get("order_by")
        if asked.method != "GET" or field is None:
            return await forward()
        status, body = await forward(asked.asking(limit=500, offset=0))
        if status != 200:
            return await forward()
        name = next(n for n, v in body.items() if isinstance(v, list))
        limit, offset = int(asked.get("limit") or 20), int(asked.get("offset") or 0)
        rows = sorted(body[name], key=lambda r: r["id"])
        there = [r for r in rows if r[field] is not None]
        there.sort(key=lambda r: key(r[field]), reverse=(asked.get("order_dir") == "DESC") is not sideways)
        rows = [*there, *(r for r in rows if r[field] is None)]
        settings = {**body["selection_settings"], "limit": limit, "offset": offset}
        return status, {**body, name: rows[offset : offset + limit], "selection_settings": settings}

    return speak


def without_case_or_accents(value: Any) -> Any:
    """As MySQL's utf8_general_ci: letters are folded to capitals, so that _ comes behind them."""
    return unicodedata.normalize("NFKD", value).encode("ascii", "ignore").upper() if isinstance(value, str) else value


def test_another_collation_and_nulls_at_one_end_are_an_order(judge: Judge) -> None:
    results = judge(sorted_so(without_case_or_accents), "list_sources list_attributes", "ORDER-03 ORDER-04", "release")
    assert not alarms(results)
    assert len(passed(results)) >= 3, results


def test_an_order_the_other_way_round_is_none_in_any_collation(judge: Judge) -> None:
    results = judge(sorted_so(without_case_or_accents, sideways=True), "list_attributes", "ORDER-04")
    assert "not sorted by" in "".join(alarms(results))


# --- shapes -----------------------------------------------------------------------------------------------------------


def in_records(change: Callable[[dict[str, Any]], dict[str, Any]], path: str, *, single: bool | None = None) -> Speak:
    """Answers below a path with other records; `single`: only those of one record, or only lists."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        status, body = await forward()
        if not asked.path.startswith(path) or not isinstance(body, dict) or status >= 400:
            return status, body
        name, value = next(iter(body.items()))
        if isinstance(value, list) and single is not True:
            return status, {**body, name: [change(r) for r in value]}
        if isinstance(value, dict) and single is not False:
            return status, {**body, name: change(value)}
        return status, change(body) if "id" in body and single is not False else body

    return speak


def test_what_a_record_was_made_without_may_be_null(judge: Judge) -> None:
    speak = in_records(lambda r: {**r, "description": None}, "/user_roles")
    results = judge(speak, "list_user_roles create_user_role", "SHAPE-01")
    assert not alarms(results) and len(passed(results)) == 2, results


def test_what_a_record_cannot_be_made_without_may_not(judge: Judge) -> None:
    results = judge(in_records(lambda r: {**r, "name": None}, "/reports"), "list_reports", "SHAPE-01")
    assert "null is not of type" in "".join(alarms(results))


def test_null_is_allowed_where_answers_are_judged_and_nowhere_else(contract: Contract) -> None:
    relaxed = with_nulls(contract)
    assert relaxed is with_nulls(contract)
    role = relaxed.document["components"]["schemas"]["UserRole"]["properties"]
    assert role["description"]["type"] == ["string", "null"] and role["name"]["type"] == "string"
    assert role["disabled"] == contract.document["components"]["schemas"]["UserRole"]["properties"]["disabled"]
    assert contract.document["components"]["schemas"]["UserRole"]["properties"]["description"]["type"] == "string"
    bodies = [[c.operations[o].body_schema for o in c.operations] for c in (contract, relaxed)]
    assert bodies[0] == bodies[1]
    action = relaxed.document["components"]["schemas"]["PushNotification"]["properties"]["action"]
    assert None in action["enum"]
    assert "deleted" in fields(contract, "user_role") and "deleted" not in fields(contract, "tag")
    assert [marked({"deleted": v}) for v in (1, True, "1", "2024-05-17")] == [True] * 4
    assert not any(marked({"deleted": v}) for v in (0, False, "0", None, "", "false")) and not marked({})


def edited(times: int, field: str) -> Speak:
    """A record that somebody edits between the first reads: so often it is read as it was before."""
    read = count(1)

    def change(record: dict[str, Any]) -> dict[str, Any]:
        number = next(read)
        return {**record, field: f"before {number}"} if number <= times else record

    return in_records(change, "/tags/", single=True)


def test_one_edit_between_two_looks_is_no_contradiction(judge: Judge) -> None:
    results = judge(edited(1, "name"), "get_tag", "SHAPE-03")
    assert passed(results) == ["SHAPE-03 get_tag"], results


def test_what_changes_all_the_time_tells_nothing(judge: Judge) -> None:
    results = judge(edited(1000, "name"), "get_tag", "SHAPE-03")
    assert not alarms(results) and "changes by itself" in results["SHAPE-03 get_tag"].sentence


def test_a_list_that_always_shows_something_else_is_found(judge: Judge) -> None:
    results = judge(in_records(lambda r: {**r, "name": "cut"}, "/tags", single=False), "get_tag", "SHAPE-03")
    assert "name is" in "".join(alarms(results))


@pytest.mark.parametrize(("path", "operation", "right"), [("/users/", "get_user", True), ("/tags/", "get_tag", False)])
def test_an_id_may_be_a_text_where_the_documents_show_both(
    judge: Judge, path: str, operation: str, right: bool
) -> None:
    results = judge(in_records(lambda r: {**r, "id": str(r["id"])}, path, single=True), operation, "SHAPE-03")
    assert (not alarms(results) and len(passed(results)) == 1) is right, results


# --- filters ----------------------------------------------------------------------------------------------------------


def matching(match: Callable[[str, str], bool]) -> Speak:
    """Names are filtered otherwise than by a part of them."""

    async def speak(asked: Asked, forward: Forward) -> Answered:
        wanted = asked.get("name_filter")
        if asked.method != "GET" or not wanted:
            return await forward()
        status, body = await forward(asked.asking(name_filter=None, limit=500, offset=0))
        name = next(n for n, v in body.items() if isinstance(v, list))
        rows = [r for r in body[name] if match(wanted.casefold(), r["name"].casefold())]
        limit, offset = int(asked.get("limit") or 20), int(asked.get("offset") or 0)
        return status, {**body, name: rows[offset : offset + limit]}

    return speak


@pytest.mark.parametrize("profile", ["quick", "release"])
@pytest.mark.parametrize("match", [str.__eq__, lambda wanted, name: name.startswith(wanted)], ids=["exact", "prefix"])
def test_any_kind_of_match_will_do(judge: Judge, match: Callable[[str, str], bool], profile: str) -> None:
    results = judge(matching(match), "list_tags", "PAGE-10", profile)
    assert passed(results) == ["PAGE-10 list_tags"], results


def test_a_filter_that_matches_nothing_is_found(judge: Judge) -> None:
    results = judge(matching(lambda wanted, name: False), "list_tags", "PAGE-10")
    assert "brings nothing" in "".join(alarms(results))


LISTS = ("tag_ids", "source_ids", "event_ids")


async def in_brackets(asked: Asked, forward: Forward, plain: str = "refused") -> Answered:
    """Lists in a query are called name[]; what is called otherwise is refused, or ignored."""
    query = dict(asked.query)
    if asked.method == "GET" and any(name in query for name in LISTS):
        if plain == "refused":
            return 400, {"message": "not a list"}
        if plain == "empty":
            status, body = await forward()
            return status, {n: [] if isinstance(v, list) else v for n, v in body.items()}
    renamed = {name: query.pop(f"{name}[]", None) for name in LISTS}
    return await forward(asked.asking(**{f"{name}[]": None for name in LISTS}, **renamed))


async def none_at_all(asked: Asked, forward: Forward) -> Answered:
    """Lists in a query have no effect, however they are written."""
    return await forward(asked.asking(**{f"{n}{end}": None for n in LISTS for end in ("", "[]")}))


EVENTS = "list_customer_events"


@pytest.mark.parametrize("plain", ["refused", "ignored"])
def test_any_usual_form_of_a_list_will_do(judge: Judge, plain: str) -> None:
    results = judge(partial(in_brackets, plain=plain), f"{EVENTS} list_attributes", "PAGE-10", "release")
    assert not alarms(results) and len(passed(results)) == 2, results


def test_a_list_that_has_no_effect_in_any_form_tells_nothing(judge: Judge) -> None:
    results = judge(none_at_all, EVENTS, "PAGE-10", "release")
    assert not alarms(results) and "not documented" in results[f"PAGE-10 {EVENTS}"].sentence


# --- lives ------------------------------------------------------------------------------------------------------------


def softly(mark: Any, path: str = "/funnel_groups") -> Speak:
    """What was deleted stays, marked so, in its own operation and in the list, and can still be changed."""
    gone: dict[str, dict[str, Any]] = {}

    async def speak(asked: Asked, forward: Forward) -> Answered:
        own = asked.path.removeprefix(path + "/")
        if asked.method == "DELETE" and asked.path.startswith(path) and "/" not in own and own not in gone:
            _, seen = await forward(Asked("GET", asked.path), b"")
            status, body = await forward()
            if status < 300:
                gone[own] = {**next(iter(seen.values())), **mark}
            return status, body
        if own in gone and asked.method in ("GET", "PATCH"):
            return 200, {"funnel_group": gone[own]}
        status, body = await forward()
        if asked.method == "GET" and asked.path == path and status == 200 and not asked.get("offset"):
            name = next(n for n, v in body.items() if isinstance(v, list))
            return status, {**body, name: [*gone.values(), *body[name]]}
        return status, body

    return speak


FUNNELS = "delete_funnel_group update_funnel_group list_funnel_groups get_funnel_group"


def test_a_record_that_is_marked_as_deleted_is_gone(judge: Judge) -> None:
    results = judge(softly({"deleted": 1}), FUNNELS, "LIFE-04 LIFE-06")
    assert not alarms(results) and "LIFE-04 delete_funnel_group" in passed(results), results


def test_one_that_is_still_there_unmarked_is_not(judge: Judge) -> None:
    results = judge(softly({"deleted": 0}), FUNNELS, "LIFE-04")
    assert any(words in "".join(alarms(results)) for words in ("is read with", "still in the list", "still be changed"))


def worked_out(name: str) -> Speak:
    """Each look at a record after a change shows another value of a field."""
    changes = count(1)
    last = [0]

    async def speak(asked: Asked, forward: Forward) -> Answered:
        if asked.method == "PATCH":
            last[0] = next(changes)
        return await in_records(lambda r: {**r, name: last[0]}, "/reports")(asked, forward)

    return speak


def test_what_a_server_works_out_may_change_with_a_change(judge: Judge) -> None:
    results = judge(worked_out("revision"), "update_report", "LIFE-03")
    assert passed(results) == ["LIFE-03 update_report"], results


def test_to_whom_a_record_belongs_may_not(judge: Judge) -> None:
    results = judge(worked_out("user_id"), "update_report", "LIFE-03")
    assert "user_id was" in "".join(alarms(results))


def test_objects_may_be_filled_in(judge: Judge) -> None:
    def filled(record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "settings": {"conditions_operation": {}, **(record.get("settings") or {})}}

    results = judge(in_records(filled, "/segments"), "create_segment update_segment", "LIFE-01 LIFE-03")
    assert not alarms(results) and len(passed(results)) == 2, results


def test_what_was_sent_in_an_object_has_to_be_there(judge: Judge) -> None:
    def emptied(record: dict[str, Any]) -> dict[str, Any]:
        return {n: {"conditions_operation": {}} if isinstance(v, dict) else v for n, v in record.items()}

    results = judge(in_records(emptied, "/segments"), "create_segment update_segment", "LIFE-01 LIFE-03")
    assert "settings was" in "".join(alarms(results))


@pytest.mark.parametrize(
    ("sent", "got", "right"),
    [
        ({}, {"conditions_operation": {}}, True),
        ({}, None, True),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, None, False),
        ("{}", {"x": 1}, True),
        ({"a": 1}, '{"a":1}', True),
        ("text", None, False),
        (None, "text", False),
        ("5", 5, True),
        (True, False, False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        (["a", "b"], ["a"], False),
        ("7b0e5b3e-3c52-4a8e-9d0c-1f0e2a3b4c5d", "7B0E5B3E-3C52-4A8E-9D0C-1F0E2A3B4C5D", True),
        ("7b0e5b3e", "7B0E5B3E", False),
    ],
)
def test_what_comes_back_as_it_was_sent(sent: Any, got: Any, right: bool) -> None:
    assert same(sent, got) is right


# --- bodies that are assumed ------------------------------------------------------------------------------------------


def test_the_refusal_of_an_assumed_body_tells_nothing(judge: Judge) -> None:
    async def refusing(asked: Asked, forward: Forward) -> Answered:
        if asked.method in ("POST", "PATCH") and asked.path.startswith(("/reports", "/tags")):
            return 422, {"message": "A field is missing.", "detail": "owner"}
        return await forward()

    results = judge(refusing, "create_report create_tag", "CODE-02")
    assert results["CODE-02 create_report"].verdict is Verdict.SKIP
    assert results["CODE-02 create_tag"].verdict is Verdict.WARN  # its page shows the body
