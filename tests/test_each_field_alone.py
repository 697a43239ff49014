"""LIFE-03: each field is changed by itself and emptied; what a change leaves out stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.verdicts import Verdict
from instance.faults.model import Answer, Request, World, refusal
from tests.broken_server import BrokenServer
from tests.odd_targets import odd, worst_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("alone"))
    yield running
    running.stop()


async def empty_is_nothing(request: Request, world: World) -> Answer:
    """An empty text is taken for nothing that was sent."""
    body = request.json
    if request.method == "PATCH" and isinstance(body, dict) and len(body) == 1 and "" in body.values():
        return await world.forward(request.with_body({}))
    return await world.forward(request)


async def one_empties_another(request: Request, world: World) -> Answer:
    """Whoever changes the switch alone loses the description."""
    body = request.json
    if request.method == "PATCH" and isinstance(body, dict) and set(body) == {"is_hidden"}:
        body = {**body, "description": ""}
        return await world.forward(request.with_body(body))
    return await world.forward(request)


async def empty_is_null(request: Request, world: World) -> Answer:
    """An empty description is read as null, as some databases have it."""
    answer = await world.forward(request)
    return answer.showing(_without(answer.json)) if answer.ok else answer


async def empty_is_refused(request: Request, world: World) -> Answer:
    """An empty text is refused."""
    body = request.json
    empty = request.method == "PATCH" and isinstance(body, dict) and "" in body.values()
    return refusal(422) if empty else await world.forward(request)


def _without(body: Any) -> Any:
    if isinstance(body, dict):
        return {n: None if n == "description" and v == "" else _without(v) for n, v in body.items()}
    return [_without(v) for v in body] if isinstance(body, list) else body


FOUND = {
    "update_report": (empty_is_nothing, "description was "),
    "update_source": (one_empties_another, "description was "),
    "update_event": (one_empties_another, "description was "),
}


@pytest.mark.parametrize(
    "operation", [pytest.param(name, marks=pytest.mark.slow if name == "update_event" else ()) for name in FOUND]
)
def test_what_a_change_of_one_field_does_is_found(server: BrokenServer, tmp_path: Path, operation: str) -> None:
    alter, words = FOUND[operation]
    found = worst_of(server, tmp_path, odd(alter), "LIFE-03", operation)
    assert found.verdict is Verdict.WARN and words in found.sentence, found.sentence


@pytest.mark.parametrize("alter", [empty_is_null, empty_is_refused])
def test_an_empty_text_may_be_null_or_refused(server: BrokenServer, tmp_path: Path, alter: Any) -> None:
    result = worst_of(server, tmp_path, odd(alter, "list_reports get_report"), "LIFE-03", "update_report")
    assert result.verdict is Verdict.PASS, result.sentence
