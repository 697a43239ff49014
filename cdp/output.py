"""Standard output and standard error that may fail to take what is printed: a full disk, a reader that has gone (head,
less), an encoding without the signs. What a command does and finds is the same whether anybody reads it or not."""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from collections.abc import Callable
from typing import Any, TextIO

_PLAIN = {"·": "-", "–": "-", "—": "-", "…": "...", "“": '"', "”": '"', "’": "'", "×": "x", "→": "->"}
_LOST: list[OSError] = []


class _Stream(io.FileIO):
    """A stream that takes everything. What the system does not take is lost, and the first reason is kept."""

    def __init__(self, descriptor: int, lost: Callable[[OSError], None]) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._lost = lost

    def write(self, content: Any, /) -> int:
        size = memoryview(content).nbytes
        try:
            written = super().write(content)
            while written is None:  # a pipe that does not block, and is full
                select.select([], [self], [])
                written = super().write(content)
        except OSError as error:
            self._lost(error)
            return size
        return written


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What stands for signs that an encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or ascii(sign)[1:-1] for sign in signs), error.end


def print_whatever_comes() -> None:
    """From here on nothing that is printed can fail. `output_lost` says what became of standard output."""
    codecs.register_error("cdp-plainly", _plainly)
    _LOST.clear()
    sys.stdout = _forgiving(sys.stdout, _LOST.append)
    sys.stderr = _forgiving(sys.stderr, lambda _: None)


def _forgiving(stream: TextIO | None, lost: Callable[[OSError], None]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # closed from the start, or somebody else's
        return stream  # type: ignore[return-value]
    try:
        raw = _Stream(stream.fileno(), lost)
    except (OSError, ValueError):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="cdp-plainly",
        line_buffering=stream.line_buffering or raw.isatty(),
    )


def output_lost() -> str:
    """Why a part of what was printed is nowhere, in words; empty when all was taken, or its reader has gone, which is
    his own wish."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.flush()
    if not _LOST or _LOST[0].errno == errno.EPIPE:
        return ""
    return f"standard output cannot be written: {os.strerror(_LOST[0].errno or 0)}; what was printed is not whole"
