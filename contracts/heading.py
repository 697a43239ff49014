"""What a run's header tells of the contract, so that a report needs nothing but the stored results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from cdp.contract import Contract, Operation
from contracts.catalogue import Catalogue


def described(contract: Contract, catalogue: Catalogue, operations: Iterable[Operation]) -> dict[str, Any]:
    """The fields `sources`, `provenance` and `operations` of a header, see `cdp.results`."""
    provenance: dict[str, Counter[str]] = {}
    for operation in contract.operations.values():
        provenance.setdefault(operation.section, Counter())[operation.provenance] += 1
    return {
        "sources": {requirement.id: requirement.source for requirement in catalogue.checked},
        "provenance": {section: dict(counts) for section, counts in provenance.items()},
        "operations": {operation.id: _operation(operation) for operation in operations},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    found = {
        "call": f"{operation.method} {operation.template}",
        "provenance": operation.provenance,
        "any_of": list(operation.features.any_of),
        "all_of": list(operation.features.all_of),
    }
    return {name: value for name, value in found.items() if value}
