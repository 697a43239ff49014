"""`cdp capacity`: the highest rate at which objectives hold, with an interval."""

from __future__ import annotations

import sys
from typing import Any

import click

from cdp.cli.load import check_otel, conclude, load_options, opened, otel_option, read_load_options, run_locust
from cdp.cli.showing import Shown, showing_options
from cdp.cli.targeting import Choice, target_options
from load.options import SCENARIOS

_OF_A_RATE = {"rate", "shape", "warm-up", "keep-going", "find-capacity"}


@click.command()
@click.argument("scenario", type=click.Choice(SCENARIOS))
@target_options
@click.option(
    "--time", "time_text", default=None, metavar="SPAN", help="How long the whole search may take.  [default: 5m]"
)
@click.option("--processes", type=click.IntRange(1), default=None, help="Number of processes that send requests.")
@load_options(leaving_out=_OF_A_RATE)
@otel_option
@showing_options()
def capacity(
    scenario: str, choice: Choice, time_text: str | None, processes: int | None, otel: bool, shown: Shown, **given: Any
) -> None:
    """Find the highest rate at which a target holds the objectives.

    \b
    cdp capacity search --slo 'p99<300ms,errors<0.1%'
    cdp capacity ingest --slo 'p99<1s' --peak 40 --target staging

    It doubles the rate until an objective breaks, narrows down the rate at which it does, confirms the rate below, and
    answers with a 95 % interval. Exit codes: 0 the limit was found (or everything held up to the highest rate
    allowed), 1 not even the lowest rate held, or --peak is beyond the answer, 2 usage, 3 no answer, because the machine
    that sends was the limit or the target went away.
    """
    check_otel(otel)
    options = read_load_options(scenario, choice, time_text, {**given, "find_capacity": True})
    with shown.working(), opened(choice) as target:
        ended = run_locust(options, target, None, processes, shown, otel)
    conclude(ended, shown)
    sys.exit(ended.code)
