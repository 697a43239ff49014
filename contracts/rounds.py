"""Which cells are judged again, and with which seed, once every cell has been judged.

**What is measured.** A cell that draws examples has tried so many of so many: the number of different examples where
it is known or was reached, else 1,000. Their ratio is its share. A round takes the half of the open cells whose share
is the smallest, so that time goes where least was seen in proportion to what there is to see.

**What is open.** A cell that passed, that draws examples, and that has some left. What is broken is known, what could
not be exercised will not be now, and what draws nothing would only say the same again. Cells that are told by one life
of records are judged together. Cells that judge every answer of an operation follow its drawn ones: they send nothing.

The order depends on the seed and on what was found, never on the clock. The clock only decides where it ends.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from cdp.contract import Contract
from cdp.verdicts import Cell, Result, Verdict
from contracts.drawing import Draw

TOGETHER = ("LIFE-01", "LIFE-02", "LIFE-03", "LIFE-04", "LIFE-06")


def round_seed(seed: int, number: int, unit: str) -> int:
    """The seed of a round for a cell: the run's own in the first one. With it the first round repeats the later one."""
    return seed if number == 1 else zlib.crc32(f"{seed}/{number}/{unit}".encode())


@dataclass(frozen=True)
class Turn:
    """A cell that is to be judged again."""

    cell: Cell
    number: int
    seed: int
    follows: bool = False  # judges what the others of its operation were answered


@dataclass
class Unit:
    """Cells that are judged together. `draws`: how many examples each of its rules tried, and how many there are."""

    key: str
    place: int
    cells: list[Cell] = field(default_factory=list)
    draws: list[tuple[int, int]] = field(default_factory=list)
    rounds: int = 1

    @property
    def share(self) -> float:
        return sum(tried for tried, _ in self.draws) / max(1, sum(room for _, room in self.draws))

    @property
    def open(self) -> bool:
        return bool(self.cells) and any(tried < room for tried, room in self.draws)

    def drew(self, draws: Sequence[Draw]) -> None:
        """Add what one judgement tried."""
        for number, draw in enumerate(draws):
            if number == len(self.draws):
                self.draws.append((draw.tried, draw.room))
            else:
                tried = self.draws[number][0] + draw.tried
                self.draws[number] = tried, tried if draw.exhausted else max(tried, draw.room)


class Rounds:
    """Keeps account of every judgement of some cells and says which come next. Each process of a run has its own, for
    its own cells: what is judged again, and how, depends on no other cell than those of the same operation and life."""

    def __init__(self, contract: Contract, seed: int, observing: Collection[str], most: int | None = None) -> None:
        self.contract = contract
        self.seed = seed
        self.most = most
        self._observing = observing
        self._units: dict[str, Unit] = {}
        self._followers: dict[str, list[Cell]] = defaultdict(list)
        self._place: dict[Cell, int] = {}
        self._took_s: dict[Cell, float] = {}
        self.number = 1
        self.judgements = 0  # beyond the first of each cell

    def unit_of(self, cell: Cell) -> str:
        """The name under which a cell is judged again; cells of one life share it."""
        if cell.requirement in TOGETHER:
            create = self.contract.by_action(self.contract.operations[cell.operation].entity, "create")
            if create is not None:
                return Cell("LIFE", create.id, "admin").address
        return cell.address

    def note(self, result: Result, draws: Sequence[Draw]) -> None:
        """Take account of a judgement, in the order in which they come."""
        cell = result.cell
        first = cell not in self._place
        self._place.setdefault(cell, len(self._place))
        self.judgements += not first
        self._took_s[cell] = result.duration_s
        if cell.requirement in self._observing and not draws:
            self._follow(result, first)
            return
        key = self.unit_of(cell)
        unit = self._units.setdefault(key, Unit(key, self._place[cell]))
        unit.drew(draws)
        if first and result.verdict is Verdict.PASS:
            unit.cells.append(cell)
        elif not first and result.verdict in (Verdict.WARN, Verdict.FAIL, Verdict.ERROR):
            unit.cells = [other for other in unit.cells if other != cell]

    def _follow(self, result: Result, first: bool) -> None:
        followers = self._followers[result.cell.operation]
        if first and result.verdict in (Verdict.PASS, Verdict.SKIP):
            followers.append(result.cell)
        elif not first and result.verdict not in (Verdict.PASS, Verdict.SKIP) and result.cell in followers:
            followers.remove(result.cell)

    def took_s(self, cell: Cell) -> float:
        """Seconds that the cell's last judgement took."""
        return self._took_s.get(cell, 0.0)

    def next(self) -> list[Turn]:
        """The turns of the next round; none when nothing is open."""
        open_units = [u for u in self._units.values() if u.open and (self.most is None or u.rounds < self.most)]
        if not open_units:
            return []
        self.number += 1
        chosen = sorted(open_units, key=lambda unit: (unit.share, unit.place))[: (len(open_units) + 1) // 2]
        turns = []
        for unit in chosen:
            unit.rounds += 1
            seed = round_seed(self.seed, unit.rounds, unit.key)
            turns += [Turn(cell, unit.rounds, seed) for cell in unit.cells]
        return self._ordered(turns)

    def _ordered(self, turns: Iterable[Turn]) -> list[Turn]:
        """Operation by operation, from another one on in each round: what the clock cuts off is not always the same."""
        of_operation: dict[str, list[Turn]] = defaultdict(list)
        for turn in sorted(turns, key=lambda turn: self._place[turn.cell]):
            of_operation[turn.cell.operation].append(turn)
        names = sorted(of_operation, key=lambda name: self._place[of_operation[name][0].cell])
        start = zlib.crc32(f"{self.seed}/{self.number}".encode()) % len(names)
        ordered: list[Turn] = []
        for name in names[start:] + names[:start]:
            drawn = of_operation[name]
            last = max(drawn, key=lambda turn: self._place[turn.cell])
            ordered += drawn
            ordered += [Turn(cell, last.number, last.seed, follows=True) for cell in self._followers[name]]
        return ordered
