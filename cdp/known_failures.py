"""Known failures: a file that names cells, why they may fail for now, and until when.

A known failure stays a failure in every report; it only does not decide the exit code. An entry that no longer fails,
or whose time has run out, is reported, so that the file can only shrink.
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
STORED_AS = "baseline"  # in the header of results


class KnownFailuresError(Exception):
    """The file cannot be used; the message is one line that names the file and the entry."""


@dataclass(frozen=True)
class KnownFailure:
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
    """What the file did for a run: entries that excused a failure, that were not needed, and whose time has run out."""

    used: list[KnownFailure]
    unneeded: list[KnownFailure]
    run_out: list[KnownFailure]


def read_known_failures(path: Path) -> list[KnownFailure]:
    """Read a TOML file with `[[accepted]]` entries of cell, reason and until (a date).

    Raises KnownFailuresError in one line when it cannot be read or an entry is incomplete.
    """
    where = f"the file of known failures {path}"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KnownFailuresError(f"{where} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnownFailuresError(f"{where} is no TOML: {' '.join(str(error).split())}") from None
    entries = raw.get("accepted", [])
    if set(raw) - {"accepted"} or not isinstance(entries, list):
        raise KnownFailuresError(f"{where} holds [[accepted]] entries and nothing else")
    return [_entry(f"{where}, entry {number}", entry) for number, entry in enumerate(entries, 1)]


def _entry(where: str, raw: Any) -> KnownFailure:
    if not isinstance(raw, dict) or set(raw) != FIELDS:
        raise KnownFailuresError(f"{where}: needs exactly cell, reason and until")
    if not isinstance(raw["until"], datetime.date) or isinstance(raw["until"], datetime.datetime):
        raise KnownFailuresError(f"{where}: until must be a date, for example 2027-01-31 without quotes")
    for name in ("cell", "reason"):
        if not isinstance(raw[name], str) or not raw[name].strip():
            raise KnownFailuresError(f"{where}: {name} must be a text")
    if raw["cell"].count("/") < 1:
        raise KnownFailuresError(f"{where}: {raw['cell']!r} is no cell address (REQUIREMENT/operation[/role])")
    return KnownFailure(raw["cell"], raw["reason"].strip(), raw["until"])


def known_failures_of(run: Run) -> list[KnownFailure]:
    """The known failures that a run was judged with, as its header tells."""
    records = run.header.get(STORED_AS) or []
    return [KnownFailure(r["cell"], r["reason"], datetime.date.fromisoformat(r["until"])) for r in records]


def in_force(entries: Iterable[KnownFailure], run: Run) -> list[KnownFailure]:
    """Entries whose time had not run out on the day the run started."""
    try:
        day = datetime.date.fromisoformat(str(run.header.get("started"))[:10])
    except ValueError:  # a run that does not say when it started: nothing has run out yet
        day = datetime.date.min
    return [entry for entry in entries if entry.until >= day]


def excused_of(run: Run, results: Iterable[Result]) -> list[Result]:
    """Those of the results that an entry in force excuses."""
    entries = in_force(known_failures_of(run), run)
    return [r for r in results if any(entry.covers(r.cell.address) for entry in entries)] if entries else []


def reckon(run: Run, broken: Iterable[Result]) -> Reckoning:
    """Sort a run's entries by what they did. One is unneeded when its cells were judged and none of them is broken."""
    addresses = [r.cell.address for r in broken]
    judged = [r.cell.address for r in run.results if r.verdict.name in ("PASS", "WARN", "FAIL")]
    entries = known_failures_of(run)
    valid = in_force(entries, run)
    used = [e for e in valid if any(e.covers(a) for a in addresses)]
    unneeded = [e for e in valid if e not in used and any(e.covers(a) for a in judged)]
    return Reckoning(used, unneeded, [e for e in entries if e not in valid])
