"""The work as a Locust user on WireUser would write it; with BENCH_EVENTS somebody listens to every request."""

import os
from typing import Any

import gevent
from locust import constant, events, task
from locust.env import Environment

from benchmarks.load.one_request import judge_of
from load.recording.locust_stats import LocustTables, measure_finely
from load.recording.recorder import Recorder
from load.wire.reporting import attach
from load.wire.tls import make_context
from load.wire.user import WireUser

METHOD, PATH = os.environ["BENCH_METHOD"], os.environ["BENCH_PATH"]
BODY = os.environ.get("BENCH_BODY") or None
HEADERS = {"X-Access-Token": "t" * 40, "Accept": "application/json"}
if BODY:
    HEADERS["Content-Type"] = "application/json"
_FOLD_S = 0.5
judge = judge_of(PATH)


class Caller(WireUser):
    """Sends the one request again and again, and checks each answer."""

    wait_time = constant(0)
    default_headers = HEADERS
    tls = make_context(os.environ["BENCH_CA"]) if os.environ.get("BENCH_CA") else None

    @task
    def ask(self) -> None:
        with self.client.request(METHOD, PATH, data=BODY, catch_response=True) as response:
            outcome = judge(response.answer)
            if not outcome.good:
                response.failure(outcome.error)


def fold_regularly(recorder: Recorder) -> None:
    """Bring what was recorded into Locust's tables, as a load run does; never ends."""
    while True:
        gevent.sleep(_FOLD_S)
        recorder.fold()


measure_finely()


@events.init.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Record answers in the way that is to be measured."""
    if os.environ.get("BENCH_EVENTS"):
        environment.events.request.add_listener(lambda **_: None)
        return  # every request is an event, and Locust's own tables are all there is
    recorder = Recorder(LocustTables(environment.stats, closed_loop=True).take)
    attach(environment, recorder)
    gevent.spawn(fold_regularly, recorder)
