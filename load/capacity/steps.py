"""What becomes of a step: passed, failed, or void, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cdp.distribution import Distribution
from cdp.load_figures import Figures
from cdp.load_results import HealthJudged, Step
from cdp.statistics.intervals import percentile_interval
from load.capacity.search import Kind, Order
from load.capacity.shares import allowed_share, beyond
from load.capacity.watch import BACKLOG, Held, State, StepWatch
from load.health.judge import OF_DELAY
from load.objectives import Kind as ObjectiveKind
from load.objectives import Objective

PASSED, FAILED, VOID = "passed", "failed", "void"
BURST = "server errors or broken connections"
LEAST_STEP_S = 4.0  # of judged time, before anything ends a step but a queue that grows
_STOOD_STILL = 0.5  # of the strictest limit of a time: what this side may delay before a failure is its own
_FAR = 8.0  # times the allowed share: so far beyond, a step need not go on
_GROWING = 25.0  # times a limit: how long a queue needs to grow to it at a rate 4 % too high
_CURVE = (50, 90, 95, 99, 99.9)


def growing_s(objectives: Sequence[Objective]) -> float:
    """Seconds that a queue needs to grow to the longest limit of a time, at a rate 4 % too high: after t seconds who
    comes waits for 0.04 t."""
    return _GROWING * max((each.limit / 1e9 for each in objectives if each.of_answers), default=0.0)


def is_over(watch: StepWatch, kind: Kind, longest_s: float) -> str:
    """Why a step may end now; empty while it has to go on. A confirmation is never cut short by good news, and nothing
    is by bad news that is not overwhelming: if unlucky steps were shorter than lucky ones, the estimate would lean."""
    held = watch.judge()
    broken = [each for each in held if each.state is State.BROKEN and _overwhelming(each)]
    if any(each.text == BACKLOG for each in broken):
        return "the backlog grows"
    if watch.judged_s >= LEAST_STEP_S:
        if broken:
            return f"{broken[0].text} is broken"
        clear = all(each.state is State.HOLDS for each in held if not _of_none(each))
        # Good news that came before a queue could grow is none.
        seen = watch.judged_s >= min(growing_s(watch.objectives), longest_s) / 2
        if clear and seen and watch.far_from_limits and kind in (Kind.CLIMB, Kind.BISECT):
            return "everything is clear"
    return "its time is up" if watch.judged_s >= longest_s else ""


def beyond_doubt(step: Step, objectives: Sequence[Objective]) -> bool:
    """Whether a step failed by so much that no hiccup explains it."""
    limits = {each.text: allowed_share(each) for each in objectives}
    for record in step.objectives:
        allowed, hits = limits.get(record["objective"]), record.get("hits", 0)
        share = hits / record["count"] if record.get("count") else 0.0
        if record["state"] == State.BROKEN and (record["objective"] == BACKLOG or (allowed and share > _FAR * allowed)):
            return True
    return False


def _overwhelming(held: Held) -> bool:
    share, allowed = held.share, held.allowed
    return share is None or not allowed or share.value > _FAR * allowed


def _of_none(held: Held) -> bool:
    """Whether nothing at all is allowed: that is broken or not, and never becomes clear."""
    return held.state is State.OPEN and held.share is not None and not held.share.hits


def judged(
    order: Order,
    number: int,
    watch: StepWatch,
    health: HealthJudged,
    objectives: Sequence[Objective],
    *,
    from_s: float,
    to_s: float,
    burst: bool,
    balance: str,
    delay_ns: int,
    renewed: bool = False,
) -> Step:
    """The step as it is stored. `burst`: it was stopped by a burst of errors; `balance`: why its books do not balance;
    `delay_ns`: by how much the generator made answers look late; `renewed`: the token ran out meanwhile.

    A step that missed something while requests waited for another token is void, and so is one in which the generator
    was the limit. Two kinds stand all the same where it was only slow: one that held, with every delay of the generator
    in its latencies, and one whose service time misses the objective even when those delays are taken off; unless they
    were as long as half of a limit, because a machine that stands still stops more than what is measured of it. A
    latency that is missed is the target's only when its service time is missed too or the queue grows: else the
    requests waited on this side.
    """
    held = watch.judge()
    missed = [each for each in held if not each.holds]
    verdict, reason = PASSED, ""
    if burst:
        verdict, reason = FAILED, f"{BURST} were more than half of all answers"
    elif missed:
        verdict, reason = FAILED, _named(missed[0])
    void = _void(watch, health, objectives, missed, balance, delay_ns) if not burst else ""
    if missed and renewed and not burst:
        void = void or "the token ran out and was renewed meanwhile"
    if void:
        verdict, reason = VOID, void
    figures = watch.figures
    return Step(
        number=number,
        purpose=order.kind.value,
        rate=order.rate,
        from_s=round(from_s, 3),
        to_s=round(to_s, 3),
        judged_s=round(watch.judged_s, 3),
        verdict=verdict,
        reason=reason,
        clear=all(each.state is not State.OPEN or _of_none(each) for each in held),
        offered_rate=round(watch.offered_rate, 3),
        good_rate=round(watch.good_rate, 3),
        events_rate=round(watch.events_rate, 3),
        in_flight=round(watch.in_flight, 3),
        growth=round(watch.growth, 3),
        objectives=[_record(each) for each in held],
        curve=curve_of(figures, held),
        counts={"good": figures.good, "failed": figures.failed, "offered": figures.offered, "bad": figures.bad},
        errors=[{**error._asdict(), "count": count} for error, count in figures.errors.most_common(5)],
        tails=[_tail(watch, each) for each in objectives],
        mean_latency_ns=round(figures.latency.mean_ns),
        generator=health.line,
    )


def _tail(watch: StepWatch, objective: Objective) -> dict[str, Any]:
    if allowed_share(objective) is None or not watch.spans:
        return {}
    tail = watch.tail(objective)
    return {"counts": tail.counts.astype(int).tolist(), "hits": tail.hits.astype(int).tolist()}


def _void(
    watch: StepWatch,
    health: HealthJudged,
    objectives: Sequence[Objective],
    missed: Sequence[Held],
    balance: str,
    delay_ns: int,
) -> str:
    """Why a step says nothing of the target; empty when it does."""
    if balance:
        return f"the books do not balance: {balance}"
    if not watch.figures.offered:
        return "nothing was sent"
    of_latency = all(_of_latency(each, objectives) for each in missed)
    if health.inconclusive:
        only_slow = all(reason.startswith(OF_DELAY) for reason in health.reasons)
        trusted = of_latency and not _stood_still(objectives, delay_ns)
        if not only_slow or (missed and not (trusted and _service_fails(watch, objectives, missed, delay_ns))):
            return f"the generator was the limit: {health.reasons[0]}"
    if missed and of_latency and not _service_fails(watch, objectives, missed):
        return f"{_named(missed[0])}, but the service time held and no queue grew: requests waited on this side"
    return ""


def _stood_still(objectives: Sequence[Objective], delay_ns: int) -> bool:
    limits = [each.limit for each in objectives if each.of_answers]
    return bool(limits) and delay_ns > _STOOD_STILL * min(limits)


def _of_latency(held: Held, objectives: Sequence[Objective]) -> bool:
    return held.text == BACKLOG or any(
        each.text == held.text and each.scenario == held.scenario and each.of_answers and not each.service
        for each in objectives
    )


def _service_fails(
    watch: StepWatch, objectives: Sequence[Objective], missed: Sequence[Held], delay_ns: int = 0
) -> bool:
    """Whether the service time misses an objective of the latency, too, by more than a delay; or the queue grows."""
    if any(each.text == BACKLOG for each in missed):
        return True
    for objective in objectives:
        if not objective.of_answers:
            continue
        objective = replace(objective, limit=objective.limit + delay_ns)
        service = watch.of(objective.scenario).service
        allowed = allowed_share(objective)
        if objective.kind is ObjectiveKind.MEAN:
            if not objective.holds(service.mean_ns):
                return True
            continue
        hits, count = beyond(objective, Figures(latency=service, service=service))
        if allowed is not None and count and hits / count > allowed:
            return True
    return False


def _named(held: Held) -> str:
    scenario = f"{held.scenario}: " if held.scenario else ""
    if held.text == BACKLOG:
        return f"the backlog grew by {held.value.lstrip('+')} ({held.detail})"
    return f"{scenario}{held.text} was {held.value}" + (f" ({held.detail})" if held.detail else "")


def _record(held: Held) -> dict[str, Any]:
    share = held.share
    return {
        "objective": held.text,
        "scenario": held.scenario,
        "state": held.state.value,
        "holds": held.holds,
        "value": held.value,
        "detail": held.detail,
        **({"hits": share.hits, "count": share.count, "design_effect": round(share.design_effect, 3)} if share else {}),
    }


def curve_of(figures: Figures, held: Sequence[Held]) -> dict[str, dict[str, list[int]]]:
    """Of latency and service time: each percentile with its 95 % interval in ns, as far as the sample has one."""
    effects = [each.share.design_effect for each in held if each.share is not None]
    effect = max(effects, default=1.0)
    return {
        name: {f"{percentile:g}": _with_ends(times, percentile, effect) for percentile in _CURVE}
        for name, times in (("latency", figures.latency), ("service", figures.service))
        if times.count
    }


def _with_ends(times: Distribution, percentile: float, effect: float) -> list[int]:
    ends = percentile_interval(times, percentile, effect)
    return [times.percentile(percentile), *(ends or ())]
