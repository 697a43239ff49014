"""How thoroughly a run looks: the same requirements with more or fewer examples."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.cells import ADMIN, MINIMAL


@dataclass(frozen=True)
class Profile:
    """Numbers of examples per cell. `examples`: Hypothesis examples; `forms`: members of a list of forms, `list_forms`
    where a list is asked; `borders` and `drawn`: requests that Schemathesis draws for each operation, so many valid and
    so many invalid ones, at the borders of the schema and at random; `window`: records walked at most; `lives`:
    sequences of up to `steps` steps drawn for each entity, beside the one that every profile takes; `feature_sets`:
    sets that are held to every operation, `lattice`: sets drawn around the features of each.

    `rounds`: how often a cell is judged when its evidence can grow, where no budget says how long to go on; the numbers
    above are those of one round. `keeps`: examples that broke a rule are kept, and tried first the next time."""

    name: str
    examples: int
    tokens: int
    feature_sets: int
    forms: int
    list_forms: int
    window: int
    listing_roles: tuple[str, ...]
    borders: int = 0
    drawn: int = 0
    lives: int = 0
    steps: int = 0
    lattice: int = 0
    rounds: int = 1
    keeps: bool = False


PROFILES = {
    "quick": Profile(
        "quick", examples=1, tokens=14, feature_sets=4, forms=3, list_forms=1, window=100, listing_roles=(ADMIN,)
    ),
    "release": Profile(
        "release",
        examples=6,
        tokens=12,
        feature_sets=5,
        forms=99,
        list_forms=99,
        window=300,
        listing_roles=(ADMIN, MINIMAL),
        borders=12,
        drawn=6,
        lives=3,
        steps=8,
        keeps=True,
    ),
    "nightly": Profile(
        "nightly",
        examples=8,
        tokens=15,
        feature_sets=5,
        forms=99,
        list_forms=99,
        window=1000,
        listing_roles=(ADMIN, MINIMAL),
        borders=60,
        drawn=30,
        lives=6,
        steps=16,
        lattice=8,
        rounds=4,
        keeps=True,
    ),
}
