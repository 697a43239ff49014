"""The books of a run: whatever was offered was sent or never sent, and whatever was sent was answered, failed, or had
no answer. Follow-ups (asking for the state of an upload) are requests beside the schedule and are told apart.

They are closed process by process, so that what is missing in one cannot be made up for by what is too much in another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from cdp.load_figures import Figures
from cdp.load_results import Books
from load.arrivals.schedule import Schedule


class Sender(Protocol):
    """What is asked of a process: its name and stripe, the arrivals it said were due, its requests beside the schedule,
    how many of both it gave an account of, and whether it died before its last report."""

    name: str
    stripe: int
    offered: int
    follow_ups: int
    recorded: int
    dead: bool


def close_books(
    figures: Iterable[Figures],
    senders: Iterable[Sender],
    schedule: Schedule | None,
    elapsed_s: float,
    *,
    open_loop: bool = True,
) -> Books:
    """Balance what the processes said was offered against what is recorded of it.

    What a process that died left unsent is known from the schedule itself: all of its stripe until `elapsed_s` (seconds
    of the schedule that have passed) that it never said was due is never sent. What it said was due and never gave an
    account of has no known end, and counts as sent and unanswered. Without a schedule (a search for capacity) nothing
    is known of what it would have sent; users (no `open_loop`) offer what they send.
    """
    whole = Figures.merged(figures)
    senders = list(senders)
    if not open_loop:
        return Books(whole.sent, whole.sent, 0, whole.good, whole.failed, whole.unanswered, True)
    lost = sum(_lost(each, schedule, len(senders), elapsed_s) for each in senders if each.dead) if schedule else 0
    under_way = sum(max(0, _missing(each)) for each in senders if each.dead)
    wrong = [
        f"{each.name}: {each.offered + each.follow_ups:,} were offered and {each.recorded:,} are accounted for"
        for each in senders
        if (_missing(each) < 0 if each.dead else _missing(each) != 0)
    ]
    offered = sum(each.offered + each.follow_ups for each in senders)
    if whole.offered != sum(each.recorded for each in senders):
        wrong.append(
            f"{sum(each.recorded for each in senders):,} were reported and {whole.offered:,} are in the figures"
        )
    died = f"{lost:,} arrivals of processes that died were never sent, {under_way:,} have no known end"
    return Books(
        offered=offered + lost,
        sent=whole.sent + under_way,
        never_sent=whole.never_sent + lost,
        answered=whole.good,
        failed=whole.failed,
        unanswered=whole.unanswered + under_way,
        balanced=not wrong,
        detail="; ".join([*wrong, *([died] if lost or under_way else [])]),
    )


def _missing(sender: Sender) -> int:
    return sender.offered + sender.follow_ups - sender.recorded


def _lost(sender: Sender, schedule: Schedule, stripes: int, elapsed_s: float) -> int:
    return max(0, schedule.count(sender.stripe, stripes, int(elapsed_s * 1e9)) - sender.offered)
