"""Dredd on a section of the contract, with hooks that give it tokens and bring about the refusals it knows of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.accounts import administrator, nobody, token
from benchmarks.peers.contest import Alarm, PeerError, labels
from benchmarks.peers.node_tools import VERSIONS, run
from benchmarks.peers.plain import Plain
from cdp.contract import Contract
from cdp.targets import Target

NAME = f"Dredd {VERSIONS['dredd']}"
_CHECKED = ("limit", "load_full_structure")  # parameters that the hooks give values which are refused
_HOOKS = Path(__file__).parent / "dredd_hooks.js"


@dataclass(frozen=True)
class Dredd:
    """Where it runs. `described`: the contract in plain words."""

    contract: Contract
    target: Target
    described: Plain
    directory: Path

    def prepare(self, operations: list[str]) -> None:
        """Have the section in plain words, with answers of the instance."""
        self.described.of(operations)

    def look(self, operations: list[str]) -> set[Alarm]:
        """What it reports on these operations. Raises PeerError."""
        document, report = self.directory / "dredd-openapi.json", self.directory / "dredd-report.json"
        report.unlink(missing_ok=True)
        document.write_text(json.dumps(self.described.of(operations)))
        arguments = [str(document), self.target.origin, "--hookfiles", str(_HOOKS), "--sorted", "--loglevel", "error"]
        said = run("dredd", [*arguments, "--no-color"], self.directory, {"PEERS_TOLD": json.dumps(self._told(report))})
        if not report.exists():
            raise PeerError(f"Dredd left no report: {said}")
        return reported(json.loads(report.read_text()), labels(self.contract))

    def _told(self, report: Path) -> dict[str, Any]:
        admin = token(self.target, administrator(self.target))
        calls = {f"{o.method} {o.template}": o for o in self.contract.operations.values()}
        return {
            "report": str(report),
            "admin": admin,
            "nobody": token(self.target, nobody(self.target, admin)),
            "closed": [call for call, operation in calls.items() if not operation.open],
            "choosy": [call for call, operation in calls.items() if any(map(operation.query, _CHECKED))],
            "guarded": [call for call, operation in calls.items() if operation.features.needed],
        }


def reported(report: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> set[Alarm]:
    """What the report of the hooks holds: one alarm for each expected status that did not come out right, with all that
    was wrong, or the status alone where that was. `names`: see `labels`."""
    found = set()
    for transaction in report:
        if not transaction["passed"]:
            operation = names.get(transaction["operation"], transaction["operation"])
            errors = sorted(transaction["errors"]) or ["failed"]
            status = [error for error in errors if error.startswith("statusCode")]
            found.add((operation, f"{transaction['expected']}: {'; '.join(status or errors)}"))
    return found
