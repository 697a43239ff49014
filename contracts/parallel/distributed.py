"""The part of a run that a process of pytest-xdist has."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from cdp.verdicts import Cell, Result
from contracts.parallel.desk import Visit
from contracts.parallel.share import Kit, Share, Told
from contracts.session import Obstacle


class DistributedShare(Share):
    """A share that is over when the process that keeps the run together says so, or is gone."""

    def __init__(self, given: Kit, visit: Visit) -> None:
        super().__init__(given)
        self._visit = visit
        self.latest: Told | None = None

    def judge(self, cell: Cell, number: int = 1, seed: int | None = None) -> Result:
        self.waiting()
        result = super().judge(cell, number, seed)
        self.latest = self.told(result)
        return result

    def waiting(self) -> None:
        super().waiting()
        if self._visit.over:
            raise Obstacle("the run was stopped")

    def close(self) -> None:
        super().close()
        self._visit.close()


def open_share(address: dict[str, Any]) -> DistributedShare:
    """The share of the process that was given this address. Raises Obstacle when there is no run any more."""
    visit = Visit(address)
    return DistributedShare(visit.kit(), visit)


def stop(session: pytest.Session, reason: str) -> NoReturn:
    """Run no further test here; the process that keeps the run together stops the others."""
    session.shouldstop = reason
    pytest.fail(reason, pytrace=False)
