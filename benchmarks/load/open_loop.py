"""The work as the open loop of a load run does it: checks, recorder, Locust's tables and the health sampler on."""

import os
import time
from typing import Any

import gevent
from locust import User, events, task
from locust.env import Environment

from benchmarks.load.one_request import OneRequest
from cdp.secrets import Secrets
from load.arrivals.dispatcher import Dispatcher
from load.arrivals.schedule import Schedule, steady
from load.engine import OpenLoop
from load.health.sampler import HealthSampler
from load.recording.locust_stats import LocustTables, measure_finely
from load.recording.recorder import Recorder
from load.wire.pool import Pool
from load.wire.tls import make_context
from load.witness import Witness

# More than one core can send: like the others it is measured at its full speed.
RATE = float(os.environ.get("BENCH_RATE", "60000"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "10"))
_FOLD_S = 0.5


class Idle(User):
    """Stands for the schedule: Locust wants at least one user."""

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
    """Start sending when Locust starts its test."""
    gevent.spawn(run, environment)
