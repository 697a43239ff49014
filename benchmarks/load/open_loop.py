"""The work as the open loop of a load run does it: checks, recorder, Locust's tables and the health sampler on."""

import os
import time
from collections.abc import Callable
from typing import Any

import gevent
import msgspec
from locust import User, events, task
from locust.env import Environment

from cdp.secrets import Secrets
from load.answer import Answer
from load.arrivals.dispatcher import Dispatcher
from load.arrivals.schedule import Schedule, steady
from load.engine import OpenLoop
from load.health.sampler import HealthSampler
from load.recording.locust_stats import LocustTables, measure_finely
from load.recording.recorder import Recorder
from load.scenario import GOOD, Outcome, Shot
from load.wire.pool import Pool
from load.wire.request import RequestTemplate
from load.wire.tls import make_context
from load.witness import Witness

RATE = float(os.environ.get("BENCH_RATE", "4000"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "10"))
POINTER = os.environ["BENCH_POINTER"].split("/")
VALUE = int(os.environ["BENCH_VALUE"])
BAD = Outcome("wrong value", "SHAPE-01")
_FOLD_S = 0.5


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

    def judge(answer: Answer) -> Outcome:
        if answer.status not in (200, 201):
            return Outcome(answer.failure or "status")
        try:
            value = decode(answer.body)
        except msgspec.ValidationError:
            return BAD
        for name in POINTER:
            value = getattr(value, name)
        return GOOD if value == VALUE else BAD

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


class Idle(User):
    @task
    def wait_for_the_end(self) -> None:
        gevent.sleep(3600)


def run(environment: Environment) -> None:
    """Send until the process is stopped."""
    origin = environment.host or ""
    context = make_context(os.environ["BENCH_CA"]) if os.environ.get("BENCH_CA") else None
    pool = Pool(origin, timeout_s=10, tls=context, max_connections=CONNECTIONS, sample_kernel_time_every=16)
    recorder = Recorder(LocustTables(environment.stats, closed_loop=False).take)
    sampler = HealthSampler(pool)
    engine = OpenLoop(OneRequest(origin), pool, recorder, sampler, Witness(environment, Secrets()))
    start_ns = time.monotonic_ns() + 200_000_000
    sampler.begin(start_ns)
    engine.start(Dispatcher(Schedule(steady(RATE, 600)).times(), start_ns, engine.fire))
    while True:
        gevent.sleep(_FOLD_S)
        recorder.fold()
        sampler.sample(time.monotonic_ns())


measure_finely()


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    gevent.spawn(run, environment)
