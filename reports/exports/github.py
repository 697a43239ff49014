"""Workflow commands of GitHub Actions: annotations, and a shield against commands that a target might slip in.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from cdp.gate.record import Gate
from cdp.load_results import MISSED, LoadRun
from cdp.results import Run
from cdp.verdicts import NO_GO, Verdict, decide
from reports import load_summary, summary
from reports.gate import gate_answer
from reports.wording import one_line, plural, shortened

MOST_OF_A_KIND = 10
"""GitHub shows no more of a step."""

ERROR, WARNING, NOTICE = "error", "warning", "notice"
_LIMIT = 400


def annotated(run: Run | LoadRun | Gate) -> list[str]:
    """The lines that make GitHub show what was found: the answer, then the findings, ten of a kind at most."""
    if isinstance(run, Run):
        decision = decide(run)
        found = [command(_level(decision.headline, NO_GO, decision.code), decision.headline, decision.sentence)]
        for kind, verdict in ((ERROR, Verdict.FAIL), (ERROR, Verdict.ERROR), (WARNING, Verdict.WARN)):
            groups = sorted(summary.findings(run, verdict), key=lambda each: -len(each.places))
            for group in groups:
                where = f"{plural(len(group.places), 'cell')}, for example {group.smallest.cell.address}"
                found.append(command(kind, f"{group.requirement} {verdict.name}", f"{group.sentence} ({where})"))
    elif isinstance(run, LoadRun):
        told = run.decision
        found = [command(_level(told.headline, MISSED, told.exit_code), told.headline, told.sentence)]
        for error, count, places, _ in load_summary.violations(run):
            words = f"{error.text} ({count:,} times, for example {places[0]})"
            found.append(command(ERROR, f"{error.requirement} under load", words))
    else:
        found = [command(_level(run.headline, NO_GO, run.exit_code), run.headline, gate_answer(run))]
        parts = [part for part in run.parts if part.outcome == run.headline and run.exit_code]
        found += [command(_level(part.outcome, NO_GO, 1), part.name, part.sentence) for part in parts]
    return _few(found)


def command(kind: str, title: str, message: str) -> str:
    """A workflow command. Whatever stands in title and message cannot end it or begin another one."""
    title, message = (shortened(one_line(each), _LIMIT) for each in (title, message))
    shown = title.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={shown}::{message.replace('%', '%25')}"


def stopping(token: str) -> str:
    """Nothing is taken for a command from here on, until `resuming` with the same token, which nobody may guess."""
    return f"::stop-commands::{token}"


def resuming(token: str) -> str:
    """The end of `stopping`."""
    return f"::{token}::"


def _level(headline: str, bad: str, code: int) -> str:
    if headline == bad:
        return ERROR
    return WARNING if code else NOTICE


def _few(lines: list[str]) -> list[str]:
    counts: dict[str, int] = {}
    kept = []
    for line in lines:
        kind = line.partition(" ")[0]
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= MOST_OF_A_KIND:
            kept.append(line)
    return kept
