"""Seeded data: what an arrival asks is drawn from its number and the seed alone.

Draws come in chunks from Philox, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", SC11): chunk c is the same whoever computes it and in whatever order, so that the number of workers changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from load.scenario import ScenarioError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
T = TypeVar("T")
CHUNK = 4096
_KEPT = 4
_MASK = 2**64 - 1
_HEX = "0123456789abcdef"
# Letters of made-up texts. Sixteen of them, so that a number is written without thought; no vowels, so that no word of
# any language comes out.
_PLAIN = str.maketrans(_HEX, "bcdfghjklmnpqrst")
SCRIPTS = "žšřěαβγδжщюя漢字仮名"
_UNICODE = str.maketrans(_HEX, SCRIPTS)
LONGEST_BATCH = 10_000


class Draws(Generic[T]):
    """An endless row of items, one a number: `plan` turns the number of a chunk and its uniform numbers, independent of
    each other, one row an item, into as many items."""

    def __init__(self, seed: int, stream: str, columns: int, plan: Callable[[int, Floats], Sequence[T]]) -> None:
        self._key = np.array([seed & _MASK, crc32(stream.encode())], dtype=np.uint64)
        self._columns = columns
        self._plan = plan
        self._chunks: dict[int, Sequence[T]] = {}

    def __getitem__(self, number: int) -> T:
        chunk, place = divmod(number, CHUNK)
        known = self._chunks.get(chunk)
        return (self.chunk(chunk) if known is None else known)[place]

    def chunk(self, chunk: int) -> Sequence[T]:
        """All items of a chunk."""
        known = self._chunks.get(chunk)
        if known is None:
            known = self._plan(chunk, self.uniform(chunk))
            while len(self._chunks) >= _KEPT:
                del self._chunks[next(iter(self._chunks))]
            self._chunks[chunk] = known
        return known

    def uniform(self, chunk: int) -> Floats:
        """The numbers from 0 to 1 that a chunk is made of."""
        counter = np.array([0, 0, chunk, 0], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=self._key, counter=counter)).random((CHUNK, self._columns))


class Zipf:
    """Popularity by Zipf's law: of `count` items the one of rank r is drawn with a weight of 1 / r ** exponent.

    An exponent of 0 makes all alike.
    """

    def __init__(self, count: int, exponent: float) -> None:
        if count < 1:
            raise ValueError("there is nothing to choose from")
        weights = 1.0 / np.arange(1, count + 1, dtype=np.float64) ** exponent
        self._borders = np.cumsum(weights / weights.sum())[:-1]

    def ranks(self, uniform: Floats) -> Integers:
        """Ranks from 0, the most popular, for numbers from 0 to 1."""
        return np.searchsorted(self._borders, uniform, side="right").astype(np.int64)


class Choice:
    """One of several names, each with its share."""

    def __init__(self, shares: dict[str, float]) -> None:
        self.names = [name for name, share in shares.items() if share > 0]
        weights = np.array([shares[name] for name in self.names], dtype=np.float64)
        if not self.names:
            raise ValueError("every share is 0")
        self._borders = np.cumsum(weights / weights.sum())[:-1]

    def places(self, uniform: Floats) -> Integers:
        """Places in `names`, for numbers from 0 to 1."""
        return np.searchsorted(self._borders, uniform, side="right").astype(np.int64)


class Sizes:
    """Sizes of batches: always the same, a range with all alike, or Zipf's law from 1 to a largest one."""

    def __init__(self, text: str) -> None:
        """Read `50`, `1-200` or `zipf:200`. Raises ScenarioError in one line."""
        self.text = text.strip()
        found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?|zipf:(\d{1,9})", self.text, re.ASCII)
        low, high, largest = found.groups() if found else (None, None, None)
        self.least = int(low) if low else 1
        self.most = int(largest or high or low or 0)
        if not 1 <= self.least <= self.most <= LONGEST_BATCH:
            raise ScenarioError(
                f"{text!r} is no batch size; write 50, 1-200 or zipf:200, from 1 to {LONGEST_BATCH} events"
            )
        self._zipf = Zipf(self.most, 1.0) if largest else None

    def of(self, uniform: Floats) -> Integers:
        """Sizes for numbers from 0 to 1."""
        if self._zipf is not None:
            return self._zipf.ranks(uniform) + 1
        return self.least + np.floor(uniform * (self.most - self.least + 1)).astype(np.int64)


def unknown_text(one: float, other: float, length: int = 24) -> str:
    """A text of small letters that nobody has, made of two numbers from 0 to 1."""
    return _repeated(f"{int(one * 2**52):013x}{int(other * 2**52):013x}".translate(_PLAIN), length)


def unknown_unicode(one: float, other: float) -> str:
    """A text of letters of several scripts that nobody has."""
    return f"{int(one * 2**52):013x}{int(other * 2**52):013x}".translate(_UNICODE)


def _repeated(text: str, length: int) -> str:
    return (text * (length // len(text) + 1))[:length]
