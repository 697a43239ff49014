"""Faults that were not found at first, over real HTTP: who is let in by what he says of himself, what is told to whom,
ids that are taken, and what comes back in another form. The kinds of instance/faults stand in the proof; here are the
ones that none of them is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.contract import load_contract
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from instance.faults import FAULTS, Fault
from instance.faults.model import Answer, Request, World, refusal
from tests.broken_server import BrokenServer
from tests.odd_targets import odd
from tests.throwaway_runs import results_of

CONTRACT, CATALOGUE, RELEASE = load_contract(), load_catalogue(), PROFILES["release"]
FOUND = {
    "local-address-needs-no-token": "AUTH-01/list_debugger_events",
    "ended-token-names-its-user": "AUTH-07/list_reports",
    "empty-change-needs-no-role": "ROLE-01/update_report",
    "star-opens": "ROLE-03/get_report",
    "odd-id-before-role": "ROLE-04/get_report",
    "owner-needs-no-role": "ROLE-06/update_report",
    "html-errors-for-browsers": "MEDIA-05/list_reports",
    "plus-json-taken": "MEDIA-04/create_tag",
    "utf-16-taken": "MEDIA-03/create_tag",
    "three-letters-find-nobody": "SEARCH-01/search_customers",
    "colon-names-a-field": "SEARCH-03/search_customers",
    "token-percent-decoded": "AUTH-03/create_report",
    "encoded-path-needs-no-token": "AUTH-01/list_tags",
    "swap-of-features-counts-late": "ROLE-06/update_report",
    "unknown-reference-before-role": "ROLE-04/update_user_role",
    "smaller-roles-get-ten": "PAGE-01/list_tags",
    "filter-sticks": "PAGE-10/list_tags",
    "own-records-first": "ORDER-02/list_tags",
    "direction-in-small-letters-is-the-default": "ORDER-05/list_tags",
    "order-by-lost-beside-filter": "PAGE-10/list_tags",
    "unclosed-body-is-closed": "MEDIA-03/update_report",
    "type-by-its-start": "MEDIA-04/create_tag",
    "unknown-parameter-is-500": "CODE-01/get_report",
    "repeated-filter-is-500": "CODE-01/list_tags",
    "same-name-is-the-same-record": "LIFE-01/create_report",
    "deletion-takes-namesakes": "LIFE-04/delete_report",
    "reading-sets-modified": "LIFE-05/get_stitching_category_rule",
    "nulls-in-objects-dropped": "LIFE-03/update_push_notification",
    "payload-overwrites-columns": "EVENT-02/create_customer_events",
    "keys-beyond-thirty-lost": "EVENT-02/create_customer_events",
    "token-last-bits-ignored": "AUTH-03/list_reports",
    "text-ids-without-case": "CODE-03/get_source",
    "paths-without-case": "CODE-04/list_feeds",
    "urls-get-a-slash": "MEDIA-06/create_feed",
    "object-keys-to-snake-case": "LIFE-01/create_push_notification",
    "full-in-camel-case": "STRUCT-04/list_global_setting_history",
    "error-says-ok": "CODE-06/get_wbs_customer",
    "marked-in-vain": "LIFE-03/update_push_notification",
    "refused-but-stored": "CODE-05/assign_segment_tag",
    "filtered-default-ten": "PAGE-10/list_tags",
    "renewed-forgets-the-role": "AUTH-06/mark_notifications_read",
    "or-of-the-first-two": "SEARCH-05/evaluate_customer_conditions",
    "and-is-or": "SEARCH-05/evaluate_customer_conditions",
    "groups-are-not-negated": "SEARCH-05/evaluate_customer_conditions",
    "no-condition-holds-nobody": "SEARCH-05/evaluate_customer_conditions",
    "most-values-not-counted": "PAGE-11/list_customer_attributes",
    "most-values-of-all-together": "PAGE-11/list_customer_attributes",
    "last-day-not-looked-at": "PAGE-11/list_customers_per_date",
    "switch-told-as-on": "PAGE-11/list_customer_attributes",
    "filter-needs-a-token": "AUTH-09/get_wbs_segments",
    "renewed-is-of-the-last-login": "AUTH-11/refresh_token",
    "any-share-opens-all": "ROLE-06/list_segment_notes",
    "former-role-counts-on": "ROLE-06/update_report",
    "everybody-may-change-himself": "ROLE-01/update_user",
    "hidden-never-shown": "PAGE-10/list_sources",
    "event-of-any-customer": "CODE-03/get_customer_event",
    "values-by-their-start": "CODE-03/get_wbs_customer",
    "any-category-is-the-first": "CODE-03/get_wbs_customer",
    "unknown-cursor-is-the-end": "CODE-03/list_notifications",
    "long-texts-cut-in-lists": "SHAPE-03/get_context_query",
    "embedded-as-first-seen": "STRUCT-04/list_segment_tags",
    "restored-not-listed": "LIFE-06/restore_segment",
    "restored-in-part": "LIFE-06/restore_segment",
    "new-password-is-lost": "LIFE-03/update_user",
    "steps-are-not-kept": "LIFE-03/stop_journey",
    "created-is-the-last-change": "LIFE-03/update_report",
    "who-changes-owns": "LIFE-03/update_report",
    "empty-list-of-ids-is-nothing": "LIFE-03/update_destination",
    "permissions-only-grow": "LIFE-03/update_segment_user",
    "events-of-a-batch-share-an-id": "EVENT-01/create_customer_events",
    "descriptions-in-16-bits": "MEDIA-06/create_feed",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("survivors"))
    yield running
    running.stop()


def judged(server: BrokenServer, fault: Fault | None, directory: Path, *cells: str) -> dict[str, Result]:
    """What a release run says of some cells, REQUIREMENT/operation, with the fault on their operations; of several
    roles the worst counts."""
    operations = tuple(dict.fromkeys(cell.split("/")[1] for cell in cells))
    wanted = tuple(dict.fromkeys(cell.split("/")[0] for cell in cells))
    plan = make_plan(CONTRACT, CATALOGUE, Selection(requirements=wanted, operations=operations), RELEASE, seed=1)
    plan = replace(plan, cells=tuple(c for c in plan.cells if f"{c.requirement}/{c.operation}" in cells))
    with server.breaking(replace(fault, examples=operations) if fault else None) as target:
        results = results_of(plan, target, directory)
    results = sorted(results, key=lambda r: r.verdict)
    return {f"{r.cell.requirement}/{r.cell.operation}": r for r in results}


@pytest.mark.slow
def test_the_clean_instance_keeps_all_of_it(server: BrokenServer, tmp_path: Path) -> None:
    found = judged(server, None, tmp_path, *FOUND.values(), "CODE-01/create_user", "CODE-01/create_source")
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, [(n, r.sentence) for n, r in found.items()]


LONG = ("EVENT", "LIFE", "AUTH-06", "CODE-05")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if FOUND[n].startswith(LONG) else []) for n in FOUND]
)
def test_it_is_found(server: BrokenServer, tmp_path: Path, name: str) -> None:
    found = judged(server, FAULTS[name], tmp_path, FOUND[name])[FOUND[name]]
    assert found.verdict in (Verdict.WARN, Verdict.FAIL), found.sentence
    assert found.exchange is not None


def test_a_logout_ends_one_token_alone(server: BrokenServer, tmp_path: Path) -> None:
    fault = replace(FAULTS["logout-ends-all-of-the-user"], through=frozenset({"logout_user"}))
    found = judged(server, fault, tmp_path, "AUTH-06/login_to_metabase")["AUTH-06/login_to_metabase"]
    assert found.verdict is Verdict.WARN
    assert found.sentence == "once a token is ended by logout another one of the same user is refused, too"


def test_a_renewed_token_is_ended_by_logout(server: BrokenServer, tmp_path: Path) -> None:
    fault = replace(FAULTS["renewed-outlives-logout"], through=frozenset({"logout_user", "refresh_token"}))
    found = judged(server, fault, tmp_path, "AUTH-06/login_to_metabase")["AUTH-06/login_to_metabase"]
    assert found.verdict is Verdict.WARN
    assert found.sentence == "a renewed token got 200 once it was ended by logout"


def test_a_taken_address_is_no_failure_of_the_server(server: BrokenServer, tmp_path: Path) -> None:
    async def unique(request: Request, world: World) -> Answer:
        taken: set[str] = world.memory.setdefault("taken", set())
        email = request.json.get("email") if isinstance(request.json, dict) else None
        if request.method == "POST" and isinstance(email, str) and email in taken:
            return refusal(500)
        answer = await world.forward(request)
        if answer.ok and isinstance(email, str):
            taken.add(email)
        return answer

    found = judged(server, odd(unique), tmp_path, "CODE-01/create_user")["CODE-01/create_user"]
    assert found.verdict is Verdict.FAIL, found.sentence
    assert found.sentence == "a second record with the same email got 500 instead of a 4xx"


def test_names_for_many_that_a_target_does_not_take_close_nothing_else(server: BrokenServer, tmp_path: Path) -> None:
    async def strict(request: Request, world: World) -> Answer:
        named = request.json.get("features") if isinstance(request.json, dict) else None
        strange = isinstance(named, list) and not set(CONTRACT.feature_names).issuperset(named)
        return refusal(400, "There is no such feature.") if strange else await world.forward(request)

    fault = replace(odd(strict), through=frozenset({"create_user_role", "update_user_role"}))
    cells = ("ROLE-01/get_report", "ROLE-03/get_report", "ROLE-06/update_report")
    found = judged(server, fault, tmp_path, *cells)
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, [(n, r.sentence) for n, r in found.items()]
    assert found["ROLE-03/get_report"].evidence > 2
