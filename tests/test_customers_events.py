"""Creating customer events: all or nothing, acknowledged in order, readable again; uploads reach an end state."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instance import services
from instance.calls import Refusal
from instance.contract import Contract
from instance.customers import uploads
from instance.customers.events import LARGEST_BATCH
from instance.seeding.customers import customer_ids, seed_customers
from instance.store import Store
from tests.handler_calls import answer, call

services.register()

GOOD: dict[str, Any] = {
    "source_id": "bank_app",
    "type": "app_transaction",
    "version": "1-0-0",
    "user_identifier": "somebody-1",
    "event_time": "2022-08-01 13:12:00",
    "payload": {"amount": 5},
}
ROW: list[str] = [*list(GOOD.values())[:5], '{"text": "a,b \\"c\\"", "n": 1.50}']


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


@pytest.fixture
def store(tmp_path: Path, contract: Contract) -> Iterator[Store]:
    opened = Store(tmp_path / "cdp.sqlite", contract)
    seed_customers(opened, 7, 20, 700)
    yield opened
    opened.close()


def create(store: Store, *events: dict[str, Any]) -> Any:
    reply = call(store, "create_customer_events", body={"customer_events": list(events)})
    assert reply.status == 201
    return reply.body


def customer_of(store: Store, identifier: str) -> dict[str, str]:
    row = store.connection.execute(
        "SELECT c.id FROM stitching_value s JOIN customer c ON c.pk=s.customer WHERE s.value=?", (identifier,)
    ).fetchone()
    return {"customer_entity_id": row[0]}


def totals(store: Store) -> tuple[int, ...]:
    tables = ("customer_event", "customer", "customer_value", "stitching_value")
    return tuple(store.connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables)


def test_events_are_answered_in_order_and_read_back_newest_first(store: Store) -> None:
    made = create(store, *({**GOOD, "payload": {"n": number}} for number in range(30)))
    assert made["count"] == 30
    assert [orjson.loads(event["payload"])["n"] for event in made["customer_events"]] == list(range(30))
    path = customer_of(store, "somebody-1")
    listed = answer(store, "list_customer_events", path, limit=1000)
    assert [event["id"] for event in listed["customer_events"]] == [e["id"] for e in made["customer_events"]][::-1]
    for created, read in zip(made["customer_events"], reversed(listed["customer_events"]), strict=True):
        one = answer(store, "get_customer_event", {**path, "customer_event_id": created["id"]})
        assert one["customer_event"] == read
        assert {k: v for k, v in created.items() if k != "event_id"}.items() <= read.items()
    newest = answer(store, "list_debugger_events", limit=30)
    assert [event["id"] for event in newest["customer_events"]] == [e["id"] for e in listed["customer_events"]]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.dictionaries(st.text(), json_values, max_size=4), user=st.text(min_size=1, max_size=30))
def test_payload_and_identifier_come_back_unchanged(store: Store, payload: dict[str, Any], user: str) -> None:
    if user.isspace():
        return
    as_text = orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()
    made = create(store, {**GOOD, "user_identifier": user, "payload": payload}, {**GOOD, "payload": as_text})
    first, second = made["customer_events"]
    assert orjson.loads(first["payload"]) == payload
    assert second["payload"] == as_text
    assert first["user_identifier"] == user
    read = answer(store, "list_customer_events", customer_of(store, user))
    assert first["payload"] in [event["payload"] for event in read["customer_events"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source_id", "nowhere"),
        ("type", "nothing"),
        ("version", "9-9-9"),
        ("user_identifier", ""),
        ("user_identifier", " "),
        ("user_identifier", "x" * 2000),
        ("event_time", "yesterday"),
        ("event_time", "2022-02-30 00:00:00"),
        ("event_time", "2022-02-03 25:00:00"),
        ("event_time", "2022-W31-1T13:12:00"),
        ("event_time", "٢٠٢٢-02-03 00:00:00"),
        ("payload", "[]"),
        ("payload", "{"),
        ("payload", "null"),
        ("payload", '{"a": NaN}'),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_one_bad_event_refuses_the_batch_and_stores_nothing(store: Store, field: str, value: Any, place: int) -> None:
    batch = [{**GOOD, "user_identifier": f"new-{number}"} for number in range(3)]
    batch[place][field] = value
    before = totals(store)
    with pytest.raises(Refusal) as refused:
        create(store, *batch)
    assert (refused.value.status, refused.value.detail) == (422, f"customer_events[{place}].{field}")
    assert totals(store) == before


@pytest.mark.parametrize("count", [0, LARGEST_BATCH + 1])
def test_an_empty_or_too_large_batch_is_refused(store: Store, count: int) -> None:
    with pytest.raises(Refusal) as refused:
        create(store, *[GOOD] * count)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("given_time", "stored"),
    [
        ("2022-08-01 13:12:00", "2022-08-01 13:12:00"),
        ("2022-08-01T13:12:00Z", "2022-08-01 13:12:00"),
        ("2022-08-01 13:12:00.999999", "2022-08-01 13:12:00"),
        ("2022-08-01T13:12:00.000001", "2022-08-01 13:12:00"),
    ],
)
def test_all_forms_of_time_are_taken(store: Store, given_time: str, stored: str) -> None:
    assert create(store, {**GOOD, "event_time": given_time})["customer_events"][0]["event_time"] == stored


def test_an_unknown_identifier_makes_one_customer_and_a_known_one_finds_him(store: Store) -> None:
    before = totals(store)
    create(store, GOOD, {**GOOD, "user_identifier": "somebody-2"}, GOOD)
    create(store, GOOD)
    assert [after - old for after, old in zip(totals(store), before, strict=True)] == [4, 2, 2, 2]
    found = answer(store, "search_customers", search_text="SOMEBODY-")
    assert [row["value"] for row in found["customers"]] == ["somebody-2", "somebody-1"]
    newest = customer_ids(store, 3)[2]
    email = store.connection.execute(
        "SELECT v.text FROM customer_value v JOIN customer c ON c.pk=v.customer WHERE c.id=? AND attribute='email'",
        (newest,),
    ).fetchone()[0]
    create(store, {**GOOD, "user_identifier": email})
    assert customer_of(store, email)["customer_entity_id"] == newest


def test_created_never_goes_back_with_the_clock(store: Store) -> None:
    first = create(store, GOOD)["customer_events"][0]["created"]
    clock = store.clock
    store.clock = lambda: clock().replace(year=2001)
    assert create(store, GOOD)["customer_events"][0]["created"] == first


def test_order_filter_and_groups_of_a_customers_events(store: Store) -> None:
    path = {"customer_entity_id": customer_ids(store, 1)[0]}
    everything = answer(store, "list_customer_events", path, limit=1000)["customer_events"]
    assert len(everything) >= 60
    for field in ("created", "event_time", "id", "type"):
        up = answer(store, "list_customer_events", path, limit=1000, order_by=field, order_dir="ASC")
        down = answer(store, "list_customer_events", path, limit=1000, order_by=field, order_dir="DESC")
        keys = [event[field] for event in up["customer_events"]]
        assert keys == sorted(keys) and up["customer_events"] == down["customer_events"][::-1]
    wanted = [everything[0]["event_id"], everything[5]["event_id"]]
    kept = answer(store, "list_customer_events", path, limit=1000, event_ids=wanted)
    assert kept["customer_events"] == [event for event in everything if event["event_id"] in wanted]
    groups = answer(store, "list_customer_event_groups", path, limit=1000)["customer_event_groups"]
    assert len(groups) >= 45 and sum(group["count"] for group in groups) == len(everything)
    last = [group["last_event_time"] for group in groups]
    assert last == sorted(last, reverse=True)
    full = answer(store, "list_customer_events", path, load_full_structure=1)["customer_events"]
    assert all(
        event["event"]["id"] == event["event_id"] and event["source"]["id"] == event["source_id"] for event in full
    )


def packed(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def finish(store: Store, body: bytes) -> dict[str, Any]:
    """Upload a body and work until it is in its end state."""

    async def run() -> dict[str, Any]:
        reply = call(store, "upload_customer_events_async", body=body)
        assert isinstance(reply.body, dict) and (reply.status, reply.body["status"]) == (201, "waiting")
        while True:
            await asyncio.sleep(0)
            state = call(store, "get_customer_events_async_upload", {"id": reply.body["id"]}).body
            assert isinstance(state, dict)
            if state["status"] in ("finished", "error"):
                return state

    return asyncio.run(run())


def test_an_upload_stores_its_rows_in_order(store: Store) -> None:
    rows = [[*ROW[:5], orjson.dumps({"n": number, "t": 'line\nbreak, "quoted" é'}).decode()] for number in range(450)]
    state = finish(store, packed(rows))
    assert (state["status"], state["count"], state["message"]) == ("finished", 450, None)
    listed = answer(store, "list_customer_events", customer_of(store, "somebody-1"), limit=1000)
    assert [event["payload"] for event in reversed(listed["customer_events"])] == [row[5] for row in rows]
    assert store.connection.execute("SELECT COUNT(*) FROM upload WHERE body IS NOT NULL").fetchone()[0] == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"plain text", "not a valid gzip"),
        (gzip.compress(b"", mtime=0), "no rows"),
        (packed([ROW] * 500)[:-12], "ends too early"),
        (packed([ROW]) + b"rubbish", "not a valid gzip"),
        (packed([ROW, ROW[:5]]), "row 2: 6 columns"),
        (packed([ROW, [*ROW, "more"]]), "row 2: 6 columns"),
        (packed([ROW] * 300 + [[*ROW[:4], "never", "{}"]]), "row 301: event_time"),
        (
            packed([["source_id", "type", "version", "user_identifier", "event_time", "payload"], ROW]),
            "row 1: source_id",
        ),
        (packed([ROW, [*ROW[:5], "[]"]]), "row 2: payload"),
        (packed([[*ROW[:3], "", *ROW[4:]]]), "row 1: user_identifier"),
        (gzip.compress(b'"open,quote\n', mtime=0), "row 1"),
        (gzip.compress(b"\xff\xfe\x00", mtime=0), "not UTF-8"),
        (gzip.compress(b"a" * (64 << 20), mtime=0), "a line is longer"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_a_broken_upload_ends_in_an_error_and_stores_nothing(store: Store, body: bytes, says: str) -> None:
    before = totals(store)
    state = finish(store, body)
    assert state["status"] == "error" and state["count"] is None
    assert says in state["message"]
    assert totals(store) == before


def test_an_empty_body_is_refused_and_an_unknown_upload_not_found(store: Store) -> None:
    with pytest.raises(Refusal) as refused:
        call(store, "upload_customer_events_async", body=b"")
    assert refused.value.status == 400
    with pytest.raises(Refusal) as refused:
        call(store, "get_customer_events_async_upload", {"id": "41f2cc9a-f7df-4ef8-b2e1-1bd4e627639a"})
    assert refused.value.status == 404


def test_a_bomb_is_stopped_at_the_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST_TEXT", 1 << 20)
    state = finish(store, packed([ROW] * 20_000))
    assert state["status"] == "error" and "larger than" in state["message"]


@settings(max_examples=60, deadline=None)
@given(rng=st.randoms(use_true_random=False), texts=st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_inflating_gives_the_text_however_it_is_cut_into_members(rng: random.Random, texts: list[str]) -> None:
    body = b"".join(gzip.compress(text.encode()) + b"\0" * rng.randrange(3) for text in ["x", *texts])
    whole = "".join(["x", *texts])
    lines = list(uploads.lines(body))
    assert "".join(lines) == whole
    assert all("\n" not in line[:-1] for line in lines)


@pytest.mark.parametrize("turns", [1, 4, 9])
def test_an_upload_cut_off_goes_on_after_a_restart_without_loss_or_doubles(
    tmp_path: Path, contract: Contract, turns: int
) -> None:
    def cut_off(store: Store) -> None:
        async def run() -> None:
            call(store, "upload_customer_events_async", body=packed([[*ROW[:5], f'{{"n":{n}}}'] for n in range(1000)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            # What a kill does: nothing more of the task runs, nothing is tidied up.
            await uploads.stop(store)

        asyncio.run(run())

    in_store(tmp_path, contract, lambda store: seed_customers(store, 1, 1, 0))
    in_store(tmp_path, contract, cut_off)

    def go_on(store: Store) -> None:
        asyncio.run(uploads.work(store))
        numbers = [orjson.loads(row[0])["n"] for row in store.connection.execute("SELECT payload FROM customer_event")]
        assert numbers == list(range(1000))
        assert store.connection.execute("SELECT status, count FROM upload").fetchall() == [("finished", 1000)]

    in_store(tmp_path, contract, go_on)


def in_store(tmp_path: Path, contract: Contract, act: Callable[[Store], None]) -> None:
    opened = Store(tmp_path / "restart.sqlite", contract)
    try:
        act(opened)
    finally:
        opened.close()
