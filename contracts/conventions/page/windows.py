"""Which pages of a list are asked for: some that tell much, and drawn ones."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from contracts.conventions.listing import Walk
from contracts.subject import Subject

LONGEST_PAGE = 60  # of those that are drawn
BEYOND = 9  # records that a drawn page may ask for behind the end
Window = tuple[int, int]  # limit and offset


def can_offset(s: Subject) -> bool:
    return s.operation.query("offset") is not None


def tail(count: int) -> Window:
    """A page in the second half: most ways to get paging wrong show where a page comes near the end."""
    return max(1, count // 3), count // 2


def over_the_end(count: int) -> Window:
    """A page of the last records that asks for more than there are."""
    start = count - max(1, count // 3)
    return count - start + 3, start


def pages_in(count: int, beyond: int = 0) -> int:
    """How many different pages `windows` can draw."""
    return sum(min(left + beyond, LONGEST_PAGE) for left in range(1, count + 1))


def windows(count: int, beyond: int = 0) -> st.SearchStrategy[Window]:
    """Pages that begin in a walk of so many records, asking for up to `beyond` more than it holds."""
    return st.integers(min_value=0, max_value=max(0, count - 1)).flatmap(
        lambda offset: st.tuples(
            st.integers(min_value=1, max_value=max(1, min(count - offset + beyond, LONGEST_PAGE))), st.just(offset)
        )
    )


def draw_windows(s: Subject, reference: Walk, rule: Callable[[Window], None]) -> None:
    """Hold pages to a rule, where the profile draws any: over the end, too, where it is known to be one."""
    if s.session.profile.examples <= 1:
        return
    count, beyond = len(reference), BEYOND if reference.complete else 0
    if beyond and can_offset(s):
        rule(over_the_end(count))
    s.for_all(windows(count, beyond), rule, of=pages_in(count, beyond))
