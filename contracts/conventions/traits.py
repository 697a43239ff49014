"""Texts with traits that programs stumble over: of what a target holds, one text for each trait tells most."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def one_for_each(traits: Iterable[re.Pattern[str]], items: Sequence[T], text: Callable[[T], str]) -> list[T]:
    """For each trait the first item whose text has it, where there is one; no item twice."""
    found = (next((item for item in items if trait.search(text(item))), None) for trait in traits)
    return list(dict.fromkeys(item for item in found if item is not None))
