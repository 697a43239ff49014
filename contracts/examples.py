"""Examples that broke a rule, kept on disk from one run to the next, so that they are the first to be tried again.

One directory per target, one per cell. What is kept is Hypothesis' sequence of choices (which member of a list, which
number, which characters), or the steps of a life: nothing that a target said, and no token. Hypothesis drops what does
not fail any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

import contracts.steady_draws  # noqa: F401 - the seed alone decides what is drawn
from cdp.verdicts import Cell

EXAMPLES = Path("reports") / "examples"


class ExamplesError(Exception):
    """Examples cannot be kept where they should be; the message is one line."""


class KeptExamples(ExampleDatabase):
    """The examples of one rule on one cell.

    Hypothesis names a test by the source of its function, which is the same for every cell and changes with every
    edit; here the name is given. While `closed` nothing is dropped: a run that was stopped has not tried it.
    """

    def __init__(self, directory: Path, name: str) -> None:
        super().__init__()
        self._files = DirectoryBasedExampleDatabase(directory)
        self._name = name.encode()
        self.closed = False

    def _key(self, key: bytes) -> bytes:
        return self._name + (b".secondary" if key.endswith(b".secondary") else b"")

    @staticmethod
    def _passing(key: bytes) -> bool:
        """Whether it is about examples that broke nothing: Hypothesis remembers some of those as well."""
        return key.endswith(b".pareto")

    def save(self, key: bytes, value: bytes) -> None:
        if not self._passing(key):
            self._files.save(self._key(key), value)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        return () if self._passing(key) else list(self._files.fetch(self._key(key)))

    def delete(self, key: bytes, value: bytes) -> None:
        if not self._passing(key) and not self.closed:
            self._files.delete(self._key(key), value)

    def __bool__(self) -> bool:
        """Whether there is anything to try again."""
        return any(True for key in (b"", b".secondary") for _ in self.fetch(key))


class Examples:
    """The examples kept for one target. Raises ExamplesError when nothing can be written there."""

    def __init__(self, directory: Path, target: str) -> None:
        name = quote(target, safe=" ").strip(". ")
        self.directory = directory / (name or "target")
        probe = self.directory / ".writable"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise ExamplesError(f"cannot keep examples in {self.directory}: {error.strerror}") from None

    def of(self, cell: Cell, name: str) -> KeptExamples:
        """What is kept for one of a cell's rules."""
        return KeptExamples(self.directory / quote(cell.address, safe=""), name)


def examples_for(directory: Path | None, target: str) -> Examples | None:
    """The examples of a target below a directory; None without one. Raises ExamplesError."""
    return Examples(directory, target) if directory is not None else None
