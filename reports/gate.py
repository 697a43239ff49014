"""A gate on the terminal, as Markdown and as a page; each leads to the reports of its parts."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdp.comparison.model import Told
from cdp.gate.record import NOTE, SKIPPED, Gate, Part
from cdp.records import ResultsError
from cdp.verdicts import CANNOT_TELL, GO, NO_GO
from reports.page import asset, content_hash, make_environment
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
    console.print(Text.assemble(headline, "  ", _line(_answer(gate))))


def gate_markdown(gate: Gate) -> str:
    """The gate as Markdown, for a merge request or a job's summary."""
    lines = [f"# {gate.headline}: {_escaped(gate.target)}", "", _escaped(_answer(gate)), ""]
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
    style = asset("page.css") + asset("load.css")
    return (
        _environment()
        .get_template("gate.html")
        .render(
            gate=gate,
            tone=_TONES[gate.headline],
            answer=_answer(gate),
            beside=_beside(gate),
            tones=_TONES,
            told_tones=_TOLD_TONES,
            page=PAGE,
            facts=_facts(gate),
            compared=[(part, part.compared) for part in gate.parts if part.comparison],
            rows_shown=_ROWS_SHOWN,
            style=Markup(style),
            style_hash=content_hash(style),
        )
    )


def _answer(gate: Gate) -> str:
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
    return f"{part.run}/{PAGE}" if part.run and ":" not in part.run.partition("/")[0] else ""


@cache
def _environment() -> Environment:
    return make_environment({"one_line": one_line, "line": _line, "link": _link, "duration": duration})
