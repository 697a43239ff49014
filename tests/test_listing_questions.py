"""What lists are asked beside the usual: records that stand there twice, other ways to ask, pages over the end."""

from __future__ import annotations

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from cdp.contract import Contract, load_contract
from contracts.conventions.listing import asked_about, repeated
from contracts.conventions.page.windows import BEYOND, over_the_end, pages_in, windows


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


def test_a_record_that_stands_there_twice_is_found() -> None:
    one, other = {"id": 1, "name": "a"}, {"id": 2, "name": "a"}
    assert repeated([one, other, {"name": "a", "id": 1}]) == one
    assert repeated([one, other]) is None


def test_records_that_differ_and_rows_without_an_id_are_no_repetition() -> None:
    assert repeated([{"id": 1, "value": "a"}, {"id": 1, "value": "b"}]) is None
    assert repeated([{"count": 3}, {"count": 3}, "x", "x"]) is None
    assert repeated([{"owner": "c", "value": 1}, {"owner": "c", "value": 1}], "owner") is not None


def test_a_list_is_asked_sorted_in_full_and_by_name(contract: Contract) -> None:
    asked = asked_about(contract, contract.operations["list_tags"], "cdp-1 a")
    assert {name for query in asked for name, _ in query} == {
        "limit",
        "order_by",
        "order_dir",
        "load_full_structure",
        "name_filter",
    }
    assert dict(asked[-1])["name_filter"] == "cdp-1 a" and dict(asked[0])["order_dir"] == "DESC"


def test_what_a_list_does_not_take_is_not_asked(contract: Contract) -> None:
    assert asked_about(contract, contract.operations["list_feeds"], "cdp-1 a") == []
    assert len(asked_about(contract, contract.operations["list_tags"], None)) == 1


@given(st.integers(1, 400))
def test_a_page_over_the_end_begins_in_the_list_and_ends_behind_it(count: int) -> None:
    limit, offset = over_the_end(count)
    assert 0 <= offset < count < offset + limit


def test_drawn_pages_go_over_the_end_only_where_it_is_known() -> None:
    assert sum(find(windows(7, BEYOND), lambda asked: sum(asked) > 7)) > 7
    assert pages_in(3) == 6 and pages_in(3, 2) == 12


@given(windows(5))
def test_without_a_known_end_pages_lie_in_the_walk(asked: tuple[int, int]) -> None:
    assert sum(asked) <= 5
