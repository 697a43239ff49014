"""The charts of a load run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from markupsafe import Markup

from cdp.distribution import Distribution
from cdp.load_figures import Span
from cdp.load_results import LoadRun, Step
from cdp.statistics.intervals import percentile_interval
from reports import load_summary
from reports.plots import Axis, Series, line_chart, linear_axis, log_axis

Shaded = tuple[float, float, str] | None
_ERROR_CLASSES = 6
_CURVE = (0, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.995, 99.999, 99.9999)


def charts(run: LoadRun) -> dict[str, list[Markup]]:
    """The charts by the part of the page in which they stand."""
    spans = load_summary.coarse(run.spans)
    if not spans:
        return {"capacity": [], "latency": [], "rates": [], "curve": [], "visible": [], "health": []}
    x = linear_axis("seconds from the start", [spans[-1].to_s])
    shaded = (0.0, run.warm_up_s, "warm-up: left out by the objectives") if run.warm_up_s else None
    return {
        "capacity": _capacity(run),
        "latency": _latencies(spans, x, shaded),
        "rates": [_rates(run, spans, x, shaded), _errors(spans, x, shaded), _waiting(spans, x, shaded)],
        "curve": [_curve("Latency by percentile, over the whole run", _both(run))],
        "visible": _visible(run),
        "health": _health(run, x, shaded),
    }


def _capacity(run: LoadRun) -> list[Markup]:
    """Latency and service time over the rate, and what was achieved of what was offered; without the few requests that
    only look whether the target has recovered."""
    drawn = [each for each in run.steps if each.offered_rate and each.curve and each.purpose != "recovery"]
    steps = sorted(drawn, key=lambda each: each.offered_rate)
    if len({each.offered_rate for each in steps}) < 2:
        return []
    x = linear_axis("requests a second, offered", [each.offered_rate for each in steps])
    times = [
        Series(
            f"{name} p{percentile}",
            [(each.offered_rate, _of_curve(each, name, percentile)) for each in steps],
            marks=[each.verdict for each in steps],
            band=_band(steps, name, percentile),
            joined=False,
        )
        for name, percentile in (("latency", "50"), ("latency", "99"), ("service", "99"))
    ]
    rates = [
        Series(
            "answered well",
            [(each.offered_rate, each.good_rate) for each in steps],
            marks=[each.verdict for each in steps],
        ),
        Series("offered", [(each.offered_rate, each.offered_rate) for each in steps]),
    ]
    values = [value for each in times for _, value in each.points if value is not None]
    y = log_axis("ms", values + [end for each in times for _, *both in each.band for end in both])
    most = [each.offered_rate for each in steps]
    return [
        line_chart("Latency and service time by rate", times, x, y, _interval(run)),
        line_chart("Achieved by rate", rates, x, linear_axis("requests a second", most), _interval(run)),
    ]


def _of_curve(step: Step, name: str, percentile: str) -> float | None:
    found = step.curve.get(name, {}).get(percentile)
    return found[0] / 1e6 if found else None


def _band(steps: Sequence[Step], name: str, percentile: str) -> list[tuple[float, float, float]]:
    """The 95 % intervals of the steps that have one, in ms, by their rate."""
    found = [(each.offered_rate, each.curve.get(name, {}).get(percentile) or []) for each in steps]
    return [(rate, ends[1] / 1e6, ends[2] / 1e6) for rate, ends in found if len(ends) == 3]


def _interval(run: LoadRun) -> Shaded:
    found = run.capacity
    if found is None or found.low is None or found.high is None:
        return None
    how = "95 %" if found.method == "line" else "between two steps"
    return found.low, found.high, f"where the objective breaks ({how})"


def _latencies(spans: Sequence[Span], x: Axis, shaded: Shaded) -> list[Markup]:
    """Latency and service time side by side, on one scale: what is between the two is time spent waiting."""
    both = [[each.all.latency for each in spans], [each.all.service for each in spans]]
    lines = [[_percentiles(spans, times, name) for name in ("p50", "p90", "p99", "max")] for times in both]
    values = [value for series in lines for each in series for _, value in each.points if value is not None]
    y = log_axis("ms", values)
    titles = ("Latency, from the intended start", "Service time, from the send")
    return [line_chart(title, series, x, y, shaded) for title, series in zip(titles, lines, strict=True)]


def _percentiles(spans: Sequence[Span], times: Sequence[Distribution], name: str) -> Series:
    percentile = 100.0 if name == "max" else float(name[1:])
    points = [
        (_middle(span), each.percentile(percentile) / 1e6 if each.count else None)
        for span, each in zip(spans, times, strict=True)
    ]
    return Series(name, points)


def _middle(span: Span) -> float:
    return (span.from_s + span.to_s) / 2


def _per_second(spans: Sequence[Span], name: str, count: Callable[[Span], float]) -> Series:
    return Series(name, [(_middle(each), count(each) / max(each.to_s - each.from_s, 1e-6)) for each in spans])


def _rates(run: LoadRun, spans: Sequence[Span], x: Axis, shaded: Shaded) -> Markup:
    waiting = in_flight = 0
    sent: dict[int, int] = {}
    for each in spans:
        if run.open_loop:  # what was due, without what still waits
            sent[id(each)] = max(0, each.offered - (each.waiting - waiting) - each.all.never_sent)
        else:
            sent[id(each)] = max(0, each.all.sent + each.in_flight - in_flight)
        waiting, in_flight = each.waiting, each.in_flight
    series = [
        *([_per_second(spans, "offered", lambda each: each.offered)] if run.open_loop else []),
        _per_second(spans, "sent", lambda each: sent[id(each)]),
        _per_second(spans, "answered well", lambda each: each.all.good),
    ]
    y = linear_axis("requests a second", [value or 0.0 for each in series for _, value in each.points])
    return line_chart("Requests a second", series, x, y, shaded)


def _errors(spans: Sequence[Span], x: Axis, shaded: Shaded) -> Markup:
    by_span = [_classes(each) for each in spans]
    total: Counter[str] = Counter()
    for each in by_span:
        total.update(each)
    names = [name for name, _ in total.most_common(_ERROR_CLASSES)]
    if len(total) > len(names):
        names[-1] = "all others"
        for each in by_span:
            each["all others"] = sum(count for name, count in each.items() if name not in names[:-1])
    counts = {id(span): each for span, each in zip(spans, by_span, strict=True)}
    series = [_per_second(spans, name, lambda span, name=name: counts[id(span)][name]) for name in names]  # type: ignore[misc]
    y = linear_axis("errors a second", [value or 0.0 for each in series for _, value in each.points])
    return line_chart("Errors a second, by class", series, x, y, shaded)


def _classes(span: Span) -> Counter[str]:
    found: Counter[str] = Counter()
    for error, count in span.all.errors.items():
        found[load_summary.error_class(error)] += count
    return found


def _waiting(spans: Sequence[Span], x: Axis, shaded: Shaded) -> Markup:
    series = [
        Series("in flight", [(each.to_s, each.in_flight) for each in spans]),
        Series("due, not sent", [(each.to_s, each.waiting) for each in spans]),
    ]
    y = linear_axis("requests", [value or 0.0 for each in series for _, value in each.points])
    return line_chart("Waiting for an answer, and waiting to be sent", series, x, y, shaded)


def _both(run: LoadRun) -> list[tuple[str, Distribution]]:
    return [("latency", run.all.latency), ("service time", run.all.service)]


def _visible(run: LoadRun) -> list[Markup]:
    """How long acknowledged events took until they could be read."""
    if run.audit is None or not run.audit.visible.count:
        return []
    return [_curve("Until an acknowledged event can be read, by percentile", [("visible after", run.audit.visible)])]


def _curve(title: str, distributions: Sequence[tuple[str, Distribution]]) -> Markup:
    """Whole distributions with 95 % intervals: percentiles by how many values lie beyond them, as HdrHistogram draws
    it."""
    series = []
    for name, times in distributions:
        # The end of the curve is where a single value lies beyond it.
        shown = [each for each in _CURVE if times.count * (1 - each / 100) >= 0.999]
        band = [
            (1 / (1 - each / 100), between[0] / 1e6, between[1] / 1e6)
            for each in shown
            if each > 0 and (between := percentile_interval(times, each)) is not None
        ]
        points = [(1 / (1 - each / 100), times.percentile(each) / 1e6) for each in shown]
        series.append(Series(name, points, band=band))
    ticks = [(1, "0"), (2, "50 %"), (10, "90 %"), (100, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %")]
    ends = [at for each in series for at, _ in each.points]
    high = next((at for at, _ in ticks if at >= max(ends, default=2)), 1e6)
    x = Axis(
        "percentile; the band is its 95 % interval", 1, high, [tick for tick in ticks if tick[0] <= high], log=True
    )
    values = [value for each in series for _, value in each.points if value is not None]
    values += [end for each in series for _, *both in each.band for end in both]
    return line_chart(title, series, x, log_axis("ms", values))


def _health(run: LoadRun, x: Axis, shaded: Shaded) -> list[Markup]:
    processes: dict[str, list[tuple[float, float | None]]] = {}
    for sample in run.health:
        cpu, to_s = sample.get("cpu"), sample.get("to_s")
        if isinstance(cpu, int | float) and isinstance(to_s, int | float) and to_s >= 0:
            processes.setdefault(str(sample.get("process")), []).append((float(to_s), cpu * 100))
    if not processes:
        return []
    series = [Series(name, points) for name, points in processes.items()]
    y = Axis("% of a core", 0, 100, [(each, str(each)) for each in (0, 25, 50, 75, 85, 100)])
    return [line_chart("CPU of the processes that send (limit 85 %)", series, x, y, shaded)]
