"""The answer of a search for capacity: one sentence with an interval, and what stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from cdp.load_results import FOUND, INCONCLUSIVE, MISSED, SUSTAINED, Capacity, Decision, Step
from load.capacity.estimate import BRACKET, Estimate, Tail, estimate
from load.capacity.search import Kind
from load.capacity.shares import allowed_share
from load.capacity.steps import BURST, FAILED, PASSED, VOID, beyond_doubt
from load.capacity.watch import BACKLOG
from load.objectives import Objective
from load.verdict import INCONCLUSIVE_CODE, MET_CODE, MISSED_CODE

_STEPS = (Kind.CLIMB.value, Kind.BISECT.value, Kind.CONFIRM.value, Kind.RECHECK.value, Kind.REFINE.value)
_LEAST_SHAPE = 4  # steps without which no shape is fitted


def counting(steps: Sequence[Step]) -> list[Step]:
    """The steps that say something of the target."""
    withdrawn = refuted(steps)
    return [each for each in steps if each.purpose in _STEPS and each.verdict != VOID and each not in withdrawn]


def refuted(steps: Sequence[Step]) -> list[Step]:
    """The steps that failed and held when they were repeated, at once on the way up or at the end: a hiccup, of
    whichever side."""
    judged = [each for each in steps if each.purpose in _STEPS and each.verdict != VOID]
    climbed = [each for each in judged if each.purpose == Kind.CLIMB.value]
    found = [
        once
        for once, again in pairwise(climbed)
        if once.verdict == FAILED and again.verdict == PASSED and once.rate == again.rate
    ]
    for place, again in enumerate(judged):
        if again.purpose == Kind.RECHECK.value and again.verdict == PASSED:
            found += [once for once in judged[:place] if once.verdict == FAILED and once.rate == again.rate]
    return found


def bracket(steps: Sequence[Step]) -> tuple[float | None, float | None]:
    """The highest rate that held below the lowest that failed, and that one. Rates are the planned ones."""
    searched = [each for each in counting(steps) if each.purpose != Kind.REFINE.value]
    failed = min((each.rate for each in searched if each.verdict == FAILED), default=None)
    held = max(
        (each.rate for each in searched if each.verdict == PASSED and (failed is None or each.rate < failed)),
        default=None,
    )
    return held, failed


def estimates(steps: Sequence[Step], objectives: Sequence[Objective]) -> list[tuple[str, Estimate]]:
    """For each objective that some step missed: the rate at which it breaks. The lowest first."""
    held, failed = bracket(steps)
    if held is None or failed is None:
        return []
    low, high = _clear_ends(steps, held, failed)
    # A step that failed by little and held when it was repeated was chance, and chance has to stay in: without it the
    # rate would look higher than it is. One that failed by far was a hiccup.
    counted = counting(steps)
    chance = [each for each in refuted(steps) if not beyond_doubt(each, objectives)]
    found: list[tuple[str, Estimate]] = []
    for place, objective in enumerate(objectives):
        records = [each.objectives[place] for each in counted]
        if all(record["holds"] for record in records):
            continue
        allowed = allowed_share(objective)
        tails = [
            Tail(each.offered_rate, *(np.array(each.tails[place][name], dtype=float) for name in ("counts", "hits")))
            for each in (*counted, *chance)
            if each.tails and each.tails[place]
        ]
        limit_s = objective.limit / 1e9 if objective.of_time else 0.0
        found.append((objective.text, estimate(tails, allowed or 0.0, low, high, limit_s)))
    if not found:
        grew = any(
            record["objective"] == BACKLOG and not record["holds"] for each in counted for record in each.objectives
        )
        found.append((BACKLOG if grew else BURST, Estimate((low * high) ** 0.5, low, high, BRACKET)))
    return sorted(found, key=lambda each: each[1].rate)


def _clear_ends(steps: Sequence[Step], held: float, failed: float) -> tuple[float, float]:
    """The bracket by steps that were clear: the highest rate below it that held beyond doubt, and the lowest above it
    that failed so; the bracket itself where there is none."""
    searched = counting(steps)
    low = max(
        (each.rate for each in searched if each.verdict == PASSED and each.clear and each.rate <= held), default=held
    )
    high = min((each.rate for each in searched if _failed_clearly(each) and each.rate >= failed), default=failed)
    return low, high


def _failed_clearly(step: Step) -> bool:
    return step.verdict == FAILED and any(record["state"] == "broken" for record in step.objectives)


def answered(
    steps: Sequence[Step],
    objectives: Sequence[Objective],
    *,
    scenario: str,
    ceiling: float,
    why_ceiling: str,
    peak: float | None,
    confirmed: float | None,
    obstacle: str = "",
    unfinished: str = "",
    too_short: str = "",
) -> tuple[Capacity, Decision]:
    """The answer and the decision. `obstacle`: why nothing more can be said, whatever was found (the generator was the
    limit, the target went away); `unfinished`: why the search ended before its end (its time, Ctrl-C); `too_short`:
    why its steps say less than they should."""
    held, failed = bracket(steps)
    found = [] if obstacle else estimates(steps, objectives)  # who has no answer has no interval, either
    binding, where = found[0] if found else ("", None)
    because = next((each.reason for each in counting(steps) if each.rate == failed and each.verdict == FAILED), "")
    at_best = [each for each in counting(steps) if each.verdict == PASSED and each.rate == held]
    capacity = Capacity(
        rate=where.rate if where else held,
        low=where.low if where else held,
        high=where.high if where else None,
        method=where.method if where else "",
        binding=binding,
        held=held,
        failed=failed,
        because=because,
        confirmed=confirmed,
        confirmed_s=sum(each.judged_s for each in at_best if each.purpose == Kind.CONFIRM.value),
        events_rate=max((each.events_rate for each in at_best), default=0.0),
        peak=peak,
        headroom=(where.low if where else held or 0.0) / peak if peak else None,
        recovery_s=[each.recovery_s for each in steps if each.recovery_s is not None],
        shape=fitted_shape(steps),
        void=sum(each.verdict == VOID for each in steps),
        refuted=len(refuted(steps)),
    )
    decision = _decision(capacity, objectives, scenario, ceiling, why_ceiling, obstacle, unfinished, too_short)
    return capacity, replace(decision, reasons=[*decision.reasons, *_slower(steps)])


def _slower(steps: Sequence[Step]) -> Iterator[str]:
    """That the target did not come back to what it was at first: rates that held early may not hold now."""
    recoveries = [each for each in steps if each.purpose == Kind.RECOVERY.value]
    if recoveries and recoveries[-1].verdict == FAILED:
        yield (
            "after the last overload the target was not as quick again as at first: it may sustain less now than when "
            "the search began"
        )


def _decision(
    capacity: Capacity,
    objectives: Sequence[Objective],
    scenario: str,
    ceiling: float,
    why_ceiling: str,
    obstacle: str,
    unfinished: str,
    too_short: str,
) -> Decision:
    wanted = " and ".join(each.text for each in objectives if not each.implied) or "the objectives"
    what = f"{scenario} with {wanted}"
    reasons = [text for text in (obstacle, unfinished, too_short) if text]
    if obstacle:
        reached = f"; it held {in_rate(capacity.held)} until then" if capacity.held else ""
        return Decision(INCONCLUSIVE, f"no answer: {obstacle}{reached}", INCONCLUSIVE_CODE, reasons)
    if capacity.held is None:
        return _nothing_held(capacity, what, unfinished, reasons)
    if capacity.failed is None:
        return _sustained(capacity, what, ceiling, why_ceiling, unfinished, reasons)
    if capacity.confirmed:
        reasons.append(f"{in_rate(capacity.confirmed)} was confirmed for {capacity.confirmed_s:.0f} s")
    else:
        reasons.append(f"not confirmed: {unfinished or 'no rate held for so long'}")
    return _held_to_peak(capacity, _broke(capacity, what), reasons, FOUND)


def _broke(capacity: Capacity, what: str) -> str:
    """Where the target breaks, as a sentence."""
    assert capacity.low is not None and capacity.high is not None
    if capacity.method == BRACKET:  # a rate in the middle was never tried, and no line leads to it
        sustains = f"sustains {in_rate(capacity.low)}, and less than {in_rate(capacity.high)} (between the steps)"
    else:
        sustains = f"sustains {in_rate(capacity.rate)} (95 % CI {capacity.low:,.4g}–{capacity.high:,.4g})"
    return (
        f"{sustains} of {what}{_events(capacity)}; "
        f"the first rate that fails is {in_rate(capacity.failed)}, because {capacity.because}"
    )


def _nothing_held(capacity: Capacity, what: str, unfinished: str, reasons: list[str]) -> Decision:
    """No rate held, be it that none was judged."""
    if capacity.failed is None:
        return Decision(INCONCLUSIVE, f"no answer: {unfinished or 'no step was judged'}", INCONCLUSIVE_CODE, reasons)
    lowest = in_rate(capacity.failed) + (", the lowest rate that was tried," if unfinished else "")
    sentence = f"it does not even sustain {lowest} of {what}, because {capacity.because}"
    return Decision(MISSED, sentence, MISSED_CODE, reasons)


def _sustained(
    capacity: Capacity, what: str, ceiling: float, why_ceiling: str, unfinished: str, reasons: list[str]
) -> Decision:
    """Nothing failed."""
    assert capacity.held is not None
    sentence = f"sustains at least {in_rate(capacity.held)} of {what}{_events(capacity)}"
    if capacity.held < ceiling:
        return Decision(INCONCLUSIVE, f"no answer: {unfinished}; it {sentence}", INCONCLUSIVE_CODE, reasons)
    return _held_to_peak(capacity, f"{sentence}; nothing faster was tried: {why_ceiling}", reasons, SUSTAINED)


def _held_to_peak(capacity: Capacity, sentence: str, reasons: list[str], headline: str) -> Decision:
    if capacity.peak is None or capacity.headroom is None:
        return Decision(headline, sentence, MET_CODE, [sentence, *reasons])
    words = f"headroom to {in_rate(capacity.peak)}: {capacity.headroom:.2f} times"
    if capacity.headroom >= 1:
        return Decision(headline, f"{sentence}; {words}", MET_CODE, [sentence, words, *reasons])
    if (capacity.high or 0.0) >= capacity.peak:
        words = f"{in_rate(capacity.peak)} lies within the interval"
        return Decision(INCONCLUSIVE, f"{sentence}; {words}", INCONCLUSIVE_CODE, [sentence, words, *reasons])
    return Decision(MISSED, f"{sentence}; {words}", MISSED_CODE, [sentence, words, *reasons])


def in_rate(rate: float | None) -> str:
    """A rate in words, to four digits."""
    if rate is None:
        return "–"
    return f"{rate:,.0f}/s" if rate >= 1000 else f"{rate:.4g}/s"


def _events(capacity: Capacity) -> str:
    return f" ({capacity.events_rate:,.0f} events/s)" if capacity.events_rate else ""


def fitted_shape(steps: Sequence[Step]) -> dict[str, float] | None:
    """The universal scalability law X(N) = λN / (1 + σ(N-1) + κN(N-1)) through the steps (Gunther, Guerrilla Capacity
    Planning, 2007), N the mean number of requests under way. A shape, and no forecast: σ is what waits for each other,
    κ what makes each other slower. None where too few steps differ."""
    rows = sorted(
        {(each.in_flight, each.good_rate) for each in counting(steps) if each.in_flight > 0 and each.good_rate > 0}
    )
    if len(rows) < _LEAST_SHAPE:
        return None
    under_way, rate = np.array(rows).T
    # N/X = (1-σ)/λ + ((σ-κ)/λ) N + (κ/λ) N²: linear in three unknowns, each step weighed by its own size
    table = np.stack([np.ones_like(under_way), under_way, under_way**2], axis=1)
    weights = (rate / under_way)[:, None]
    (flat, linear, square), *_ = np.linalg.lstsq(table * weights, np.ones(len(rows)), rcond=None)
    total = flat + linear + square  # 1/λ
    if total <= 0:
        return None
    sigma, kappa = 1 - flat / total, square / total
    return {"lambda": float(1 / total), "sigma": float(max(0.0, sigma)), "kappa": float(max(0.0, kappa))}
