"""The generator judges itself: every way in which it can be the limit is one line, and a healthy one has none."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdp.distribution import Distribution
from cdp.load_figures import Error, Figures
from cdp.load_results import HealthJudged
from load.answer import Answer
from load.health.judge import judge
from load.health.machine import Machine, Reading
from load.health.sample import HealthSample
from load.health.sampler import PROBE_NS, HealthSampler, HubProbe
from load.objectives import parse_objectives
from tests.sample_load_runs import MS, figures, sample, samples

FINE = figures(2000)


def judged(
    *parts: list[HealthSample], slo: str = "p99<300ms", whole: Figures = FINE, warm_up_s: float = 0.0, **others: Any
) -> HealthJudged:
    return judge([each for part in parts for each in part], parse_objectives(slo), whole, warm_up_s=warm_up_s, **others)


def late(milliseconds: float, share: float = 1.0) -> Distribution:
    """A hundred arrivals of which a share were so late."""
    bad = round(100 * share)
    if bad == 100:
        return Distribution([int(milliseconds * MS)], [100])
    return Distribution([100_000, int(milliseconds * MS)], [100 - bad, bad])


def changed(before: HealthSample, **fields: Any) -> HealthSample:
    return replace(before, **fields)


NO_DESCRIPTOR = figures(90, failed=10, errors=Counter({Error("no file descriptor left", "NO_DESCRIPTOR"): 10}))
NO_PORT = figures(90, failed=10, errors=Counter({Error("no port left", "NO_PORT"): 10}))

CAUSES: dict[str, tuple[dict[str, Any], Figures, str, str]] = {
    "CPU": ({"cpu": 0.93}, FINE, "CPU: worker 1 used 93% of a core", "--processes"),
    "steal": ({"steal": 0.12}, FINE, "steal: the hypervisor gave 12%", "CPUs are its own"),
    "throttling": ({"throttled": 0.2}, FINE, "throttling: the container's CPU limit", "raise or remove"),
    "lateness": ({"lateness": late(40, 0.02)}, FINE, "send lateness: sends were late by 40.0 ms at p99", "--processes"),
    "loop": ({"hub": late(40, 0.02)}, FINE, "event loop: it stood still for 40.0 ms at p99", "--processes"),
    "read lag": ({"read_lag": late(40, 0.02)}, FINE, "read lag: answers lay in the kernel for 40.0 ms", "--processes"),
    "descriptors": ({"descriptors": 950}, FINE, "had 950 of 1,024 open", "ulimit -n"),
    "no descriptor": ({}, NO_DESCRIPTOR, "10 requests could not be sent", "ulimit -n"),
    "ports": ({"time_wait": 26_000}, FINE, "ports: 26,100 of 28,232 were taken", "ip_local_port_range"),
    "no port": ({}, NO_PORT, "10 requests could not be sent", "ip_local_port_range"),
    "memory": ({"memory_free": 0.02}, FINE, "memory: 2.0% of this machine's memory was left", "free some"),
    "unsent": ({}, figures(1990, never_sent=10), "unsent: 10 of 2,000 arrivals were never sent", "--processes"),
    "connections": ({"found_full": 20}, FINE, "connections: all were busy for 800 of 2,000", "--connections"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_one_line_that_says_what_to_do(cause: str) -> None:
    fields, whole, says, cure = CAUSES[cause]
    found = judged(samples(20, **fields), whole=whole)
    assert found.inconclusive
    (reason,) = found.reasons
    assert "\n" not in reason
    assert says in reason
    assert cure in reason


def test_a_healthy_generator_has_no_reason_and_says_how_it_was() -> None:
    found = judged(samples(20))
    assert (found.inconclusive, found.reasons, found.notes) == (False, [], [])
    assert found.line == (
        "CPU 40% of a core, send lateness p99 0.40 ms, event loop p99 0.30 ms, read lag p99 0.20 ms, steal 0.10 %, "
        "descriptors 12%, ports 0%, memory 90 MB"
    )


@pytest.mark.parametrize("name", ["cpu", "steal", "throttled"])
class TestSharesOfTime:
    def test_a_burst_of_the_start_is_too_short(self, name: str) -> None:
        start = {"cpu": 1.0, "steal": 0.1, "throttled": 0.1}[name]
        run = [changed(sample(), **{name: start}), *samples(20)[1:]]
        assert not judged(run).inconclusive

    def test_five_seconds_in_the_middle_of_a_long_run_are_not(self, name: str) -> None:
        run = [changed(each, **{name: 0.95}) if 300 <= each.from_s < 305 else each for each in samples(600)]
        found = judged(run)
        assert found.inconclusive
        assert "from 300 s to 305 s" in found.reasons[0]

    def test_a_run_shorter_than_that_is_judged_as_a_whole(self, name: str) -> None:
        assert judged(samples(2, **{name: 0.95})).inconclusive
        assert not judged([sample(0, 0.5, cpu=1.0), *samples(2)[1:]]).inconclusive

    def test_the_warm_up_and_what_was_before_the_start_are_left_out(self, name: str) -> None:
        run = [changed(each, **{name: 0.95}) if each.from_s < 6 else each for each in samples(20)]
        assert judged(run).inconclusive
        assert not judged(run, warm_up_s=6).inconclusive
        before = [replace(each, from_s=each.from_s - 8, to_s=each.to_s - 8) for each in samples(8, **{name: 0.95})]
        assert not judged(before, samples(20)).inconclusive

    def test_a_machine_that_does_not_tell_is_not_accused(self, name: str) -> None:
        unknown: dict[str, Any] = {name: 0.0 if name == "cpu" else None}
        assert not judged(samples(20, **unknown)).inconclusive


class TestDelays:
    def test_the_limit_is_a_tenth_of_the_tightest_objective(self) -> None:
        run = samples(20, lateness=late(20))
        assert not judged(run, slo="p99<300ms").inconclusive
        assert judged(run, slo="p99<300ms,p50<100ms").inconclusive
        assert "limit 10.0 ms, a tenth of the objective" in judged(run, slo="p99<100ms").reasons[0]

    def test_without_a_latency_objective_it_is_ten_milliseconds(self) -> None:
        assert not judged(samples(20, lateness=late(9)), slo="").inconclusive
        assert "limit 10.0 ms, without a latency objective" in judged(samples(20, lateness=late(11)), slo="").reasons[0]

    def test_a_late_start_counts_if_it_reaches_the_judged_figures(self) -> None:
        """Half a second of 60 s is less than the one per cent that p99 leaves aside; of 10 s it is more."""
        late_start = [sample(0, 0.5, lateness=late(500))]
        assert not judged([*late_start, *samples(60)[1:]]).inconclusive
        assert judged([*late_start, *samples(10)[1:]]).inconclusive
        assert not judged([*late_start, *samples(10)[1:]], warm_up_s=1).inconclusive
        assert judged([*late_start, *samples(60)[1:]], slo="p99.9<300ms").inconclusive
        assert judged([*late_start, *samples(60)[1:]], slo="p99@10s<300ms").inconclusive

    def test_one_late_request_of_a_few_says_nothing_while_no_latency_is_judged(self) -> None:
        few = [sample(0, 0.5, lateness=Distribution([100_000, 50 * MS], [19, 1]))]
        assert not judged(few, slo="").inconclusive
        assert judged(few, slo="p99<300ms").inconclusive  # it would be the p99

    def test_what_comes_of_a_shortage_of_cpu_is_told_once(self) -> None:
        found = judged(samples(20, cpu=0.99, lateness=late(500), hub=late(500), read_lag=late(500)))
        assert [reason.partition(":")[0] for reason in found.reasons] == ["CPU"]
        found = judged(samples(20, lateness=late(500), hub=late(500), read_lag=late(500)))
        assert [reason.partition(":")[0] for reason in found.reasons] == ["event loop"]

    def test_other_processes_that_took_the_cpu_are_named_as_the_cause(self) -> None:
        found = judged(samples(20, lateness=late(500), cpu_wait=0.4))
        assert "waited for a CPU 40% of the time from 0 s to 5 s, so leave it a core of its own" in found.reasons[0]
        found = judged(samples(20, cpu_wait=0.4))
        assert not found.inconclusive
        assert "something else runs on this machine" in found.notes[0]

    def test_the_process_is_named(self) -> None:
        slow = samples(20, process="worker 2", lateness=late(500, 0.1))
        assert "most in worker 2" in judged(samples(20), slow).reasons[0]


class TestConnections:
    def test_a_queue_before_a_slow_target_is_the_targets(self) -> None:
        slow = figures(2000, latency_ms=900.0)
        assert not judged(samples(20, found_full=20), whole=slow).inconclusive
        assert not judged(samples(20, found_full=20), whole=figures(2000, 1500.0), slo="").inconclusive
        unsent = figures(1500, 900.0, never_sent=500)
        assert not judged(samples(20, found_full=20), whole=unsent).inconclusive

    def test_a_few_that_waited_do_not_matter(self) -> None:
        assert not judged(samples(20, found_full=0), [sample(20, 20.5, found_full=20)]).inconclusive


class TestSeveralProcesses:
    def test_ports_of_one_machine_add_up(self) -> None:
        parts = [samples(5, process=f"worker {n}", sockets=9_000) for n in range(3)]
        assert "ports: 27,005 of 28,232" in judged(*parts).reasons[0]
        apart = [[replace(each, host=each.process) for each in part] for part in parts]
        assert not judged(*apart).inconclusive

    def test_each_process_has_its_own_core(self) -> None:
        parts = [samples(20, process=f"worker {n}", cpu=0.8) for n in range(3)]
        assert not judged(*parts).inconclusive
        assert "worker 7 used 90%" in judged(*parts, samples(20, process="worker 7", cpu=0.9)).reasons[0]


def test_a_generator_that_nobody_watched_is_not_taken_for_healthy() -> None:
    found = judged([])
    assert found.inconclusive
    assert "no sample was taken" in found.reasons[0]


def test_a_shared_machine_is_said_in_words() -> None:
    (note,) = judged(samples(20), shares_machine=True, cores=2).notes
    assert note.startswith("target and generator share the 2 cores of this machine")


def test_a_sample_survives_being_sent() -> None:
    before = sample(1.5, 2.0, steal=None)
    assert HealthSample.from_message({**before.as_message(), "of a later version": 1}) == before


class ReadMachine(Machine):
    """A machine that tells what a test says."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)

    def read(self) -> Reading:
        return self.readings.pop(0)

    def close(self) -> None:
        pass


class TestSampler:
    def test_shares_are_of_the_time_between_two_samples(self) -> None:
        first = Reading(10**9, 0, 50, 1000, 0, 5, 100, 7, 28232, 10**6, 0.5)
        second = Reading(12 * 10**8, 10**8, 60, 1200, 5 * 10**7, 6, 100, 8, 28232, 2 * 10**6, 0.4)
        sampler = HealthSampler(machine=ReadMachine(first, first, second), process="p", probe=HubProbe())
        sampler.begin(start_ns=2 * 10**9, now_ns=10**9)
        sampler.close()
        found = sampler.sample(15 * 10**8)
        assert (found.from_s, found.to_s) == (-1.0, -0.5)
        assert (found.cpu, found.cpu_wait, found.steal, found.throttled) == pytest.approx((0.4, 0.2, 0.05, 0.1))
        assert (found.descriptors, found.time_wait, found.memory_free) == (6, 8, 0.4)

    def test_what_is_not_known_stays_unknown(self) -> None:
        sampler = HealthSampler(machine=ReadMachine(Reading(0), Reading(10**9)), probe=HubProbe())
        found = sampler.sample(10**18)
        assert (found.cpu_wait, found.steal, found.throttled, found.memory_free) == (None, None, None, None)

    def test_times_are_taken_once(self) -> None:
        sampler = HealthSampler(machine=ReadMachine(*[Reading(0)] * 3), probe=HubProbe())
        sampler.tried(100, 5 * MS + 100)
        sampler.take(Answer(done_ns=9 * MS, received_ns=7 * MS))
        sampler.take(Answer(done_ns=9 * MS))  # not one of the sample
        found = sampler.sample(10**18)
        assert (found.lateness.max_ns, found.lateness.count) == (5 * MS, 1)
        assert (found.read_lag.max_ns, found.read_lag.count) == (2 * MS, 1)
        assert sampler.sample(10**18 + 1).lateness.count == 0

    def test_tens_of_thousands_are_thinned_and_still_counted(self) -> None:
        sampler = HealthSampler(machine=ReadMachine(Reading(0), Reading(0)), probe=HubProbe())
        for number in range(20_000):
            sampler.tried(0, 40 * MS if number % 10 == 3 else MS)
        found = sampler.sample(10**18).lateness
        assert found.count == 20_000
        assert found.above(30 * MS) == pytest.approx(2000, abs=200)

    def test_who_stood_in_the_queue_for_the_target_is_not_late(self) -> None:
        sampler = HealthSampler(machine=ReadMachine(Reading(0), Reading(0)), probe=HubProbe())
        sampler.tried(100, 101)
        sampler.tried(200, 201)
        sampler.full()  # the second found every connection busy
        sampler.freed(9000)
        sampler.tried(300, 9001)  # it was due while the second waited
        sampler.full()
        sampler.freed(9500)
        sampler.tried(9600, 9650)
        found = sampler.sample(10**18)
        assert (found.found_full, found.lateness.count) == (2, 3)  # both of the first were tried in time

    def test_a_loop_that_stood_still_is_seen_by_every_look_that_it_missed(self) -> None:
        probe = HubProbe()
        probe.look(0)
        probe.delays_ns.clear()
        probe.look(PROBE_NS)
        probe.look(PROBE_NS * 2 + 1_000_000)
        probe.look(PROBE_NS * 52 + 1_000_000)  # a second late
        assert probe.delays_ns[:3] == [0, 1_000_000, PROBE_NS * 49]
        assert len(probe.delays_ns) == 2 + 49
        assert min(probe.delays_ns[2:]) == PROBE_NS

    def test_it_sees_a_blocked_loop_of_gevent(self) -> None:
        """In a process of its own: gevent and this test's threads are none of each other's business."""
        code = """
import gevent, time
from load.health.sampler import HealthSampler
sampler = HealthSampler()
sampler.begin(time.monotonic_ns())
gevent.sleep(0.1)
time.sleep(0.4)
gevent.sleep(0.1)
sample = sampler.sample(time.monotonic_ns())
sampler.close()
print(sample.hub.max_ns > 300_000_000, sample.hub.above(100_000_000) >= 10, sample.process.startswith("process "))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.split() == ["True", "True", "True"], done.stderr


class TestMachine:
    """Readings from a file system made up for the purpose, in the forms that Linux has."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        files = {
            "proc/stat": "cpu  100 20 30 800 5 0 5 40 7 0\ncpu0 1 2 3\n",
            "proc/self/schedstat": "5000 700 3\n",
            "proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024   4096   files\n",
            "proc/net/sockstat": "sockets: used 5\nTCP: inuse 21 orphan 0 tw 23 alloc 21 mem 40\n",
            "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
            "proc/meminfo": "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n",
        }
        for name, text in files.items():
            self.put(tmp_path, name, text)
        for number in range(3):
            self.put(tmp_path, f"proc/self/fd/{number}", "")
        return tmp_path

    @staticmethod
    def put(root: Path, name: str, text: str) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def test_the_files_of_the_kernel(self, root: Path) -> None:
        found = Machine(root, cpu_ns=lambda: 42).read()
        assert (found.cpu_ns, found.cpu_wait_ns, found.steal_ticks, found.all_ticks) == (42, 700, 40, 1000)
        assert (found.descriptor_limit, found.time_wait, found.ports) == (1024, 23, 28232)
        assert found.descriptors > 0
        assert found.memory_free == 0.4
        assert found.throttled_ns is None

    def test_control_groups_of_version_2(self, root: Path) -> None:
        self.put(root, "proc/self/cgroup", "0::/app\n")
        self.put(root, "sys/fs/cgroup/app/cpu.stat", "usage_usec 5\nnr_throttled 1\nthrottled_usec 25\n")
        self.put(root, "sys/fs/cgroup/app/memory.max", "1000\n")
        self.put(root, "sys/fs/cgroup/app/memory.current", "900\n")
        self.put(root, "sys/fs/cgroup/app/memory.stat", "anon 5\ninactive_file 200\n")
        found = Machine(root).read()
        assert found.throttled_ns == 25_000
        assert found.memory_free == pytest.approx(0.3)

    def test_control_groups_of_version_1_seen_from_within_a_container(self, root: Path) -> None:
        self.put(root, "proc/self/cgroup", "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n")
        self.put(root, "sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 77\n")
        self.put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        found = Machine(root).read()
        assert found.throttled_ns == 77
        assert found.memory_free == 0.4  # the group has no limit; the machine has

    def test_a_machine_without_any_of_it(self, tmp_path: Path) -> None:
        found = Machine(tmp_path).read()
        assert (found.cpu_wait_ns, found.steal_ticks, found.throttled_ns) == (None, None, None)
        assert found.memory_bytes > 0
        assert found.memory_free is not None
        assert 0 < found.memory_free < 1

    def test_it_reads_when_no_descriptor_is_left(self) -> None:
        code = """
import os, resource
from load.health.machine import Machine
machine = Machine()
machine.read()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    found = machine.read()
print(found.descriptors, found.memory_bytes > 0, found.memory_free is not None, found.cpu_wait_ns is not None)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        known = str(Path("/proc/self/schedstat").exists())
        assert done.stdout.split() in ([count, "True", "True", known] for count in ("64", "0")), done.stderr

    def test_counters_are_read_again_each_time(self, root: Path) -> None:
        machine = Machine(root)
        first = machine.read()
        self.put(root, "proc/self/schedstat", "5000 9900 3\n")
        self.put(root, "proc/stat", "cpu  200 20 30 800 5 0 5 90 7 0\n")
        second = machine.read()
        machine.close()
        assert (first.cpu_wait_ns, second.cpu_wait_ns) == (700, 9900)
        assert (first.steal_ticks, second.steal_ticks) == (40, 90)

    def test_this_machine(self) -> None:
        found = Machine().read()
        assert found.cpu_ns > 0
        assert found.descriptors > 0
