"""Accepted failures: a file that names cells, why they may fail for now, and until when.

An accepted failure stays a failure in every report; it only does not decide the exit code. An entry that no longer
fails, or whose time has run out, is reported, so that the file can only shrink.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdp.results import Run
    from cdp.verdicts import Result

FIELDS = {"cell", "reason", "until"}


class BaselineError(Exception):
    """The file cannot be used; the message is one line that names the file and the entry."""


@dataclass(frozen=True)
class Accepted:
    """One entry. `cell` is an address in which * stands for anything; `until` is the last day on which it counts."""

    cell: str
    reason: str
    until: datetime.date

    def covers(self, address: str) -> bool:
        return fnmatchcase(address, self.cell)

    def as_record(self) -> dict[str, str]:
        return {"cell": self.cell, "reason": self.reason, "until": self.until.isoformat()}


@dataclass(frozen=True)
class Reckoning:
    """What a baseline did for a run: entries that saved a failure, that were not needed, and whose time has run out."""

    used: list[Accepted]
    unneeded: list[Accepted]
    run_out: list[Accepted]


def load_baseline(path: Path) -> list[Accepted]:
    """Read a TOML file with `[[accepted]]` entries of cell, reason and until (a date).

    Raises BaselineError in one line when it cannot be read or an entry is incomplete.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BaselineError(f"the baseline {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BaselineError(f"the baseline {path} is no TOML: {' '.join(str(error).split())}") from None
    entries = raw.get("accepted", [])
    if set(raw) - {"accepted"} or not isinstance(entries, list):
        raise BaselineError(f"the baseline {path} holds [[accepted]] entries and nothing else")
    return [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]


def _entry(path: Path, number: int, raw: Any) -> Accepted:
    where = f"the baseline {path}, entry {number}"
    if not isinstance(raw, dict) or set(raw) != FIELDS:
        raise BaselineError(f"{where}: needs exactly cell, reason and until")
    if not isinstance(raw["until"], datetime.date) or isinstance(raw["until"], datetime.datetime):
        raise BaselineError(f"{where}: until must be a date, for example 2027-01-31 without quotes")
    for name in ("cell", "reason"):
        if not isinstance(raw[name], str) or not raw[name].strip():
            raise BaselineError(f"{where}: {name} must be a text")
    if raw["cell"].count("/") < 1:
        raise BaselineError(f"{where}: {raw['cell']!r} is no cell address (REQUIREMENT/operation[/role])")
    return Accepted(raw["cell"], raw["reason"].strip(), raw["until"])


def baseline_of(run: Run) -> list[Accepted]:
    """The baseline that a run was judged with, as its header tells."""
    records = run.header.get("baseline") or []
    return [Accepted(r["cell"], r["reason"], datetime.date.fromisoformat(r["until"])) for r in records]


def in_force(entries: Iterable[Accepted], run: Run) -> list[Accepted]:
    """Entries whose time had not run out on the day the run started."""
    try:
        day = datetime.date.fromisoformat(str(run.header.get("started"))[:10])
    except ValueError:  # a run that does not say when it started: nothing has run out yet
        day = datetime.date.min
    return [entry for entry in entries if entry.until >= day]


def accepted(run: Run, results: Iterable[Result]) -> list[Result]:
    """Those of the results that an entry in force accepts."""
    entries = in_force(baseline_of(run), run)
    return [r for r in results if any(entry.covers(r.cell.address) for entry in entries)] if entries else []


def reckon(run: Run, broken: Iterable[Result]) -> Reckoning:
    """Sort a run's entries by what they did. One is unneeded when its cells were judged and none of them is broken."""
    addresses = [r.cell.address for r in broken]
    judged = [r.cell.address for r in run.results if r.verdict.name in ("PASS", "WARN", "FAIL")]
    entries = baseline_of(run)
    valid = in_force(entries, run)
    used = [e for e in valid if any(e.covers(a) for a in addresses)]
    unneeded = [e for e in valid if e not in used and any(e.covers(a) for a in judged)]
    return Reckoning(used, unneeded, [e for e in entries if e not in valid])
