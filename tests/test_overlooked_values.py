"""Values and paths that a bug spares as long as only the usual ones are tried, over real HTTP: white space in texts
beside the name, keys of an object that have to go, records below nobody;
and what is sent about nobody where what others made stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.verdicts import Verdict
from instance.faults.life import acting, alone, item
from instance.faults.model import Alteration, Answer, Request, World, refusal
from tests.broken_server import BrokenServer
from tests.odd_targets import behind, results_on


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("overlooked"))
    yield running
    running.stop()


def on(operation: str, change: Alteration) -> Alteration:
    """What an operation does otherwise; everything else goes through."""

    async def alter(request: Request, world: World) -> Answer:
        known = request.operation is not None and request.operation.id == operation
        return await change(request, world) if known else await world.forward(request)

    return alter


async def blanks_in_queries_collapse(request: Request, world: World) -> Answer:
    body = request.json
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return await world.forward(request)
    return await world.forward(request.with_body({**body, "query": re.sub(r"\s+", " ", body["query"])}))


async def parameters_are_merged(request: Request, world: World) -> Answer:
    body = request.json
    if acting(request) != "update" or not isinstance(body, dict) or not isinstance(body.get("utm_parameters"), dict):
        return await world.forward(request)
    seen = await world.forward(alone(request))
    known = item(request, seen).get("utm_parameters") if seen.ok else None
    return await world.forward(
        request.with_body({**body, "utm_parameters": {**(known or {}), **body["utm_parameters"]}})
    )


async def whoever_stands_in_the_path(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    known: dict[str, str] = world.memory.setdefault("known", {})
    if answer.ok:
        known[request.ids[-1]] = request.path
    elif answer.status == 404 and request.ids[-1] in known:
        return await world.forward(replace(request, path=known[request.ids[-1]]))
    return answer


ODD = {
    "MEDIA-06/create_context_query": blanks_in_queries_collapse,
    "LIFE-03/update_email": parameters_are_merged,
    "CODE-03/get_customer_event": whoever_stands_in_the_path,
}


@pytest.mark.slow
@pytest.mark.parametrize("cell", ODD)
def test_it_is_found(server: BrokenServer, tmp_path: Path, cell: str) -> None:
    with behind(server, on(cell.split("/")[1], ODD[cell])) as target:
        found = results_on(target, tmp_path, cell, profile="release")[cell]
    assert found.verdict in (Verdict.WARN, Verdict.FAIL), found.sentence


@pytest.mark.slow
def test_the_clean_instance_keeps_all_of_it(server: BrokenServer, tmp_path: Path) -> None:
    more = ("LIFE-03/update_segment", "LIFE-03/update_user", "CODE-03/get_whatsapp_export")
    with behind(server, as_it_is) as target:
        found = results_on(target, tmp_path, *ODD, *more, profile="release")
    assert {r.verdict for r in found.values()} == {Verdict.PASS}, [(n, r.sentence) for n, r in found.items()]


KEPT = ("activate_whatsapp_campaign", "send_test_whatsapp_message", "set_whatsapp_activation_settings")
REFUSALS = {"AUTH-01": 401, "AUTH-02": 401, "ROLE-04": 403}


async def as_it_is(request: Request, world: World) -> Answer:
    return await world.forward(request)


async def nobody_is_looked_for_first(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    kept = request.operation is not None and request.operation.id in KEPT
    return refusal(404) if kept and answer.status in REFUSALS.values() else answer


@pytest.mark.parametrize("fault", [None, nobody_is_looked_for_first])
def test_what_is_not_sent_about_others_is_asked_for_nobody(
    server: BrokenServer, tmp_path: Path, fault: Alteration | None
) -> None:
    reached = []

    async def watched(request: Request, world: World) -> Answer:
        answer = await (fault or as_it_is)(request, world)
        if request.operation is not None and request.operation.id in KEPT and answer.ok:
            reached.append(request.path)
        return answer

    cells = [f"{requirement}/{operation}" for operation in KEPT for requirement in REFUSALS]
    with behind(server, watched) as target:
        found = results_on(replace(target, disposable=False), tmp_path, *cells)
    wanted = Verdict.WARN if fault else Verdict.PASS
    assert {n: (r.verdict, r.sentence) for n, r in found.items() if r.verdict is not wanted} == {}
    assert len(found) == len(cells)
    assert not reached


def test_a_path_that_is_not_there_is_not_asked_for_a_token(server: BrokenServer, tmp_path: Path) -> None:
    async def without_the_operations(request: Request, world: World) -> Answer:
        return (
            refusal(404)
            if "/whatsapp" in request.path and "activation" in request.path
            else await world.forward(request)
        )

    cells = [f"{requirement}/{operation}" for operation in KEPT for requirement in REFUSALS]
    with behind(server, without_the_operations) as target:
        found = results_on(replace(target, disposable=False), tmp_path, *cells)
    assert {r.verdict for r in found.values()} <= {Verdict.SKIP, Verdict.UNCONFIRMED}
