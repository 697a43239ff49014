"""Servers that are built quite otherwise than the instance and break no rule: counts of all records beside a cursor,
payloads that may have too many keys, records that are their maker's alone, replicas, names and ids that a database
folds, records that are alike in another order. None of that is a finding; the kinds of instance/faults beside it are
found by tests/test_survivors.py and tests/test_overlooked.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from cdp.verdicts import Verdict
from contracts.cells import Selection
from contracts.diagnosis import State
from contracts.doctor import diagnose
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from instance.faults import FAULTS
from instance.faults.life import acting, item
from instance.faults.model import TOKEN, Answer, Request, World, json_answer, records_of, refusal, with_records
from tests.broken_server import BrokenServer
from tests.odd_targets import CATALOGUE, CONTRACT, behind, odd, results_on, told
from tests.test_survivors import judged

SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("otherwise"))
    yield running
    running.stop()


async def counting_all(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or acting(request) != "list":
        return answer
    whole = records_of(request, await world.forward(request.asking(until_id=None, limit=100)))
    return answer.showing({**answer.json, "meta": {**answer.json["meta"], "result_count": len(whole)}})


async def hundred_keys(request: Request, world: World) -> Answer:
    sent: Any = request.json
    lists = [v for v in sent.values() if isinstance(v, list)] if isinstance(sent, dict) else []
    objects = [
        v for rows in lists for row in rows if isinstance(row, dict) for v in row.values() if isinstance(v, dict)
    ]
    return refusal(422) if any(len(v) > 100 for v in objects) else await world.forward(request)


async def to_its_maker_alone(request: Request, world: World) -> Answer:
    answer, mine = await world.forward(request), request.header(TOKEN)
    makers = world.memory.setdefault("makers", {})
    if answer.ok and acting(request) == "create":
        makers[str(item(request, answer)["id"])] = mine
    hidden = acting(request) == "read" and makers.get(request.ids[-1], mine) != mine
    return refusal(404) if hidden else answer


async def read_from_a_replica(request: Request, world: World) -> Answer:
    answer, made = await world.forward(request), world.memory.setdefault("made", {})
    if answer.ok and acting(request) == "create":
        made[str(item(request, answer)["id"])] = time.monotonic()
    new = acting(request) == "read" and time.monotonic() - made.get(request.ids[-1], -9.0) < 2
    return refusal(404) if new else answer


async def listed_from_a_replica(request: Request, world: World) -> Answer:
    if acting(request) != "list":
        return await world.forward(request)
    rows = world.store.connection.execute("SELECT id FROM record WHERE entity='segment'").fetchall()
    old, asked = world.memory.setdefault("old", {row[0] for row in rows}), world.memory.setdefault("asked", {})
    first = asked.setdefault(request.ids[-1], time.monotonic())
    new = request.ids[-1] not in old and time.monotonic() - first < 2
    return refusal(404) if new else await world.forward(request)


async def told_apart_by_names(request: Request, world: World) -> Answer:
    sent: Any = request.json
    name = sent.get("name") if isinstance(sent, dict) else None
    names = world.memory.setdefault("names", {})
    creates = acting(request) == "create" and isinstance(name, str) and request.operation is not None
    if creates and name in names:
        assert request.operation is not None
        changed = await world.forward(replace(request, method="PATCH", path=f"{request.path}/{names[name]}"))
        return replace(changed, status=request.operation.status) if changed.ok else await world.forward(request)
    answer = await world.forward(request)
    if creates and answer.ok:
        names[name] = str(item(request, answer)["id"])
    return answer


async def folded_ids(request: Request, world: World) -> Answer:
    if acting(request) == "read":
        return await FAULTS["text-ids-without-case"].alter(request, world)
    sent: Any = request.json
    id = sent.get("id") if isinstance(sent, dict) and acting(request) == "create" else None
    assert request.operation is not None
    sql = "SELECT id FROM record WHERE entity=? AND lower(id)=lower(?) AND deleted=0"
    taken = world.store.connection.execute(sql, (request.operation.entity, str(id))).fetchone()
    return refusal(409) if taken else await world.forward(request)


async def alike_in_another_order(request: Request, world: World) -> Answer:
    """As databases do it: the first of a list are found by other means than all of it are sorted."""
    answer, field = await world.forward(request), request.get("order_by")
    if not answer.ok or acting(request) != "list" or field is None or request.get("limit"):
        return answer
    whole: list[Any] = records_of(request, await world.forward(request.asking(limit=500)))
    if not all(field in r for r in whole):
        return answer
    groups = [list(alike)[::-1] for _, alike in groupby(whole, lambda r: r[field])]
    return with_records(request, answer, [r for alike in groups for r in alike][:20])


async def small_batches(request: Request, world: World) -> Answer:
    """How many events may come at once is not documented."""
    sent: Any = request.json
    many = isinstance(sent, dict) and any(isinstance(v, list) and len(v) > 10 for v in sent.values())
    return refusal(413) if many else await world.forward(request)


async def no_years_of_days(request: Request, world: World) -> Answer:
    """How far back days may be asked for is not documented, either, nor how large a number may be."""
    days = [request.get(name) or "2026" for name in ("start_date", "end_date")]
    numbers = [value for name, value in request.query if name.endswith("max_count") and value.isdigit()]
    refused = any(day < "2020" for day in days) or any(int(number) > 1000 for number in numbers)
    return refusal(400) if refused else await world.forward(request)


async def subjects_searched(request: Request, world: World) -> Answer:
    """What a searched text is looked for in is not documented."""
    text = request.get("searched_text")
    answer = await world.forward(request.asking(searched_text=None, limit=500, offset=None) if text else request)
    if not text or not answer.ok or acting(request) != "list":
        return answer
    found = [r for r in records_of(request, answer) if text.casefold() in r["subject"].casefold()]
    start, most = request.number("offset", 0), request.number("limit", 20)
    return with_records(request, answer, found[start : start + most])


async def nothing_searched(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    text = request.get("searched_text") if answer.ok and acting(request) == "list" else None
    return with_records(request, answer, []) if text else answer


@pytest.mark.parametrize(
    ("alter", "through", "cell"),
    [
        (counting_all, "", "PAGE-04/list_notifications"),
        (hundred_keys, "", "EVENT-02/create_customer_events"),
        pytest.param(to_its_maker_alone, "read", "ROLE-02/create_report", marks=SLOW),
        (read_from_a_replica, "read", "ROLE-02/create_report"),
        pytest.param(listed_from_a_replica, "", "SHAPE-04/list_segment_notes", marks=SLOW),
        pytest.param(told_apart_by_names, "create", "LIFE-01/create_report", marks=SLOW),
        pytest.param(told_apart_by_names, "create", "LIFE-04/delete_report", marks=SLOW),
        (folded_ids, "create", "CODE-03/get_source"),
        (alike_in_another_order, "", "ORDER-04/list_promo_codes_lists"),
        (subjects_searched, "", "PAGE-10/list_emails"),
        (small_batches, "", "EVENT-01/create_customer_events"),
        (small_batches, "", "EVENT-02/create_customer_events"),
        pytest.param(no_years_of_days, "", "CODE-02/list_customers_per_date", marks=SLOW),
        (no_years_of_days, "", "CODE-02/list_customer_attributes"),
    ],
)
def test_it_is_no_finding(server: BrokenServer, tmp_path: Path, alter: Any, through: str, cell: str) -> None:
    found = judged(server, odd(alter, through), tmp_path, cell)[cell]
    assert found.verdict is Verdict.PASS, found.sentence


async def counting_wrong(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or acting(request) != "list":
        return answer
    count = len(records_of(request, answer)) + 1
    return answer.showing({**answer.json, "meta": {**answer.json["meta"], "result_count": count}})


async def case_in_reading_alone(request: Request, world: World) -> Answer:
    return await FAULTS["text-ids-without-case"].alter(request, world)


async def no_days(request: Request, world: World) -> Answer:
    return refusal(400) if request.get("start_date") else await world.forward(request)


async def no_punctuation(request: Request, world: World) -> Answer:
    """Refused is what an event says, not how many there are."""
    return refusal(422) if b"markup" in request.body else await world.forward(request)


async def keys_cut(request: Request, world: World) -> Answer:
    return await FAULTS["keys-beyond-thirty-lost"].alter(request, world)


@pytest.mark.parametrize(
    ("alter", "through", "cell"),
    [
        (counting_wrong, "", "PAGE-04/list_notifications"),
        (case_in_reading_alone, "", "CODE-03/get_source"),
        (keys_cut, "", "EVENT-02/create_customer_events"),
        (no_punctuation, "", "EVENT-02/create_customer_events"),
        (no_days, "", "CODE-02/list_customers_per_date"),
        (nothing_searched, "", "PAGE-10/list_emails"),
    ],
)
def test_the_fault_beside_it_is(server: BrokenServer, tmp_path: Path, alter: Any, through: str, cell: str) -> None:
    found = judged(server, odd(alter, through), tmp_path, cell)[cell]
    assert found.verdict in (Verdict.WARN, Verdict.FAIL), found.sentence


async def without_labels(request: Request, world: World) -> Answer:
    """A server that serves a part of the API has no labels, and nothing of it can refer to one."""
    return refusal(404) if "/cdm/" in request.path else await world.forward(request)


async def minding_passwords(request: Request, world: World) -> Answer:
    """Passwords need characters of four kinds, no blank, and nothing of the address in them."""
    sent: Any = request.json
    password = sent.get("password") if isinstance(sent, dict) and acting(request) in ("create", "update") else None
    if not isinstance(password, str):
        return await world.forward(request)
    kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum() and not c.isspace())
    lacking = not all(any(kind(c) for c in password) for kind in kinds) or " " in password
    alike = str(sent.get("email", "@")).partition("-")[0] in password
    return refusal(422) if lacking or alike else await world.forward(request)


@pytest.mark.parametrize("alter", [without_labels, minding_passwords])
def test_callers_are_made_all_the_same(server: BrokenServer, tmp_path: Path, alter: Any) -> None:
    cells = ["CODE-02/create_user_role", "CODE-02/create_user", "ROLE-01/list_feeds", "ROLE-02/list_feeds"]
    with behind(server, alter) as target:
        found = results_on(replace(target, disposable=False), tmp_path, *cells)
    assert {result.verdict for result in found.values()} == {Verdict.PASS}, told(found)


async def whole_values(request: Request, world: World) -> Answer:
    """A search that knows whole values only."""
    text = request.get("search_text")
    if text is None:
        return await world.forward(request)
    answer = await world.forward(request.asking(limit=500, offset=None))
    if not answer.ok:
        return answer
    found = [r for r in records_of(request, answer) if r["value"].casefold() == text.casefold()]
    start, most = int(request.get("offset") or 0), int(request.get("limit") or 20)
    return with_records(request, answer, found[start : start + most])


def test_people_are_found_by_their_identifiers_where_parts_find_nobody(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, whole_values) as target:
        found = results_on(target, tmp_path, "SHAPE-01/list_customer_attributes", "SEARCH-01/search_customers")
    assert {result.verdict for result in found.values()} == {Verdict.PASS}, told(found)


async def kept_and_marked(request: Request, world: World) -> Answer:
    """Users that are deleted stay where they are, marked."""
    gone: dict[str, Any] = world.memory.setdefault("gone", {})
    if request.operation is None or request.operation.entity != "user" or not request.ids:
        return await world.forward(request)
    if request.ids[-1] in gone:
        shown = json_answer(200, {"user": {**gone[request.ids[-1]], "deleted": 1}})
        return shown if acting(request) == "read" else refusal(404)
    before = await world.forward(replace(request, method="GET", body=b""))
    answer = await world.forward(request)
    if answer.ok and acting(request) == "delete":
        gone[request.ids[-1]] = before.json["user"]
    return answer


def test_what_is_kept_and_marked_as_deleted_is_gone(server: BrokenServer, tmp_path: Path) -> None:
    selection = Selection(requirements=("LIFE-04", "ROLE-07"), operations=("delete_user",))
    plan = make_plan(CONTRACT, CATALOGUE, selection, PROFILES["quick"], seed=1)
    with behind(server, kept_and_marked) as target:
        run = ContractRun(plan, replace(target, disposable=False), tmp_path)
        run.start()
        verdicts = {result.verdict for result in run.judge_all()}
        run.finish()
    assert (verdicts, run.leftovers, run.stays) == ({Verdict.PASS}, [], [])


async def without_people(request: Request, world: World) -> Answer:
    """A part of the API that knows its users from elsewhere."""
    return refusal(404) if "/users" in request.path and "login" not in request.path else await world.forward(request)


def test_a_part_of_the_api_is_judged(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, without_people, token=True) as target:
        found = results_on(target, tmp_path, "STRUCT-04/list_segment_notes", "LIFE-01/create_tag", "ROLE-01/list_feeds")
        lines = diagnose(CONTRACT, CATALOGUE, replace(target, allow=frozenset())).lines
    assert [line.state for line in lines if line.subject == "token"] == [State.OK]
    assert found.pop("ROLE-01/list_feeds").verdict is Verdict.SKIP
    assert {result.verdict for result in found.values()} == {Verdict.PASS}, told(found)


async def names_once(request: Request, world: World) -> Answer:
    """No two records of a kind have one name."""
    names: dict[Any, Any] = world.memory.setdefault("whose", {})
    sent: Any = request.json
    name = sent.get("name") if isinstance(sent, dict) and acting(request) in ("create", "update") else None
    if not isinstance(name, str):
        return await world.forward(request)
    id = request.ids[-1] if acting(request) == "update" else None
    if names.get(name, id) != id:
        return refusal(409)
    answer = await world.forward(request)
    if answer.ok:
        names[name] = id or str(item(request, answer)["id"])
    return answer


def test_refused_writes_bear_names_of_their_own(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, names_once) as target:
        found = results_on(target, tmp_path, "AUTH-05/update_tag", "ROLE-05/update_tag")
    assert {result.verdict for result in found.values()} == {Verdict.PASS}, told(found)


async def active_ones_alone(request: Request, world: World) -> Answer:
    """A journey is stopped and deactivated when it is active, and activated when it is not."""
    active: set[str] = world.memory.setdefault("active", set())
    step = request.path.rpartition("/")[2]
    if acting(request) not in ("activate", "deactivate", "stop"):
        return await world.forward(request)
    if (request.ids[-1] in active) is (step == "activate"):
        conflict = (await world.forward(replace(request, method="GET", path=request.path.rpartition("/")[0]))).ok
        return refusal(409) if conflict else await world.forward(request)
    answer = await world.forward(request)
    if answer.ok:
        (active.add if step == "activate" else active.discard)(request.ids[-1])
    return answer


def test_a_step_is_taken_behind_the_one_that_it_needs(server: BrokenServer, tmp_path: Path) -> None:
    cells = [f"{rule}/{name}_journey" for rule in ("CODE-02", "AUTH-08", "ROLE-02") for name in ("deactivate", "stop")]
    with behind(server, active_ones_alone) as target:
        found = results_on(target, tmp_path, *cells)
    assert {result.verdict for result in found.values()} == {Verdict.PASS}, told(found)


async def not_now(request: Request, world: World) -> Answer:
    """What others made, and what has to be in a state that nothing tells, is refused; so are journeys without steps,
    and mails for want of a field that no page names."""
    sent: Any = request.json
    if acting(request) in ("deactivate", "update") and "tags" not in request.path:
        return refusal(409)
    unnamed = acting(request) == "create" and request.path.endswith(("/journeys", "/email_templates"))
    return refusal(422) if unnamed and isinstance(sent, dict) else await world.forward(request)


def test_what_may_be_refused_as_it_is_tells_nothing(server: BrokenServer, tmp_path: Path) -> None:
    cells = ["CODE-02/update_whatsapp_campaign", "CODE-02/create_journey", "CODE-02/create_email_template"]
    with behind(server, not_now) as target:
        found = results_on(target, tmp_path, *cells, "CODE-02/update_report")
    assert found.pop("CODE-02/update_report").verdict is Verdict.WARN  # a new report of the run's own
    assert {result.verdict for result in found.values()} == {Verdict.SKIP}, told(found)


async def changes_without_content(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return Answer(204, (), b"") if answer.ok and acting(request) == "update" else answer


def test_a_change_that_answers_nothing(server: BrokenServer, tmp_path: Path) -> None:
    cells = ["MEDIA-06/update_report", "LIFE-03/update_report", "SHAPE-02/update_report", "SHAPE-02/update_cdm_tag"]
    with behind(server, changes_without_content) as target:
        found = results_on(target, tmp_path, *cells)
    verdicts = [found[cell].verdict for cell in cells]
    assert verdicts == [Verdict.PASS, Verdict.PASS, Verdict.UNCONFIRMED, Verdict.WARN], told(found)


async def created_with_200(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 201 or "/feeds" not in request.path:
        return replace(answer, status=200) if answer.status == 201 else answer
    return replace(answer.showing({"feed": {**answer.json["feed"], "modified_by": "me"}}), status=200)


def test_what_comes_with_another_success_is_held_to_its_shape(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, created_with_200) as target:
        found = results_on(target, tmp_path, "SHAPE-01/create_report", "SHAPE-01/create_feed", "CODE-02/create_report")
    verdicts = [found[cell].verdict for cell in found]
    assert sorted(verdicts) == [Verdict.PASS, Verdict.UNCONFIRMED, Verdict.WARN], told(found)


async def nothing_for_nothing(request: Request, world: World) -> Answer:
    """A limit of 0 brings no record; a wrong offset beside it is refused."""
    if request.get("limit") != "0":
        return await world.forward(request)
    answer = await world.forward(request.asking(limit=1))
    return with_records(request, answer, []) if answer.ok else answer


@pytest.mark.slow
def test_a_limit_of_nothing_may_be_taken(server: BrokenServer, tmp_path: Path) -> None:
    with behind(server, nothing_for_nothing) as target:
        cells = ["PAGE-07/list_users", "PAGE-07/list_customer_attribute_values"]
        found = results_on(target, tmp_path, *cells, profile="release")
    assert {result.verdict for result in found.values()} == {Verdict.PASS}, told(found)
