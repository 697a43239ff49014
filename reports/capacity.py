"""A search for capacity in words and tables: the same rows for the terminal, the page and the summary."""

from __future__ import annotations

from cdp.distribution import in_words
from cdp.load_results import Capacity, LoadRun, Step
from reports.wording import one_line, plural

HEADS = ("step", "for", "rate", "offered", "good", "latency", "service", "under way", "by Little", "verdict", "why")
SIGNS = {"passed": "✓", "failed": "✗", "void": "–"}


def step_in_words(step: Step) -> str:
    """A step on one line."""
    cells = dict(zip(HEADS, row_of(step), strict=True))
    latency = f"  p99 {cells['latency']}" if cells["latency"] != "–" else ""
    recovery = f"  recovered in {step.recovery_s:.1f} s" if step.recovery_s is not None else ""
    reason = f"  {cells['why']}" if step.verdict != "passed" and step.reason else ""
    return f"step {step.number:>2}  {step.purpose:<8}  {cells['rate']:>9}  {step.verdict}{latency}{recovery}{reason}"


def row_of(step: Step) -> list[str]:
    """A step as a row below `HEADS`."""
    clear = "" if step.clear or step.verdict != "passed" or not step.objectives else " (not clear)"
    return [
        str(step.number),
        step.purpose,
        f"{step.rate:,.4g}/s",
        f"{step.offered_rate:,.4g}/s" if step.offered_rate else "–",
        f"{step.good_rate:,.4g}/s" if step.good_rate else "–",
        _percentile(step, "latency"),
        _percentile(step, "service"),
        f"{step.in_flight:,.1f}" if step.offered_rate else "–",
        f"{step.by_little:,.1f}" if step.offered_rate else "–",
        f"{SIGNS.get(step.verdict, '')} {step.verdict}{clear}".strip(),
        one_line(step.reason),
    ]


def unrecovered(run: LoadRun) -> int:
    """After how many overloads the target was not as quick as at first for as long as it was looked at."""
    return sum(step.purpose == "recovery" and step.verdict == "failed" for step in run.steps)


def recovery_in_words(run: LoadRun) -> str:
    """How soon the target recovered; empty where it was never overloaded."""
    took = run.capacity.recovery_s if run.capacity else []
    words = f"after overload in {', '.join(f'{each:.1f} s' for each in took)}" if took else ""
    if count := unrecovered(run):
        words += f"{'; ' if words else ''}not while it was looked at, after {plural(count, 'overload')}"
    return words


def _percentile(step: Step, name: str, percentile: str = "99") -> str:
    found = step.curve.get(name, {}).get(percentile)
    if not found:
        return "–"
    value, *ends = found
    return in_words(value) + (f" ({in_words(ends[0])}–{in_words(ends[1])})" if ends else "")


def facts_of(run: LoadRun) -> list[tuple[str, str]]:
    """What stands behind the answer, as pairs of name and text."""
    capacity = run.capacity or Capacity()
    facts: list[tuple[str, str]] = []
    if capacity.low is not None and capacity.high is not None:
        how = "a line through the steps (95 %)" if capacity.method == "line" else "the steps on both sides"
        facts.append(("Interval", f"{capacity.low:,.4g}–{capacity.high:,.4g}/s, by {how}"))
    if capacity.binding:
        facts.append(("Breaks first", capacity.binding))
    if capacity.confirmed:
        facts.append(("Confirmed", f"{capacity.confirmed:,.4g}/s for {capacity.confirmed_s:.0f} s"))
    if recovery := recovery_in_words(run):
        facts.append(("Recovery", recovery))
    if capacity.peak:
        facts.append(("Headroom", f"{capacity.headroom or 0:.2f} times the peak of {capacity.peak:,.4g}/s"))
    if capacity.void:
        facts.append(("Void steps", str(capacity.void)))
    if capacity.refuted:
        facts.append(("Failed once, held when repeated", plural(capacity.refuted, "step")))
    if shape := capacity.shape:
        words = f"λ {shape['lambda']:,.4g}/s, σ {shape['sigma']:.3g}, κ {shape['kappa']:.2g}"
        facts.append(("Shape", f"{words} (universal scalability law; a shape, no forecast)"))
    if run.finds_capacity:
        facts.append(("Repeat", repeat_command(run)))
    return facts


# Options that change the answer, with what they are when nobody says anything, and their unit.
REPEATED: dict[str, tuple[object, str]] = {
    "time_s": (300, "s"),
    "start": (None, ""),
    "max_rate": (20_000.0, ""),
    "peak": (None, ""),
    "precision": (0.04, ""),
    "settle": (2, "s"),
    "step_time": (None, "s"),
    "confirm": (30, "s"),
    "seed": (1, ""),
    "arrivals": ("poisson", ""),
    "batch": ("50", ""),
    "uploads": (0.02, ""),
    "searches": (0.5, ""),
    "ingestion": (0.3, ""),
    "zipf": (1.0, ""),
    "misses": (0.2, ""),
    "new_customers": (0.1, ""),
    "connections": (2000, ""),
}


def repeat_command(run: LoadRun) -> str:
    """The command that does the same again."""
    options = run.header.get("options") or {}
    parts = ["cdp capacity", str(run.scenario), f"--slo '{options.get('slo', '')}'"]
    if options.get("target"):
        parts.append(f"--target {run.header.get('target')}")
    elif run.header.get("base_url"):
        parts.append(f"--url {run.header['base_url']}")
    if options.get("allow"):
        parts.append(f"--allow {options['allow']}")
    for name, (usual, unit) in REPEATED.items():
        if options.get(name, usual) not in (None, "", usual):
            parts.append(f"--{name.removesuffix('_s').replace('_', '-')} {options[name]}{unit}")
    return " ".join(parts)
