"""Faults of the instance, by name: deviations that a developer of such a server would recognise, each with the
requirement that it breaks. They prove that every check of the suite can fail.

A fault wraps the application from outside: it sees the whole request, may send it on as often as it likes, changed or
not, and answers what it wants. The server's own code knows nothing of it. One module per group of families; importing
the package fills FAULTS.
"""

from instance.faults import (
    answers,
    back_doors,
    borders,
    codes,
    defaults,
    drawn,
    events,
    habits,
    intake,
    kinship,
    lagging,
    leniencies,
    life,
    logins,
    neighbours,
    ordering,
    oversights,
    paging,
    refactored,
    roles,
    search,
    shapes,
    shortcuts,
    side_ways,
    subtle,
    texts,
    tokens,
    under_load,
    values,
)
from instance.faults.model import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "answers",
    "back_doors",
    "borders",
    "codes",
    "defaults",
    "drawn",
    "events",
    "habits",
    "intake",
    "kinship",
    "lagging",
    "leniencies",
    "life",
    "logins",
    "neighbours",
    "ordering",
    "oversights",
    "paging",
    "refactored",
    "roles",
    "search",
    "shapes",
    "shortcuts",
    "side_ways",
    "subtle",
    "texts",
    "tokens",
    "under_load",
    "values",
]
