"""A proof on the terminal: one sentence, the families, what was not found."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cdp.proof_results import FOUND, INVALID, ProofRun, Trial
from reports.console import make_console
from reports.proof import SIGNS, command, explained, family_of, summary

_SHOWN = 12  # survivors that fit a screen
_SPEAK_S = 15.0


class Trials:
    """Progress of a proof: a bar on a terminal, a line every fifteen seconds elsewhere, and whatever is not found."""

    def __init__(self, total: int, console: Console) -> None:
        self.total, self.console = total, console
        self._bar: Progress | None = None
        self._spoke = self._began = time.monotonic()
        self._missed = 0

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._bar.add_task("", total=self.total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, total: int) -> None:
        """How many there will be, where that is known only once it has begun."""
        self.total = total
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=total)

    def tried(self, trial: Trial, number: int) -> None:
        """Count one; `number`: how many were tried by now."""
        if trial.outcome not in (FOUND, INVALID):
            self._missed += 1
            self.console.print(f"{SIGNS[trial.outcome]} {trial.name}: {explained(trial)}", soft_wrap=True, markup=False)
        words = f"{self._missed} not found"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=number, description=words)
        elif time.monotonic() - self._spoke > _SPEAK_S:
            self._spoke = time.monotonic()
            self.console.print(f"{number} of {self.total} mutants, {words}", soft_wrap=True)


def print_proof(run: ProofRun, console: Console | None = None) -> None:
    """The summary, on one screen."""
    console = console or make_console()
    found = summary(run)
    table = Table("family", "found", "requirements", box=None, pad_edge=False)
    for family, score in found.families.items():
        weak = [
            f"{n} {s.found}/{s.counted}"
            for n, s in found.requirements.items()
            if family_of(n) == family and s.share < 1
        ]
        table.add_row(family, score.in_words, ", ".join(weak) or "all of each")
    console.print(table)
    for trial in found.missed[:_SHOWN]:
        console.print(f"{SIGNS[trial.outcome]} {trial.name}: {explained(trial)}", soft_wrap=True, markup=False)
        console.print(f"  {command(run, trial)}", soft_wrap=True, markup=False)
    if len(found.missed) > _SHOWN:
        console.print(f"  and {len(found.missed) - _SHOWN} more")
    if len(found.profiles) > 1:
        console.print("; ".join(f"{name} {score.in_words}" for name, score in found.profiles.items()), soft_wrap=True)
    alarms = sum(map(len, found.false_alarms.values()))
    console.print(
        f"{found.all.in_words} found, {len(found.kinds)} kinds of faults; {found.rightly:.1%} named rightly; "
        f"{alarms} false alarms on the clean instance; {found.requests:,.0f} requests and {found.seconds:.1f} s "
        "a mutant",
        soft_wrap=True,
    )
