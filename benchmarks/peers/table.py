"""The tools side by side: a table, and what each of them missed and reported without a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.load.report import machine
from benchmarks.peers.contest import Tool


def document(sample: str, tools: Sequence[Tool], families: Mapping[str, str]) -> str:
    """The whole report as Markdown. `families`: of each fault, the family of the requirement that it breaks."""
    lines = ["# The same mutants before this suite and others", ""]
    lines += [f"Sample: {sample}. Machine: {machine()}; other work may have run on it.", "", *table(tools), ""]
    alike = common(tools)
    if any(len(tool.attempts) != len(alike[0].attempts) for tool in tools):
        lines += [f"On the {len(alike[0].attempts)} mutants that all of them have tried:", "", *table(alike), ""]
    lines += ["Found in the right place, by family of the requirement that the fault breaks:", ""]
    lines += [*by_family(alike, families), ""]
    for tool in tools:
        lines += [f"## {tool.name}", ""]
        if not tool.complete:
            lines += [f"Cut off after {len(tool.attempts)} mutants.", ""]
        missed = [attempt.mutant for attempt in tool.attempts if not attempt.placed]
        lines += [f"Missed: {', '.join(missed) or 'nothing'}.", ""]
        if elsewhere := [attempt.mutant for attempt in tool.attempts if attempt.found and not attempt.placed]:
            lines += [f"Something new elsewhere only: {', '.join(elsewhere)}.", ""]
        lines += [f"On the clean instance ({tool.sections} sections):", "", *_clean(tool), ""]
        if failed := [f"{attempt.mutant}: {attempt.why}" for attempt in tool.attempts if attempt.why]:
            lines += ["Said of itself:", "", *(f"- {line}" for line in failed), ""]
    return "\n".join(lines).rstrip() + "\n"


def common(tools: Sequence[Tool]) -> list[Tool]:
    """The tools with the attempts on those mutants only that every one of them has tried."""
    shared = set.intersection(*({attempt.mutant for attempt in tool.attempts} for tool in tools)) if tools else set()
    return [replace(tool, attempts=[a for a in tool.attempts if a.mutant in shared]) for tool in tools]


def table(tools: Sequence[Tool]) -> list[str]:
    """A row for each tool. Requests and seconds are means over the mutants that were tried."""
    heads = ("tool", "found", "right place named", "right rule named", "false alarms", "requests a mutant")
    lines = [f"| {' | '.join(heads)} | seconds a mutant |", "|---|---:|---:|---:|---:|---:|---:|"]
    return lines + [_row(tool) for tool in tools]


def _row(tool: Tool) -> str:
    tried = len(tool.attempts)
    found = sum(attempt.found for attempt in tool.attempts)
    placed = sum(attempt.placed for attempt in tool.attempts)
    named = sum(attempt.named for attempt in tool.attempts)
    requests = sum(attempt.requests for attempt in tool.attempts) / max(1, tried)
    each_s = sum(attempt.wall_s for attempt in tool.attempts) / max(1, tried)
    counts = f"{found} of {tried} | {placed} | {named or '–'} | {len(tool.clean)}"
    return f"| {tool.name} | {counts} | {requests:,.0f} | {each_s:.1f} |"


def by_family(tools: Sequence[Tool], families: Mapping[str, str]) -> list[str]:
    """Of each family, how many mutants each tool found in the right place."""
    tried = [Counter(families[attempt.fault] for attempt in tool.attempts) for tool in tools]
    placed = [Counter(families[attempt.fault] for attempt in tool.attempts if attempt.placed) for tool in tools]
    lines = [f"| family | {' | '.join(tool.name for tool in tools)} |", f"|---|{'---:|' * len(tools)}"]
    for family in sorted({name for counter in tried for name in counter}):
        shares = (f"{placed[n][family]} of {tried[n][family]}" for n in range(len(tools)))
        lines.append(f"| {family} | {' | '.join(shares)} |")
    return lines


def _clean(tool: Tool) -> list[str]:
    """What was reported without a fault, by kind, with an operation each."""
    kinds: dict[str, list[str]] = {}
    for alarm in tool.clean:
        operation, _, what = alarm.partition(": ")
        kinds.setdefault(what, []).append(operation)
    ranked = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"- {what}: {len(places)} (such as {places[0]})" for what, places in ranked] or ["- nothing"]
