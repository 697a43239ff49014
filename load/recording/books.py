"""The books of a run: whatever was offered was sent or never sent, and whatever was sent was answered, failed, or had
no answer. Follow-ups (asking for the state of an upload) are requests beside the schedule and are told apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from cdp.load_results import Books, Figures
from load.arrivals.schedule import Schedule


class Sender(Protocol):
    """What is asked of a process: its stripe, the arrivals it said were due, its requests beside the schedule, and
    whether it died before its last report."""

    stripe: int
    offered: int
    follow_ups: int
    dead: bool


def close_books(
    figures: Iterable[Figures], senders: Iterable[Sender], schedule: Schedule | None, elapsed_s: float
) -> Books:
    """Balance what the processes said was offered against what is recorded of it.

    What a process that died left unsent is known from the schedule itself: all of its stripe until `elapsed_s` (seconds
    of the schedule that have passed) that it never accounted for is never sent.
    """
    whole = Figures.merged(figures)
    senders = list(senders)
    if schedule is None:
        return Books(whole.sent, whole.sent, 0, whole.good, whole.failed, whole.unanswered, True)
    follow_ups = sum(each.follow_ups for each in senders)
    lost = sum(_lost(each, schedule, len(senders), elapsed_s) for each in senders if each.dead)
    said = sum(each.offered for each in senders)
    recorded = whole.offered - follow_ups
    # Of a process that died, what was under way at its last report was offered and never recorded.
    under_way = max(0, said - recorded) if any(each.dead for each in senders) else 0
    difference = said - recorded - under_way
    detail = ""
    if lost or under_way:
        detail = f"{lost:,} arrivals of processes that died were never sent, {under_way:,} have no known end"
    if difference:
        detail = f"{said:,} arrivals were offered and {recorded:,} are accounted for"
    return Books(
        offered=said + follow_ups + lost,
        sent=whole.sent + under_way,
        never_sent=whole.never_sent + lost,
        answered=whole.good,
        failed=whole.failed,
        unanswered=whole.unanswered + under_way,
        balanced=difference == 0,
        detail=detail,
    )


def _lost(sender: Sender, schedule: Schedule, stripes: int, elapsed_s: float) -> int:
    return max(0, schedule.count(sender.stripe, stripes, int(elapsed_s * 1e9)) - sender.offered)
