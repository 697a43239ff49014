"""What roles that the run made hold of what they were made with: a target may keep no names that it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Features = frozenset[str]


@dataclass
class HeldFeatures:
    """Features of the contract that a role lacks though it was made with them, as the answers told."""

    known: Features
    less: dict[Features, Features] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)

    def note(self, features: Features, record: Mapping[str, Any]) -> None:
        """Take in how a role that was made with these features was answered. Names that nobody knows may always go."""
        answered = record.get("features")
        if not isinstance(answered, list):
            return
        lost = (features & self.known).difference(f for f in answered if isinstance(f, str))
        self.kept |= (features & self.known) - lost
        self.dropped |= lost
        if lost:
            self.less[features] = features - lost

    @property
    def never(self) -> Features:
        """Features that no role kept, and one lost."""
        return frozenset(self.dropped - self.kept)

    def of(self, features: Features) -> Features:
        """What a role holds that was given these."""
        return self.less.get(features, features - self.never)
