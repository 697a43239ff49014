"""Progress of a run: a live display on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cdp.verdicts import Cell, Result, Verdict
from reports.console import STYLES, make_console, symbols
from reports.summary import RISING, Tally
from reports.wording import duration, one_line, plural

_SETTLED = 20  # cells and seconds before which an estimate would only jump about
_SETTLED_S = 2.0


class Progress:
    """Shows how far a run is: cells done of all, time left, the current operation, counts by verdict.

    Use it as a context manager; call `doing` when an operation begins and `done` with each result. Both are cheap
    and may be called from one thread at a time. `total` may be changed while it runs.
    """

    def __init__(
        self,
        total: int,
        console: Console | None = None,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.counts = Tally()
        self._console = console or make_console()
        self._signs = symbols(self._console)
        self._interval_s = interval_s
        self._clock = clock
        self._current = ""
        self._began = self._spoke = clock()
        self._live: Live | None = None
        self._verdicts: dict[Cell, Verdict] = {}
        self._again = 0
        self._budget_left: Callable[[], float | None] | None = None

    def __enter__(self) -> Self:
        self._began = self._spoke = self._clock()
        if self._console.is_terminal and not self._console.is_dumb_terminal and not self._console.quiet:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=5, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        done, seconds = self.counts.total(), self._clock() - self._began
        end = "stopped after" if kind else "done:"
        again = f", {self._again:,} of them judged again" if self._again else ""
        self._console.print(f"{end} {plural(done, 'cell')} in {duration(seconds)}{again}", soft_wrap=True)

    def doing(self, operation: str) -> None:
        """Name what is being exercised now."""
        self._current = one_line(operation)
        self._speak()

    def done(self, result: Result) -> None:
        """Count one result."""
        self.judged(result.verdict, result.cell)

    def judged(self, verdict: Verdict, cell: Cell) -> None:
        """Count one verdict."""
        self.counts[verdict] += 1
        self._verdicts[cell] = verdict
        self._speak()

    def deeper(self, budget_left: Callable[[], float | None]) -> None:
        """From now on cells are judged again; `budget_left` tells the seconds left, None when there is no limit."""
        self._budget_left = budget_left

    def again(self, cell: Cell, verdict: Verdict, number: int) -> None:
        """Take account of a cell that was judged for the `number`th time: it counts under its worst verdict."""
        self._again += 1
        self._current = one_line(f"{cell.operation}, round {number}")
        before = self._verdicts.get(cell, verdict)
        if verdict > max(before, Verdict.UNCONFIRMED):
            self.counts[before] -= 1
            self.counts[verdict] += 1
            self._verdicts[cell] = verdict
        self._speak()

    def say(self, sentence: str) -> None:
        """Print one line above the display ("the embedded instance is ready at ...")."""
        self._console.print(Text(one_line(sentence)), soft_wrap=True)

    @property
    def left_s(self) -> float | None:
        """Seconds that are probably left, None while that cannot be told."""
        if self._budget_left is not None:
            return self._budget_left()
        done, seconds = self.counts.total(), self._clock() - self._began
        if done < _SETTLED or seconds < _SETTLED_S or self.total < done:
            return None
        return seconds * (self.total - done) / done

    @property
    def line(self) -> str:
        """The state on one line."""
        parts = [f"{self.counts.total():,}/{self.total:,} cells", self._left(), self._in_signs().plain, self._current]
        return "  ".join(part for part in parts if part)

    def _speak(self) -> None:
        if self._live is None and self._clock() - self._spoke >= self._interval_s:
            self._spoke = self._clock()
            self._console.print(Text(self.line), soft_wrap=True)

    def _left(self) -> str:
        if (left := self.left_s) is None:
            return ""
        if left < 60:
            return f"about {max(1, round(left))} s left"
        return f"about {round(left / 60)} min left"

    def _in_signs(self) -> Text:
        text = Text(no_wrap=True)
        for verdict in RISING:
            if self.counts[verdict]:
                text.append(f"{self._signs[verdict]} {self.counts[verdict]}  ", style=STYLES[verdict])
        text.rstrip()
        return text

    def _render(self) -> RenderableType:
        done = self.counts.total()
        head = Table.grid(padding=(0, 2, 0, 0))
        broken = self.counts[Verdict.FAIL] or self.counts[Verdict.ERROR]
        style = "red" if broken else "green"
        bar = ProgressBar(total=max(self.total, 1), completed=done, width=30, complete_style=style)
        head.add_row(bar, f"{done:,}/{self.total:,} cells", self._left())
        tail = Table.grid(padding=(0, 2, 0, 0))
        tail.add_column(no_wrap=True)
        tail.add_column(no_wrap=True, overflow="ellipsis", style="bright_black")
        tail.add_row(self._in_signs(), self._current)
        return Group(head, tail)
