"""Which events a run sends together: a pure function of the seed and the number of the arrival."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from load.scenarios.data import CHUNK, Draws, Floats, Integers, Sizes


class Batch(NamedTuple):
    """The events of an arrival: `size` of them, the first of which is number `first` of the run, and number `slot` of
    the process whose arrival it is."""

    first: int
    size: int
    upload: bool
    sampled: bool
    slot: int


class BatchColumns(NamedTuple):
    """The batches of a chunk of arrivals, one row an arrival; fields as in `Batch`, size 0 where an arrival is none.
    `places`: the numbers of the arrivals."""

    places: Integers
    firsts: Integers
    sizes: Integers
    uploads: npt.NDArray[np.bool_]


class Batches:
    """The batches of a run. Events are numbered through without gaps, in the order of the arrivals: a pure function of
    seed and arrival. `active`: for a chunk, which arrivals are batches at all; all of them without. Every
    `stripes`-th arrival, from number `stripe` on, is this process's."""

    def __init__(
        self,
        seed: int,
        sizes: Sizes,
        uploads: float,
        check_every: int,
        active: Callable[[int], npt.NDArray[np.bool_]] | None = None,
        stripe: int = 0,
        stripes: int = 1,
    ) -> None:
        self._sizes = sizes
        self._uploads = uploads
        self._check_every = check_every
        self._active = active
        self._stripe, self._stripes = stripe, stripes
        self._firsts = [(0, 0)]  # of each chunk, the numbers of the first event and of the first one of this process
        self._draws = Draws(seed, "batches", 3, self._plan)

    def __getitem__(self, arrival: int) -> Batch:
        return self._draws[arrival]

    def _of_chunk(self, chunk: int, uniform: Floats) -> Integers:
        sizes = self._sizes.of(uniform[:, 0])
        return sizes if self._active is None else np.where(self._active(chunk), sizes, 0)

    def _own(self, chunk: int, sizes: Integers) -> Integers:
        """The sizes of the arrivals of this process, 0 for all others."""
        places = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK)
        return np.where(places % self._stripes == self._stripe, sizes, 0)

    def _first_of(self, chunk: int) -> tuple[int, int]:
        while len(self._firsts) <= chunk:
            before = len(self._firsts) - 1
            sizes = self._of_chunk(before, self._draws.uniform(before))
            first, slot = self._firsts[before]
            self._firsts.append((first + int(sizes.sum()), slot + int(self._own(before, sizes).sum())))
        return self._firsts[chunk]

    def columns(self, chunk: int) -> BatchColumns:
        """All arrivals of a chunk, whichever process they belong to."""
        uniform = self._draws.uniform(chunk)
        sizes = self._of_chunk(chunk, uniform)
        firsts = self._first_of(chunk)[0] + np.cumsum(sizes) - sizes
        places = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK)
        return BatchColumns(places, firsts, sizes, uniform[:, 1] < self._uploads)

    def _plan(self, chunk: int, uniform: Floats) -> list[Batch]:
        sizes = self._of_chunk(chunk, uniform)
        own = self._own(chunk, sizes)
        first, slot = self._first_of(chunk)
        firsts = first + np.cumsum(sizes) - sizes
        slots = slot + np.cumsum(own) - own
        uploads = uniform[:, 1] < self._uploads
        sampled = uniform[:, 2] * self._check_every < 1
        columns = (firsts, sizes, uploads, sampled, slots)
        return list(map(Batch._make, zip(*(column.tolist() for column in columns), strict=True)))
