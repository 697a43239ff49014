"""Deliberate bugs of the instance, by name: the proof that every check can fail.

One module per group of families; importing the package fills BREAKAGES.
"""

from tests.breakages import access, answers, codes, events, life, ordering, paging, roles, search, shapes, texts
from tests.breakages.model import BREAKAGES, Breakage

__all__ = [
    "BREAKAGES",
    "Breakage",
    "access",
    "answers",
    "codes",
    "events",
    "life",
    "ordering",
    "paging",
    "roles",
    "search",
    "shapes",
    "texts",
]
