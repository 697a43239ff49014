"""One open-loop run without anything around it: prints what it measured as one line of JSON.

python -m benchmarks.load.probe ORIGIN RATE SECONDS CONNECTIONS
"""

import gc
import json
import os
import resource
import sys
import time
from typing import Any

import gevent
import locust  # noqa: F401 - first: it patches the standard library, as in every run
from locust.env import Environment

from benchmarks.load.one_request import OneRequest
from benchmarks.load.works import SMALL
from cdp.load_figures import Figures
from cdp.secrets import Secrets
from load.arrivals.dispatcher import Dispatcher
from load.arrivals.schedule import Schedule, steady
from load.engine import OpenLoop
from load.health.sampler import HealthSampler
from load.recording.recorder import Recorder
from load.wire.pool import Pool
from load.witness import Witness

FOLD_S = 0.5
START_IN_S = 0.5
DRAIN_S = 12.0


def memory_mb() -> float:
    """Resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def probe(origin: str, rate: float, seconds: float, connections: int) -> dict[str, Any]:
    """Send `rate` requests a second for `seconds` and say what came of it; times in milliseconds."""
    pool = Pool(origin, timeout_s=10, max_connections=connections)
    recorder, sampler = Recorder(), HealthSampler(pool)
    engine = OpenLoop(OneRequest(origin), pool, recorder, sampler, Witness(Environment(), Secrets()))
    schedule = Schedule(steady(rate, seconds))
    start_ns = time.monotonic_ns() + int(START_IN_S * 1e9)
    dispatcher = Dispatcher(schedule.times(), start_ns, engine.fire)
    gc.collect()
    gc.freeze()  # as the generator does
    sampler.begin(start_ns)
    folded: list[Figures] = []
    settled_mb, cpu_s = 0.0, time.process_time()
    engine.start(dispatcher)
    while time.monotonic_ns() < start_ns + int(seconds * 1e9):
        gevent.sleep(FOLD_S)
        sampler.sample(time.monotonic_ns())
        gevent.sleep(0)  # as the generator does
        figures = recorder.fold().values()
        gevent.sleep(0)
        folded = [Figures.merged([*folded, *figures])]
        if not settled_mb and time.monotonic_ns() > start_ns + int(seconds * 0.2e9):
            settled_mb = memory_mb()
    engine.drain(time.monotonic_ns() + int(DRAIN_S * 1e9))
    cpu_s = time.process_time() - cpu_s
    engine.stop()
    whole = Figures.merged([*folded, *recorder.fold().values()])

    def ms(name: str, percentile: float) -> float:
        return round(getattr(whole, name).percentile(percentile) / 1e6, 4)

    return {
        "offered": dispatcher.offered,
        "good": whole.good,
        "failed": whole.failed,
        "never_sent": whole.never_sent,
        "unanswered": whole.unanswered,
        "latency_p50": ms("latency", 50),
        "latency_p99": ms("latency", 99),
        "service_p99": ms("service", 99),
        "lateness_p50": ms("lateness", 50),
        "lateness_p99": ms("lateness", 99),
        "cpu_us": round(cpu_s / max(1, whole.sent) * 1e6, 2),
        "memory_mb": round(memory_mb(), 1),
        "grown_mb": round(memory_mb() - settled_mb, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }


if __name__ == "__main__":
    where, rate_text, seconds_text, connections_text = sys.argv[1:]
    os.environ.update(BENCH_METHOD=SMALL.method, BENCH_PATH=SMALL.path, BENCH_POINTER="/".join(SMALL.pointer))
    os.environ["BENCH_VALUE"] = str(SMALL.value)
    print(json.dumps(probe(where, float(rate_text), float(seconds_text), int(connections_text))))
