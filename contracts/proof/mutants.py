"""Mutants: a kind of fault on one operation. Which of them are tried."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cdp.contract import Contract
from cdp.fault_control import Kind

THOROUGHNESS = ("quick", "release", "nightly")


@dataclass(frozen=True, order=True)
class Mutant:
    """One fault on one operation."""

    fault: str
    operation: str

    @property
    def name(self) -> str:
        """`FAULT/OPERATION`, as the command line takes it."""
        return f"{self.fault}/{self.operation}"


def possible(kinds: Iterable[Kind], judged: Mapping[str, Collection[str]], profile: str) -> dict[str, list[str]]:
    """For each kind, the operations on which it can be told: those where the suite, on the clean instance, gave PASS
    to the requirement that it breaks. `judged`: by requirement, the operations with a PASS. Kinds that need a more
    thorough profile are left out."""
    level = THOROUGHNESS.index(profile)
    found = {}
    for kind in kinds:
        if kind.profile in THOROUGHNESS and THOROUGHNESS.index(kind.profile) <= level:
            judgeable = judged.get(kind.by[0], ())
            found[kind.name] = [name for name in kind.operations if name in judgeable]
    return found


def spread(possible: Mapping[str, Sequence[str]], contract: Contract, per_kind: int, seed: int) -> list[Mutant]:
    """Up to `per_kind` operations of every kind, over as many sections as possible, drawn by the seed."""
    mutants = []
    for kind, operations in possible.items():
        chance = random.Random(f"{seed} {kind}")
        shuffled = chance.sample(list(operations), len(operations))
        taken: dict[str, int] = {}  # operations of a section that come before this one
        rank = {}
        for name in shuffled:
            section = contract.operations[name].section
            rank[name] = taken[section] = taken.get(section, -1) + 1
        mutants += [Mutant(kind, name) for name in sorted(shuffled, key=lambda name: rank[name])[:per_kind]]
    return mutants


def sampled(mutants: Sequence[Mutant], number: int, seed: int) -> list[Mutant]:
    """So many of the mutants, each kind before any kind a second time, drawn by the seed."""
    shuffled = random.Random(seed).sample(list(mutants), len(mutants))
    return sorted(in_rounds(shuffled)[:number])


def in_rounds(mutants: Sequence[Mutant]) -> list[Mutant]:
    """The mutants in another order: each kind once, then each a second time, and so on. A proof that is cut off has
    tried as many kinds as it could."""
    taken: dict[str, int] = {}
    rank = {}
    for mutant in mutants:
        rank[mutant] = taken[mutant.fault] = taken.get(mutant.fault, -1) + 1
    return sorted(mutants, key=lambda mutant: rank[mutant])
