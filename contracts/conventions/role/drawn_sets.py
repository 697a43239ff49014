"""Sets of features around what an operation needs, drawn from the lattice of all of them (ROLE-03 in the long profile).

One caller is enough for thousands of sets: its role is given one after the other. A target on which such a change takes
its time would look as if it let the wrong ones in, so the first answer that is not as it should be is asked for again
with a caller made for that very set.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from cdp.contract import Features
from cdp.contract.operation import is_pattern
from cdp.http import Exchange
from contracts.calls import Call
from contracts.checks import Broken, NotExercised
from contracts.session import Identity
from contracts.subject import Subject

MOST_ADDED = 6
MOST_CONFIRMED = 20  # callers made to ask again, in a whole run
MOST_REFUSED = 5  # sets on end, before it is clear that no role can be changed
_REFUSED = "the features of a role cannot be changed on this target"
_LATE = "a change of a role's features takes its time on this target"

Set = frozenset[str]
Sets = st.SearchStrategy[Set]


def minimal_sets(features: Features) -> list[Set]:
    """The smallest sets that open an operation, patterns such as segments/export/EXPORT_DESTINATION_ID left out."""
    return [frozenset(f) for f in features.minimal_sets() if not any(map(is_pattern, f))]


def sets_around(features: Features, known: Set, elsewhere: list[Set]) -> Sets:
    """Sets of known features that tell most about an expression: what it needs and more, a part of it, its neighbours'
    names, everything but a few, and what other operations (`elsewhere`) need."""
    own = minimal_sets(features)
    required = sorted({f for f in (*features.any_of, *features.all_of) if f in known})
    others = sorted(known.difference(required))
    more = _some(others, MOST_ADDED)
    areas = {f.partition("/")[0] for f in required}
    neighbours = [f for f in others if f.partition("/")[0] in areas]
    found = [
        st.lists(st.sampled_from(elsewhere), min_size=1, max_size=4).map(lambda sets: frozenset().union(*sets))
        if elsewhere
        else more,
        _some(sorted(known), MOST_ADDED).map(known.difference),
    ]
    if own:
        found.append(st.builds(frozenset.union, st.sampled_from(own), more))
    if required:
        found.append(st.builds(frozenset.union, _some(required, len(required)), more))
        found.append(_some(required, len(required)).map(known.difference))
    if neighbours:
        found.append(_some(neighbours, len(neighbours), least=1))
    return st.one_of(found)


def _some(features: list[str], most: int, least: int = 0) -> Sets:
    if not features:
        return st.just(frozenset[str]())
    return st.frozensets(st.sampled_from(features), min_size=min(least, len(features)), max_size=most)


def explore(
    s: Subject, call: Call, telling: Callable[[Set], bool], judge: Callable[[Set, Exchange, str], None]
) -> None:
    """Give a role sets of features around what the operation needs, and judge what it gets.

    `telling`: whether a set tells anything about the operation; `judge` raises Broken when the exchange is not as the
    set demands. With what opens the operation, more of anything has to open it as well; the last argument says so.
    """
    if _LATE in s.bench.memory or s.bench.memory.get(_REFUSED, 0) >= MOST_REFUSED:
        return
    contract, features = s.session.contract, s.operation.features
    known = frozenset(contract.feature_names)
    elsewhere = sorted({f for o in contract.operations.values() for f in minimal_sets(o.features)}, key=sorted)
    before, role = s.evidence, _ChangingRole(s, call, judge)

    def rule(held: Set) -> None:
        if telling(held):
            role.holds(held)

    try:
        s.for_all(sets_around(features, known, elsewhere), rule, s.session.profile.lattice)
    except NotExercised:  # no role can be changed: sets that have callers of their own were tried before
        s.evidence = before if _LATE in s.bench.memory else s.evidence


class _ChangingRole:
    """A caller whose role is given one set of features after the other."""

    def __init__(self, s: Subject, call: Call, judge: Callable[[Set, Exchange, str], None]) -> None:
        self.s, self.call, self.judge = s, call, judge
        self._opened: list[Set] = []  # sets that the operation is open to
        self._confirmed = False  # whether a caller of its own showed what was broken, too

    def holds(self, held: Set) -> None:
        """Give the role a set, and judge what its caller gets."""
        s = self.s
        caller = s.bench.identities.shifted(held)
        self._count_refusals(refused=caller is None)
        if caller is None:
            return
        held = s.bench.identities.held.of(held)
        exchange = s.session.send(self.call, Identity(s.cell.role, caller.token))
        fewer = next((len(held - smaller) for smaller in self._opened if smaller < held), 0)
        more = f"; without {fewer} of its features it opens" if fewer else ""
        try:
            self.judge(held, exchange, more)
        except Broken:
            self._confirmed = self._confirmed or self._broken_for_another(held)
            if self._confirmed:
                raise
            s.bench.memory[_LATE] = True
            raise NotExercised(_LATE) from None
        if s.operation.features.allows(held):
            self._opened.append(held)
        s.exercised()

    def _count_refusals(self, *, refused: bool) -> None:
        """Raise NotExercised where so many sets on end were refused that no change of a role is taken."""
        memory = self.s.bench.memory
        memory[_REFUSED] = memory.get(_REFUSED, 0) + 1 if refused else 0
        if memory[_REFUSED] >= MOST_REFUSED:
            if self.s.bench.identities.shifted(frozenset()) is None:
                raise NotExercised(_REFUSED)
            memory[_REFUSED] = 0  # a feature is refused that is in all of them, not every change

    def _broken_for_another(self, held: Set) -> bool:
        """Whether a caller made for this set gets the same. Where many did before, the changes can be trusted."""
        asked: set[Set] = self.s.bench.memory.setdefault("asked by another", set())
        if held not in asked and len(asked) >= MOST_CONFIRMED:
            return True
        asked.add(held)
        caller = self.s.bench.identities.holding(held, self.s.cell.role)
        try:
            self.judge(held, self.s.session.send(self.call, caller), "")
        except Broken:
            return True
        return False
