"""What the header of a contract run tells of the contract; everything may be missing, as in runs of older versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cdp.results import Run

KINDS = ("documented", "observed", "assumed")
"""How the contract knows of an operation, the surest first."""


@dataclass(frozen=True)
class OperationFacts:
    """What is known of an operation: its call (`GET /api/tags`), its provenance, and the features that open it."""

    call: str = ""
    provenance: str = ""
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()


class ContractFacts:
    """The contract as a run's header tells it."""

    def __init__(self, run: Run) -> None:
        self._operations = _mapping(run.header.get("operations"))
        self._provenance = _mapping(run.header.get("provenance"))
        self._sources = _mapping(run.header.get("sources"))

    @property
    def tells_provenance(self) -> bool:
        return bool(self._provenance)

    def operation(self, name: str) -> OperationFacts:
        """What the run tells of an operation; empty texts where it does not."""
        known = _mapping(self._operations.get(name))
        return OperationFacts(
            str(known.get("call") or ""),
            str(known.get("provenance") or ""),
            _texts(known.get("any_of")),
            _texts(known.get("all_of")),
        )

    def source(self, requirement: str) -> str:
        """Where a requirement comes from; empty where the run does not tell."""
        return str(self._sources.get(requirement) or "")

    def provenance(self, section: str) -> dict[str, int]:
        """How many operations of a section are known in which way, the surest first."""
        found = _mapping(self._provenance.get(section))
        return {kind: found[kind] for kind in KINDS if isinstance(found.get(kind), int) and found[kind]}

    def provenance_of(self, operations: Iterable[str]) -> list[str]:
        """In which ways the operations are known, the surest first."""
        found = {self.operation(name).provenance for name in operations}
        return [kind for kind in KINDS if kind in found]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
