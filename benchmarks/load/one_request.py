"""One request again and again, its answers decoded against their shape and a field of them checked."""

import os
from collections.abc import Callable
from typing import Any

import msgspec

from load.answer import Answer
from load.scenario import GOOD, Outcome, Shot
from load.wire.request import RequestTemplate

BAD = Outcome("wrong value", "SHAPE-01")


class Small(msgspec.Struct):
    id: int
    ok: bool
    name: str
    created: str


class Customer(msgspec.Struct):
    customer_entity_id: str
    source_id: str
    attribute_id: str
    value: str
    created: str


class Settings(msgspec.Struct):
    limit: int
    offset: int


class Customers(msgspec.Struct):
    customers: list[Customer]
    selection_settings: Settings


class CreatedEvent(msgspec.Struct):
    id: str
    type: str
    user_identifier: str


class Created(msgspec.Struct):
    count: int
    customer_events: list[CreatedEvent]


SHAPES: dict[str, Any] = {"/small": Small, "/list": Customers, "/events": Created}


def judge_of(path: str) -> Callable[[Answer], Outcome]:
    """What decodes an answer against its shape, and checks a field of it."""
    decode = msgspec.json.Decoder(SHAPES[path]).decode
    pointer, wanted = os.environ["BENCH_POINTER"].split("/"), int(os.environ["BENCH_VALUE"])

    def judge(answer: Answer) -> Outcome:
        if answer.status not in (200, 201):
            return Outcome(answer.failure or "status")
        try:
            value = decode(answer.body)
        except msgspec.ValidationError:
            return BAD
        for name in pointer:
            value = getattr(value, name)
        return GOOD if value == wanted else BAD

    return judge


class OneRequest:
    """A scenario that always asks the same."""

    name = "bench"

    def __init__(self, origin: str) -> None:
        path, body = os.environ["BENCH_PATH"], os.environ.get("BENCH_BODY", "").encode()
        headers = {"X-Access-Token": "t" * 40, "Accept": "application/json"}
        template = RequestTemplate(origin.partition("//")[2], headers)
        media_type = "application/json" if body else ""
        self._request = template.encode(os.environ["BENCH_METHOD"], path, body, media_type)
        self._judge = judge_of(path)

    def prepare(self) -> None:
        return

    def shot(self, arrival: int) -> Shot:
        return Shot("GET", "bench", self._request, self._judge, scenario=self.name)
