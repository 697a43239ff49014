"""How punctual arrivals are: `python -m benchmarks.arrivals [--seconds N]`.

Prints how late arrivals are fired by the hub's timers, and what the dispatcher and the schedules cost. Firing does
nothing but note the time, so all of it is the generator's own doing. What others do on the machine meanwhile is in the
high percentiles.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import islice

import gevent
import numpy as np

from load.arrivals.dispatcher import Dispatcher
from load.arrivals.schedule import Piece, Schedule, ramp, steady
from load.arrivals.timer import DescriptorTimer, LoopTimer, Timer

MakeTimer = Callable[[Callable[[], None]], Timer]


def punctuality(name: str, timer: MakeTimer, rate: float, seconds: float) -> str:
    """How late the arrivals of a Poisson schedule are fired, and the CPU of one core that it takes."""
    schedule = Schedule(steady(rate, seconds), seed=3)
    late_ns: list[int] = []

    def fire(number: int, intended_ns: int) -> bool:
        late_ns.append(time.monotonic_ns() - intended_ns)
        return True

    dispatcher = Dispatcher(schedule.times(), time.monotonic_ns() + 50_000_000, fire, timer=timer)
    count = schedule.count(0, 1, int(seconds * 1e9) + 1)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    dispatcher.start()
    while len(late_ns) < count:
        gevent.sleep(0.05)
    share = (time.process_time() - cpu_s) / (time.perf_counter() - began_s)
    list(dispatcher.stop())
    median, p99, most = (float(value) / 1e6 for value in np.percentile(late_ns, [50, 99, 100]))
    return (
        f"{name}, {rate:,.0f}/s: late by {median:.3f} ms (median), {p99:.3f} ms (99 %), {most:.2f} ms at most; "
        f"{share:.0%} of a core"
    )


def cost_ns(schedule: Schedule, chunks: int = 200) -> float:
    """CPU nanoseconds of an arrival of a schedule, the cheapest of five tries."""
    found = []
    for _ in range(5):
        before = time.process_time_ns()
        count = sum(len(numbers) for numbers, _ in islice(schedule.times(), chunks))
        found.append((time.process_time_ns() - before) / count)
    return min(found)


def main() -> None:
    """Print how late the timers are at each rate, and the CPU time that an arrival of a schedule costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    for rate in (1_000, 20_000):
        print(punctuality("timerfd", DescriptorTimer, rate, seconds))
    print(punctuality("the loop's own timer", LoopTimer, 1_000, seconds))
    day = tuple(Piece(second, second + 1, 20 + second % 7, 20 + (second + 1) % 7) for second in range(86_400))
    shapes = {"steady": steady(20_000, 600), "ramp": ramp(20_000, 600), "a trace of 86,400 lines": day}
    for name, pieces in shapes.items():
        print(f"{name}: {cost_ns(Schedule(pieces)):,.0f} ns of CPU for an arrival")


if __name__ == "__main__":
    main()
