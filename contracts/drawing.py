"""Letting Hypothesis look for an example that breaks a rule, and noting how much it tried of what there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy

import contracts.steady_draws  # noqa: F401 - the seed alone decides what is drawn
from contracts.examples import KeptExamples

T = TypeVar("T")
# So many examples of what has no end count as all of them: what a cell was shown is measured against this.
ROOM = 1000


@dataclass(frozen=True)
class Draw:
    """How many examples were tried of those that were asked for. `of`: how many there are, where that is known."""

    tried: int
    asked: int
    of: int | None = None

    @property
    def exhausted(self) -> bool:
        """Whether Hypothesis ran out of new examples."""
        return self.tried < self.asked

    @property
    def room(self) -> int:
        """How many examples there are to try."""
        return self.tried if self.exhausted else max(self.tried, min(ROOM, self.of or ROOM))


def look_for(
    hold: Callable[[T], None], strategy: SearchStrategy[T], number: int, examples: int, kept: KeptExamples | None = None
) -> None:
    """Call `hold` with examples until one raises; the smallest one that was found is raised. What fails is kept."""
    _search(hold, strategy, number, examples, kept, (Phase.generate, Phase.shrink))


def try_again(
    hold: Callable[[T], None], strategy: SearchStrategy[T], number: int, examples: int, kept: KeptExamples
) -> None:
    """Call `hold` with the examples that are kept. A search of its own, so that what is drawn afterwards depends on
    nothing but the seed."""
    if kept:
        try:
            _search(hold, strategy, number, examples, kept, (Phase.reuse, Phase.shrink))
        except Unsatisfiable:  # none of them means anything any more
            return


def _search(
    hold: Callable[[T], None],
    strategy: SearchStrategy[T],
    number: int,
    examples: int,
    kept: KeptExamples | None,
    phases: tuple[Phase, ...],
) -> None:
    bounded = settings(
        max_examples=examples,
        database=kept,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    # In this order: a seed by itself switches the database off.
    bounded(seed(number)(given(strategy)(hold)))()
