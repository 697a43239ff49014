"""Files of records: JSON Lines with a header first and a footer last, appended to record by record.

Each record is written whole and at once, so that a run that is killed keeps what it had; a file without a footer is a
run that was cut off. What the records of a run mean is said where they are used: `cdp.results` for contract runs,
`cdp.load_results` for load runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

SCHEMA = 1
RESULTS_FILE = "results.jsonl"
RUNS = Path("reports") / "runs"
"""Where runs are kept, unless told otherwise."""

_MAX_DEPTH = 60  # orjson refuses to write deeper structures than about 250; a hostile body may be deeper
_INTEGERS = range(-(2**63), 2**64)  # what orjson can write as a number


class ResultsError(Exception):
    """The results cannot be written or read; the message is one line for people."""


class RecordWriter:
    """Appends records to a results file. Several processes may append to one file; one of them writes the header.

    ``ResultsError`` when the file cannot be opened, already holds a run (on `header`), or a write fails.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._broken = ""  # why an earlier write failed
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor: int | None = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise ResultsError(f"cannot write results to {self.path}: {error.strerror}") from error

    def header(self, **fields: Any) -> None:
        """Write the first record; the file must be empty."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_size:
            raise ResultsError(f"cannot write results to {self.path}: it already holds a run")
        self.write({**fields, "kind": "header", "schema": SCHEMA})

    def footer(self, **fields: Any) -> None:
        """Write the last record: the run came to its end."""
        self.write({**fields, "kind": "footer"})

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; its `kind` says what it is."""
        if self._descriptor is None:
            raise ResultsError(f"cannot write results to {self.path}: the file is closed")
        if self._broken:  # after half a line anything more would make the whole file unreadable
            raise ResultsError(f"cannot write results to {self.path}: {self._broken}, at an earlier write")
        line = _encode(record)
        try:
            # One call for the whole line: O_APPEND keeps lines of several processes apart, and there is no
            # buffer that a kill could take with it. A short write means a full disk; the next call says so.
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError as error:
            self._broken = error.strerror or str(error)
            raise ResultsError(f"cannot write results to {self.path}: {self._broken}") from error

    def close(self) -> None:
        """Close the file; harmless when already closed."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Records:
    """A results file as read: the header's fields, and the other records with the line and the kind of each.
    ``torn``: the last line was cut in the middle and left out."""

    path: Path
    header: dict[str, Any]
    lines: list[bytes]
    torn: bool

    @property
    def of_load(self) -> bool:
        """Whether they are of a load run; else they are of a contract run."""
        return "load" in self.header

    @property
    def footer(self) -> dict[str, Any] | None:
        """The footer's fields, read without the records before it; None where the run was cut off."""
        if not self.lines:
            return None
        last = _decode(self.path, len(self.lines) + 1, self.lines[-1])
        return last if last.pop("kind", None) == "footer" else None

    def __iter__(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Line number, kind and fields of each record after the header. ``ResultsError`` when one is not a record, or
        stands behind the footer."""
        ended = False
        for number, line in enumerate(self.lines, start=2):
            record = _decode(self.path, number, line)
            if ended:
                raise ResultsError(f"{self.path}, line {number}: a record after the footer")
            kind = record.pop("kind", None)
            ended = kind == "footer"
            yield number, str(kind), record


def read_records(path: str | os.PathLike[str]) -> Records:
    """Read a results file of whatever kind of run.

    A last line without its end is what a killed run leaves and is left out. Anything else that does not fit raises
    ``ResultsError`` naming the file and the line.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ResultsError(f"cannot read results {path}: {error.strerror}") from error
    torn = bool(lines.pop())  # after the last newline nothing should follow
    if not lines:
        raise ResultsError(f"{path}: no header; this is not a results file or its run never started")
    header = _decode(path, 1, lines[0])
    if header.pop("kind", None) != "header":
        raise ResultsError(f"{path}, line 1: a header was expected")
    if (schema := header.pop("schema", None)) != SCHEMA:
        raise ResultsError(f"{path}, line 1: schema {schema!r} is not known to this version (it reads {SCHEMA})")
    return Records(path, header, lines[1:], torn)


def _decode(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ResultsError(f"{path}, line {number}: not JSON ({error})") from error
    if not isinstance(record, dict):
        raise ResultsError(f"{path}, line {number}: an object was expected")
    return record


def _encode(record: dict[str, Any]) -> bytes:
    options = orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(record, option=options)
    except TypeError:  # lone surrogates, huge integers, bytes, very deep: a target may send anything
        return orjson.dumps(storable(record), option=options)


def storable(value: Any, depth: int = 0) -> Any:
    """The nearest thing to `value` that JSON can hold, nothing lost to the eye: odd characters become escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value in _INTEGERS):
        return value
    if depth < _MAX_DEPTH:
        if isinstance(value, dict):
            return {str(storable(str(key))): storable(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [storable(item, depth + 1) for item in value]
    try:
        text = str(value)
    except (RecursionError, ValueError):  # ValueError: an integer of more digits than Python prints
        text = f"<{type(value).__name__} that cannot be shown>"
    return storable(text)


def run_directory(base: Path, name: str) -> Path:
    """A new directory for a run's files, named by time (UTC) and target. Raises ResultsError when it cannot be made."""
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{''.join(c if c.isalnum() or c in '-._' else '-' for c in name)}"
    for number in range(100):
        directory = base / (stem if not number else f"{stem}-{number}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ResultsError(f"cannot make the run's directory {directory}: {error.strerror}") from None
        return directory
    raise ResultsError(f"cannot make a new directory for the run in {base}")
