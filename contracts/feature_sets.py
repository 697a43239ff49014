"""Which sets of features are tried on an operation: those that tell most about what opens it."""

from __future__ import annotations

import random

from cdp.contract import Operation
from cdp.contract.operation import is_pattern


def gives_access(operation: Operation, feature: str) -> bool:
    """Whether a feature that the operation does not name may open it by another way, because it gives access to
    segments."""
    return bool(operation.extra_access) and feature.startswith("foreign_segments/")


class FeatureSets:
    """Sets of the features that the contract names. `drawn`: so many that stand for any other, some of them known to
    tell much and the rest random."""

    def __init__(self, features: frozenset[str], seed: int, count: int) -> None:
        self._features = features
        rng = random.Random(seed)
        self.drawn = [*self._halves(), *rng.sample(self._runs(), 2)][:count]
        while len(self.drawn) < count:
            size = rng.randint(1, max(1, len(features) // 2))
            self.drawn.append(frozenset(rng.sample(sorted(features), size)))

    def _halves(self) -> list[frozenset[str]]:
        """The features of every other area, and those of the others: whatever an operation needs stands beside much
        else in one of them, and all of an area's features stand together."""
        areas = sorted({f.partition("/")[0] for f in self._features})
        first = frozenset(f for f in self._features if f.partition("/")[0] in areas[::2])
        return [first, self._features - first]

    def _runs(self) -> list[frozenset[str]]:
        """The first features by their names, and the last, more than half of them each: what looks at the first few
        that a role holds misses those behind them."""
        names, count = sorted(self._features), len(self._features) * 5 // 8
        return [frozenset(names[:count]), frozenset(names[-count:])]

    def near_misses(self, operation: Operation) -> list[tuple[str, frozenset[str]]]:
        """Sets of features that must not open an operation, the most telling first, each with a description."""
        required = {*operation.features.any_of, *operation.features.all_of}
        patterns = tuple(f.rsplit("/", 1)[0] + "/" for f in required if is_pattern(f))
        others = frozenset(
            f
            for f in self._features
            if f not in required and not (patterns and f.startswith(patterns)) and not gives_access(operation, f)
        )
        return [
            ("all features but those required", others),
            ("names that extend, cut or respell the required ones", self.lookalikes(patterns)),
            ("names that would stand for many features at once", self.names_for_many(patterns)),
        ]

    def lookalikes(self, patterns: tuple[str, ...] = ()) -> frozenset[str]:
        """Names close to real features without being any: longer, shorter, in capitals, the area alone; none that
        begins as `patterns` do, where more names are features than are known."""
        close = {
            variant
            for f in self._features
            for variant in (f + "s", f + "/all", f[:-1], f.upper(), f.partition("/")[0], "x" + f)
        }
        return frozenset(f for f in close - self._features if not (patterns and f.startswith(patterns)))

    def names_for_many(self, patterns: tuple[str, ...] = ()) -> frozenset[str]:
        """Names that a comparison by patterns takes for any feature, or any of an area, without being any (CWE-155).
        They are a set of their own, because a target may take no such signs in a name."""
        areas = {f.partition("/")[0] for f in self._features}
        names = {"*", "**", "*/*", "%", ".*", "all", *(f"{area}/{sign}" for area in areas for sign in ("*", "**", "%"))}
        return frozenset(f for f in names - self._features if not (patterns and f.startswith(patterns)))

    def all_but_one(self, operation: Operation | None = None) -> frozenset[str]:
        """Nearly all features: what counts them or keeps them in too small a place breaks on it. The one that is left
        out is none that the operation asks for, as far as there are others."""
        features = operation.features if operation else None
        asked = {*features.any_of, *features.all_of} if features else set[str]()
        return self._features - {min(self._features - asked or self._features, default="")}
