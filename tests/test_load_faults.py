"""Deliberate bugs of a server under load: each is told with the requirement that it breaks, and with nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from load.answer import Answer, Failure
from load.scenario import Outcome
from load.scenarios.discovery import Known, discover
from load.scenarios.hot import ingesting, searching
from load.scenarios.ingest import IngestScenario
from load.scenarios.mixed import MixedScenario
from load.scenarios.search import SearchScenario
from tests.load_scenes import CONTRACT, context_of, play
from tests.loopback import Asked, Reply, forwarding, serving
from tests.running_instance import RunningInstance

ARRIVALS = range(60)
SECRET = "tok3n-tok3n-tok3n"
SEARCH, BATCH, STATE = "/api/customers/fulltext_search", "/api/customer_events/", "/api/customer_events/async/"
Bug = Callable[[Asked, Reply], Reply]


@pytest.fixture(scope="module")
def known(instance: RunningInstance) -> Known:
    """What the instance tells, read once."""
    return discover(context_of(instance), searching(CONTRACT), ingesting(CONTRACT), known_customers=True)


def _json(change: Callable[[Any], Any]) -> Bug:
    """A bug in the body of a success."""

    def bug(asked: Asked, reply: Reply) -> Reply:
        if reply.status >= 300:
            return reply
        body = json.loads(reply.body)
        changed = change(body)
        return replace(reply, body=json.dumps(body if changed is None else changed).encode())

    return bug


def _text(pattern: bytes, by: bytes) -> Bug:
    """A bug in the bytes of a body, at the first place that fits."""
    return lambda asked, reply: replace(reply, body=re.sub(pattern, by, reply.body, count=1))


def _always(reply: Reply) -> Bug:
    return lambda asked, _: reply


def _only(path: str, bug: Bug) -> Bug:
    """A bug at some paths only."""
    return lambda asked, reply: bug(asked, reply) if re.search(path, asked.path) else reply


def _reverse(key: str) -> Callable[[Any], None]:
    def change(body: Any) -> None:
        body.get(key, []).reverse()

    return change


def _of_each(key: str, **fields: Any) -> Callable[[Any], None]:
    """Other values in every record; None takes a field away."""

    def change(body: Any) -> None:
        for record in body.get(key, ()):
            for name, value in fields.items():
                if value is None:
                    del record[name]
                else:
                    record[name] = value

    return change


def _many(body: Any) -> None:
    body["customers"] *= 120


def _settings(**fields: Any) -> Callable[[Any], None]:
    return lambda body: body["selection_settings"].update(fields)


def _nobody(body: Any) -> None:
    body["customers"] = []


def _somebody(body: Any) -> None:
    body["customers"] = body["customers"] or [
        {"customer_entity_id": SECRET, "source_id": "web", "attribute_id": "city", "value": SECRET}
        | {"created": "2024-05-17 08:30:00"}
    ]


def _mixed_up() -> Callable[[Any], None]:
    """Every customer is told for another one, who exists as well."""
    seen: list[str] = []

    def change(body: Any) -> None:
        for record in body.get("customers", ()):
            own = record["customer_entity_id"]
            record["customer_entity_id"] = next((other for other in reversed(seen) if other != own), own)
            seen.append(own)

    return change


def _to_a_stranger(body: Any) -> None:
    for key in ("customer_attributes", "customer_events"):
        _of_each(key, customer_entity_id=SECRET)(body)


def _now_and_then() -> Bug:
    """Every other time, what is read of one customer is another one's."""
    seen: dict[str, int] = {}

    def bug(asked: Asked, reply: Reply) -> Reply:
        seen[asked.path] = seen.get(asked.path, 0) + 1
        return _json(_to_a_stranger)(asked, reply) if seen[asked.path] % 2 else reply

    return bug


def _swapped(body: Any) -> None:
    rows = body["customer_events"]
    rows[0], rows[-1] = rows[-1], rows[0]


def _one_less(body: Any) -> None:
    body["customer_events"].pop()
    body["count"] -= 1


def _one_lost(body: Any) -> None:
    body["customer_events"].pop()


def _miscounted(body: Any) -> None:
    body["count"] += 1


def _cut(body: Any) -> None:
    payload = json.loads(body["customer_events"][0]["payload"])
    body["customer_events"][0]["payload"] = json.dumps({**payload, "text": payload["text"][:-1]})


HTML = Reply(200, b"<html><b>tok3n-tok3n-tok3n</b></html>", {"Content-Type": "text/html"})
ERROR = json.dumps({"message": SECRET}).encode()


@dataclass(frozen=True)
class Fault:
    """A bug, the scenario that meets it, what its outcomes name, and whether only the sample can see it."""

    scenario: str
    bug: Bug
    requirement: str
    error: str = ""
    sampled: bool = False


FAULTS = {
    "limit ignored": Fault("search", _only("limit=", _json(_many)), "PAGE-02"),
    "default limit ignored": Fault("search", _only(f"{SEARCH}[^&]*$", _json(_many)), "PAGE-01"),
    "oldest first": Fault("search", _json(_reverse("customers")), "ORDER-01", sampled=True),
    "events oldest first": Fault("search", _json(_reverse("customer_events")), "ORDER-01", sampled=True),
    "HTML in place of JSON": Fault("search", _always(HTML), "MEDIA-01"),
    "JSON called text": Fault(
        "search", lambda asked, reply: replace(reply, headers={"Content-Type": "text/plain"}), "MEDIA-01", sampled=True
    ),
    "cut off": Fault("search", lambda asked, reply: replace(reply, body=reply.body[:-7]), "MEDIA-02"),
    "NaN": Fault("search", _text(rb"^\{", b'{"score": NaN,'), "MEDIA-02"),
    "twice the same key": Fault("search", _text(rb"^\{", b'{"customers":[],'), "MEDIA-02", sampled=True),
    "a field is missing": Fault("search", _json(_of_each("customers", created=None)), "SHAPE-01"),
    "a field of another type": Fault("search", _json(_of_each("customers", value={SECRET: 1})), "SHAPE-01"),
    "a moment in another form": Fault("search", _json(_of_each("customers", created=SECRET)), "SHAPE-01", sampled=True),
    "the list is missing": Fault("search", _json(lambda body: {SECRET: [], "selection_settings": 1}), "SHAPE-01"),
    "a customer is not found": Fault("search", _only("search_text", _json(_nobody)), "SEARCH-01"),
    "another is found": Fault("search", _json(_mixed_up()), "SEARCH-01"),
    "a value without the text": Fault("search", _json(_of_each("customers", value=SECRET)), "SEARCH-01", sampled=True),
    "nobody has it, and is found": Fault("search", _only("search_text", _json(_somebody)), "SEARCH-02"),
    "another limit told": Fault("search", _only("limit=", _json(_settings(limit=77))), "PAGE-08", sampled=True),
    "another text told": Fault("search", _only("search_text", _json(_settings(search_text=SECRET))), "SEARCH-03"),
    "500": Fault("search", _always(Reply(500, ERROR)), "CODE-01", "500 Internal Server Error"),
    "502 in HTML": Fault("search", _always(replace(HTML, status=502)), "CODE-01", "502 Bad Gateway"),
    "a status that nobody knows": Fault("search", _always(Reply(799, ERROR)), "CODE-01", "799"),
    "dropped": Fault("search", _always(Reply(0)), "CODE-01", Failure.CLOSED.value),
    "a redirect": Fault("search", _always(Reply(302, b"", {"Location": f"/{SECRET}"})), "CODE-02"),
    "refused": Fault("search", _always(Reply(400, ERROR)), "CODE-02", "400 Bad Request, to a valid request"),
    "another success": Fault("search", _always(Reply(203, b"{}")), "CODE-02"),
    "429": Fault("search", _always(Reply(429, ERROR, {"Retry-After": "7"})), "", "429 Too Many Requests"),
    "503": Fault("search", _always(Reply(503, ERROR, {"Retry-After": "7"})), "", "503 Service Unavailable"),
    "401": Fault("search", _always(Reply(401, ERROR)), "", "401: the token is refused"),
    "403": Fault("search", _always(Reply(403, ERROR)), "", "403: the role lacks a feature that is needed"),
    "a customer is gone": Fault(
        "search", _only("/customers/.+/", _always(Reply(404, ERROR))), "", "404: a customer that was found is not there"
    ),
    "counted wrong": Fault("ingest", _only(f"{BATCH}$", _json(_miscounted)), "EVENT-01"),
    "an event less": Fault("ingest", _only(f"{BATCH}$", _json(_one_less)), "EVENT-01"),
    "an event is not listed": Fault("ingest", _only(f"{BATCH}$", _json(_one_lost)), "EVENT-01"),
    "another order": Fault("ingest", _only(f"{BATCH}$", _json(_reverse("customer_events"))), "EVENT-01"),
    "two are swapped": Fault("ingest", _only(f"{BATCH}$", _json(_swapped)), "EVENT-01"),
    "a payload is cut": Fault("ingest", _only(f"{BATCH}$", _json(_cut)), "EVENT-01", sampled=True),
    "another customer's": Fault(
        "ingest", _only(f"{BATCH}$", _json(_of_each("customer_events", user_identifier="x"))), "EVENT-01", sampled=True
    ),
    "a batch is refused": Fault("ingest", _always(Reply(422, ERROR)), "CODE-02"),
    "an upload ends in an error": Fault(
        "ingest", _only(STATE, _json(lambda body: {**body, "status": "error", "message": SECRET})), "EVENT-04"
    ),
    "an upload never ends": Fault(
        "ingest", _only(STATE, _json(lambda body: {**body, "status": "running"})), "EVENT-04"
    ),
    "an upload loses rows": Fault(
        "ingest", _only(STATE, _json(lambda body: {**body, "status": "finished", "count": 1})), "EVENT-04"
    ),
    "a list that is oldest first": Fault(
        "mixed",
        _only("/api/(segments|events|attributes)", _json(lambda body: _upside_down(body))),
        "ORDER-01",
        sampled=True,
    ),
}


def _upside_down(body: Any) -> None:
    for key in ("segments", "events", "attributes"):
        _reverse(key)(body)


def _outcomes(instance: RunningInstance, known: Known, fault: Fault, check_every: int) -> list[Outcome]:
    """What the answers of a server with a bug are worth; those that are good are left out."""
    forward = forwarding(instance.origin)
    with serving(lambda asked: fault.bug(asked, forward(asked))) as server:
        context = context_of(instance, f"{server.url}/api", check_every=check_every)
        scenario: SearchScenario | IngestScenario | MixedScenario
        if fault.scenario == "search":
            scenario = SearchScenario(context)
        elif fault.scenario == "ingest":
            scenario = IngestScenario(context, sizes="2-5", uploads=0.2)
            scenario.upload_deadline_s = 0.2
        else:
            scenario = MixedScenario(context, sizes="2-5", searches=0.2, ingestion=0.2)
        scenario.prepare(known)
        return [outcome for _, outcome in play(scenario, server.url, ARRIVALS) if not outcome.good]


@pytest.mark.parametrize("name", FAULTS)
def test_a_bug_is_told_by_its_requirement(instance: RunningInstance, known: Known, name: str) -> None:
    fault = FAULTS[name]
    found = _outcomes(instance, known, fault, 1)
    assert found, "the bug was not seen"
    assert {outcome.requirement for outcome in found} == {fault.requirement}, found
    texts = {outcome.error for outcome in found}
    assert all(text.startswith(fault.error) for text in texts), texts
    assert len(texts) <= 3, "a text changes from answer to answer"
    for text in texts:
        assert SECRET not in text and not re.search(r"0badcafe|[0-9a-f]{8}-", text)
    writes = fault.scenario == "ingest"
    assert not writes or not any(outcome.indeterminate for outcome in found)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if not fault.sampled])
def test_without_the_sample_it_is_seen_too(instance: RunningInstance, known: Known, name: str) -> None:
    fault = FAULTS[name]
    found = _outcomes(instance, known, fault, 10**9)
    assert {outcome.requirement for outcome in found} == {fault.requirement}, found


@pytest.mark.parametrize("replicas_ns", [0, 60_000_000_000])
def test_a_customer_who_is_told_to_be_another_now_and_then(
    instance: RunningInstance, known: Known, replicas_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicas hear one after the other that customers were joined; later, it was somebody else's answer."""
    monkeypatch.setattr("load.scenarios.search._JOINED_NS", replicas_ns)
    found = _outcomes(instance, known, Fault("search", _only("/customers/.+/", _now_and_then()), "SHAPE-04"), 10**9)
    assert {outcome.requirement for outcome in found} == (set() if replicas_ns else {"SHAPE-04"}), found


def test_customers_that_were_joined_are_no_strangers(
    instance: RunningInstance, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("load.scenarios.search._JOINED_NS", 0)
    joined = _only("/customers/.+/", _json(_to_a_stranger))
    assert not _outcomes(instance, known, Fault("search", joined, ""), 10**9)


def test_a_dropped_write_is_indeterminate(instance: RunningInstance, known: Known) -> None:
    found = _outcomes(instance, known, Fault("ingest", _always(Reply(0)), "CODE-01"), 1)
    assert len(found) == len(ARRIVALS)
    assert {(outcome.requirement, outcome.indeterminate) for outcome in found} == {("CODE-01", True)}


@pytest.mark.parametrize("failure", list(Failure))
def test_no_answer_at_all(instance: RunningInstance, known: Known, failure: Failure) -> None:
    """What never reached the target says nothing about it; of the rest a write is indeterminate, a read never."""
    context = context_of(instance)
    search, ingest = SearchScenario(context), IngestScenario(context)
    dropped = failure in (Failure.RESET, Failure.CLOSED, Failure.MALFORMED)
    for scenario in (search, ingest):
        scenario.prepare(known)
        for sent_ns in (0, 1):
            answer = Answer(failure=failure, sent_ns=sent_ns, done_ns=2, indeterminate=bool(sent_ns), detail=SECRET)
            outcome = scenario.shot(0).judge(answer)
            assert outcome.requirement == ("CODE-01" if dropped and sent_ns else "")
            assert failure.value in outcome.error and SECRET not in outcome.error
            assert outcome.indeterminate == (scenario is ingest and bool(sent_ns))
