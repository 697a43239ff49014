"""The results file of a contract run: a file of records (`cdp.records`) that every report reads.

First line the header, last line the footer, a result per line between them.

Header fields that the reports understand (all optional): ``target`` (its name), ``base_url``, ``profile``, ``seed``,
``strict``, ``started`` (ISO 8601), ``contract_version``, ``suite_version``, ``allow`` (what the run may do),
``sections`` and ``families`` (rows and columns of the matrix, in order), ``cells`` (how many are planned),
``obstacle`` (why nothing can be concluded, for example "the token was refused"), ``budget_min`` (minutes that the
run was given), ``sources`` (where each requirement comes from), ``provenance`` (of each section: how many operations of
the contract are documented, observed and assumed), ``operations`` (of each planned operation: ``call``, ``provenance``,
``any_of`` and ``all_of``, the features that open it).
Footer fields: ``ended``, ``wall_s``, ``requests`` (all that were sent), ``interrupted`` (true after Ctrl-C),
``obstacle``, ``leftovers`` and ``stays`` (records that are still on the target: those that could have been removed,
and those that no operation removes), ``out_of_time`` (true when the budget ended before every cell was judged once),
``callers`` (users that were made, each with a role).

A cell that was judged several times has a line for each. Readers get one result for it, see `merged`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cdp.records import RESULTS_FILE, SCHEMA, RecordWriter, ResultsError, read_records
from cdp.verdicts import Cell, Result, Verdict, kept_in

__all__ = ["RESULTS_FILE", "SCHEMA", "ResultsError", "ResultsWriter", "Run", "read_results"]


class ResultsWriter(RecordWriter):
    """Appends results to a results file; `header`, `footer` and the errors as in `RecordWriter`."""

    def add(self, result: Result) -> None:
        """Append one result."""
        record = {item.name: getattr(result, item.name) for item in fields(Result)}
        self.write({**record, "kind": "result", "cell": result.cell.address, "verdict": result.verdict.name})


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
    """Read the results file of a contract run.

    A last line without its end is what a killed run leaves and is left out. Anything else that does not fit raises
    ``ResultsError`` naming the file and the line.
    """
    records = read_records(path)
    if records.of_load:
        raise ResultsError(f"{records.path}: the results of a load run, not of a contract run")
    run = Run(records.header, torn=records.torn)
    judged: dict[Cell, list[Result]] = {}
    for number, kind, record in records:
        if kind == "result":
            result = _result(records.path, number, record)
            judged.setdefault(result.cell, []).append(result)
        elif kind == "footer":
            run.footer = record
        else:
            raise ResultsError(f"{records.path}, line {number}: unknown kind of record {kind!r}")
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
        seen=_summed(result.seen for result in results),
    )


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


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
    "seen": dict,
}
_OPTIONAL = {"example", "exchange", "curl", "duration_s", "round", "seen"}


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
    if not all(isinstance(count, int) for count in values.get("seen", {}).values()):
        raise ResultsError(f"{path}, line {number}: the field 'seen' has the wrong type")
    try:
        values["cell"] = Cell.parse(str(record["cell"]))
        values["verdict"] = Verdict[str(record["verdict"])]
    except KeyError as error:
        raise ResultsError(f"{path}, line {number}: the cell or its verdict is missing or unknown: {error}") from error
    except ValueError as error:
        raise ResultsError(f"{path}, line {number}: {error}") from error
    return Result(**values)
