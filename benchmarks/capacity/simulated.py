"""Many searches over queues on a clock of their own: how often the interval contains the rate that theory gives, and
how wide it is. What no machine disturbs shows what the search and its estimate are worth by themselves."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from benchmarks.capacity.cases import CASES, Case
from benchmarks.capacity.simulation import Queue, constant, exponential, simulated_search
from load.capacity.answer import estimates
from load.capacity.estimate import Estimate
from load.objectives import parse_objectives

STARTS = (100.0, 170.0, 260.0, 330.0)  # arrivals a second, in turn
FREEZES = 0.06
_HEADS = (
    *("Queue", "Objective", "True rate", "Steps that freeze", "contain it", "too low", "too high"),
    *("Width, median", "90 % of widths below"),
)
_QUEUES = {"exponential": exponential, "constant": constant}


def queue_of(case: Case) -> Queue:
    """The queue that a case's server is."""
    given = dict(each.split("=") for each in case.settings)
    return Queue(_QUEUES[case.model](float(given["service_ms"]) / 1000), int(given.get("places", 1)))


def one_search(case: Case, seed: int, freezes: float) -> Estimate | None:
    """Where the objective breaks by one search of 150 s; None without an answer."""
    queue = replace(queue_of(case), freezes=freezes)
    steps, _ = simulated_search(queue, case.slo, seed, start=STARTS[seed % len(STARTS)])
    found = estimates(steps, parse_objectives(case.slo))
    return found[0][1] if found else None


def simulated_table(only: str, runs: int, first_seed: int) -> str:
    """The table of `runs` searches a queue whose truth is known, in Markdown; without and with steps that freeze."""
    lines = [f"| {' | '.join(_HEADS)} |", f"|{'---|' * len(_HEADS)}"]
    seeds = range(first_seed, first_seed + runs)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for freezes in (0.0, FREEZES):
            for case in CASES:
                if case.truth is None or only not in case.name:
                    continue
                found = list(pool.map(one_search, [case] * runs, seeds, [freezes] * runs))
                lines.append(_line(case, freezes, found))
    return "\n".join(lines)


def _line(case: Case, freezes: float, found: list[Estimate | None]) -> str:
    truth = case.truth or 0.0
    known = [each for each in found if each is not None]
    inside = sum(each.low <= truth <= each.high for each in known)
    widths = [each.width for each in known] or [0.0]
    cells = (
        *(case.name, case.slo, f"{truth:.1f}/s", f"{freezes:.0%}", f"{inside} of {len(found)}"),
        *(f"{sum(each.high < truth for each in known)}", f"{sum(each.low > truth for each in known)}"),
        *(f"{np.median(widths):.1%}", f"{np.quantile(widths, 0.9):.1%}"),
    )
    return f"| {' | '.join(cells)} |"
