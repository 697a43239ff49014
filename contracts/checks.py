"""What a check is: a function registered for a requirement that exercises a subject and speaks through exceptions.

A check that returns has seen the rule kept, as often as it counted. Anything else it raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cdp.http import Exchange

if TYPE_CHECKING:
    from contracts.subject import Subject

Check = Callable[["Subject"], None]
CHECKS: dict[str, Check] = {}


class Broken(Exception):
    """The rule is broken. `softly`: broken in a way that is only worth a WARN, whatever the requirement's level.

    `doubtful` is set where other people are at work and could have done it and undone it: it has to be seen again."""

    doubtful = False

    def __init__(
        self, sentence: str, exchange: Exchange | None = None, example: str = "", softly: bool = False
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exchange = exchange
        self.example = example
        self.softly = softly


class NotExercised(Exception):
    """Nothing could be exercised; the message says why, and what would make it checkable."""


class Moved(NotExercised):
    """What was looked at was changed by other people meanwhile, which tells nothing of the rule; it is looked at
    again. `doubtful`: the rule seemed broken, so that being kept once is not enough."""

    doubtful = False

    def __init__(self, what: str = "the collection") -> None:
        why = "was changed by others while it was looked at"
        super().__init__(f"{what} {why}; a quieter target would make it checkable")


class Unconfirmed(Exception):
    """The operation is only assumed, and the target does not have it."""


class TargetLost(Exception):
    """The target gave no answer at all; the message says how. `passed`: it was away as a whole, and is back."""

    def __init__(self, message: str, *, passed: bool = False) -> None:
        super().__init__(message)
        self.passed = passed


def check(requirement: str) -> Callable[[Check], Check]:
    """Register the check of a requirement; a requirement has one check."""

    def register(function: Check) -> Check:
        if requirement in CHECKS:
            raise ValueError(f"{requirement} has two checks")
        CHECKS[requirement] = function
        return function

    return register
