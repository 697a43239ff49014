"""The control address of an instance with faults: which there are, and switching them. Plain HTTP, like everything that
the suite knows of an instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

_DEADLINE_S = 60.0


class ProofError(Exception):
    """The proof cannot go on; the message is one line."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault as the instance tells it. `by`: the requirements that it breaks, `also`: what names it as well.
    `profile`: the least thorough one that has to find it; `rate`: how many of the requests that could show it do."""

    name: str
    what: str
    by: tuple[str, ...]
    also: frozenset[str]
    operations: tuple[str, ...]
    profile: str
    rate: float
    source: str

    def as_header(self) -> dict[str, Any]:
        """As it stands in the header of a proof."""
        told = {"name": self.name, "what": self.what, "profile": self.profile}
        return {**told, "by": list(self.by), "also": sorted(self.also)}

    @property
    def right(self) -> frozenset[str]:
        """The requirements that name it rightly."""
        return self.also | set(self.by)


@dataclass(frozen=True)
class State:
    """The fault that is on: requests of any operation, those that it saw, answers that it changed, what broke in the
    fault itself, and the operations on which it may be reported: its own, and those that it shows on by its nature."""

    requests: int
    seen: int
    changed: int
    broke: str
    places: frozenset[str]


@dataclass(frozen=True)
class Control:
    """The control address of the instance at this origin."""

    origin: str

    def kinds(self) -> list[Kind]:
        """Every kind of fault that the instance has. Raises ProofError."""
        return [
            Kind(
                told["name"],
                told["what"],
                tuple(told["by"]),
                frozenset(told["also"]),
                tuple(told["operations"]),
                told["profile"],
                told["rate"],
                told["source"],
            )
            for told in self._ask("GET", "/-/faults")["faults"]
        ]

    def switch(self, fault: str, operation: str) -> None:
        """Put a fault on an operation, with fresh data. Raises ProofError."""
        self._ask("PUT", "/-/fault", {"fault": fault, "operation": operation})

    def clear(self) -> None:
        """No fault, with fresh data. Raises ProofError."""
        self._ask("DELETE", "/-/fault")

    def state(self) -> State:
        """What became of the fault that is on. Raises ProofError."""
        told = self._ask("GET", "/-/fault")
        return State(told["requests"], told["seen"], told["changed"], told["broke"], frozenset(told["places"]))

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = requests.request(method, self.origin + path, json=body, timeout=_DEADLINE_S)
        except requests.RequestException as error:
            raise ProofError(f"the control address of the instance does not answer: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise ProofError(f"{method} {path} answered {answer.status_code}: {answer.text[:200]}")
        return answer.json()
