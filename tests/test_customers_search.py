"""Customers Search: literal, case-insensitive, newest first, paged; hidden and disabled attributes stay out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from instance import records
from instance.calls import Refusal
from instance.contract import Contract
from instance.customers.definitions import definitions
from instance.customers.events import Event, check, store_events
from instance.customers.schema import event_id, event_row
from instance.customers.search import search
from instance.seeding.customers import seed_customers
from instance.store import Store

ALL = 100_000


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, contract: Contract) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("search") / "cdp.sqlite", contract)
    seed_customers(opened, 3, 120, 0)
    yield opened
    opened.close()


def event_of(store: Store, identifier: str) -> Event:
    return check(definitions(store), "web", "page_view", "1-0-0", identifier, "2025-01-01 00:00:00", {})


def expected(store: Store, text: str) -> list[tuple[str, str]]:
    """Attribute and value of every row that holds the text, newest first, by looking at all of them."""
    searched = definitions(store).searched
    rows = store.connection.execute("SELECT attribute, text FROM customer_value ORDER BY pk DESC").fetchall()
    return [(a, t) for a, t in rows if a in searched and text.casefold() in t.casefold()]


def found(store: Store, text: str, limit: int = ALL, offset: int = 0) -> list[tuple[str, str]]:
    return [(row["attribute_id"], row["value"]) for row in search(store, text, limit, offset)]


text = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("%_*\"'&#\\?^-():+ \0\ufffd\ufffe\uffffßŽİı")), min_size=3
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=text, data=st.data())
@example(value='a"b%c_d*e', data=None)
@example(value="ab\0cd", data=None)
@example(value="x\ufffdy\uffffz\ufffe.", data=None)
@example(value="STRASSE straße ΣΑΣ", data=None)
def test_any_part_of_any_value_is_found_literally(store: Store, value: str, data: st.DataObject | None) -> None:
    assume(not value.isspace() and len(value) <= 1000)
    store_events(store, [event_of(store, value)])
    if data is None:
        parts = [value[start : start + 3] for start in range(len(value) - 2)] + [value, value.upper(), value.lower()]
    else:
        start = data.draw(st.integers(0, len(value) - 3))
        parts = [value[start : data.draw(st.integers(start + 3, len(value)))], data.draw(text)]
    for part in parts:
        assert found(store, part) == expected(store, part), part
    assert ("user_identifier", value) in found(store, value)


@pytest.mark.parametrize(
    "part", ["com", "@example", "COM", "%%%", "___", "***", "com OR net", 'com" OR "net', "NEAR(com)"]
)
def test_operators_and_wildcards_mean_nothing(store: Store, part: str) -> None:
    assert found(store, part) == expected(store, part)


def test_pages_join_to_the_whole_newest_first(store: Store) -> None:
    whole = search(store, "com", ALL)
    assert len(whole) >= 120
    assert [row for offset in range(0, len(whole), 7) for row in search(store, "com", 7, offset)] == whole
    stamps = [row["created"] for row in whole]
    assert stamps == sorted(stamps, reverse=True)
    assert 1 < len(set(stamps)) < len(stamps)
    assert search(store, "com", 7, len(whole)) == []


def test_fewer_than_three_characters_are_refused(store: Store) -> None:
    with pytest.raises(Refusal) as refused:
        search(store, "co", 20)
    assert refused.value.status == 400


@pytest.mark.parametrize("flag", ["is_hidden", "is_disabled"])
def test_an_attribute_is_searched_while_it_is_visible(store: Store, flag: str) -> None:
    before = {attribute for attribute, _ in found(store, "com")}
    assert "email" in before
    record = records.get(store, "attribute", "email")
    assert record is not None
    records.update(store, "attribute", "email", {**record, flag: 1})
    assert "email" not in {attribute for attribute, _ in found(store, "com")}
    records.update(store, "attribute", "email", record)
    assert {attribute for attribute, _ in found(store, "com")} == before


def test_values_of_hidden_and_disabled_attributes_are_there_but_not_found(store: Store) -> None:
    for attribute in ("push_token", "legacy_id"):
        value = store.connection.execute("SELECT text FROM customer_value WHERE attribute=?", (attribute,)).fetchone()[
            0
        ]
        assert attribute not in {found_in for found_in, _ in found(store, value)}


def test_two_stores_of_one_seed_are_equal(tmp_path: Path, contract: Contract) -> None:
    dumps = []
    for name in ("one", "two"):
        opened = Store(tmp_path / name, contract)
        seed_customers(opened, 11, 40, 700)
        tables = ("customer", "customer_value", "customer_field", "customer_event", "stitching_value", "participation")
        dumps.append([opened.connection.execute(f"SELECT * FROM {table}").fetchall() for table in (*tables, "record")])
        opened.close()
    assert dumps[0] == dumps[1]


@given(st.integers(1, (1 << 63) - 1))
def test_event_ids_lead_back_to_their_rows(pk: int) -> None:
    assert event_row(event_id(pk)) == pk


@pytest.mark.parametrize("id", ["", "0" * 32, "f" * 31, "G" * 32, "é" * 32, "１" * 32])
def test_other_ids_lead_nowhere(id: str) -> None:
    assert event_row(id) is None
