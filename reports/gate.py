"""A gate on the terminal, as Markdown and as a page; each leads to the reports of its parts."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdp.comparison.model import Told
from cdp.gate.record import NOTE, SKIPPED, Gate, Part
from cdp.records import ResultsError
from cdp.verdicts import CANNOT_TELL, GO, NO_GO
from reports.page import Link, Notice, Top, moment, render
from reports.past import is_safe
from reports.wording import duration, one_line, shortened, write_whole

PAGE, MARKDOWN = "report.html", "gate.md"
_STYLES = {GO: "bold green", NO_GO: "bold bright_red", CANNOT_TELL: "bold yellow", NOTE: "", SKIPPED: "bright_black"}
_TONES = {GO: "pass", NO_GO: "fail", CANNOT_TELL: "warn", NOTE: "skip", SKIPPED: "skip"}
_TOLD_TONES = {Told.WORSE: "fail", Told.BETTER: "pass", Told.UNCHANGED: "skip", Told.UNKNOWN: "warn"}
_LINE_LIMIT = 300
_ROWS_SHOWN = 200


def write_gate_reports(gate: Gate, directory: Path) -> list[Path]:
    """Write the page and the Markdown of a gate beside its record; their paths. ResultsError when one cannot be."""
    written = []
    for name, text in ((PAGE, gate_page(gate)), (MARKDOWN, gate_markdown(gate))):
        path = directory / name
        try:
            write_whole(path, text.encode("utf-8"))
        except OSError as error:
            raise ResultsError(f"cannot write the report {path}: {error.strerror}") from error
        written.append(path)
    return written


def gate_reports(directory: Path) -> list[Path]:
    """Where the reports of a gate stand."""
    return [directory / PAGE, directory / MARKDOWN]


def print_gate(gate: Gate, console: Console) -> None:
    """Print the answer, and one reason a line."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for part in gate.parts:
        style = _STYLES[part.outcome]
        table.add_row(Text(part.outcome, style=style), Text(part.name), Text(_line(part.sentence)))
    console.print(table)
    for line in _beside(gate):
        console.print(Text(line, style="yellow"))
    headline = Text(gate.headline, style=_STYLES[gate.headline])
    console.print(Text.assemble(headline, "  ", _line(gate_answer(gate))))


def gate_markdown(gate: Gate) -> str:
    """The gate as Markdown, for a merge request or a job's summary."""
    lines = [f"# {gate.headline}: {_escaped(gate.target)}", "", _escaped(gate_answer(gate)), ""]
    lines += [f"- {_escaped(line)}" for line in _beside(gate)]
    lines += ["| | Part | What it says | Took |", "|---|---|---|---|"]
    for part in gate.parts:
        name = f"[{_escaped(part.name)}](<{part.run}/{PAGE}>)" if part.run else _escaped(part.name)
        took = duration(part.wall_s) if part.wall_s else ""
        lines.append(f"| {part.outcome} | {name} | {_escaped(_line(part.sentence))} | {took} |")
    for part in gate.parts:
        if part.comparison and (compared := part.compared) is not None and compared.rows:
            lines += [
                "",
                f"## {_escaped(part.name)}",
                "",
                "| | Measure | Before | Now | Found |",
                "|---|---|---|---|---|",
            ]
            for row in compared.rows[:_ROWS_SHOWN]:
                cells = (row.subject, row.measure, row.before, row.after, row.sentence)
                lines.append(f"| {' | '.join(_escaped(_line(cell)) for cell in cells)} |")
    return "\n".join([*lines, ""])


def gate_page(gate: Gate) -> str:
    """The gate as one self-contained page. It depends on nothing but the record."""
    compared = [(part, found) for part in gate.parts if (found := part.compared) is not None]
    top = Top(
        gate.headline,
        f"Release gate of {one_line(gate.target)}",
        _line(gate_answer(gate)),
        [
            fact
            for fact in (
                f"profile {one_line(gate.profile)}" if gate.profile else "",
                moment(gate.started) if gate.started else "",
                f"took {duration(gate.wall_s)}" if gate.wall_s else "",
            )
            if fact
        ],
        [Notice(line) for line in _beside(gate)],
    )
    contents = [
        Link("parts", "Parts"),
        *(Link(f"compared-{number}", part.name.capitalize()) for number, (part, _) in enumerate(compared, start=1)),
        Link("gate", "The gate"),
    ]
    return render(
        "gate.html",
        top,
        contents,
        gate=gate,
        broke=_broke(gate),
        not_judged=[part for part in gate.parts if _is_silent(part)],
        gaps=[
            (part.name, part.sentence) for part in gate.parts if part.outcome == GO and "not be judged" in part.sentence
        ],
        part_tones=_TONES,
        told_tones=_TOLD_TONES,
        facts=_facts(gate),
        compared=compared,
        rows_shown=_ROWS_SHOWN,
        part_link=_link,
    )


def _is_silent(part: Part) -> bool:
    """Whether a part says nothing for or against the target. The doctor only prepares."""
    return part.outcome in (CANNOT_TELL, SKIPPED) or (part.outcome == NOTE and part.name != "doctor")


def _broke(gate: Gate) -> list[tuple[str, str]]:
    """The parts that say no, each reason by itself."""
    return [
        (part.name, reason)
        for part in gate.parts
        if part.outcome == NO_GO
        for reason in (part.reasons or [part.sentence])
    ]


def gate_answer(gate: Gate) -> str:
    """Why it is what it is, in a sentence."""
    deciding = [part for part in gate.parts if part.outcome == gate.headline]
    if gate.headline == GO:
        rest = [part.name for part in gate.parts if part.outcome in (NOTE, SKIPPED) and part.name != "doctor"]
        return "everything that was judged is in order" + (f"; not judged: {', '.join(rest)}" if rest else "")
    if not deciding:
        return gate.reasons[0] if gate.reasons else "nothing was judged"
    more = f" (and {len(deciding) - 1} more)" if len(deciding) > 1 else ""
    return f"{deciding[0].name}: {deciding[0].sentence}{more}"


def _beside(gate: Gate) -> list[str]:
    """What is wrong with the gate itself."""
    if gate.interrupted:
        return ["The gate was interrupted; what was judged until then stands."]
    return [] if gate.ended else ["The gate was cut off before its end; what was judged until then stands."]


def _facts(gate: Gate) -> list[tuple[str, str]]:
    found = [
        ("Target", gate.target),
        ("Address", gate.base_url),
        ("Profile", gate.profile),
        ("Started", gate.started),
        ("Ended", gate.ended),
        ("Wall time", duration(gate.wall_s) if gate.wall_s else ""),
        ("Accepted", "yes" if gate.accepted else ""),
        ("Suite", gate.suite_version),
    ]
    return [(name, one_line(value)) for name, value in found if value]


def _line(text: str) -> str:
    return shortened(one_line(text), _LINE_LIMIT)


def _escaped(text: str) -> str:
    """Text that Markdown takes for nothing but text."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~])", r"\\\1", one_line(text))


def _link(part: Part) -> str:
    """Where a part's page is, from the gate's own. Only what `os.path.relpath` may have made."""
    return f"{part.run}/{PAGE}" if is_safe(part.run) else ""
