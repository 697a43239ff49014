"""Which runs were accepted: the measure of those that come after them.

`accepted.json` in the directory of the runs (reports/runs/accepted.json) lists them in the order in which they were
accepted, each with its target and kind. The last one of a target and kind is what a new run is compared with;
those before it tell how much runs of the same target differ from each other.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from cdp.comparison.comparable import load_differences, unusable
from cdp.comparison.stored import AnyRun, kind_of, read_run, target_of
from cdp.load_results import LoadRun
from cdp.records import RESULTS_FILE, ResultsError, read_records
from cdp.verdicts import CANNOT_TELL, decide

ACCEPTED_FILE = "accepted.json"
_SCHEMA = 1
_KEPT = 30  # of each target and kind


@dataclass(frozen=True)
class AcceptedRun:
    """One entry. `run` is the run's directory, relative to the directory of the runs where it lies in it; `at` when it
    was accepted (ISO 8601)."""

    target: str
    kind: str
    run: str
    at: str


def accept(results: Path, runs: Path) -> AcceptedRun:
    """Accept the run of a results file. ResultsError in one line when it cannot be read or judged nothing for sure,
    or the list cannot be written."""
    run = read_run(results)
    if why := _not_acceptable(run):
        raise ResultsError(f"{results.parent} cannot be accepted: {why}")
    if not target_of(run):
        raise ResultsError(f"{results.parent} cannot be accepted: it does not say of which target it is")
    entry = AcceptedRun(target_of(run), kind_of(run), _named(results.parent, runs), _now())
    entries = [each for each in read_accepted(runs) if each.run != entry.run]
    same = [each for each in entries if (each.target, each.kind) == (entry.target, entry.kind)]
    dropped = same[: max(0, len(same) - _KEPT + 1)]
    _write(runs / ACCEPTED_FILE, [*(each for each in entries if each not in dropped), entry])
    return entry


def read_accepted(runs: Path) -> list[AcceptedRun]:
    """Every accepted run, in the order of acceptance; none where there is no list. ResultsError when it is broken."""
    path = runs / ACCEPTED_FILE
    try:
        found = orjson.loads(path.read_bytes())
        if found["schema"] != _SCHEMA:
            raise ResultsError(f"{path}: schema {found['schema']!r} is not known to this version (it reads {_SCHEMA})")
        return [AcceptedRun(**{name: str(each[name]) for name in _FIELDS}) for each in found["accepted"]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ResultsError(f"{path} is no list of accepted runs; accept a run again after removing it") from None


@dataclass(frozen=True)
class LastAccepted:
    """What a run is compared with: the results file of the last accepted run, and those of all that were accepted for
    its target and kind, oldest first."""

    results: Path
    accepted: list[Path]


def last_accepted(results: Path, runs: Path) -> LastAccepted | None:
    """What a run is compared with, given its results file; None where no other run of its target and kind was accepted.

    Of load runs the last one that asked the same is taken, where there is one. ResultsError when the run or the list
    cannot be read, or none of the accepted runs is there any more.
    """
    run = read_run(results)
    others = _others(results, run, runs)
    if not others:
        return None
    there = [path for path in others if path.is_file()]
    if not there:
        raise ResultsError(f"the accepted run {others[-1].parent} is gone; accept another one")
    same = [path for path in there if _asks_the_same(path, run)]
    return LastAccepted((same or there)[-1], there)


def accepted_for(results: Path, runs: Path) -> list[Path]:
    """The results files of all runs that were accepted for a run's target and kind and are still there, oldest first.
    ResultsError when the run or the list cannot be read."""
    return [path for path in _others(results, read_run(results), runs) if path.is_file()]


def _others(results: Path, run: AnyRun, runs: Path) -> list[Path]:
    """Accepted runs of the target and kind of a run, but for the run itself."""
    entries = [e for e in read_accepted(runs) if (e.target, e.kind) == (target_of(run), kind_of(run))]
    paths = [runs / entry.run / RESULTS_FILE for entry in entries]
    return [path for path in paths if path.resolve() != results.resolve()]


def _asks_the_same(path: Path, run: AnyRun) -> bool:
    if not isinstance(run, LoadRun):
        return True
    try:
        return not load_differences(LoadRun(read_records(path).header), run)
    except ResultsError:
        return False


def _not_acceptable(run: AnyRun) -> str:
    if isinstance(run, LoadRun):
        return f"it {why}" if (why := unusable(run)) else ""
    decision = decide(run)
    return decision.sentence if decision.headline == CANNOT_TELL else ""


def _named(directory: Path, runs: Path) -> str:
    try:
        return str(directory.resolve().relative_to(runs.resolve()))
    except ValueError:
        return str(directory.resolve())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(path: Path, entries: list[AcceptedRun]) -> None:
    record: dict[str, Any] = {"schema": _SCHEMA, "accepted": [asdict(entry) for entry in entries]}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        part.replace(path)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


_FIELDS = ("target", "kind", "run", "at")
