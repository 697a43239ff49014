"""Whether the generator was the limit of a run. Then the run is inconclusive, whatever the target did.

The rules, from the first second of the schedule on, the warm-up left out as it is for the objectives:

- **Shares of time** (CPU, steal, throttling) count when their mean over any five seconds, or over the whole judged time
  where that is shorter, is beyond the limit. A burst of start-up in the first half second is too short for that; a
  spike that the generator could not follow is not.
- **Delays** (send lateness, event loop, read lag) are part of what was measured, so each latency objective asks for
  them at its own percentile (p99 at least) and over its own window: more than a tenth of its limit, and the figure is
  not the target's. Without a latency objective the limit is 10 ms. A late start counts exactly if it is long
  enough to reach the figures that are judged.
- **Levels** (descriptors, ports, memory) count wherever they were reached.
- **Connections**: when every connection was busy for more than 1 % of the arrivals, the generator's own maximum was the
  limit if the target answered within the objective all the same; if it was slow, the queue is its own. Arrivals that
  were never sent while connections were free are the generator's (more than 0.1 %: a run that is stopped leaves some).

Delays that come from a shortage of CPU are told by the line on the CPU alone: one cause, one line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cdp.distribution import Distribution, in_words
from cdp.load_figures import Figures
from cdp.load_results import HealthJudged
from load.answer import Failure
from load.evaluation import share_in_words
from load.health.sample import HealthSample
from load.objectives import Kind, Objective

CPU_LIMIT = 0.85
STEAL_LIMIT = 0.05
THROTTLED_LIMIT = 0.02
DESCRIPTOR_LIMIT = 0.90
PORT_LIMIT = 0.90
MEMORY_LIMIT = 0.05
DELAY_SHARE = 0.10
DELAY_LIMIT_NS = 10_000_000
FULL_LIMIT = 0.01
UNSENT_LIMIT = 0.001
WINDOW_S = 5.0
OF_DELAY = ("CPU:", "steal:", "throttling:", "event loop:", "send lateness:", "read lag:")
"""How the reasons begin that do nothing but delay: what was measured in spite of them can only be quicker in truth."""
_SLOW_NS = 1_000_000_000  # without a latency objective a target that takes longer is the slow one
_HIGHEST = 99.9  # of the percentiles that delays are looked at by: a maximum is one request
_CPU_WAIT_TOLD = 0.10
_SLACK_S = 0.05


@dataclass(frozen=True)
class Peak:
    """The worst mean of a share over the window, where and when."""

    share: float
    process: str
    from_s: float
    to_s: float

    @property
    def when(self) -> str:
        return f"from {max(0.0, self.from_s):.0f} s to {self.to_s:.0f} s"


def judge(
    samples: Iterable[HealthSample],
    objectives: Sequence[Objective],
    figures: Figures,
    *,
    warm_up_s: float = 0.0,
    shares_machine: bool = False,
    cores: int = 0,
) -> HealthJudged:
    """Judge the generator by all samples of all its processes. `figures`: everything that the run recorded.

    `shares_machine`: the target runs on this machine, too; `cores`: how many it has (0: not known).
    """
    judged = [each for each in samples if each.to_s > max(0.0, warm_up_s) + _SLACK_S]
    notes = [_shared(cores)] if shares_machine else []
    if not judged:
        return HealthJudged(True, ["the generator was not watched: no sample was taken in the judged time"], notes, "")
    health = _Health(judged, objectives, figures)
    causes = [*health.shares_of_time(), *health.levels(), *health.connections()]
    reasons = [reason for reason in causes if reason]
    if not any(health.shares_of_time()):
        reasons += health.delays()
    wait = health.peak(lambda sample: sample.cpu_wait)
    if wait.share > _CPU_WAIT_TOLD:
        notes.append(
            f"{wait.process} waited for a CPU {share_in_words(wait.share)} of the time {wait.when}: something else "
            "runs on this machine"
        )
    return HealthJudged(bool(reasons), reasons, notes, health.line())


def delay_ns(samples: Iterable[HealthSample], percentile: float = 99.0) -> int:
    """By how much the generator made answers look later than they were, at a percentile, in ns."""
    samples = list(samples)
    parts = ([each.hub for each in samples], [each.lateness for each in samples], [each.read_lag for each in samples])
    return max(Distribution.merged(part).percentile(percentile) for part in parts)


def _shared(cores: int) -> str:
    of = f"the {cores} cores" if cores > 1 else "the core" if cores else "the CPU"
    return (
        f"target and generator share {of} of this machine: the rate is what both can do together, and less than the "
        "target could do alone"
    )


class _Health:
    def __init__(self, samples: list[HealthSample], objectives: Sequence[Objective], figures: Figures) -> None:
        self.samples = samples
        self.objectives = [each for each in objectives if each.of_answers]
        self.figures = figures
        self.by_process: dict[str, list[HealthSample]] = defaultdict(list)
        for sample in sorted(samples, key=lambda each: each.to_s):
            self.by_process[sample.process].append(sample)
        self.kinds: dict[str, int] = defaultdict(int)
        for error, count in figures.errors.items():
            self.kinds[error.kind] += count

    # --- shares of time

    def shares_of_time(self) -> list[str]:
        return [reason for reason in (self._cpu(), self._steal(), self._throttled()) if reason]

    def peak(self, share: Callable[[HealthSample], float | None]) -> Peak:
        """The worst mean of a share over the window, of all processes."""
        peaks = [_peak(series, share) for series in self.by_process.values()]
        return max(peaks, key=lambda peak: peak.share)

    def _cpu(self) -> str:
        peak = self.peak(lambda sample: sample.cpu)
        if peak.share <= CPU_LIMIT:
            return ""
        return (
            f"CPU: {peak.process} used {peak.share:.0%} of a core {peak.when} (limit {CPU_LIMIT:.0%}); "
            "use more --processes, or another machine"
        )

    def _steal(self) -> str:
        peak = self.peak(lambda sample: sample.steal)
        if peak.share <= STEAL_LIMIT:
            return ""
        return (
            f"steal: the hypervisor gave {peak.share:.0%} of this machine's CPU time to others {peak.when} (limit "
            f"{STEAL_LIMIT:.0%}); use a machine whose CPUs are its own"
        )

    def _throttled(self) -> str:
        peak = self.peak(lambda sample: sample.throttled)
        if peak.share <= THROTTLED_LIMIT:
            return ""
        return (
            f"throttling: the container's CPU limit stopped the generator for {peak.share:.0%} of the time {peak.when} "
            f"(limit {THROTTLED_LIMIT:.0%}); raise or remove that CPU limit"
        )

    # --- levels

    def levels(self) -> list[str]:
        return [reason for reason in (self._descriptors(), self._ports(), self._memory()) if reason]

    def _descriptors(self) -> str:
        worst = max(self.samples, key=lambda each: each.descriptors / (each.descriptor_limit or 1e18))
        used, limit = worst.descriptors, worst.descriptor_limit
        failed = self.kinds[Failure.NO_DESCRIPTOR.name]
        if not failed and (not limit or used <= DESCRIPTOR_LIMIT * limit):
            return ""
        unsent = f", and {failed:,} requests could not be sent" if failed else ""
        of = f"{used:,} of {limit:,}" if limit else f"{used:,}"
        return (
            f"file descriptors: {worst.process} had {of} open{unsent} (limit {DESCRIPTOR_LIMIT:.0%}); raise "
            "`ulimit -n`, or use more --processes"
        )

    def _ports(self) -> str:
        used, ports = self._ports_used()
        failed = self.kinds[Failure.NO_PORT.name]
        if not failed and (not ports or used <= PORT_LIMIT * ports):
            return ""
        unsent = f", and {failed:,} requests could not be sent" if failed else ""
        return (
            f"ports: {used:,} of {ports:,} were taken{unsent} (limit {PORT_LIMIT:.0%}); widen "
            "net.ipv4.ip_local_port_range, or use more machines (a target that keeps connections open needs far fewer)"
        )

    def _ports_used(self) -> tuple[int, int]:
        """The most ports in use on one machine at about one time, and how many it has."""
        worst = (0, 0)
        moments: dict[tuple[str, int], dict[str, HealthSample]] = defaultdict(dict)
        for sample in self.samples:
            moments[sample.host, int(sample.to_s)][sample.process] = sample
        for together in moments.values():
            ports = max(each.ports for each in together.values())
            used = sum(each.sockets for each in together.values()) + max(each.time_wait for each in together.values())
            if ports and used / ports >= worst[0] / (worst[1] or 1):
                worst = used, ports
        return worst

    def _memory(self) -> str:
        known = [each for each in self.samples if each.memory_free is not None]
        if not known:
            return ""
        worst = min(known, key=lambda each: each.memory_free or 0.0)
        if (worst.memory_free or 0.0) >= MEMORY_LIMIT:
            return ""
        return (
            f"memory: {worst.memory_free or 0.0:.1%} of this machine's memory was left at {worst.to_s:.0f} s (limit "
            f"{MEMORY_LIMIT:.0%}); free some, or use another machine"
        )

    # --- connections

    def connections(self) -> list[str]:
        offered = self.figures.offered
        found_full = sum(each.found_full for each in self.samples)
        if not found_full and self.figures.never_sent > UNSENT_LIMIT * offered:
            return [
                f"unsent: {self.figures.never_sent:,} of {offered:,} arrivals were never sent, though connections were "
                "free; use more --processes, or another machine"
            ]
        waited = found_full + self.figures.never_sent  # what is still in the queue at the end was never tried
        if not offered or not found_full or waited <= FULL_LIMIT * offered:
            return []
        percentile, limit_ns = min(
            ((min(max(each.percentile, 99.0), 100.0), each.limit) for each in self.objectives),
            key=lambda each: each[1],
            default=(99.0, _SLOW_NS),
        )
        service_ns = self.figures.service.percentile(percentile)
        if service_ns > limit_ns:
            return []
        return [
            f"connections: all were busy for {waited:,} of {offered:,} arrivals, while the target answered in time "
            f"(service time p{percentile:g} {in_words(service_ns)}); raise --connections"
        ]

    # --- delays

    def delays(self) -> list[str]:
        late_words = "sends were late by"
        cure = self._cure()
        hub = self._delay(lambda each: each.hub, "event loop: it stood still for", cure)
        if hub:  # whatever else came late came late because of it
            return [hub]
        lateness = self._delay(lambda each: each.lateness, f"send lateness: {late_words}", cure)
        read_lag = self._delay(lambda each: each.read_lag, "read lag: answers lay in the kernel for", cure)
        return [reason for reason in (lateness, read_lag) if reason]

    def _cure(self) -> str:
        wait = self.peak(lambda sample: sample.cpu_wait)
        if wait.share > _CPU_WAIT_TOLD:
            return (
                f"it waited for a CPU {wait.share:.0%} of the time {wait.when}, so leave it a core of its own, or use "
                "another machine"
            )
        return "use more --processes, or another machine"

    def _delay(self, times: Callable[[HealthSample], Distribution], what: str, cure: str) -> str:
        """The worst breach of a limit by this delay, in one line; empty when there is none."""
        worst: tuple[float, str] = (1.0, "")
        for percentile, limit_ns, window_s in self._delay_limits():
            for part, when in _windows(self.samples, window_s):
                found = Distribution.merged(times(each) for each in part)
                if not self.objectives and found.above(limit_ns) <= 1:
                    continue  # one late request of a few says nothing while no latency is judged
                delay_ns = found.percentile(percentile)
                if delay_ns / limit_ns > worst[0]:
                    process = max(part, key=lambda each: times(each).percentile(percentile)).process
                    words = (
                        f"{what} {in_words(delay_ns)} at p{percentile:g}{when}, most in {process} (limit "
                        f"{in_words(limit_ns)}, {self._limit_of()}); {cure}"
                    )
                    worst = (delay_ns / limit_ns, words)
        return worst[1]

    def _limit_of(self) -> str:
        return "a tenth of the objective" if self.objectives else "without a latency objective"

    def _delay_limits(self) -> list[tuple[float, float, float]]:
        """Percentile, limit in ns and window in s (0: the judged time) that a delay has to keep."""
        if not self.objectives:
            return [(99.0, DELAY_LIMIT_NS, 0.0)]
        return [
            (
                99.0 if each.kind is Kind.MEAN else min(max(each.percentile, 99.0), _HIGHEST),
                each.limit * DELAY_SHARE,
                each.window_s,
            )
            for each in self.objectives
        ]

    # --- in one line

    def line(self) -> str:
        """How the generator was, in one line."""
        parts = [f"CPU {self.peak(lambda each: each.cpu).share:.0%} of a core"]
        for name, times in (
            ("send lateness", Distribution.merged(each.lateness for each in self.samples)),
            ("event loop", Distribution.merged(each.hub for each in self.samples)),
            ("read lag", Distribution.merged(each.read_lag for each in self.samples)),
        ):
            if times.count:
                parts.append(f"{name} p99 {in_words(times.percentile(99))}")
        if any(each.steal is not None for each in self.samples):
            parts.append(f"steal {share_in_words(self.peak(lambda each: each.steal).share)}")
        used = max(each.descriptors / each.descriptor_limit if each.descriptor_limit else 0.0 for each in self.samples)
        parts.append(f"descriptors {used:.0%}")
        taken, ports = self._ports_used()
        if ports:
            parts.append(f"ports {taken / ports:.0%}")
        parts.append(f"memory {sum(self._memory_of_processes()) / 1e6:,.0f} MB")
        if len(self.by_process) > 1:
            parts.append(f"{len(self.by_process)} processes")
        return ", ".join(parts)

    def _memory_of_processes(self) -> list[int]:
        return [max(each.memory_bytes for each in series) for series in self.by_process.values()]


def _peak(series: list[HealthSample], share: Callable[[HealthSample], float | None]) -> Peak:
    """The worst mean of a share over five seconds of one process, weighted by how long each sample was."""
    worst = Peak(0.0, series[0].process, 0.0, 0.0)
    known = [(each, found) for each in series if (found := share(each)) is not None]
    begin, weight, total = 0, 0.0, 0.0
    whole = sum(each.span_s for each, _ in known)
    for sample, value in known:
        total += value * sample.span_s
        weight += sample.span_s
        while weight - known[begin][0].span_s >= WINDOW_S - _SLACK_S:
            first, of_first = known[begin]
            total -= of_first * first.span_s
            weight -= first.span_s
            begin += 1
        if weight >= min(WINDOW_S - _SLACK_S, whole - 1e-9) and weight > 0 and total / weight > worst.share:
            worst = Peak(total / weight, sample.process, known[begin][0].from_s, sample.to_s)
    return worst


def _windows(samples: list[HealthSample], window_s: float) -> Iterable[tuple[list[HealthSample], str]]:
    """The samples of each window, with words for when it was; the whole judged time where there is no window."""
    if not window_s:
        yield samples, ""
        return
    ordered = sorted(samples, key=lambda each: each.to_s)
    first_s = ordered[0].from_s
    begin = 0
    for end, last in enumerate(ordered):
        while ordered[begin].from_s < last.to_s - window_s - _SLACK_S:
            begin += 1
        if last.to_s - first_s >= window_s - _SLACK_S:
            yield ordered[begin : end + 1], f" from {max(0.0, last.to_s - window_s):.0f} s to {last.to_s:.0f} s"
