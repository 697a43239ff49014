"""Writes that are done by half: refused and stored, written over others, restored without what belongs to them. And
what of it is left open to a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.contract import load_contract
from cdp.uploads import csv_table, with_every_cell_quoted
from cdp.verdicts import Verdict
from contracts.catalogue import load_catalogue
from instance.faults import FAULTS
from instance.faults.model import Answer, Request, World, json_answer, refusal
from tests.broken_server import BrokenServer
from tests.odd_targets import odd, worst_of

CONTRACT, CATALOGUE = load_contract(), load_catalogue()
FOUND = {
    "refused-but-stored": "update_report",
    "wrong-optional-dropped": "create_report",
    "taken-id-overwrites": "create_source",
    "empty-file-is-500": "upload_image",
    "needless-quotes-are-kept": "upload_customer_events_async",
    "oldest-cannot-be-read": "get_tag",
    "below-the-trashed-goes-on": "update_funnel_chart",
    "changed-references-dropped": "update_user_role",
    "tied-twice-listed-twice": "list_segment_tags",
    "restored-without-what-is-below": "restore_segment",
    "deletion-of-the-referred-to-is-500": "delete_source",
    "texts-end-at-64-kb": "create_email",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("halfway"))
    yield running
    running.stop()


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[pytest.mark.slow] if k == "taken-id-overwrites" else []) for k in FOUND]
)
def test_it_is_found(server: BrokenServer, tmp_path: Path, kind: str) -> None:
    fault = FAULTS[kind]
    found = worst_of(server, tmp_path, fault, fault.by[0], FOUND[kind])
    soft = fault.softly or CATALOGUE.requirements[fault.by[0]].level != "MUST"
    assert found.verdict is (Verdict.WARN if soft else Verdict.FAIL), found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("kind", FOUND)
def test_the_clean_instance_does_none_of_it(server: BrokenServer, tmp_path: Path, kind: str) -> None:
    found = worst_of(server, tmp_path, None, FAULTS[kind].by[0], FOUND[kind])
    assert found.verdict is Verdict.PASS, found.sentence


@pytest.mark.slow
def test_a_taken_id_may_bring_the_first_record_back(server: BrokenServer, tmp_path: Path) -> None:
    async def the_first(request: Request, world: World) -> Answer:
        first, body = world.memory.setdefault("first", {}), request.json
        answer = await world.forward(request)
        key = str(body.get("id")) if isinstance(body, dict) else ""
        if answer.ok:
            first[key] = answer.json
        return json_answer(200, first[key]) if answer.status == 400 and key in first else answer

    found = worst_of(server, tmp_path, odd(the_first), "CODE-01", "create_source")
    assert found.verdict is Verdict.PASS, found.sentence


def test_what_is_referred_to_may_be_kept(server: BrokenServer, tmp_path: Path) -> None:
    async def kept(request: Request, world: World) -> Answer:
        answer = await FAULTS["deletion-of-the-referred-to-is-500"].alter(request, world)
        return refusal(409) if answer.status == 500 else answer

    found = worst_of(server, tmp_path, odd(kept), "LIFE-04", "delete_source")
    assert found.verdict is Verdict.PASS, found.sentence


def test_a_reference_may_be_refused(server: BrokenServer, tmp_path: Path) -> None:
    async def refused(request: Request, world: World) -> Answer:
        names = isinstance(request.json, dict) and "invisible_attributes_tag_ids" in request.json
        return refusal(422) if names else await world.forward(request)

    found = worst_of(server, tmp_path, odd(refused), "LIFE-03", "update_user_role")
    assert found.verdict is Verdict.PASS, found.sentence


@pytest.mark.parametrize(("status", "operation"), [(413, "create_email"), (400, "update_context_query")])
def test_a_long_text_may_be_refused(server: BrokenServer, tmp_path: Path, status: int, operation: str) -> None:
    async def refused(request: Request, world: World) -> Answer:
        return refusal(status) if len(request.body) > 50_000 else await world.forward(request)

    found = worst_of(server, tmp_path, odd(refused), "MEDIA-06", operation)
    assert found.verdict is Verdict.PASS, found.sentence


def test_a_long_event_may_be_refused_and_must_not_be_cut(server: BrokenServer, tmp_path: Path) -> None:
    async def cut(request: Request, world: World) -> Answer:
        rows = request.json if isinstance(request.json, dict) else {}
        for row in rows.get("customer_events", ()):
            payload = row.get("payload") if isinstance(row, dict) else None
            if isinstance(payload, dict) and isinstance(payload.get("long"), str):
                payload["long"] = payload["long"].encode()[:65_535].decode(errors="ignore")
        return await world.forward(request.with_body(rows) if rows else request)

    async def refused(request: Request, world: World) -> Answer:
        return refusal(413) if len(request.body) > 60_000 else await world.forward(request)

    for alter, wanted in ((cut, Verdict.FAIL), (refused, Verdict.PASS)):
        found = worst_of(server, tmp_path, odd(alter), "EVENT-02", "create_customer_events")
        soft = CATALOGUE.requirements["EVENT-02"].level != "MUST"
        assert found.verdict is (Verdict.WARN if soft and wanted is Verdict.FAIL else wanted), found.sentence


@pytest.mark.slow
def test_a_form_may_be_taken_or_refused(server: BrokenServer, tmp_path: Path) -> None:
    async def refused(request: Request, world: World) -> Answer:
        return refusal(400) if b'filename="../' in request.body else await world.forward(request)

    found = worst_of(server, tmp_path, odd(refused), "CODE-01", "upload_promo_codes")
    assert found.verdict is Verdict.PASS, found.sentence


def test_every_cell_is_quoted() -> None:
    table = csv_table([["a", {"b": 'c "d", e\n'}], ["", "f"]])
    quoted = with_every_cell_quoted(table).decode()
    assert quoted == '"a","{""b"":""c \\""d\\"", e\\n""}"\r\n"","f"\r\n'
