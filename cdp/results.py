"""The results file of a run: JSON Lines, appended to record by record, read by every report.

First line the header, last line the footer, a result per line between them. Each record is written whole and at
once, so that a run that is killed keeps what it had; a file without a footer is a run that was cut off.

Header fields that the reports understand (all optional): ``target`` (its name), ``base_url``, ``profile``, ``seed``,
``strict``, ``started`` (ISO 8601), ``contract_version``, ``suite_version``, ``allow`` (what the run may do),
``sections`` and ``families`` (rows and columns of the matrix, in order), ``cells`` (how many are planned),
``obstacle`` (why nothing can be concluded, for example "the token was refused"), ``budget_min`` (minutes that the
run was given).
Footer fields: ``ended``, ``wall_s``, ``requests`` (all that were sent), ``interrupted`` (true after Ctrl-C),
``obstacle``, ``leftovers`` and ``stays`` (records that are still on the target: those that could have been removed,
and those that no operation removes), ``out_of_time`` (true when the budget ended before every cell was judged once),
``callers`` (users that were made, each with a role).

A cell that was judged several times has a line for each. Readers get one result for it, see `merged`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from cdp.verdicts import Cell, Result, Verdict, kept_in

SCHEMA = 1
RESULTS_FILE = "results.jsonl"

_MAX_DEPTH = 60  # orjson refuses to write deeper structures than about 250; a hostile body may be deeper
_INTEGERS = range(-(2**63), 2**64)  # what orjson can write as a number


class ResultsError(Exception):
    """The results cannot be written or read; the message is one line for people."""


class ResultsWriter:
    """Appends records to a results file. Several processes may append to one file; one of them writes the header.

    ``ResultsError`` when the file cannot be opened, already holds a run (on `header`), or a write fails.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._broken = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor: int | None = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise ResultsError(f"cannot write results to {self.path}: {error.strerror}") from error

    def header(self, **fields: Any) -> None:
        """Write the first record; the file must be empty."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_size:
            raise ResultsError(f"cannot write results to {self.path}: it already holds a run")
        self._write({**fields, "kind": "header", "schema": SCHEMA})

    def add(self, result: Result) -> None:
        """Append one result."""
        record = {item.name: getattr(result, item.name) for item in fields(Result)}
        self._write({**record, "kind": "result", "cell": result.cell.address, "verdict": result.verdict.name})

    def footer(self, **fields: Any) -> None:
        """Write the last record: the run came to its end."""
        self._write({**fields, "kind": "footer"})

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

    def _write(self, record: dict[str, Any]) -> None:
        if self._descriptor is None:
            raise ResultsError(f"cannot write results to {self.path}: the file is closed")
        if self._broken:  # after half a line anything more would make the whole file unreadable
            raise ResultsError(f"cannot write results to {self.path}: an earlier write failed")
        line = _encode(record)
        try:
            # One call for the whole line: O_APPEND keeps lines of several processes apart, and there is no
            # buffer that a kill could take with it. A short write means a full disk; the next call says so.
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError as error:
            self._broken = True
            raise ResultsError(f"cannot write results to {self.path}: {error.strerror}") from error


@dataclass
class Run:
    """A run as read from its results file, one result a cell. ``torn``: the last line was cut in the middle and left
    out. ``again``: judgements beyond the first of each cell; ``gained``: cases that they exercised; ``rounds``: how
    often a cell was judged at most."""

    header: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    footer: dict[str, Any] | None = None
    torn: bool = False
    again: int = 0
    gained: int = 0
    rounds: int = 1

    @property
    def planned(self) -> int:
        """How many cells the run meant to judge; 0 when the header does not tell."""
        cells = self.header.get("cells")
        return cells if isinstance(cells, int) else 0

    @property
    def complete(self) -> bool:
        """The run came to its end and every planned cell has a verdict."""
        if self.footer is None or self.footer.get("interrupted"):
            return False
        return len({result.cell for result in self.results}) >= self.planned

    @property
    def budget(self) -> str:
        """The time that the run was given, in words; empty when it had as much as it needed."""
        minutes = self.header.get("budget_min")
        return f"{minutes:g} min" if isinstance(minutes, int | float) and minutes else ""

    @property
    def out_of_time(self) -> bool:
        """The budget ended before every cell was judged once."""
        return bool(self.budget and (self.footer or {}).get("out_of_time"))

    @property
    def leftovers(self) -> list[str]:
        """What the run created and could have removed, but did not; each with operation and id."""
        return _texts((self.footer or {}).get("leftovers"))

    @property
    def stays(self) -> list[str]:
        """What the run created and the API has no operation to remove."""
        return _texts((self.footer or {}).get("stays"))

    @property
    def obstacle(self) -> str:
        """Why nothing can be concluded from the run (token refused, target down); empty when nothing stood in the
        way."""
        return str((self.footer or {}).get("obstacle") or self.header.get("obstacle") or "")


def read_results(path: str | os.PathLike[str]) -> Run:
    """Read a results file.

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
    run = Run(header, torn=torn)
    judged: dict[Cell, list[Result]] = {}
    for number, line in enumerate(lines[1:], start=2):
        record = _decode(path, number, line)
        kind = record.pop("kind", None)
        if run.footer is not None:
            raise ResultsError(f"{path}, line {number}: a record after the footer")
        if kind == "result":
            result = _result(path, number, record)
            judged.setdefault(result.cell, []).append(result)
        elif kind == "footer":
            run.footer = record
        else:
            raise ResultsError(f"{path}, line {number}: unknown kind of record {kind!r}")
    for results in judged.values():
        run.results.append(merged(results))
        run.again += len(results) - 1
        run.rounds = max(run.rounds, max(result.round for result in results))
        run.gained += sum(result.evidence for result in results[1:])
    return run


_EXERCISED = (Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.ERROR)


def merged(results: list[Result]) -> Result:
    """One result of all judgements of a cell, in their order.

    The worst verdict stands, with what was said when it was reached first, its example, its seed and its round. A
    judgement that exercised nothing says nothing against one that did. Cases, requests and seconds add up.
    """
    if len(results) == 1:
        return results[0]
    telling = [result for result in results if result.verdict in _EXERCISED] or results[:1]
    decisive = max(telling, key=lambda result: result.verdict)
    evidence = sum(result.evidence for result in results)
    passed = decisive.verdict is Verdict.PASS and len(telling) > 1
    return replace(
        decisive,
        sentence=kept_in(evidence, len(telling)) if passed else decisive.sentence,
        evidence=evidence,
        requests=sum(result.requests for result in results),
        duration_s=sum(result.duration_s for result in results),
    )


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


_TYPES: dict[str, type | tuple[type, ...]] = {
    "section": str,
    "family": str,
    "level": str,
    "sentence": str,
    "statement": str,
    "example": str,
    "curl": str,
    "evidence": int,
    "requests": int,
    "seed": int,
    "duration_s": (int, float),
    "round": int,
    "exchange": (dict, type(None)),
}
_OPTIONAL = {"example", "exchange", "curl", "duration_s", "round"}


def _result(path: Path, number: int, record: dict[str, Any]) -> Result:
    """Turn a stored record into a Result; fields that a later version added are left out."""
    values: dict[str, Any] = {}
    for name, kind in _TYPES.items():
        if name not in record:
            if name in _OPTIONAL:
                continue
            raise ResultsError(f"{path}, line {number}: the field {name!r} is missing")
        if not isinstance(record[name], kind):
            raise ResultsError(f"{path}, line {number}: the field {name!r} has the wrong type")
        values[name] = record[name]
    try:
        values["cell"] = Cell.parse(str(record["cell"]))
        values["verdict"] = Verdict[str(record["verdict"])]
    except KeyError as error:
        raise ResultsError(f"{path}, line {number}: the cell or its verdict is missing or unknown: {error}") from error
    except ValueError as error:
        raise ResultsError(f"{path}, line {number}: {error}") from error
    return Result(**values)


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
        return orjson.dumps(_storable(record), option=options)


def _storable(value: Any, depth: int = 0) -> Any:
    """The nearest thing to `value` that JSON can hold, nothing lost to the eye: odd characters become escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value in _INTEGERS):
        return value
    if depth < _MAX_DEPTH:
        if isinstance(value, dict):
            return {str(_storable(str(key))): _storable(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_storable(item, depth + 1) for item in value]
    try:
        text = str(value)
    except (RecursionError, ValueError):  # ValueError: an integer of more digits than Python prints
        text = f"<{type(value).__name__} that cannot be shown>"
    return _storable(text)
