"""Which process looks at what: claims on kinds of records, held in the run's directory and freed when their process
dies.

What has to hold still for one process may not be touched by another, while any number may touch it together, or look
together at what nobody touches. Each kind of record has two files; whoever needs it to hold still has a shared lock on
the one, whoever touches it on the other. One process at a time makes its claims, all of them at once, so that none
waits for another that waits for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contracts.parallel.footprint import NOTHING, Footprint

fcntl: Any
try:
    import fcntl
except ImportError:
    fcntl = None

CLAIMS_DIRECTORY = "claims"
PATIENCE_S = 3600.0  # a process keeps its claims for as long as it judges one kind of record
_POLL_S = 0.02
_TURN = "turn"


class Unclaimed(Exception):
    """Others did not let go of what was to be claimed; the message is one line."""


def possible() -> bool:
    """Whether this system has the locks that claims are made of."""
    return fcntl is not None


class Claims:
    """The claims of one process."""

    def __init__(self, run_directory: Path, patience_s: float = PATIENCE_S) -> None:
        self._directory = run_directory / CLAIMS_DIRECTORY
        self._directory.mkdir(exist_ok=True)
        self._patience_s = patience_s
        self._held: list[int] = []

    def hold(self, footprint: Footprint, waiting: Callable[[], None] = lambda: None) -> None:
        """Let go of what is held and claim something else, as soon as nobody is disturbed by it.

        `waiting` is called again and again meanwhile. Raises Unclaimed when patience ends.
        """
        self.release()
        if footprint == NOTHING:
            return
        deadline = time.monotonic() + self._patience_s
        wanted = [(self._still(name), self._touched(name)) for name in sorted(footprint.still)]
        wanted += [(self._touched(name), self._still(name)) for name in sorted(footprint.touched)]
        with self._turn(deadline, waiting):
            for _, other in wanted:
                while not _free(other):
                    _wait(deadline, waiting, other)
            self._held = [_locked(own, fcntl.LOCK_SH) for own, _ in wanted]

    def release(self) -> None:
        """Let go of everything."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []

    @contextmanager
    def _turn(self, deadline: float, waiting: Callable[[], None]) -> Iterator[None]:
        """The right to make claims."""
        path = self._directory / _TURN
        descriptor = _opened(path)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    _wait(deadline, waiting, path)
            yield
        finally:
            os.close(descriptor)

    def _still(self, name: str) -> Path:
        return self._directory / f"{name}.still"

    def _touched(self, name: str) -> Path:
        return self._directory / f"{name}.touched"


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _locked(path: Path, how: int) -> int:
    descriptor = _opened(path)
    fcntl.flock(descriptor, how)
    return descriptor


def _free(path: Path) -> bool:
    """Whether nobody has a claim here. It stays so as long as nobody else may make any."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _wait(deadline: float, waiting: Callable[[], None], path: Path) -> None:
    if time.monotonic() > deadline:
        raise Unclaimed(f"another process of the run did not let go of {path.name}")
    waiting()
    time.sleep(_POLL_S)
