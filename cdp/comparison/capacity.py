"""Two searches for capacity compared: the rate at which the objectives break, before and now."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cdp.comparison.comparable import load_differences, load_notes
from cdp.comparison.model import Comparison, Row, Told, per_cent, unknown
from cdp.comparison.noise import FLOOR, LEAST_ACCEPTED, MOST_ACCEPTED
from cdp.load_results import Capacity, LoadRun
from cdp.statistics.series import variation

CAPACITY = "capacity"


def compare_capacities(
    before: LoadRun,
    after: LoadRun,
    accepted: Sequence[LoadRun] = (),
    names: tuple[str, str] = ("the first", "the second"),
) -> Comparison:
    """Whether the rate that the target bears fell, or rose: told when the 95 % intervals of the two searches, widened
    by what searches of the same build differ by, lie apart. `accepted` and `names` as for load runs."""
    kind = f"{CAPACITY}/{after.scenario}"
    one, two = before.capacity, after.capacity
    reasons = [f"the {which} run found no limit" for which, run in (("first", one), ("second", two)) if not _found(run)]
    reasons += load_differences(before, after)
    if reasons or one is None or two is None:
        return unknown(kind, *names, reasons)
    reach, source = _noise([run.capacity for run in accepted if not load_differences(before, run)])
    low = math.log((two.low or 0) / (one.high or 1)) - reach
    high = math.log((two.high or 0) / (one.low or 1)) + reach
    row = _row(one, two, low, high)
    return Comparison(kind, *names, row.told, row.sentence, [row], [], [*load_notes(before, after), f"noise: {source}"])


def _found(capacity: Capacity | None) -> bool:
    return capacity is not None and all((capacity.rate, capacity.low, capacity.high))


def _noise(accepted: Sequence[Capacity | None]) -> tuple[float, str]:
    """How far two searches of the same build may be apart, beyond their own intervals, as a difference of logarithms,
    and from where that is known."""
    rates = [math.log(each.rate) for each in accepted[-MOST_ACCEPTED:] if each is not None and each.rate]
    if len(rates) >= LEAST_ACCEPTED:
        return variation(rates).reach, f"from {len(rates)} accepted runs"
    return math.log1p(FLOOR), f"taken for {FLOOR * 100:.0f} % (with {LEAST_ACCEPTED} accepted runs, from those)"


def _row(before: Capacity, after: Capacity, low: float, high: float) -> Row:
    shares = (math.expm1(low), math.expm1(high))
    between = " to ".join(f"{'+' if share >= 0 else '−'}{per_cent(share)} %" for share in shares)
    told, sentence = Told.UNCHANGED, f"no evidence of change ({between})"
    if high < 0:
        told, sentence = Told.WORSE, f"less by {per_cent(shares[1])}–{per_cent(shares[0])} %"
    elif low > 0:
        told, sentence = Told.BETTER, f"more by {per_cent(shares[0])}–{per_cent(shares[1])} %"
    was, now = (f"{each.rate:,.0f}/s ({each.low:,.0f}–{each.high:,.0f})" for each in (before, after))
    numbers = {"shift": (after.rate or 1) / (before.rate or 1) - 1, "low": shares[0], "high": shares[1]}
    return Row("all operations", CAPACITY, was, now, told, sentence, {name: round(n, 6) for name, n in numbers.items()})
