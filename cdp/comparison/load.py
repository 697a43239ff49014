"""Two load runs compared: latency and throughput window by window, failures, and broken requirements.

A verdict never rests on one number. A change for the worse is told when all of this holds: the rank test of the windows
(Mann and Whitney, Holm over everything compared) finds a difference; it is no small one (Cliff's delta, Hodges and
Lehmann's shift); and its interval, widened by what runs of the same build differ by (`noise`), lies on one side of
nothing. Where so large a change would not be seen, it cannot be told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cdp.comparison.comparable import load_notes, load_obstacles
from cdp.comparison.model import Comparison, Row, Told, counted, per_cent, unknown
from cdp.comparison.noise import Noise, noise_of
from cdp.comparison.windows import LEAST_WINDOWS, Window, Windows, window_s
from cdp.distribution import in_words
from cdp.load_figures import ChannelKey
from cdp.load_results import LoadRun
from cdp.statistics.ranks import RankTest, Shift, hodges_lehmann, holm, mann_whitney
from cdp.statistics.series import inflation

SIGNIFICANCE = 0.05
EFFECT = 0.33
"""Cliff's delta from which a difference is no small one (Romano, Kromrey, Coraggio and Skowronek, 2006)."""
RELEVANT = 0.05
"""The smallest shift that is told, as a share."""
BLIND = 0.30
"""When a change for the worse as large as this is possible, it cannot be told whether there was one."""
ALL = "all operations"

_LEAST_BAD = 0.001  # by which the share of failures has to rise


@dataclass(frozen=True)
class Measure:
    """What is compared: `value` of a window for one operation (None: all); `needed`: requests that a window has to hold
    for it; `sign`: 1 where more is worse, -1 where less is."""

    name: str
    needed: int
    sign: int
    value: Callable[[Window, ChannelKey | None], float | None]
    shown: Callable[[float], str]
    words: tuple[str, str]  # of a change for the worse, for the better


def _latency(percentile: float, needed: int) -> Measure:
    return Measure(
        f"p{percentile:g} latency",
        needed,
        1,
        lambda window, key: window.percentile_ms(key, percentile),
        lambda value: in_words(value * 1e6),
        ("slower", "quicker"),
    )


LATENCIES = (_latency(50, 20), _latency(99, 100))
THROUGHPUT = Measure(
    "good answers a second",
    20,
    -1,
    lambda window, key: window.good_per_s(key),
    lambda value: f"{value:,.1f}/s",
    ("less", "more"),
)


@dataclass(frozen=True)
class _Tested:
    """One measure of one operation, tested; the shift is of logarithms."""

    subject: str
    measure: Measure
    before: float
    after: float
    windows: int
    seconds: float
    test: RankTest
    shift: Shift
    noise: Noise
    numbers: dict[str, float] = field(default_factory=dict)


def compare_load_runs(
    before: LoadRun,
    after: LoadRun,
    accepted: Sequence[LoadRun] = (),
    names: tuple[str, str] = ("the first", "the second"),
) -> Comparison:
    """What the second run shows that the first did not. `accepted`: runs of the same target that were accepted, oldest
    first; those that can be compared with the first tell the noise. `names` are the runs' own."""
    kind = f"load/{after.scenario}"
    if reasons := load_obstacles(before, after):
        return unknown(kind, *names, reasons)
    runs = (Windows(before), Windows(after))
    if (reason := _too_short(runs)) is not None:
        return unknown(kind, *names, [reason])
    others = [Windows(run) for run in accepted if not load_obstacles(before, run)]
    tested, notes = _tests(runs, others)
    chances = holm([each.test.p for each in tested])
    rows = [_row(each, chance) for each, chance in zip(tested, chances, strict=True)]
    rows = [*_broken_requirements(before, after), *rows, *_failures(runs, others)]
    told = _overall(rows)
    noted = [*load_notes(before, after), *([f"noise: {tested[0].noise.source}"] if tested else []), *notes]
    reasons = [] if told is not Told.UNKNOWN else [f"{_name(row)}: {row.sentence}" for row in rows if _main(row)]
    return Comparison(kind, *names, told, _sentence(told, rows), rows, reasons, noted)


def _too_short(runs: tuple[Windows, Windows]) -> str | None:
    if window_s(runs, None, THROUGHPUT.needed) is not None:
        return None
    seconds = min(each.seconds for each in runs)
    requests = min(each.requests(None) for each in runs)
    return (
        f"too short: {seconds:.0f} s with {counted(requests, 'request')} after the warm-up make less than "
        f"{LEAST_WINDOWS} windows of 3 s and {THROUGHPUT.needed} requests; give the runs more --time or --rate"
    )


def _tests(runs: tuple[Windows, Windows], others: Sequence[Windows]) -> tuple[list[_Tested], list[str]]:
    """Every measure of every operation that both runs hold enough of; and a note on those that are left out."""
    shared = [key for key in runs[0].keys if key in runs[1].keys]
    subjects: list[tuple[str, ChannelKey | None]] = [(ALL, None)]
    if len(shared) > 1 or len(runs[0].keys) != len(runs[1].keys):
        several = len({key.operation for key in shared}) < len(shared)
        subjects += [(f"{key.scenario}: {key.operation}" if several else key.operation, key) for key in shared]
    found, left_out, tried = [], [], 0
    for subject, key in subjects:
        for measure in (*LATENCIES, *([THROUGHPUT] if key is None else [])):
            tested, tried = _tested(subject, key, measure, runs, others), tried + 1
            if tested is None:
                left_out.append(f"{measure.name} of {subject}")
            else:
                found.append(tested)
    notes = [f"too few requests for {len(left_out)} of {tried} measures: {_few(left_out)}"] if left_out else []
    only = [key.operation for key in runs[0].keys + runs[1].keys if key not in shared]
    return found, notes + ([f"in one run only: {', '.join(only)}"] if only else [])


def _few(names: list[str], shown: int = 2) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _tested(
    subject: str,
    key: ChannelKey | None,
    measure: Measure,
    runs: tuple[Windows, Windows],
    others: Sequence[Windows],
) -> _Tested | None:
    seconds = window_s(runs, key, measure.needed)
    if seconds is None:
        return None
    one, two = (_values(run, seconds, key, measure) for run in runs)
    if min(len(one), len(two)) < LEAST_WINDOWS:
        return None
    references = [values for run in others if (values := _values(run, seconds, key, measure))]
    depends = inflation(one, two)
    return _Tested(
        subject,
        measure,
        math.exp(float(np.median(one))),
        math.exp(float(np.median(two))),
        min(len(one), len(two)),
        seconds,
        mann_whitney(one, two, depends),
        hodges_lehmann(one, two, 1 - SIGNIFICANCE, depends),
        noise_of(one, two, references),
        {"inflation": depends},
    )


def _values(run: Windows, seconds: float, key: ChannelKey | None, measure: Measure) -> list[float]:
    """The logarithms of a measure's values, in order; a window in which nothing came well has half an answer."""
    values = [(window, measure.value(window, key)) for window in run.of(seconds)]
    return [math.log(value or 0.5 / window.seconds) for window, value in values if value is not None]


def _row(tested: _Tested, p: float) -> Row:
    measure, shift, reach = tested.measure, tested.shift, tested.noise.reach
    low, high = tested.noise.widened(shift)
    told, sentence = _judged(measure, tested.test.delta, shift.estimate, low, high, p)
    numbers = {
        "shift": math.expm1(shift.estimate),
        "low": math.expm1(low) if math.isfinite(low) else -1.0,
        "high": math.expm1(high) if math.isfinite(high) else None,
        "p": p,
        "delta": tested.test.delta,
        "noise": math.expm1(reach) if math.isfinite(reach) else None,
        "windows": tested.windows,
        "window_s": tested.seconds,
        **tested.numbers,
    }
    known = {name: round(float(value), 6) for name, value in numbers.items() if value is not None}
    before, after = measure.shown(tested.before), measure.shown(tested.after)
    return Row(tested.subject, measure.name, before, after, told, sentence, known)


def _judged(measure: Measure, delta: float, estimate: float, low: float, high: float, p: float) -> tuple[Told, str]:
    """What is told of a measure, given the shift of logarithms with its interval, noise included."""
    if measure.sign < 0:
        delta, estimate, low, high = -delta, -estimate, -high, -low
    if not math.isfinite(low) or not math.isfinite(high):
        return Told.UNKNOWN, "cannot tell: the windows depend too much on each other for so short a run"
    least_first = (low, high)[:: measure.sign]
    between = " to ".join(_signed(each, measure.sign) for each in least_first)
    least = math.log1p(RELEVANT)
    if p <= SIGNIFICANCE and delta >= EFFECT and estimate >= least and low > 0:
        return Told.WORSE, f"{measure.words[0]} by {_range(low, high, measure.sign)} %"
    if p <= SIGNIFICANCE and delta <= -EFFECT and estimate <= -least and high < 0:
        return Told.BETTER, f"{measure.words[1]} by {_range(high, low, measure.sign)} %"
    if high > math.log1p(BLIND):
        return Told.UNKNOWN, f"cannot tell: {between} is possible"
    return Told.UNCHANGED, f"no evidence of change ({between})"


def _share(shift: float, sign: int) -> float:
    """A shift of logarithms, positive where it is for the worse, as a share of the value before."""
    return math.expm1(shift * sign)


def _signed(shift: float, sign: int) -> str:
    share = _share(shift, sign)
    return f"{'+' if share >= 0 else '−'}{per_cent(share)} %"


def _range(near: float, far: float, sign: int) -> str:
    return f"{per_cent(_share(near, sign))}–{per_cent(_share(far, sign))}"


def _failures(runs: tuple[Windows, Windows], others: Sequence[Windows]) -> list[Row]:
    """Whether the share of requests without a good answer rose, or fell."""
    seconds = window_s(runs, None, THROUGHPUT.needed)
    if seconds is None:
        return []
    one, two = ([window.bad_share(None) for window in run.of(seconds)] for run in runs)
    test = mann_whitney(one, two, inflation(one, two))
    shares = [float(np.mean(values)) for values in (one, two)]
    usual = [float(np.mean([window.bad_share(None) for window in run.of(seconds)] or [0.0])) for run in others]
    told, sentence = Told.UNCHANGED, "no evidence of change"
    if test.p <= SIGNIFICANCE and test.delta >= EFFECT and shares[1] > max(shares[0], *usual, 0.0) + _LEAST_BAD:
        told, sentence = Told.WORSE, "more of them failed"
    elif test.p <= SIGNIFICANCE and test.delta <= -EFFECT and shares[1] < shares[0] - _LEAST_BAD:
        told, sentence = Told.BETTER, "fewer of them failed"
    was, now = (f"{share * 100:.2g} %" for share in shares)
    numbers = {"p": round(test.p, 6), "delta": round(test.delta, 6), "windows": float(min(len(one), len(two)))}
    return [Row(ALL, "failed", was, now, told, sentence, numbers)]


def _broken_requirements(before: LoadRun, after: LoadRun) -> list[Row]:
    """Requirements that one run broke under load and the other kept."""
    old, new = _violations(before), _violations(after)
    rows = []
    for requirement in sorted(old.keys() ^ new.keys()):
        was, now = (f"{counts[requirement]:,} times" for counts in (old, new))
        told = Told.WORSE if requirement in new else Told.BETTER
        sentence = "broken under load, and was not" if told is Told.WORSE else "no longer broken"
        rows.append(Row(requirement, "broken", was, now, told, sentence))
    return rows


def _violations(run: LoadRun) -> Counter[str]:
    """How often each requirement was broken."""
    found: Counter[str] = Counter()
    for error, count in run.all.errors.items():
        if error.requirement:
            found[error.requirement] += count
    return found


def _main(row: Row) -> bool:
    return row.subject == ALL and row.measure in {each.name for each in LATENCIES}


def _overall(rows: Sequence[Row]) -> Told:
    if any(row.told is Told.WORSE for row in rows):
        return Told.WORSE
    if all(row.told is Told.UNKNOWN for row in rows if _main(row)):
        return Told.UNKNOWN
    return Told.BETTER if any(row.told is Told.BETTER for row in rows) else Told.UNCHANGED


def _sentence(told: Told, rows: Sequence[Row]) -> str:
    telling = [row for row in rows if row.told is told]
    if told in (Told.WORSE, Told.BETTER):
        more = f" (and {len(telling) - 1} more)" if len(telling) > 1 else ""
        return f"{_name(telling[0])}: {telling[0].sentence}{more}"
    if told is Told.UNKNOWN:
        return f"cannot tell: the runs are too short or vary too much for a change of {per_cent(BLIND)} % to be seen"
    unseen = [f"{_name(row)}" for row in rows if row.told is Told.UNKNOWN]
    return "no evidence of change" + (f"; cannot tell of {', '.join(unseen)}" if unseen else "")


def _name(row: Row) -> str:
    return f"{row.measure} of {row.subject}" if row.measure != "broken" else row.subject
