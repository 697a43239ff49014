"""The result of a benchmark as a Markdown table and a bar chart."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import psutil

from benchmarks.load.measure import Cost

Costs = Mapping[tuple[str, str], Sequence[Cost]]
"""Of each contender on each piece of work, a cost a round."""

_COLOURS = ("#2563eb", "#0891b2", "#7c3aed", "#ea580c", "#dc2626", "#64748b")


def machine() -> str:
    """The machine in a few words."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}"


def spread(values: Iterable[float], form: str) -> str:
    """Minimum, median and maximum."""
    found = sorted(values)
    return " / ".join(format(value, form) for value in (found[0], statistics.median(found), found[-1]))


def cost_table(costs: Costs, yardstick: str) -> str:
    """A row for each contender and piece of work; the last column compares the medians with the yardstick's."""
    lines = [
        "| Work | Generator | CPU µs a request (min / median / max) | requests/s (min / median / max) | "
        f"requests a CPU second, against {yardstick} |",
        "|---|---|---|---|---|",
    ]
    for (name, work), found in sorted(costs.items(), key=lambda item: (_place(costs, item[0][1]), _median(item[1]))):
        against = _median(costs[yardstick, work]) / _median(found) if (yardstick, work) in costs else 0.0
        cpu, rate = spread((c.cpu_us for c in found), ".1f"), spread((c.rate for c in found), ",.0f")
        lines.append(f"| {work} | {name} | {cpu} | {rate} | {f'× {against:.1f}' if against else '–'} |")
    return "\n".join(lines)


def _place(costs: Costs, work: str) -> int:
    return list(dict.fromkeys(w for _, w in costs)).index(work)


def _median(found: Sequence[Cost]) -> float:
    return statistics.median(cost.cpu_us for cost in found)


def bar_chart(costs: Costs) -> str:
    """CPU microseconds a request as bars, grouped by work; medians, with a line from minimum to maximum."""
    works = list(dict.fromkeys(work for _, work in costs))
    names = list(dict.fromkeys(name for name, _ in costs))
    longest = max(cost.cpu_us for found in costs.values() for cost in found)
    scale = 560 / longest
    parts, y = [], 40
    for work in works:
        parts.append(f'<text x="8" y="{y}" font-weight="bold">{escape(work)}</text>')
        y += 8
        for name in names:
            found = [cost.cpu_us for cost in costs.get((name, work), ())]
            if not found:
                continue
            middle, colour = statistics.median(found), _COLOURS[names.index(name) % len(_COLOURS)]
            parts.append(
                f'<rect x="190" y="{y}" width="{middle * scale:.1f}" height="14" fill="{colour}"/>'
                f'<path d="M{190 + min(found) * scale:.1f} {y + 7}H{190 + max(found) * scale:.1f}" '
                f'stroke="#111827" stroke-width="2"/>'
                f'<text x="182" y="{y + 11}" text-anchor="end">{escape(name)}</text>'
                f'<text x="{196 + max(max(found), middle) * scale:.1f}" y="{y + 11}">{middle:.1f}</text>'
            )
            y += 18
        y += 24
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 {y}" font-family="system-ui, sans-serif" '
        'font-size="12" role="img" aria-label="CPU microseconds a request">'
        f'<rect width="840" height="{y}" fill="#ffffff"/>'
        '<text x="8" y="18" font-size="14">CPU microseconds a request: median, and from minimum to maximum</text>'
    )
    return head + "".join(parts) + "</svg>\n"
