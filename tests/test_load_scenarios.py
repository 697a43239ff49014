"""Scenarios on the embedded instance: a faithful target gets nothing but good outcomes, draws are pure, and what is
read at the start is bounded and refused in one line where there is nothing to work with."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pytest

from load.marks import Mark, verify
from load.scenario import ScenarioError
from load.scenarios import make_scenario
from load.scenarios.data import CHUNK, Choice, Draws, Sizes, Zipf, unknown_text, unknown_unicode
from load.scenarios.discovery import MOST_REQUESTS, Known, discover
from load.scenarios.hot import Context, ingesting, searching
from load.scenarios.ingest import IngestScenario
from load.scenarios.mixed import MixedScenario
from load.scenarios.search import SearchScenario
from tests.load_scenes import CONTRACT, RUN, context_of, play, read_request
from tests.loopback import Asked, Reply, forwarding, serving
from tests.running_instance import RunningInstance


@pytest.fixture(scope="module")
def known(instance: RunningInstance) -> Known:
    return discover(context_of(instance), searching(CONTRACT), ingesting(CONTRACT), known_customers=True)


# --- a faithful target


def _all_good(scenario: Any, instance: RunningInstance, arrivals: int) -> Counter[str]:
    played = play(scenario, instance.origin, range(arrivals))
    bad = [(shot.name, outcome) for shot, outcome in played if not outcome.good]
    assert not bad, bad[:3]
    return Counter(shot.name for shot, _ in played)


@pytest.mark.slow
def test_every_search_of_a_faithful_target_is_good(instance: RunningInstance, known: Known) -> None:
    search = SearchScenario(context_of(instance))
    search.prepare(known)
    names = _all_good(search, instance, 2500)
    kinds = {"search_customers hit", "search_customers miss", "search_customers short", "search_customers long"}
    assert names.keys() == kinds | {"search_customers page", "list_customer_attributes", "list_customer_events"}
    assert 350 < names["search_customers miss"] + names["search_customers long"] < 650  # a fifth of them


@pytest.mark.slow
def test_every_batch_and_upload_of_a_faithful_target_is_good(instance: RunningInstance, known: Known) -> None:
    ingest = IngestScenario(context_of(instance), sizes="zipf:40", uploads=0.1)
    ingest.prepare(known)
    names = _all_good(ingest, instance, 800)
    assert names["upload_customer_events_async"] > 40
    assert names["get_customer_events_async_upload"] >= names["upload_customer_events_async"]


@pytest.mark.slow
def test_everything_at_once(instance: RunningInstance) -> None:
    mixed = MixedScenario(context_of(instance), sizes="1-20", uploads=0.1)
    mixed.prepare()
    names = _all_good(mixed, instance, 1500)
    assert {"list_segments", "list_events", "list_attributes", "create_customer_events"} <= names.keys()
    searches = sum(count for name, count in names.items() if "customers" in name or "list_customer" in name)
    assert searches > 600


def test_events_can_be_recognised_later(instance: RunningInstance, known: Known) -> None:
    run = "cdp-5eed5eed"
    ingest = IngestScenario(context_of(instance, run=run, worker=7), sizes="30", uploads=0.5, new_customers=1.0)
    ingest.prepare(msgspec.structs.replace(known, identifiers=[]))
    play(ingest, instance.origin, range(4))
    found = []
    for offset in range(0, 400, 100):
        found += instance.get("/debugger/events", limit=100, offset=offset)["customer_events"]
    own = [row for row in found if row["user_identifier"].startswith(run)]
    marks = [verify(row["payload"], {name: row[name] for name in ingest.fields}) for row in own]
    assert sorted(m.seq for m in marks if isinstance(m, Mark)) == list(range(120))
    assert {(m.run, m.worker) for m in marks if isinstance(m, Mark)} == {(run, 7)}
    for seq in range(120):
        sent = ingest.events.fields(seq)
        assert verify(sent["payload"], {name: sent[name] for name in ingest.fields}) == Mark(run, 7, seq)
        assert json.loads(ingest.events.json(seq)) == {**sent, "payload": json.loads(sent["payload"])}


# --- draws


def _requests(scenario: Any, arrivals: Any) -> dict[int, bytes]:
    return {arrival: scenario.shot(arrival).request for arrival in arrivals}


@pytest.mark.parametrize("kind", [SearchScenario, IngestScenario, MixedScenario])
def test_an_arrival_is_a_pure_function_of_seed_and_number(
    instance: RunningInstance, known: Known, kind: Callable[[Context], Any]
) -> None:
    def fresh(**more: Any) -> Any:
        scenario = kind(context_of(instance, **more))
        scenario.prepare(known)
        return scenario

    numbers = [*range(40), *range(CHUNK - 20, CHUNK + 20), 9 * CHUNK + 5]
    reference = _requests(fresh(), numbers)
    assert _requests(fresh(), reversed(numbers)) == reference
    striped: dict[int, bytes] = {}
    for stripe in range(3):
        striped |= _requests(fresh(), [n for n in numbers if n % 3 == stripe])
    assert striped == reference
    assert _requests(fresh(seed=2), numbers) != reference


def test_events_are_numbered_without_gaps(instance: RunningInstance, known: Known) -> None:
    """The marks of all workers together are every number once, and each worker signs its own."""
    seen: list[Mark] = []
    for worker in range(3):
        mixed = MixedScenario(context_of(instance, worker=worker), sizes="1-9", uploads=0.2)
        mixed.prepare(known)
        for arrival in range(worker, 2 * CHUNK, 3):
            if mixed.step(arrival).events:
                body = read_request(mixed.shot(arrival).request)[3]
                text = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()
                marks = re.findall(rf"({RUN})-(\d+)-(\d+)\"", text)
                seen += [Mark(run, int(number), int(seq)) for run, number, seq in marks]
                assert {mark.worker for mark in seen[-len(marks) :]} == {worker}
    assert sorted(mark.seq for mark in seen) == list(range(len(seen)))


def test_shares_and_popularity() -> None:
    uniform = Draws(1, "test", 1, lambda chunk, numbers: numbers[:, 0].tolist())
    numbers = np.array([uniform[n] for n in range(5 * CHUNK)])
    assert abs(numbers.mean() - 0.5) < 0.01
    counts = np.bincount(Zipf(100, 1.0).ranks(numbers), minlength=100)
    expected = 1 / np.arange(1, 101)
    expected *= len(numbers) / expected.sum()
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected) + 5)
    assert np.ptp(np.bincount(Zipf(10, 0.0).ranks(numbers))) < 300
    places = Choice({"a": 0.2, "never": 0.0, "b": 0.8}).places(numbers)
    assert abs((places == 0).mean() - 0.2) < 0.02 and set(places.tolist()) == {0, 1}


@pytest.mark.parametrize(("text", "least", "most"), [("50", 50, 50), ("1-200", 1, 200), ("zipf:200", 1, 200)])
def test_sizes(text: str, least: int, most: int) -> None:
    found = Sizes(text).of(np.linspace(0, 1, 10_000, endpoint=False))
    assert (found.min(), found.max()) == (least, most)
    if text.startswith("zipf"):
        assert np.median(found) < most / 8


@pytest.mark.parametrize("text", ["", "0", "-1", "5-1", "zipf:", "zipf:0", "1.5", "many", "99999999999", "10001", "٣"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ScenarioError, match="is no batch size; write 50, 1-200 or zipf:200"):
        Sizes(text)


def test_unknown_texts() -> None:
    texts = {unknown_text(n / 1000, n / 777) for n in range(777)}
    assert len(texts) == 777 and all(re.fullmatch("[b-t]{24}", text) for text in texts)
    assert len(unknown_text(0.1, 0.2, 300)) == 300
    assert not unknown_unicode(0.1, 0.2).isascii()


# --- what is read at the start


def _refusing(
    instance: RunningInstance, answer: Callable[[Asked, Reply], Reply], kind: Callable[[Context], Any]
) -> tuple[str, int]:
    """What preparing says on a server that answers so, and how much it asked."""
    forward = forwarding(instance.origin)
    with serving(lambda asked: answer(asked, forward(asked))) as server:
        with pytest.raises(ScenarioError) as caught:
            kind(context_of(instance, f"{server.url}/api")).prepare()
        return str(caught.value), len(server.asked)


def _emptied(*keys: str) -> Callable[[Asked, Reply], Reply]:
    def answer(asked: Asked, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        return replace(reply, body=json.dumps({n: [] if n in keys else v for n, v in body.items()}).encode())

    return answer


def _always(status: int) -> Callable[[Asked, Reply], Reply]:
    return lambda asked, reply: Reply(status)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (_always(401), SearchScenario, "search_customers answered 401: the token is refused"),
        (_always(403), SearchScenario, "search_customers answered 403: the role needs customers/search"),
        (_always(404), SearchScenario, "search_customers answered 404: the target does not have it at /api/customers/"),
        (_always(500), SearchScenario, "search_customers answered 500"),
        (_always(200), SearchScenario, "search_customers answered 200, and no list"),
        (
            _emptied("customers"),
            SearchScenario,
            "search_customers finds no customer (tried: com, mail, ann, son); name",
        ),
        (_emptied("events"), IngestScenario, "list_events tells no event that is defined"),
        (_emptied("customer_events", "debugger_events"), IngestScenario, "no customer of the target has an event"),
        (_emptied("customers"), MixedScenario, "search_customers finds no customer"),
    ],
)
def test_a_target_with_nothing_to_work_with(
    instance: RunningInstance, answer: Callable[[Asked, Reply], Reply], kind: Callable[[Context], Any], message: str
) -> None:
    told, requests = _refusing(instance, answer, kind)
    assert told.startswith(message) and "\n" not in told
    assert requests <= MOST_REQUESTS


def test_a_target_that_is_not_there(instance: RunningInstance) -> None:
    with pytest.raises(ScenarioError, match="cannot be reached: Connection refused"):
        SearchScenario(context_of(instance, "http://127.0.0.1:9/api")).prepare()


def test_reading_is_bounded_and_paced(instance: RunningInstance) -> None:
    forward = forwarding(instance.origin)
    with serving(forward) as server:
        mixed = MixedScenario(context_of(instance, f"{server.url}/api"))
        mixed.prepare()
        assert 20 < len(server.asked) <= MOST_REQUESTS
        assert set(server.methods) == {"GET"}
        assert all(request.headers["x-access-token"] == instance.token for request in server.asked)
        assert mixed.search.known.requests == len(server.asked)


def test_what_other_runs_left_is_not_used(instance: RunningInstance, known: Known) -> None:
    ingest = IngestScenario(context_of(instance), new_customers=1.0)
    ingest.prepare(known)
    play(ingest, instance.origin, range(3))
    again = discover(context_of(instance), searching(CONTRACT), ingesting(CONTRACT), known_customers=True)
    assert not [text for text in again.identifiers if text.startswith("cdp-")]
    assert again.identifiers


def test_only_new_customers_need_no_search(instance: RunningInstance) -> None:
    ingest = IngestScenario(context_of(instance), new_customers=1.0)
    ingest.prepare()
    assert ingest.known.requests <= 5 and not ingest.known.customers
    identifiers = {ingest.events.fields(seq)["user_identifier"] for seq in range(50)}
    assert len(identifiers) == 50 and all(text.startswith(RUN) for text in identifiers)


def test_what_was_read_can_be_handed_on(instance: RunningInstance, known: Known) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=Known) == known


def test_values_shown_shortened_expect_nobody(instance: RunningInstance) -> None:
    """Where a value as the search shows it does not find its customer at rest, it is no promise under load."""

    def shortened(asked: Asked, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        for row in body.get("customers", ()):
            row["value"] += "…"
        return replace(reply, body=json.dumps(body).encode())

    forward = forwarding(instance.origin)
    with serving(lambda asked: shortened(asked, forward(asked))) as server:
        search = SearchScenario(context_of(instance, f"{server.url}/api"))
        search.prepare()
    for value, owner in search.known.values:
        assert bool(owner) != value.endswith("…")


def test_an_assumed_order_that_does_not_hold_at_rest_is_not_asked_for(instance: RunningInstance) -> None:
    def reversed_(asked: Asked, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        body.get("customers", []).reverse()
        return replace(reply, body=json.dumps(body).encode())

    forward = forwarding(instance.origin)
    with serving(lambda asked: reversed_(asked, forward(asked))) as server:
        search = SearchScenario(context_of(instance, f"{server.url}/api"))
        search.prepare()
        assert search.known.unordered == ["search_customers"]
        assert all(outcome.good for _, outcome in play(search, server.url, range(60)))


# --- from options


@dataclass(frozen=True)
class Chosen:
    scenario: str = "mixed"
    seed: int = 1
    check_every: int = 20
    zipf: float = 1.0
    misses: float = 0.2
    searches: float = 0.5
    ingestion: float = 0.3
    batch: str = "50"
    uploads: float = 0.02
    new_customers: float = 0.1


@pytest.mark.parametrize("name", ["search", "ingest", "mixed"])
def test_made_from_options(instance: RunningInstance, known: Known, name: str) -> None:
    context = context_of(instance)
    scenario = make_scenario(Chosen(name), context.target, CONTRACT, instance.token, RUN, 0)
    scenario.prepare(known)
    assert scenario.name == name
    headers = read_request(scenario.shot(0).request)[2]
    assert headers["X-Access-Token"] == instance.token and headers["Host"] in instance.origin


def test_one_share_may_be_everything(instance: RunningInstance, known: Known) -> None:
    for searches, ingestion, wanted in ((1.0, 0.0, "customers"), (0.0, 1.0, "customer_events"), (0.0, 0.0, "list_")):
        mixed = MixedScenario(context_of(instance), searches=searches, ingestion=ingestion, uploads=0.0)
        mixed.prepare(known)
        names = {mixed.step(arrival).name for arrival in range(50)}
        assert all(wanted in name or "list_customer" in name for name in names)


def test_headers_that_cannot_be_sent(instance: RunningInstance) -> None:
    context = context_of(instance)
    target = replace(context.target, headers=(("X-Own", "secret-value\r\nX-More: 1"),))
    with pytest.raises(ScenarioError) as caught:
        make_scenario(Chosen(), target, CONTRACT, instance.token, RUN, 0)
    assert "X-Own" in str(caught.value) and "secret-value" not in str(caught.value)
