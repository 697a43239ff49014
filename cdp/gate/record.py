"""The record of a gate: `gate.json` in a directory of its own, with what each part said and where its run is.

It is written again after each part, so that a gate that is killed has what it knew; without `ended` it was cut off.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from cdp.comparison.model import Comparison
from cdp.exit_codes import BROKEN, NOT_JUDGED, OK
from cdp.records import RESULTS_FILE, ResultsError
from cdp.verdicts import CANNOT_TELL, GO, NO_GO

GATE_FILE = "gate.json"
SKIPPED, NOTE = "SKIPPED", "NOTE"
EXIT_CODES = {GO: OK, NO_GO: BROKEN, CANNOT_TELL: NOT_JUDGED}

_SCHEMA = 1


@dataclass(frozen=True)
class Part:
    """What one part of a gate said. `outcome`: GO, NO-GO, CANNOT TELL, SKIPPED (it was not wanted) or NOTE (nothing was
    to be judged); `reasons`: why, a line each; `run`: its run's directory, relative to that of the gate, empty where it
    has none; `comparison`: what was compared, as a record."""

    name: str
    outcome: str
    sentence: str
    reasons: list[str] = field(default_factory=list)
    run: str = ""
    wall_s: float = 0.0
    comparison: dict[str, Any] | None = None

    @property
    def compared(self) -> Comparison | None:
        """The comparison that the part made."""
        return Comparison.from_record(self.comparison) if self.comparison else None


@dataclass
class Gate:
    """A gate: what it was held against, its parts as they came, and what they amount to. Times are ISO 8601."""

    target: str
    base_url: str
    profile: str
    started: str
    suite_version: str = ""
    parts: list[Part] = field(default_factory=list)
    ended: str = ""
    wall_s: float = 0.0
    interrupted: bool = False
    accepted: bool = False

    @property
    def headline(self) -> str:
        """GO, NO-GO or CANNOT TELL. What is broken is broken, whatever else could not be judged."""
        outcomes = {part.outcome for part in self.parts}
        if NO_GO in outcomes:
            return NO_GO
        whole = self.ended and not self.interrupted and GO in outcomes
        return GO if whole and CANNOT_TELL not in outcomes else CANNOT_TELL

    @property
    def exit_code(self) -> int:
        """0 GO, 1 NO-GO, 3 CANNOT TELL."""
        return EXIT_CODES[self.headline]

    @property
    def reasons(self) -> list[str]:
        """Why the gate says what it says, a line each, the decisive ones first."""
        rank = (NO_GO, CANNOT_TELL, GO, NOTE, SKIPPED)
        lines = [f"{p.name}: {p.sentence}" for p in sorted(self.parts, key=lambda part: rank.index(part.outcome))]
        if self.interrupted:
            return ["the gate was interrupted; what was judged until then is kept", *lines]
        return lines if self.ended else ["the gate was cut off before its end", *lines]

    def as_record(self) -> dict[str, Any]:
        """As it stands in the file."""
        decision = {"headline": self.headline, "exit_code": self.exit_code, "reasons": self.reasons}
        return {"kind": "gate", "schema": _SCHEMA, **asdict(self), "decision": decision}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What `as_record` gave. KeyError, TypeError or ValueError when it is anything else."""
        if record["kind"] != "gate" or record["schema"] != _SCHEMA:
            raise ValueError(f"a gate of schema {record['schema']!r}, and this version reads {_SCHEMA}")
        values = {name: value for name, value in record.items() if name not in ("kind", "schema", "decision")}
        gate = cls(**{**values, "parts": [Part(**part) for part in record["parts"]]})
        for part in gate.parts:
            _ = part.compared  # it must be readable, too
            if part.outcome not in (*EXIT_CODES, SKIPPED, NOTE):
                raise ValueError(f"an unknown outcome {part.outcome!r}")
        return gate


def find_gate(run: str | Path, runs: Path) -> Path | None:
    """The record that a person means by a run: a gate's directory, its name within `runs`, or the file itself; None
    when it is something else."""
    for path in (Path(run), runs / run):
        found = path / GATE_FILE if path.is_dir() else path
        if found.name == GATE_FILE and found.is_file():
            return found
    return None


def read_gate(path: Path) -> Gate:
    """Read a gate's record. ResultsError in one line when it cannot be read."""
    try:
        return Gate.from_record(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} is no record of a gate ({error!r})") from None


def write_gate(gate: Gate, path: Path) -> None:
    """Write the record so that a reader never meets half of one. ResultsError when it cannot be written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(orjson.dumps(gate.as_record(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        part.replace(path)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def runs_of(gate: Gate, directory: Path) -> list[Path]:
    """The results files of a gate's parts, each once; `directory` is the gate's own."""
    names = dict.fromkeys(part.run for part in gate.parts if part.run)
    paths = [Path(os.path.normpath(directory / name)) / RESULTS_FILE for name in names]
    return [path for path in paths if path.is_file()]
