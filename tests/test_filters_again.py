"""PAGE-10: what a filter finds beside an order, of a single record, and by the whole of a name; and what may be so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.verdicts import Verdict
from contracts.conventions.page import found_by
from instance.faults.model import Answer, Request, World, records_of, refusal, with_records
from tests.broken_server import BrokenServer
from tests.odd_targets import odd, worst_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("filters"))
    yield running
    running.stop()


async def lost_beside_an_order(request: Request, world: World) -> Answer:
    """The name is forgotten where an order is asked for."""
    return await world.forward(request.asking(name_filter=None) if request.get("order_dir") else request)


async def put_to_the_page(request: Request, world: World) -> Answer:
    """The filter is put to a page of the whole list."""
    answer = await world.forward(request)
    if not answer.ok or not request.get("tag_ids"):
        return answer
    found = await world.forward(request.asking(limit=500, offset=0))
    whole = await world.forward(request.asking(tag_ids=None))
    ids = [r["id"] for r in records_of(request, found)]
    return with_records(request, answer, [r for r in records_of(request, whole) if r["id"] in ids])


async def blanks_find_nothing(request: Request, world: World) -> Answer:
    """A text with a blank in it finds nothing."""
    answer = await world.forward(request)
    text = (request.get("searched_text") or "") + (request.get("name_filter") or "")
    return with_records(request, answer, []) if answer.ok and " " in text else answer


async def blanks_are_refused(request: Request, world: World) -> Answer:
    """A text with a blank in it is refused."""
    return refusal(400) if " " in (request.get("name_filter") or "") else await world.forward(request)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found_by, "PATIENCE_S", 0.3)


FOUND = {
    "list_attributes": (lost_beside_an_order, "beside an order"),
    "list_segments": (put_to_the_page, "is not a slice of the filtered walk"),
    "list_emails": (blanks_find_nothing, "is not found by its name"),
    "list_tags": (blanks_find_nothing, "is not found by its name"),
}


@pytest.mark.parametrize(
    "operation", [pytest.param(name, marks=pytest.mark.slow if name == "list_emails" else ()) for name in FOUND]
)
def test_a_filter_that_counts_now_and_then_is_found(server: BrokenServer, tmp_path: Path, operation: str) -> None:
    fault, words = FOUND[operation]
    found = worst_of(server, tmp_path, odd(fault), "PAGE-10", operation)
    assert found.verdict is Verdict.WARN and words in found.sentence, found.sentence


def test_texts_of_several_words_may_be_refused(server: BrokenServer, tmp_path: Path) -> None:
    result = worst_of(server, tmp_path, odd(blanks_are_refused), "PAGE-10", "list_tags")
    assert result.verdict is Verdict.PASS, result.sentence
