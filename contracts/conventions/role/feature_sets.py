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
    contract, identities, features = s.session.contract, s.bench.identities, s.operation.features
    known = frozenset(contract.feature_names)
    elsewhere = sorted({f for o in contract.operations.values() for f in minimal_sets(o.features)}, key=sorted)
    opened: list[Set] = []
    before, confirmed = s.evidence, False

    def rule(held: Set) -> None:
        nonlocal confirmed
        if not telling(held):
            return
        caller = identities.shifted(held)
        refused = s.bench.memory[_REFUSED] = 0 if caller else s.bench.memory.get(_REFUSED, 0) + 1
        if refused >= MOST_REFUSED:
            if identities.shifted(frozenset()) is None:
                raise NotExercised(_REFUSED)
            s.bench.memory[_REFUSED] = 0  # a feature is refused that is in all of them, not every change
        if caller is None:
            return
        held = identities.held.of(held)
        exchange = s.session.send(call, Identity(s.cell.role, caller.token))
        fewer = next((len(held - smaller) for smaller in opened if smaller < held), 0)
        more = f"; without {fewer} of its features it opens" if fewer else ""
        try:
            judge(held, exchange, more)
        except Broken:
            confirmed = confirmed or _broken_for_another(s, call, held, judge)
            if confirmed:
                raise
            s.bench.memory[_LATE] = True
            raise NotExercised(_LATE) from None
        if features.allows(held):
            opened.append(held)
        s.exercised()

    if _LATE in s.bench.memory or s.bench.memory.get(_REFUSED, 0) >= MOST_REFUSED:
        return
    try:
        s.for_all(sets_around(features, known, elsewhere), rule, s.session.profile.lattice)
    except NotExercised:  # no role can be changed: sets that have callers of their own were tried before
        s.evidence = before if _LATE in s.bench.memory else s.evidence


def _broken_for_another(s: Subject, call: Call, held: Set, judge: Callable[[Set, Exchange, str], None]) -> bool:
    """Whether a caller made for this set gets the same. Where many did before, the changes can be trusted."""
    asked: set[Set] = s.bench.memory.setdefault("asked by another", set())
    if held not in asked and len(asked) >= MOST_CONFIRMED:
        return True
    asked.add(held)
    caller = s.bench.identities.holding(held, s.cell.role)
    try:
        judge(held, s.session.send(call, caller), "")
    except Broken:
        return True
    return False
