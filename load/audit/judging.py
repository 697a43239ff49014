"""What an audit says: every event in one class, the counts balanced, and what is wrong by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from cdp.audit_results import (
    ABSENT,
    CHANGED,
    CLASSES,
    DUPLICATED,
    MISATTRIBUTED,
    PRESENT,
    REORDERED,
    AuditFinding,
)
from load.audit.ledger import ACKNOWLEDGED, FAILED, REFUSED, SENT, STATES, UNKNOWN, UNSENT
from load.audit.readback import Readback

_EXAMPLES = 20
_NUMBER = {name: number for number, name in enumerate(CLASSES)}
Classes = npt.NDArray[np.uint8]
Booleans = npt.NDArray[np.bool_]
# Requirements that a finding breaks: of events of batches, and of those of uploads.
READ_BACK = ("EVENT-02", "EVENT-02")
READ_BACK_LOST = ("EVENT-02", "EVENT-04")
NOTHING_STORED = ("EVENT-03", "")
NONE = ("", "")


class Judgement:
    """Classifies what a reading back found. `balance`: events by state of the ledger and class."""

    def __init__(self, readback: Readback) -> None:
        self._readback = readback
        self.sent = readback.sent
        self.classes = _classes(readback)
        states = self.sent.states.astype(np.int64)
        counts = np.bincount(states * len(CLASSES) + self.classes, minlength=len(STATES) * len(CLASSES))
        table = counts.reshape(len(STATES), len(CLASSES))
        self.balance = {
            state: {name: int(count) for name, count in zip(CLASSES, row, strict=True) if count}
            for state, row in zip(STATES, table.tolist(), strict=True)
            if sum(row)
        }

    def unbalanced(self) -> str:
        """Why the counts do not balance; empty when they do."""
        tally = self._readback.tally if self._readback.ways.of_customer is not None else self._readback.everywhere
        held = int(tally.copies.sum()) + len(tally.strays)
        added = self._readback.tally.records if tally is self._readback.tally else tally.records
        if held != added:
            return f"{added:,} records were read, and {held:,} are accounted for"
        events = sum(sum(row.values()) for row in self.balance.values())
        if events != self.sent.size:
            return f"the ledgers hold {self.sent.size:,} events, and {events:,} are classified"
        return ""

    def findings(self) -> list[AuditFinding]:
        """What is wrong, the worst first."""
        states, classes = self.sent.states, self.classes
        present = classes != _NUMBER[ABSENT]
        acknowledged = states == ACKNOWLEDGED
        in_doubt = (states == UNKNOWN) | (states == SENT)
        legal = acknowledged | in_doubt
        found = [
            *self._named("lost", acknowledged & ~present, READ_BACK_LOST, self._sentence_of_lost()),
            *self._named(
                "corrupted", legal & (classes == _NUMBER[CHANGED]), READ_BACK, "an event is not as it was sent"
            ),
            *self._named(
                "misattributed",
                legal & (classes == _NUMBER[MISATTRIBUTED]),
                READ_BACK,
                "an event is shown with another customer than it was sent for, or not with its own",
            ),
            *self._named(
                "duplicated", legal & (classes == _NUMBER[DUPLICATED]), READ_BACK, "an event is there more than once"
            ),
            *self._named(
                "phantom",
                (states == REFUSED) & present,
                NOTHING_STORED,
                "events were refused, and are there all the same",
            ),
            *self._named("phantom", (states == UNSENT) & present, NONE, "an event is there that was never sent"),
            *self._named(
                "stored in spite of 5xx",
                (states == FAILED) & present,
                NONE,
                "the answer was a server error, and the event is there: whoever sends it again has it twice",
            ),
            *self._named(
                "reordered",
                acknowledged & (classes == _NUMBER[REORDERED]),
                NONE,
                "events of one customer and one batch were created in another order than they were sent in",
            ),
        ]
        strays = list(dict.fromkeys([*self._readback.tally.strays, *self._readback.everywhere.strays]))
        if strays:
            sentence = "records bear marks of this run that it never gave to any event"
            found.append(AuditFinding("phantom", len(strays), sentence, "", strays[:_EXAMPLES]))
        return found

    def _sentence_of_lost(self) -> str:
        return f"acknowledged, and not to be seen within {self._readback.deadline_s:g} s of the end of the run"

    def _named(
        self, name: str, which: Booleans, requirements: tuple[str, str], sentence: str
    ) -> Iterable[AuditFinding]:
        """A finding for the events of batches, and one for those of uploads where they break another requirement."""
        if not which.any():
            return
        uploads = self.sent.in_uploads()
        of_batch, of_upload = requirements
        groups: list[tuple[Booleans, str]] = [(which, of_batch)]
        if of_batch != of_upload:
            groups = [(which & ~uploads, of_batch), (which & uploads, of_upload)]
        for events, requirement in groups:
            indices = np.flatnonzero(events)
            if indices.size:
                examples = [self._example(index) for index in indices[:_EXAMPLES].tolist()]
                yield AuditFinding(name, int(indices.size), sentence, requirement, examples)

    def _example(self, index: int) -> str:
        tally, everywhere = self._readback.tally, self._readback.everywhere
        copies = max(int(tally.copies[index]), int(everywhere.copies[index]))
        reason = tally.reasons.get(index) or everywhere.reasons.get(index, "")
        words = [str(self.sent.mark_of(index)), f"{copies} records" if copies > 1 else "", reason]
        return ", ".join(word for word in words if word)


def _classes(readback: Readback) -> Classes:
    """The class of each event.

    The lists of single customers decide. The list of all events tells what they do not show: records that are there
    with somebody else, and further copies.
    """
    tally, everywhere = readback.tally, readback.everywhere
    intact, elsewhere, changed = (each.astype(np.int64) for each in (tally.intact, tally.elsewhere, tally.changed))
    disordered = set(tally.disordered)
    by_customer = readback.ways.of_customer is not None
    copies = tally.copies
    if readback.whole_list_read:
        unseen = copies == 0
        if by_customer:
            # Where its customer is known and does not show it, it is not with its customer.
            owned = _owned(readback, np.flatnonzero(unseen & (everywhere.intact > 0)))
            intact = intact + np.where(unseen & ~owned, everywhere.intact, 0)
            elsewhere = elsewhere + np.where(unseen & owned, everywhere.intact, 0)
        else:
            intact = intact + np.where(unseen, everywhere.intact, 0)
            disordered |= everywhere.disordered
        elsewhere = elsewhere + np.where(unseen, everywhere.elsewhere, 0)
        changed = changed + np.where(unseen, everywhere.changed, 0)
        copies = np.maximum(intact + elsewhere + changed, everywhere.copies)
    found = np.full(len(copies), _NUMBER[ABSENT], dtype=np.uint8)
    found[copies > 0] = _NUMBER[PRESENT]
    if disordered:
        found[np.array(sorted(disordered), dtype=np.int64)] = _NUMBER[REORDERED]
    found[copies > 1] = _NUMBER[DUPLICATED]
    bad = (copies > 0) & (intact == 0)
    found[bad & (elsewhere > 0)] = _NUMBER[MISATTRIBUTED]
    found[bad & (changed > 0)] = _NUMBER[CHANGED]
    return found


def _owned(readback: Readback, indices: npt.NDArray[np.int64]) -> Booleans:
    """Of the given events, those whose customer the target knows."""
    found = np.zeros(readback.sent.size, dtype=np.bool_)
    identifier_of: Callable[[int], str] = readback.sent.identifier_of
    for index in indices.tolist():
        found[index] = identifier_of(index) in readback.looked_up
    return found
