"""How well changes are told from noise: `python -m benchmarks.changes [--series N] [--pairs N]`.

First the change points over nights. Each simulated series has 60 nights of the same build with lognormal noise, some
nights that are much worse (3 % of them, by four standard deviations on the average) and a weekly pattern (weekends 5 %
lower), and is looked at night after night. Unchanged series say how often an alarm is false; series whose p99 rises by
10 % how soon it is found. Then pairs of load runs: how often a run of the same build is called slower or quicker, and
how often a build that is slower is found, with the noise told from eight accepted runs, and from halves of the runs.
Everything is drawn from fixed seeds.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.simulated_nights import USUAL, Build, Nights, load_run, nights
from cdp.comparison.load import compare_load_runs
from cdp.comparison.model import Told
from cdp.statistics.change_points import LEAST, ChangePoint, change_points

BEFORE = 60  # nights of the same build
WATCHED = 14  # nights on which an unchanged series is looked at
SHIFT = 0.10
LATEST = 10  # nights after the change that are looked at
NEAR = 2  # nights by which a change point may be beside the true one
NOISES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.08)


@dataclass
class Found:
    """What came out for one level of noise."""

    series: int
    at_the_end: int = 0
    any_night: int = 0
    after: list[int | None] = field(default_factory=list)

    def within(self, count: int) -> float:
        """The share of changes that were found within so many nights, that of the change among them."""
        return sum(after is not None and after <= count for after in self.after) / len(self.after)

    @property
    def usual_nights(self) -> str:
        """The median of nights until it was found."""
        return f"{np.median([LATEST + 1 if after is None else after for after in self.after]):.0f}"


def measure(noise: float, series: int, watched: int = WATCHED, latest: int = LATEST, shift: float = SHIFT) -> Found:
    """Try one level of noise (standard deviation of a night, as a share) on series with a change and without."""
    found = Found(series)
    for number in range(series):
        draw = np.random.default_rng((number, round(noise * 1e6)))
        unchanged = nights(draw, BEFORE + watched, noise)
        alarms = [bool(_points(unchanged, end)) for end in range(BEFORE + 1, BEFORE + watched + 1)]
        found.at_the_end += alarms[-1]
        found.any_night += any(alarms)
        changed = nights(draw, BEFORE + latest, noise, shift, BEFORE)
        found.after.append(_found_after(changed, latest))
    return found


def _points(series: Nights, end: int) -> list[ChangePoint]:
    return change_points(series.values[:end], series.weekdays[:end])


def _found_after(series: Nights, latest: int) -> int | None:
    """After how many nights of the new level a rise near its beginning is told."""
    for after in range(LEAST, latest + 1):
        points = _points(series, BEFORE + after)
        if any(abs(point.index - BEFORE) <= NEAR and point.after > point.before for point in points):
            return after
    return None


def compare(pairs: int, build: Build, slower: float, accepted: int, seconds: int = 60) -> Counter[Told]:
    """What is told of so many pairs of runs, the second of a build that is slower by a share, with so many accepted
    runs of the first build."""
    told: Counter[Told] = Counter()
    for number in range(pairs):
        draw = np.random.default_rng((number, accepted, round(slower * 1e6)))
        earlier = [load_run(draw, build, seconds=seconds) for _ in range(max(1, accepted))]
        now = load_run(draw, build, seconds=seconds, slower=slower)
        told[compare_load_runs(earlier[-1], now, earlier if accepted else ()).told] += 1
    return told


def print_change_points(series: int) -> None:
    """The table of change points over nights."""
    print(f"change points in {series} series of {BEFORE} nights each; the change is {SHIFT:+.0%} of p99")
    print("noise of  false alarms      false alarms on   found within            usual nights")
    print(f"a night   after {BEFORE + WATCHED} nights   any of {WATCHED} nights   3 / 5 / 7 / 10 nights   until found")
    for noise in NOISES:
        found = measure(noise, series)
        ends, anys = found.at_the_end / found.series, found.any_night / found.series
        shares = " / ".join(f"{found.within(count):4.0%}" for count in (3, 5, 7, 10))
        print(f"{noise:6.0%}    {ends:10.1%}        {anys:10.1%}        {shares}   {found.usual_nights:>6}", flush=True)


def print_comparisons(pairs: int) -> None:
    """The table of pairs of load runs."""
    print(f"pairs of load runs of 60 s at 100 requests a second, {pairs} for each row")
    print("runs differ by   accepted runs   second run        worse   better   no evidence   cannot tell")
    for run_noise in (0.02, 0.05):
        for accepted in (8, 0):
            for slower in (0.0, 0.1, 0.2, 0.4):
                told = compare(pairs, replace(USUAL, run_noise=run_noise), slower, accepted)
                shares = "   ".join(f"{told[each] / pairs:8.0%}" for each in Told.__members__.values())
                name = f"{slower:+.0%}" if slower else "the same build"
                print(f"{run_noise:8.0%}         {accepted or 'halves':>8}        {name:<16}{shares}", flush=True)


def main() -> None:
    """Print the tables of docs/gate.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=200, help="simulated series for each level of noise")
    parser.add_argument("--pairs", type=int, default=100, help="simulated pairs of load runs for each row")
    options = parser.parse_args()
    began = time.monotonic()
    print_change_points(options.series)
    print()
    print_comparisons(options.pairs)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
