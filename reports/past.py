"""What earlier runs of a target add to a page: since when something fails, and how the last runs went.

A page is made from one run. Whoever keeps earlier ones hands over what they say; a page without it shows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cdp.verdicts import Result


@dataclass(frozen=True)
class Night:
    """An earlier run: its name, when it started (ISO 8601), what it said, figures in words by their name (`p99`: `212
    ms`), a note (a change point), and where its page is, relative to this one; empty where there is none."""

    name: str
    started: str = ""
    headline: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    href: str = ""


@dataclass(frozen=True)
class Past:
    """`nights`: earlier runs, the latest last. `since`: of cells that are broken now, by address, the first of the runs
    without a break in which it was. `moved`: where series of figures moved, each in a few words, the latest last."""

    nights: Sequence[Night] = ()
    since: Mapping[str, Night] = field(default_factory=dict)
    moved: Sequence[str] = ()

    def first_of(self, places: Iterable[Result]) -> Night | None:
        """The earliest run in which any of the places was broken as it is now; None when none is known."""
        known = [self.since[place.cell.address] for place in places if place.cell.address in self.since]
        return min(known, key=lambda night: night.started, default=None)

    @property
    def has_notes(self) -> bool:
        return any(night.note for night in self.nights)

    @property
    def figures(self) -> list[str]:
        """The names of all figures of the nights, in order of appearance."""
        return list(dict.fromkeys(name for night in self.nights for name in night.figures))


NOTHING = Past()


def is_safe(href: str) -> bool:
    """Whether a link may stand in a page: a relative path, so that nothing else than a page beside it can be meant."""
    return bool(href) and ":" not in href.partition("/")[0] and not href.startswith(("/", "\\"))
