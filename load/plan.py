"""What a run is going to do: its schedule, and which part of it each process has."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from load.arrivals.schedule import Schedule, ScheduleError, ramp, spike, steady, steps, trace
from load.capacity.shares import check_objectives
from load.objectives import Objective, ObjectiveError, parse_objectives
from load.options import LoadOptions, OptionError
from load.scenario import ScenarioError
from load.scenarios.data import Sizes
from load.scenarios.hot import yesterday

# Of each scenario, the parts that objectives may name.
PARTS = {"search": ("search",), "ingest": ("ingest",), "mixed": ("search", "ingest", "lists")}


@dataclass(frozen=True)
class Plan:
    """What a process is to send: stripe `stripe` of `stripes` of the run `run` (the prefix of all that it writes), with
    the run's options as a record. `directory`: where the coordinator keeps the run's files; `day`: when events are said
    to have happened (ISO 8601), the same for all processes."""

    run: str
    stripe: int
    stripes: int
    options: dict[str, Any]
    directory: str = ""
    day: str = field(default_factory=lambda: yesterday().isoformat())

    def as_message(self) -> dict[str, Any]:
        return asdict(self)


def schedule_of(options: LoadOptions) -> Schedule:
    """The schedule that the options ask for. Raises ScheduleError in one line; OptionError in a closed loop, and where
    a search chooses the rates."""
    poisson = options.arrivals == "poisson"
    shape, _, file = options.shape.partition(" ")
    if shape == "trace":
        pieces = trace(Path(file), options.duration_s)
        return Schedule(pieces, options.seed, poisson, f"trace {Path(file).name}")
    if options.rate is None or options.duration_s is None:
        raise OptionError("a closed loop, and a search for capacity, have no schedule")
    make = {"steady": steady, "soak": steady, "ramp": ramp, "spike": spike, "steps": steps}[shape]
    words = f"{options.rate:g}/s" if make is steady else f"{shape} up to {options.rate:g}/s"
    return Schedule(make(options.rate, options.duration_s), options.seed, poisson, words)


def _check_visible(objectives: list[Objective], options: LoadOptions) -> None:
    """Raises ObjectiveError where nobody looks for what an objective limits."""
    wanted = next((each.text for each in objectives if each.visible), "")
    if wanted and (options.scenario == "search" or options.no_audit):
        why = "the scenario search sends no events" if options.scenario == "search" else "--no-audit leaves it out"
        raise ObjectiveError(f"{wanted} is told by the audit's sample of events, and {why}")


def check(options: LoadOptions) -> None:
    """Whether all of it can be used, before anything is sent. Raises OptionError in one line."""
    try:
        objectives = parse_objectives(options.slo, PARTS[options.scenario])
        Sizes(options.batch)
        _check_visible(objectives, options)
        if options.find_capacity:
            check_objectives(objectives)
            return
        requests = schedule_of(options).expected() if options.open_loop else 0
    except (ObjectiveError, ScheduleError, ScenarioError) as error:
        raise OptionError(str(error)) from None
    if requests > options.max_requests:
        raise OptionError(
            f"this run would send about {requests:,.0f} requests, more than --max-requests {options.max_requests:,}"
        )
