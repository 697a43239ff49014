"""What is judged next. The unit is a kind of record with all operations on it: its observing checks judge all that was
seen of an operation, and one play of its life tells every cell of the kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cdp.contract import Contract
from cdp.verdicts import Cell
from contracts.parallel.footprint import Footprint, Footprints, resource


class Schedule:
    """Units that wait for a process, the largest first: what is left for the end is small."""

    def __init__(self, contract: Contract, cells: Iterable[Cell]) -> None:
        self.contract = contract
        units: dict[str, list[Cell]] = {}
        for cell in cells:
            units.setdefault(self.unit_of(cell), []).append(cell)
        footprints = Footprints(contract)
        self.footprints: dict[str, Footprint] = {name: footprints.of(unit) for name, unit in units.items()}
        self.waiting: dict[str, Sequence[Cell]] = dict(sorted(units.items(), key=lambda item: -len(item[1])))

    def unit_of(self, cell: Cell) -> str:
        return resource(self.contract.operations[cell.operation])

    def free(self, busy: Iterable[str]) -> str | None:
        """The next unit that disturbs none of those that are being judged; None when there is none."""
        others = [self.footprints[name] for name in busy]
        for name in self.waiting:
            if not any(self.footprints[name].disturbs(other) for other in others):
                return name
        return None

    def take(self, name: str) -> Sequence[Cell]:
        """The cells of a unit, which waits no more."""
        return self.waiting.pop(name)

    def put_back(self, name: str, cells: Sequence[Cell]) -> None:
        """Let a unit, or what is left of it, wait again."""
        if cells:
            self.waiting[name] = cells
