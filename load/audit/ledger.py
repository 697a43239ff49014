"""The ledger of a process: one byte an event, that says how far it came.

The file is a shared mapping: what was noted is in the page cache at once and survives `kill -9` of the process; a flush
every second makes it survive the machine, too. Room is allocated before it is written to, so that a full disk is an
error that can be told, and no SIGBUS.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from load.answer import Answer

UNSENT, SENT, ACKNOWLEDGED, REFUSED, UNKNOWN, FAILED = range(6)
STATES = ("unsent", "sent", "acknowledged", "refused", "unknown", "failed")
FLUSH_S = 1.0
_FIRST_ROOM = 1 << 16
_MOST_AT_ONCE = 1 << 24
NEVER = 1 << 62
_SHORT = 256
_RUNS = tuple(tuple(bytes([state]) * size for size in range(_SHORT)) for state in range(len(STATES)))

States = npt.NDArray[np.uint8]


class LedgerError(Exception):
    """The ledger cannot be written or read; the message is one line."""


def state_of(answer: Answer) -> int:
    """What an answer says of the events of its request.

    2xx: acknowledged. 3xx and 4xx: refused. No whole answer, 502 and 504 (an intermediary that had none): unknown.
    Other 5xx: failed. Nothing was sent at all: unsent.
    """
    status = answer.status
    if 200 <= status < 300:
        return ACKNOWLEDGED
    if not status:
        return UNKNOWN if answer.sent_ns else UNSENT
    if status < 500:
        return REFUSED
    return UNKNOWN if status in (502, 504) else FAILED


class Ledger:
    """The ledger that a process writes. An event's place in it is its slot: its number among the events of the process.

    `map`: the bytes; `room`: how many there are, for those who write a single one in haste. `unwatched`: how many more
    events may be acknowledged before one is watched until it can be read. Raises LedgerError when the file exists
    already, or there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.map: mmap.mmap
        self.room = 0
        self.unwatched = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise LedgerError(f"cannot write the ledger {path}: {error.strerror}") from None
        self._grow(1)

    def begin(self, slot: int, size: int) -> None:
        """Note that `size` events, from `slot` on, are about to be sent. Raises LedgerError when there is no room."""
        end = slot + size
        if end > self.room:
            self._grow(end)
        self.map[slot:end] = _RUNS[SENT][size] if size < _SHORT else bytes([SENT]) * size

    def note(self, slot: int, size: int, state: int) -> None:
        """Note what became of events that were begun."""
        self.map[slot : slot + size] = _RUNS[state][size] if size < _SHORT else bytes([state]) * size

    def _grow(self, end: int) -> None:
        room = max(_FIRST_ROOM, self.room)
        while room < end:
            room += min(room, _MOST_AT_ONCE)
        try:
            os.posix_fallocate(self._file, self.room, room - self.room)
            if self.room:
                self.map.close()
            self.map = mmap.mmap(self._file, room)
        except OSError as error:
            raise LedgerError(f"cannot write the ledger {self.path}: {error.strerror}") from None
        self.room = room

    def flush(self) -> None:
        """Bring what was noted to the disk. It blocks, and leaves other threads alone: call it in one of its own."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Cut the file to what was used, and close it. Harmless when it is closed."""
        if self._file < 0:
            return
        used = _used(np.frombuffer(self.map[:], dtype=np.uint8))
        self.map.close()
        try:
            os.ftruncate(self._file, used)
            os.fsync(self._file)
        finally:
            os.close(self._file)
            self._file = -1


def read_ledger(path: Path) -> States:
    """The states that a ledger holds, one a slot; room at its end that a killed process left is unsent.

    Raises LedgerError when it cannot be read or is no ledger.
    """
    try:
        states = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise LedgerError(f"cannot read the ledger {path}: {error.strerror}") from None
    if states.size and int(states.max()) >= len(STATES):
        raise LedgerError(f"{path} is no ledger: it holds a state that does not exist")
    return states[: _used(states)]


def _used(states: States) -> int:
    """Up to where anything was noted."""
    for end in range(states.size, 0, -_MOST_AT_ONCE):
        found = np.flatnonzero(states[max(0, end - _MOST_AT_ONCE) : end])
        if found.size:
            return max(0, end - _MOST_AT_ONCE) + int(found[-1]) + 1
    return 0
